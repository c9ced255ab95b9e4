"""When a delivery was first attempted: it is tried for so long from then on, and not from its making."""

import sqlalchemy as sa
from alembic import op

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column. A delivery that was tried before gets its time with the next attempt."""
    op.add_column("deliveries", sa.Column("first_attempt_at", sa.DateTime(timezone=True), nullable=True))


def downgrade() -> None:
    """Drop it."""
    op.drop_column("deliveries", "first_attempt_at")
