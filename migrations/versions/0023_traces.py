"""The trace headers that came with a tracking request: they go out with the project's events."""

import sqlalchemy as sa
from alembic import op

from worker.store.types import Document

revision = "0023"
down_revision = "0022"
branch_labels = None
depends_on = None
contracts = False


def upgrade() -> None:
    """Add the column."""
    op.add_column("tracked_projects", sa.Column("trace", Document, nullable=True))


def downgrade() -> None:
    """Drop it."""
    op.drop_column("tracked_projects", "trace")
