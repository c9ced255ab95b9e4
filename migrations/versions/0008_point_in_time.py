"""What was believed at a time, and news in an order that is safe to read on from."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

_AS_OF = """
CREATE FUNCTION projects_as_of(moment timestamp with time zone)
RETURNS TABLE (kind text, project_id text, account text, status text, status_since timestamp with time zone,
  credits_charged bigint, credits_since timestamp with time zone)
LANGUAGE sql STABLE AS $$
SELECT p.kind, p.project_id, p.account, t.to_status, t.observed_at, l.total_credits, l.observed_at
FROM projects p
LEFT JOIN LATERAL (
  SELECT t.to_status, t.observed_at FROM transitions t
  WHERE t.kind = p.kind AND t.project_id = p.project_id AND t.observed_at <= moment ORDER BY t.sequence DESC LIMIT 1
) t ON true
LEFT JOIN LATERAL (
  SELECT l.total_credits, l.observed_at FROM credit_ledger l
  WHERE l.kind = p.kind AND l.project_id = p.project_id AND l.observed_at <= moment ORDER BY l.sequence DESC LIMIT 1
) l ON true
WHERE p.tracked_at <= moment
$$
"""
_COMMENT = """What was believed at a moment: each project that was followed by then, with the status and the credits
last observed until then; from the history that nobody rewrites"""
# In PostgreSQL an event keeps the number of its transaction, and only those are shown that no running transaction can
# still come before. SQLite has one writer at a time, so counting is enough.
_FEED = """
CREATE VIEW event_feed AS
SELECT e.feed_position, e.id AS event_id, e.type AS event_type, e.created_at, p.kind, p.project_id, p.account,
  e.sequence
FROM events e JOIN tracked_projects p ON p.id = e.tracked_project_id
"""
_SETTLED = "WHERE e.feed_position < CAST(CAST(pg_snapshot_xmin(pg_current_snapshot()) AS text) AS bigint)"


def upgrade() -> None:
    """Make the column, the view and the function. What was there before has position 0."""
    position = sa.Column("feed_position", sa.BigInteger(), server_default=sa.text("0"), nullable=False)
    op.add_column("events", position)
    op.create_index("ix_events_feed", "events", ["feed_position", "id"])
    postgresql = op.get_context().dialect.name == "postgresql"
    op.execute(_FEED + (_SETTLED if postgresql else ""))
    if postgresql:
        op.execute(_AS_OF)
        op.execute(f"COMMENT ON FUNCTION projects_as_of IS '{_COMMENT}'")


def downgrade() -> None:
    """Drop them."""
    if op.get_context().dialect.name == "postgresql":
        op.execute("DROP FUNCTION projects_as_of")
    op.execute("DROP VIEW event_feed")
    op.drop_index("ix_events_feed", table_name="events")
    op.drop_column("events", "feed_position")
