"""Webhooks of Magic Hour: the status that one reported, and those about projects that are not tracked yet."""

import sqlalchemy as sa
from alembic import op

revision = "0028"
down_revision = "0027"
branch_labels = None
depends_on = None
contracts = False


def upgrade() -> None:
    """Make the table and the column."""
    op.create_table(
        "pending_hints",
        sa.Column("kind", sa.String(5), nullable=False),
        sa.Column("project_id", sa.String(64), nullable=False),
        sa.Column("account", sa.String(63), nullable=False),
        sa.Column("received_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("kind", "project_id", "account", name=op.f("pk_pending_hints")),
    )
    op.add_column("tracked_projects", sa.Column("hinted_status", sa.String(20), nullable=True))
    op.create_index("ix_pending_hints_received_at", "pending_hints", ["received_at"])


def downgrade() -> None:
    """Drop them."""
    op.drop_column("tracked_projects", "hinted_status")
    op.drop_table("pending_hints")
