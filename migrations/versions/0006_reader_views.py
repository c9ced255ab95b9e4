"""The views that readers rely on: projects and what became of them. Their indexes serve them."""

import sqlalchemy as sa
from alembic import op

from migrations.words import Words, words

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

# Name -> table, columns, condition. Partial ones cost the many updates of running projects nothing.
INDEXES = {
    "ix_tracked_projects_finished_at": ("tracked_projects", ["finished_at"], "finished_at IS NOT NULL"),
    "ix_tracked_projects_closed_at": ("tracked_projects", ["closed_at"], "closed_at IS NOT NULL"),
    "ix_tracked_projects_failed": ("tracked_projects", ["finished_at"], "status = 'error'"),
    "ix_tracked_projects_refund_due": (
        "tracked_projects",
        ["finished_at"],
        "status IN ('error', 'canceled') AND credits_charged > 0",
    ),
    "ix_tracked_projects_stalled": ("tracked_projects", ["stalled_at"], "stalled_at IS NOT NULL AND state <> 'closed'"),
    "ix_status_transitions_observed_at": ("status_transitions", ["observed_at"], None),
    "ix_credit_adjustments_observed_at": (
        "credit_adjustments",
        ["observed_at", "tracked_project_id", "amount", "sequence"],
        None,
    ),
    "ix_deliveries_dead": ("deliveries", ["created_at"], "state = 'dead'"),
    "ix_operator_actions_tracked_project_id": ("operator_actions", ["tracked_project_id"], None),
}
_OPEN = "p.state IN ('active', 'settling')"


def upgrade() -> None:
    """Make the indexes, then the views."""
    for name, (table, columns, condition) in INDEXES.items():
        where = None if condition is None else sa.text(condition)
        op.create_index(name, table, columns, sqlite_where=where, postgresql_where=where)
    for name, query in _views(words()).items():
        op.execute(f"CREATE VIEW {name} AS {query}")
    _redefine_detection_delays(by_project=True)


def downgrade() -> None:
    """Drop them."""
    _redefine_detection_delays(by_project=False)
    for name in reversed(_views(words())):
        op.execute(f"DROP VIEW {name}")
    for name, (table, _, _) in reversed(INDEXES.items()):
        op.drop_index(name, table_name=table)


def _redefine_detection_delays(*, by_project: bool) -> None:
    """Let the latest ends be found by the projects' index; or, going down, as the step before has it."""
    w = words()
    ends = "t.to_status IN ('complete', 'error', 'canceled')"
    join = f"JOIN status_transitions t ON t.tracked_project_id = p.id AND t.observed_at = p.finished_at AND {ends}"
    if by_project and w.postgresql:
        # One look-up for each project: the planner thinks that hardly a row of a plain join is left.
        join = f"""CROSS JOIN LATERAL (SELECT * FROM status_transitions t
  WHERE t.tracked_project_id = p.id AND t.observed_at = p.finished_at AND {ends} LIMIT 1) t"""
    finished = "p.finished_at" if by_project else "t.observed_at"
    query = f"""
SELECT p.kind, p.type, p.account, p.project_id, t.to_status AS status, t.observed_after AS still_running_at,
  {finished} AS finished_at, {_exact_seconds(w)} AS uncertainty_seconds, p.detection_delay AS delay_seconds,
  p.checks_until_finished AS checks
FROM tracked_projects p {join}
WHERE t.observed_after IS NOT NULL"""
    if w.postgresql:
        op.execute(f"CREATE OR REPLACE VIEW detection_delays AS {query}")
    else:
        op.execute("DROP VIEW detection_delays")
        op.execute(f"CREATE VIEW detection_delays AS {query}")


def _exact_seconds(w: Words) -> str:
    return w.pick(
        "CAST(extract(epoch FROM t.observed_at - t.observed_after) AS double precision)",
        "(julianday(t.observed_at) - julianday(t.observed_after)) * 86400.0",
    )


def _views(w: Words) -> dict[str, str]:
    return {
        "projects": _projects(w),
        "transitions": _transitions(w),
        "credit_ledger": _credit_ledger(),
        "project_timeline": _project_timeline(),
        "project_metadata": _project_metadata(w),
        "project_downloads": _project_downloads(w),
        "open_projects": _open_projects(w),
        "stalled_projects": _stalled_projects(w),
        "failures": _failures(w),
        "refunds_outstanding": _refunds_outstanding(w),
        "delivery_backlog": _delivery_backlog(w),
        "account_status": _account_status(w),
        "render_duration_percentiles": _percentiles(w),
        "tracker_health": _tracker_health(w),
    }


