"""How often credits change after the end, by type and status: what was learned of it."""

import sqlalchemy as sa
from alembic import op

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the table."""
    op.create_table(
        "settling_rates",
        sa.Column("kind", sa.String(length=5), nullable=False),
        sa.Column("type", sa.String(length=200), nullable=False),
        sa.Column("status", sa.String(length=200), nullable=False),
        sa.Column("age", sa.Double(), nullable=False),
        sa.Column("rate", sa.Double(), nullable=False),
        sa.Column("learned_from", sa.Integer(), nullable=False),
        sa.Column("learned_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("rate >= 0 AND rate <= 1", name=op.f("ck_settling_rates_rate")),
        sa.PrimaryKeyConstraint("kind", "type", "status", "age", name=op.f("pk_settling_rates")),
    )


def downgrade() -> None:
    """Drop it."""
    op.drop_table("settling_rates")
