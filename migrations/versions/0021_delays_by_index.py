"""Let readers of detection_delays find ends by an index: the view gives the project's own time of the end."""

from alembic import op

revision = "0021"
down_revision = "0020"
branch_labels = None
depends_on = None

_VIEW = """
CREATE {replace} VIEW detection_delays AS
SELECT p.kind, p.type, p.account, p.project_id, t.to_status AS status, t.observed_after AS still_running_at,
  {finished} AS finished_at, {seconds} AS uncertainty_seconds, p.checks_until_finished AS checks
FROM tracked_projects p
JOIN status_transitions t ON t.tracked_project_id = p.id AND t.observed_at = p.finished_at
  AND t.to_status IN ('complete', 'error', 'canceled')
WHERE t.observed_after IS NOT NULL
"""
_SECONDS = {
    "postgresql": "CAST(extract(epoch FROM t.observed_at - t.observed_after) AS double precision)",
    "sqlite": "(julianday(t.observed_at) - julianday(t.observed_after)) * 86400.0",
}


def upgrade() -> None:
    """Both times are the same, but only this one has an index."""
    _make("p.finished_at")


def downgrade() -> None:
    """Go back to the transition's time."""
    _make("t.observed_at")


def _make(finished: str) -> None:
    dialect = op.get_context().dialect.name
    if dialect == "sqlite":
        op.execute("DROP VIEW detection_delays")
    replace = "OR REPLACE" if dialect == "postgresql" else ""
    op.execute(_VIEW.format(replace=replace, finished=finished, seconds=_SECONDS[dialect]))
