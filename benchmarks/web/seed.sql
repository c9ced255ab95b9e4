-- What Renderwatch would have recorded of many projects: see seed.py.

INSERT INTO accounts (name, tokens, refilled_at, rate_factor, failure_streak, price)
VALUES ('default', 20, clock_timestamp(), 1, 0, 1.4), ('studio', 25, clock_timestamp(), 1, 0, 1.1)
ON CONFLICT DO NOTHING
;

CREATE TEMP TABLE seed ON COMMIT DROP AS
WITH types(place, kind, type, median, price) AS (VALUES
  (0, 'video', 'TEXT_TO_VIDEO', 51, 300), (1, 'video', 'IMAGE_TO_VIDEO', 74, 450), (2, 'video', 'FACE_SWAP', 96, 200),
  (3, 'image', 'AI_IMAGE', 8, 5), (4, 'image', 'AI_HEADSHOT', 38, 50), (5, 'audio', 'VOICE_GENERATOR', 21, 25),
  (6, 'video', 'LIP_SYNC', 229, 600)),
drawn AS (SELECT n, random() AS luck, random() AS fate, random() AS late, random() AS kind_of,
    sqrt(-2 * ln(1 - random())) * cos(2 * pi() * random()) AS spread
  FROM generate_series(1, :count) n),
timed AS (SELECT d.*, t.kind, t.type, t.price,
    clock_timestamp() - make_interval(secs => :days * 86400.0 * (:count - n) / :count) AS tracked_at,
    make_interval(secs => 2 + 20 * luck) AS waited,
    make_interval(secs => t.median * exp(0.4 * spread)) AS took, make_interval(secs => 0.5 + 9 * late) AS unsure
  FROM drawn d JOIN types t ON t.place = floor(kind_of * 7))
SELECT n, kind, type, price, tracked_at, tracked_at + waited AS started_at,
  tracked_at + waited + took AS finished_at, unsure, luck, late,
  CASE WHEN fate < 0.93 THEN 'complete' WHEN fate < 0.98 THEN 'error' ELSE 'canceled' END AS fate,
  CASE WHEN tracked_at + waited > clock_timestamp() THEN 'queued'
    WHEN tracked_at + waited + took > clock_timestamp() THEN 'rendering' ELSE 'ended' END AS now_is,
  (ARRAY['no_source_face', 'unknown_error', 'invalid_video_file', 'file_too_large'])[1 + floor(late * late * 4)] AS code,
  'c' || substr(md5('a' || n) || md5('b' || n), 1, 24) AS project_id,
  CASE WHEN n % 5 = 0 THEN 'studio' ELSE 'default' END AS account
FROM timed
;

INSERT INTO tracked_projects (id, kind, project_id, account, state, close_reason, status, credits_charged, error_code,
  error_message, type, name, width, height, fps, downloads, metadata, notify, created_at, tracked_at, opened_at,
  queued_at, started_at, finished_at, settling_since, closed_at, last_observed_at, next_check_at, check_count,
  checks_until_finished, failure_count, missing_count, transition_count, adjustment_count, event_count, closing_count)
SELECT n, kind, project_id, account,
  CASE WHEN now_is <> 'ended' THEN 'active' WHEN finished_at > clock_timestamp() - interval '75 min' THEN 'settling'
    ELSE 'closed' END,
  CASE WHEN now_is = 'ended' AND finished_at <= clock_timestamp() - interval '75 min' THEN 'settled' END,
  CASE WHEN now_is = 'ended' THEN fate ELSE now_is END,
  CASE WHEN now_is = 'ended' AND fate <> 'complete' AND late < 0.9 THEN 0 ELSE price END,
  CASE WHEN now_is = 'ended' AND fate = 'error' THEN code END,
  CASE WHEN now_is = 'ended' AND fate = 'error' THEN 'Please try another file' END,
  type, (ARRAY['Summer sale', 'Launch teaser', 'Untitled ' || lower(type), 'Product tour', 'Customer story'])[1 + n % 5]
    || ' ' || n, 1280, 720, 30, '[]', jsonb_build_object('order', 4000 + n, 'customer',
    (ARRAY['Acme', 'Globex', 'Initech', 'Umbrella'])[1 + n % 4]), '{}', tracked_at, tracked_at, tracked_at,
  started_at, CASE WHEN now_is <> 'queued' THEN started_at END, CASE WHEN now_is = 'ended' THEN finished_at END,
  CASE WHEN now_is = 'ended' THEN finished_at END,
  CASE WHEN now_is = 'ended' AND finished_at <= clock_timestamp() - interval '75 min' THEN finished_at + interval '75 min' END,
  least(finished_at, clock_timestamp()),
  CASE WHEN now_is <> 'ended' OR finished_at > clock_timestamp() - interval '75 min'
    THEN clock_timestamp() + make_interval(secs => 1 + 60 * luck) END,
  9 + floor(8 * luck), CASE WHEN now_is = 'ended' THEN 9 + floor(8 * luck) END, 0, 0,
  CASE now_is WHEN 'queued' THEN 1 WHEN 'rendering' THEN 2 ELSE 3 END,
  CASE WHEN now_is = 'ended' AND fate <> 'complete' AND late < 0.9 THEN 2 ELSE 1 END,
  CASE now_is WHEN 'queued' THEN 0 WHEN 'rendering' THEN 1 ELSE 2 END, 0
