"""What keeps a recurring job from its work: beat that cannot send, a worker that cannot read the intake queue."""

import sqlalchemy as sa
from alembic import op

revision = "0024"
down_revision = "0023"
branch_labels = None
depends_on = None
contracts = False


def upgrade() -> None:
    """Add the column. Heartbeats of the version before have none."""
    op.add_column("heartbeats", sa.Column("problem", sa.Text(), nullable=True))


def downgrade() -> None:
    """Drop it."""
    op.drop_column("heartbeats", "problem")