def _span(w: Words, start: str, end: str) -> str:
    """Return the seconds between two times that may be missing or, after a project came back to life, turned around."""
    return f"CASE WHEN {end} >= {start} THEN {w.seconds(start, end)} END"


_REFUNDED = """(SELECT CAST(coalesce(sum(a.amount), 0) AS bigint) FROM credit_adjustments a
  WHERE a.tracked_project_id = p.id AND a.reason = 'refund')"""


def _projects(w: Words) -> str:
    return f"""
SELECT p.kind, p.project_id, p.account, p.type, p.name, p.status, p.state, p.close_reason,
  p.finished_at IS NOT NULL AS is_finished, coalesce(p.close_reason = 'settled', false) AS is_settled,
  p.credits_charged,
  (SELECT a.amount FROM credit_adjustments a WHERE a.tracked_project_id = p.id AND a.sequence = 1) AS first_credits,
  {_REFUNDED} AS refunded_credits,
  CASE WHEN p.close_reason = 'settled' THEN p.credits_charged END AS final_credits,
  coalesce(p.status IN ('error', 'canceled') AND p.credits_charged > 0, false) AS is_refund_outstanding,
  p.error_code, p.error_message, p.width, p.height, p.fps, {w.length("p.downloads")} AS download_count, p.metadata,
  p.created_at, p.tracked_at, p.queued_at, p.started_at, p.finished_at, p.stalled_at, p.closed_at,
  {_span(w, "p.tracked_at", "p.queued_at")} AS wait_seconds,
  {_span(w, "coalesce(p.queued_at, p.opened_at)", "p.finished_at")} AS render_seconds,
  {_span(w, "p.tracked_at", "p.finished_at")} AS turnaround_seconds,
  p.last_observed_at AS observed_at, p.next_check_at, p.check_count, p.checks_until_finished
FROM tracked_projects p"""


def _transitions(w: Words) -> str:
    return f"""
SELECT p.kind, p.project_id, p.account, p.type, t.sequence, t.from_status, t.to_status, t.observed_at, t.observed_after,
  {w.seconds("t.observed_after", "t.observed_at")} AS uncertainty_seconds, t.source
FROM status_transitions t JOIN tracked_projects p ON p.id = t.tracked_project_id"""


def _credit_ledger() -> str:
    return """
SELECT p.kind, p.project_id, p.account, p.type, a.sequence, a.reason, a.amount AS amount_credits,
  a.total AS total_credits, a.status, a.observed_at, a.observed_after, a.source, a.corrects AS corrects_sequence,
  a.flagged AS is_flagged, p.tracked_at
FROM credit_adjustments a JOIN tracked_projects p ON p.id = a.tracked_project_id"""


def _project_timeline() -> str:
    return """
SELECT p.kind, p.project_id, p.account, p.tracked_at AS happened_at,
  CAST(NULL AS timestamp with time zone) AS not_before, 'tracked' AS entry,
  0 AS sequence, 'handed over' AS what, CAST(NULL AS bigint) AS amount_credits, 'create' AS source
FROM tracked_projects p
UNION ALL
SELECT p.kind, p.project_id, p.account, t.observed_at, t.observed_after, 'transition', t.sequence,
  coalesce(t.from_status || ' to ', '') || t.to_status, NULL, t.source
FROM status_transitions t JOIN tracked_projects p ON p.id = t.tracked_project_id
UNION ALL
SELECT p.kind, p.project_id, p.account, a.observed_at, a.observed_after, 'adjustment', a.sequence, a.reason, a.amount,
  a.source
FROM credit_adjustments a JOIN tracked_projects p ON p.id = a.tracked_project_id
UNION ALL
SELECT p.kind, p.project_id, p.account, e.created_at, NULL, 'event', e.sequence, e.type, NULL, NULL
FROM events e JOIN tracked_projects p ON p.id = e.tracked_project_id
UNION ALL
SELECT p.kind, p.project_id, p.account, o.acted_at, NULL, 'operator', 0, o.action, NULL, NULL
FROM operator_actions o JOIN tracked_projects p ON p.id = o.tracked_project_id"""


def _project_metadata(w: Words) -> str:
    value = w.pick(
        "m.value",
        "CASE m.type WHEN 'true' THEN 'true' WHEN 'false' THEN 'false' ELSE CAST(m.value AS text) END",
    )
    each = w.pick("jsonb_each_text(p.metadata)", "json_each(p.metadata)")
    return f"""
SELECT p.kind, p.project_id, p.account, p.type, m.key, {value} AS value, p.status, p.credits_charged, p.tracked_at,
  p.finished_at
FROM tracked_projects p CROSS JOIN {each} m"""


