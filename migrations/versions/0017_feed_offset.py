"""Positions of the feed go on after a restore into another server, whose transaction numbers may be lower."""

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None

_FEED = """
CREATE OR REPLACE VIEW event_feed AS
SELECT e.feed_position, e.id AS event_id, e.type AS event_type, e.created_at, p.kind, p.project_id, p.account,
  e.sequence
FROM events e JOIN tracked_projects p ON p.id = e.tracked_project_id
WHERE e.feed_position < CAST(CAST(pg_snapshot_xmin(pg_current_snapshot()) AS text) AS bigint)"""
_OFFSET = " + (SELECT o.transactions FROM feed_offset o)"


def upgrade() -> None:
    """Make the offset, and let the view add it."""
    table = op.create_table(
        "feed_offset",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("transactions", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("id = 1", name=op.f("ck_feed_offset_one_row")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_feed_offset")),
    )
    op.bulk_insert(table, [{"id": 1, "transactions": 0}])
    if op.get_context().dialect.name == "postgresql":
        op.execute(_FEED + _OFFSET)


def downgrade() -> None:
    """Go back to transaction numbers alone."""
    if op.get_context().dialect.name == "postgresql":
        op.execute(_FEED)
    op.drop_table("feed_offset")
