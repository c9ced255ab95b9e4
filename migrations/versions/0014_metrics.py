"""What metrics count and read: totals of all processes, and two indexes of what is open and what is pending."""

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

_OPEN = sa.text("state <> 'closed'")
_PENDING = sa.text("state = 'pending'")


def upgrade() -> None:
    """Make them."""
    op.create_table(
        "metric_totals",
        sa.Column("metric", sa.String(length=60), nullable=False),
        sa.Column("labels", sa.String(length=400), nullable=False),
        sa.Column("shard", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("value", sa.BigInteger(), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("metric", "labels", "shard", name=op.f("pk_metric_totals")),
    )
    op.create_index(
        "ix_tracked_projects_open", "tracked_projects", ["kind", "state"], sqlite_where=_OPEN, postgresql_where=_OPEN
    )
    op.create_index(
        "ix_deliveries_pending_created",
        "deliveries",
        ["created_at"],
        sqlite_where=_PENDING,
        postgresql_where=_PENDING,
    )
    if op.get_context().dialect.name == "postgresql":
        # Room for each page's updates, so that none of them touches the index.
        op.execute("ALTER TABLE metric_totals SET (fillfactor = 50)")


def downgrade() -> None:
    """Remove them."""
    op.drop_index("ix_deliveries_pending_created", "deliveries")
    op.drop_index("ix_tracked_projects_open", "tracked_projects")
    op.drop_table("metric_totals")