def _project_downloads(w: Words) -> str:
    # A signed link is a secret: all of it but the host and the path is left out.
    url = w.pick("d.value ->> 'url'", "json_extract(d.value, '$.url')")
    expires = w.pick("d.value ->> 'expires_at'", "json_extract(d.value, '$.expires_at')")
    each = w.pick(
        "jsonb_array_elements(p.downloads) WITH ORDINALITY AS d(value, ordinality)", "json_each(p.downloads) d"
    )
    bare = w.before(w.before(url, "?"), "#")
    path = w.pick(
        f"regexp_replace({bare}, '^([a-z]+://)[^/]*@', '\\1')",
        f"CASE WHEN instr({bare}, '@') > 0 THEN NULL ELSE {bare} END",
    )
    return f"""
SELECT p.kind, p.project_id, p.account, p.type, {w.pick("CAST(d.ordinality AS integer)", "d.key + 1")} AS position,
  {path} AS location, {expires} AS link_expires_at, p.last_observed_at AS observed_at
FROM tracked_projects p CROSS JOIN {each}"""


def _open_projects(w: Words) -> str:
    return f"""
SELECT p.kind, p.project_id, p.account, p.type, p.name, p.status, p.state, p.credits_charged, p.tracked_at,
  {w.seconds("p.opened_at", w.now)} AS age_seconds, p.last_observed_at AS observed_at,
  {w.seconds("p.last_observed_at", w.now)} AS observed_seconds_ago, p.next_check_at,
  coalesce(p.leased_until > {w.now}, false) AS is_being_checked,
  p.next_check_at < {w.earlier(120)} AND coalesce(p.leased_until <= {w.now}, true) AS is_overdue,
  p.check_count, p.failure_count, p.last_problem, p.stalled_at
FROM tracked_projects p WHERE {_OPEN}"""


def _stalled_projects(w: Words) -> str:
    return f"""
SELECT p.kind, p.project_id, p.account, p.type, p.name, p.status, p.credits_charged, p.tracked_at, p.stalled_at,
  {w.seconds("p.opened_at", w.now)} AS age_seconds, {w.seconds("p.stalled_at", w.now)} AS stalled_seconds,
  p.last_observed_at AS observed_at, p.next_check_at, p.last_problem
FROM tracked_projects p WHERE p.stalled_at IS NOT NULL AND p.state <> 'closed' AND p.finished_at IS NULL"""


def _failures(w: Words) -> str:
    return f"""
SELECT p.kind, p.project_id, p.account, p.type, p.error_code, p.error_message, p.finished_at, p.credits_charged,
  {_REFUNDED} AS refunded_credits, p.credits_charged > 0 AS is_refund_outstanding,
  {_span(w, "coalesce(p.queued_at, p.opened_at)", "p.finished_at")} AS render_seconds, p.state,
  p.last_observed_at AS observed_at
FROM tracked_projects p WHERE p.status = 'error'"""


def _refunds_outstanding(w: Words) -> str:
    return f"""
SELECT p.kind, p.project_id, p.account, p.type, p.status, p.error_code, p.credits_charged AS outstanding_credits,
  {_REFUNDED} AS refunded_credits, p.finished_at, {w.seconds("p.finished_at", w.now)} AS outstanding_seconds, p.state,
  p.close_reason, p.last_observed_at AS observed_at, p.next_check_at
FROM tracked_projects p WHERE p.status IN ('error', 'canceled') AND p.credits_charged > 0"""


def _delivery_backlog(w: Words) -> str:
    # The query of a web address may be a secret; that of a Celery destination names its queue.
    destination = (
        f"CASE WHEN d.destination LIKE 'celery:%' THEN d.destination ELSE {w.before('d.destination', '?')} END"
    )
    part = f"""
SELECT p.kind, p.project_id, p.account, e.type AS event_type, e.id AS event_id, {destination} AS destination, d.state,
  d.attempts, d.created_at, {w.seconds("d.created_at", w.now)} AS waiting_seconds, d.next_attempt_at, d.last_error
FROM deliveries d JOIN events e ON e.id = d.event_id JOIN tracked_projects p ON p.id = e.tracked_project_id
WHERE d.state = """
    return f"{part} 'pending' UNION ALL {part} 'dead'"


def _account_status(w: Words) -> str:
    return f"""
SELECT a.name AS account, coalesce(a.paused_until > {w.now}, false) AS is_paused, a.pause_reason, a.paused_until,
  a.rate_factor, a.failure_streak,
  (SELECT count(*) FROM tracked_projects p WHERE p.account = a.name AND {_OPEN}) AS open_projects
FROM accounts a"""