FROM seed
;

INSERT INTO status_transitions (tracked_project_id, sequence, from_status, to_status, observed_at, observed_after, source)
SELECT n, 1, NULL, 'queued', tracked_at + (started_at - tracked_at) / 4, NULL, 'poll' FROM seed
UNION ALL SELECT n, 2, 'queued', 'rendering', started_at, started_at - least(unsure, (started_at - tracked_at) / 2), 'poll'
  FROM seed WHERE now_is <> 'queued'
UNION ALL SELECT n, 3, 'rendering', fate, finished_at, finished_at - least(unsure, finished_at - started_at), 'poll'
  FROM seed WHERE now_is = 'ended'
;

INSERT INTO credit_adjustments (tracked_project_id, sequence, reason, amount, total, status, observed_at, source)
SELECT n, 1, 'charge', price, price, NULL, tracked_at, 'create' FROM seed
UNION ALL SELECT n, 2, 'refund', -price, 0, fate, finished_at + interval '2 min' * luck, 'settle'
  FROM seed WHERE now_is = 'ended' AND fate <> 'complete' AND late < 0.9
;

INSERT INTO events (id, tracked_project_id, sequence, type, dedup_key, payload, created_at)
SELECT '01998f4e-0000-7000-8000-' || lpad(to_hex((n) * 2 + 1), 12, '0'), n, 1, 'project.started', 'started',
  jsonb_build_object('id', '01998f4e-0000-7000-8000-' || lpad(to_hex((n) * 2 + 1), 12, '0'), 'type', 'project.started',
  'project_id', project_id, 'kind', kind, 'account', account, 'schema_version', 1, 'sequence', 1), started_at
  FROM seed WHERE now_is <> 'queued'
UNION ALL SELECT '01998f4e-0000-7000-8000-' || lpad(to_hex((n) * 2 + 2), 12, '0'), n, 2, ended, 'ended',
  jsonb_build_object('id', '01998f4e-0000-7000-8000-' || lpad(to_hex((n) * 2 + 2), 12, '0'), 'type', ended,
  'project_id', project_id, 'kind', kind, 'account', account, 'schema_version', 1, 'sequence', 2, 'status', fate), finished_at
  FROM (SELECT *, CASE fate WHEN 'complete' THEN 'project.completed' WHEN 'error' THEN 'project.failed'
    ELSE 'project.canceled' END AS ended FROM seed WHERE now_is = 'ended') s
;

INSERT INTO deliveries (event_id, destination, state, attempts, next_attempt_at, created_at, sent_at, last_error)
SELECT '01998f4e-0000-7000-8000-' || lpad(to_hex((n) * 2 + 2), 12, '0'),
  CASE WHEN n % 3 = 0 THEN 'celery:billing.book?queue=billing' ELSE 'celery:studio.on_render?queue=studio' END,
  CASE WHEN n % 3000 = 7 THEN 'dead' ELSE 'sent' END, CASE WHEN n % 3000 = 7 THEN 14 ELSE 1 END, finished_at, finished_at,
  CASE WHEN n % 3000 <> 7 THEN finished_at + interval '0.2 s' END,
  CASE WHEN n % 3000 = 7 THEN 'OperationalError: connection refused' END
FROM seed WHERE now_is = 'ended' ORDER BY n
;

INSERT INTO request_minutes (account, minute, requests)
SELECT 'default', date_trunc('minute', clock_timestamp()) - make_interval(mins => m), 260 + floor(120 * sin(m / 7.0) + 60 * random())
FROM generate_series(0, 300) m
;

SELECT setval('tracked_projects_id_seq', (SELECT max(id) FROM tracked_projects))
