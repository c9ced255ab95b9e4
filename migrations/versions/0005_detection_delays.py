"""How exact the time of each end is, beside what it cost to see it: for readers."""

from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

_VIEW = """
CREATE VIEW detection_delays AS
SELECT p.kind, p.type, p.account, p.project_id, t.to_status AS status, t.observed_after AS still_running_at,
  t.observed_at AS finished_at, {seconds} AS uncertainty_seconds, p.detection_delay AS delay_seconds,
  p.checks_until_finished AS checks
FROM tracked_projects p
JOIN status_transitions t ON t.tracked_project_id = p.id AND t.observed_at = p.finished_at
  AND t.to_status IN ('complete', 'error', 'canceled')
WHERE t.observed_after IS NOT NULL
"""
_SECONDS = {
    "postgresql": "CAST(extract(epoch FROM t.observed_at - t.observed_after) AS double precision)",
    "sqlite": "(julianday(t.observed_at) - julianday(t.observed_after)) * 86400.0",
}
_COMMENTS = {
    "kind": "video, image or audio",
    "type": "the type of render, as Magic Hour names it",
    "account": "whose API key was used",
    "project_id": "the id that the create call returned",
    "status": "how it ended: complete, error or canceled",
    "still_running_at": "the last time, UTC, at which it certainly still ran",
    "finished_at": "when its end was seen, UTC",
    "uncertainty_seconds": "the end fell within so many seconds before finished_at",
    "delay_seconds": "how long before finished_at the end was: an estimate, from what was known of the type",
    "checks": "how many requests it took to see the end, the last one included",
}


def upgrade() -> None:
    """Make the view."""
    dialect = op.get_context().dialect.name
    op.execute(_VIEW.format(seconds=_SECONDS[dialect]))
    if dialect == "postgresql":
        op.execute("COMMENT ON VIEW detection_delays IS 'Each finished render: how exact its end is known'")
        for column, comment in _COMMENTS.items():
            op.execute(f"COMMENT ON COLUMN detection_delays.{column} IS '{comment}'")


def downgrade() -> None:
    """Drop the view."""
    op.execute("DROP VIEW detection_delays")