def _tracker_health(w: Words) -> str:
    dispatched = "(SELECT h.beat_at FROM heartbeats h WHERE h.name = 'dispatch')"
    return f"""
SELECT {w.now} AS now, {dispatched} AS last_dispatch_at, {w.seconds(dispatched, w.now)} AS dispatched_seconds_ago,
  coalesce({dispatched} >= {w.earlier(30)}, false) AS is_dispatching, o.open_projects, o.overdue_projects,
  o.oldest_due_at, o.last_observed_at,
  (SELECT count(*) FROM accounts a WHERE a.paused_until > {w.now}) AS paused_accounts,
  (SELECT count(*) FROM deliveries d WHERE d.state = 'pending') AS pending_deliveries,
  (SELECT count(*) FROM deliveries d WHERE d.state = 'dead') AS dead_deliveries,
  (SELECT v.version_num FROM renderwatch_version v) AS schema_revision
FROM (
  SELECT count(*) AS open_projects, coalesce(sum(CASE WHEN is_overdue THEN 1 ELSE 0 END), 0) AS overdue_projects,
    min(CASE WHEN next_check_at < {w.now} THEN next_check_at END) AS oldest_due_at,
    max(observed_at) AS last_observed_at
  FROM open_projects) o"""


_LATEST = 500


def _percentiles(w: Words) -> str:
    """Nearest-rank percentiles of the latest renders of each type: as fast with a million projects as with few."""
    took = w.seconds("coalesce(p.queued_at, p.opened_at)", "p.finished_at")
    complete = "p.status = 'complete' AND p.finished_at >= coalesce(p.queued_at, p.opened_at)"
    if w.postgresql:
        return f"""
WITH RECURSIVE types AS (
  (SELECT kind, type FROM tracked_projects WHERE finished_at IS NOT NULL AND type IS NOT NULL
   ORDER BY kind, type LIMIT 1)
  UNION ALL
  SELECT following.kind, following.type FROM types CROSS JOIN LATERAL (
    SELECT p.kind, p.type FROM tracked_projects p
    WHERE p.finished_at IS NOT NULL AND (p.kind, p.type) > (types.kind, types.type)
    ORDER BY p.kind, p.type LIMIT 1) following
)
SELECT ranked.kind, ranked.type, ranked.renders, ranked.mean_seconds, ranked.p[1] AS p50_seconds,
  ranked.p[2] AS p90_seconds, ranked.p[3] AS p95_seconds, ranked.p[4] AS p99_seconds, ranked.longest_seconds,
  ranked.since, ranked.until
FROM (
SELECT types.kind, types.type, count(*) AS renders, avg(r.took) AS mean_seconds,
  percentile_disc(ARRAY[0.5, 0.9, 0.95, 0.99]) WITHIN GROUP (ORDER BY r.took) AS p,
  max(r.took) AS longest_seconds, min(r.finished_at) AS since, max(r.finished_at) AS until
FROM types CROSS JOIN LATERAL (
  SELECT {took} AS took, p.finished_at FROM tracked_projects p
  WHERE p.kind = types.kind AND p.type = types.type AND p.finished_at IS NOT NULL AND {complete}
  ORDER BY p.finished_at DESC LIMIT {_LATEST}) r
GROUP BY types.kind, types.type) ranked"""

    def rank(share: float) -> str:
        return f"min(CASE WHEN r.rank >= {share} * r.renders THEN r.took END)"

    return f"""
SELECT r.kind, r.type, count(*) AS renders, avg(r.took) AS mean_seconds, {rank(0.5)} AS p50_seconds,
  {rank(0.9)} AS p90_seconds, {rank(0.95)} AS p95_seconds, {rank(0.99)} AS p99_seconds,
  max(r.took) AS longest_seconds, min(r.finished_at) AS since, max(r.finished_at) AS until
FROM (
  SELECT l.*, row_number() OVER (PARTITION BY l.kind, l.type ORDER BY l.took) AS rank,
    count(*) OVER (PARTITION BY l.kind, l.type) AS renders
  FROM (
    SELECT p.kind, p.type, {took} AS took, p.finished_at,
      row_number() OVER (PARTITION BY p.kind, p.type ORDER BY p.finished_at DESC) AS newer
    FROM tracked_projects p WHERE p.finished_at IS NOT NULL AND p.type IS NOT NULL AND {complete}) l
  WHERE l.newer <= {_LATEST}) r
GROUP BY r.kind, r.type"""
