"""What endpoints answered to the last attempt of a delivery."""

import sqlalchemy as sa
from alembic import op

revision = "0025"
down_revision = "0024"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the columns."""
    op.add_column("deliveries", sa.Column("last_status", sa.Integer(), nullable=True))
    op.add_column("deliveries", sa.Column("last_seconds", sa.Double(), nullable=True))


def downgrade() -> None:
    """Drop them."""
    op.drop_column("deliveries", "last_seconds")
    op.drop_column("deliveries", "last_status")
