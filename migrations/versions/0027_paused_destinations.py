"""Who paused a destination, when and why, when it was resumed, and what its last attempt brought."""

from typing import Any, Final

import sqlalchemy as sa
from alembic import op

revision = "0027"
down_revision = "0026"
branch_labels = None
depends_on = None

_TIME = sa.DateTime(timezone=True)
_COLUMNS: Final[tuple[tuple[str, Any], ...]] = (
    ("paused_at", _TIME),
    ("paused_by", sa.String(200)),
    ("pause_reason", sa.Text()),
    ("resumed_at", _TIME),
    ("attempted_at", _TIME),
    ("last_status", sa.Integer()),
    ("last_seconds", sa.Double()),
)


def upgrade() -> None:
    """Add the columns."""
    for name, type_ in _COLUMNS:
        op.add_column("destinations", sa.Column(name, type_, nullable=True))


def downgrade() -> None:
    """Drop them."""
    for name, _ in reversed(_COLUMNS):
        op.drop_column("destinations", name)
