"""A year of projects, made by PostgreSQL itself: a million in a few minutes."""

from typing import Final

from sqlalchemy import Connection, text

# Project number i of :count. The last few are open; one in a dozen failed; of those, one in 200 has no refund yet.
_PROJECTS: Final = """
INSERT INTO tracked_projects (id, kind, project_id, account, state, close_reason, status, credits_charged, error_code,
  error_message, type, name, width, height, fps, downloads, metadata, notify, created_at, tracked_at, opened_at,
  queued_at, started_at, finished_at, closed_at, last_observed_at, next_check_at, check_gap, check_count,
  checks_until_finished, failure_count, missing_count, transition_count, adjustment_count, event_count, closing_count)
SELECT i, kind, 'p' || lpad(i::text, 12, '0'), (ARRAY['default', 'studio', 'labs'])[1 + i % 3],
  CASE WHEN is_open THEN 'active' ELSE 'closed' END, CASE WHEN NOT is_open THEN 'settled' END,
  CASE WHEN is_open THEN 'rendering' ELSE status END,
  CASE WHEN NOT is_open AND status IN ('error', 'canceled') AND i % 200 <> 7 THEN 0 ELSE price END,
  CASE WHEN NOT is_open AND status = 'error' THEN (ARRAY['no_face', 'render_failed', 'bad_input'])[1 + i % 3] END,
  CASE WHEN NOT is_open AND status = 'error' THEN 'the render failed' END, kind || '_type_' || i % 8, 'Render ' || i,
  1024, 768, CASE WHEN kind = 'video' THEN 30 END,
  CASE WHEN status = 'complete' THEN jsonb_build_array(jsonb_build_object(
    'url', 'https://files.example.com/' || i || '?signature=' || md5(i::text), 'expires_at', '2026-01-01T00:00:00Z'))
    ELSE '[]' END,
  jsonb_build_object('customer', 'customer-' || i % 500, 'order', i), '{}', at, at, at, at + interval '20 seconds',
  at + interval '25 seconds', CASE WHEN NOT is_open THEN at + took END,
  CASE WHEN NOT is_open THEN at + took + interval '75 minutes' END, CASE WHEN is_open THEN now() ELSE at + took END,
  CASE WHEN is_open THEN now() + interval '10 seconds' END, 5, 12, CASE WHEN NOT is_open THEN 8 END, 0, 0,
  CASE WHEN is_open THEN 2 ELSE 3 END,
  1 + CASE WHEN NOT is_open AND status <> 'complete' AND i % 200 <> 7 THEN 1 ELSE 0 END,
  CASE WHEN is_open THEN 0 ELSE 1 END, CASE WHEN is_open THEN 0 ELSE 1 END
FROM (
  SELECT i, i > :count - least(:count / 200, 2000) AS is_open, 50 + i % 400 AS price,
    now() - interval '1 hour' - (:count - i) * interval '365 days' / :count AS at,
    interval '1 second' * (30 + i % 570) AS took,
    CASE WHEN i % 10 < 6 THEN 'video' WHEN i % 10 < 9 THEN 'image' ELSE 'audio' END AS kind,
    CASE WHEN i % 100 IN (7, 17, 27, 37, 47, 57, 67) THEN 'error' WHEN i % 100 = 77 THEN 'canceled'
      ELSE 'complete' END AS status
  FROM generate_series(1, :count) i) p
"""
_HISTORY: Final = (
    """
INSERT INTO metadata_values (tracked_project_id, key, value)
SELECT p.id, m.key, m.value FROM tracked_projects p CROSS JOIN LATERAL renderwatch_metadata_rows(p.metadata) m
ORDER BY p.id""",
    """
INSERT INTO status_transitions (tracked_project_id, sequence, from_status, to_status, observed_at,
  observed_after, source)
SELECT id, s, (ARRAY[NULL, 'queued', 'rendering'])[s], (ARRAY['queued', 'rendering', status])[s],
  (ARRAY[queued_at, started_at, finished_at])[s],
  (ARRAY[tracked_at, queued_at, finished_at - interval '3 s'])[s], 'poll'
FROM tracked_projects CROSS JOIN generate_series(1, 3) s WHERE s <= transition_count ORDER BY id, s""",
    """
INSERT INTO credit_adjustments (tracked_project_id, sequence, reason, amount, total, status, observed_at, source)
SELECT id, s, CASE WHEN s = 2 THEN 'refund' WHEN kind = 'video' THEN 'estimate' ELSE 'charge' END,
  CASE s WHEN 1 THEN 50 + id % 400 ELSE -(50 + id % 400) END, CASE s WHEN 1 THEN 50 + id % 400 ELSE 0 END, status,
  CASE s WHEN 1 THEN tracked_at ELSE finished_at + interval '2 minutes' END, 'poll'
FROM tracked_projects CROSS JOIN generate_series(1, 2) s WHERE s <= adjustment_count ORDER BY id, s""",
    """
INSERT INTO events (id, tracked_project_id, sequence, type, dedup_key, payload, created_at, feed_position)
SELECT '00000000-0000-7000-8000-' || lpad(id::text, 12, '0'), id, 1, 'project.completed', 'finished',
  jsonb_build_object('project_id', project_id, 'status', status, 'metadata', metadata), finished_at, 1
FROM tracked_projects WHERE event_count = 1 ORDER BY id""",
    """
INSERT INTO deliveries (event_id, destination, state, attempts, next_attempt_at, created_at, sent_at, last_error)
SELECT '00000000-0000-7000-8000-' || lpad(id::text, 12, '0'), 'celery:studio.on_render?queue=studio',
  CASE WHEN id % 10000 = 1 THEN 'dead' ELSE 'sent' END, 1, finished_at, finished_at,
  CASE WHEN id % 10000 <> 1 THEN finished_at END, CASE WHEN id % 10000 = 1 THEN 'no such task' END
FROM tracked_projects WHERE event_count = 1 ORDER BY id""",
    """
INSERT INTO balance_samples (account, observed_at, credits)
SELECT 'default', now() - h * interval '1 day', 100000000 + h FROM generate_series(1, 60) h""",
    "INSERT INTO heartbeats (name, beat_at) VALUES ('dispatch', now())",
    "SELECT setval(pg_get_serial_sequence('tracked_projects', 'id'), :count)",
)


def fill(connection: Connection, count: int) -> None:
    """Store a year of projects, with their history, ledger, events and deliveries."""
    connection.execute(text("SET LOCAL session_replication_role = replica"))  # what refers to what is right by itself
    connection.execute(text("SET LOCAL statement_timeout = 0"))
    for name in ("default", "studio", "labs"):
        connection.execute(
            text(
                "INSERT INTO accounts (name, tokens, refilled_at, rate_factor, failure_streak)"
                " VALUES (:name, 0, now(), 1, 0)"
            ),
            {"name": name},
        )
    for statement in (_PROJECTS, *_HISTORY):
        connection.execute(text(statement), {"count": count} if ":count" in statement else {})
