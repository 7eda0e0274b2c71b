-- Statements on submissions, by name: the same in every database.

-- name: add_submission
INSERT INTO submissions (batch, request_id, lane, name, rows, intended_at, sent_at, request)
VALUES (:batch, :request_id, :lane, :name, :rows, :intended_at, :sent_at, :request)
RETURNING key;

-- name: add_intent
INSERT INTO intents (id, attempt, at, request_id, intended_at, tagged, lane, may_take, request, detail, proven_at)
VALUES (:id, :attempt, :at, :request_id, :intended_at, :tagged, :lane, :may_take, :request, :detail, :proven_at);

-- name: drop_intents
DROP TABLE intents;

-- name: wrong_intent
-- An intent of a row that does not exist, or that has changed since its step was made.
SELECT i.id, i.attempt, coalesce(e.state, 'unknown') AS state, e.attempt AS stored_attempt, e.lane AS stored_lane
FROM intents AS i LEFT JOIN entries AS e ON e.batch = :batch AND e.id = i.id
WHERE e.key IS NULL OR e.state NOT IN ('planned', 'backoff') OR e.attempt <> i.attempt
    OR (e.intended_at IS NOT NULL AND e.request_id <> i.request_id)
LIMIT 1;

-- name: intend
UPDATE entries SET
    state = 'submitting', due = NULL, request_id = i.request_id, intended_at = i.intended_at, tagged = i.tagged,
    lane = i.lane, may_take = i.may_take, request = coalesce(i.request, entries.request)
FROM intents AS i WHERE entries.batch = :batch AND entries.id = i.id;

-- name: keep_intended_proofs
INSERT INTO proofs (entry, at)
SELECT e.key, i.proven_at FROM intents AS i CROSS JOIN entries AS e ON e.batch = :batch AND e.id = i.id
WHERE i.proven_at IS NOT NULL
ON CONFLICT (entry) DO UPDATE SET at = excluded.at;

-- name: add_submission_rows
INSERT INTO submission_rows (submission, entry, attempt, intent)
SELECT CAST(:submission AS BIGINT), e.key, i.attempt, (SELECT count(*) FROM events WHERE entry = e.key AND kind = 'intended')
FROM intents AS i CROSS JOIN entries AS e ON e.batch = :batch AND e.id = i.id;

-- name: update_submission
UPDATE submissions SET
    standing = :standing, sent_at = :sent_at, batch_id = :batch_id, batch_uuid = :batch_uuid, status = :status, code = :code,
    message = :message, request = CASE WHEN :standing = 'over' THEN NULL ELSE request END
WHERE batch = :batch AND request_id = :request_id;

-- name: forget_when_sent
UPDATE submissions SET sent_at = NULL WHERE batch = :batch AND standing <> 'over' AND sent_at IS NOT NULL;

-- name: submission
SELECT
    key, request_id, lane, name, rows, intended_at, standing, sent_at, batch_id, batch_uuid, status, code, message, request
FROM submissions WHERE batch = :batch AND request_id = :request_id;

-- name: open_submissions
SELECT
    key, request_id, lane, name, rows, intended_at, standing, sent_at, batch_id, batch_uuid, status, code, message, request
FROM submissions WHERE batch = :batch AND standing <> 'over' ORDER BY key;

-- name: rows_that_wait
-- Rows whose last intent was by a submission, and is not settled.
SELECT r.submission, e.id
FROM entries AS e JOIN submission_rows AS r ON r.entry = e.key
WHERE e.batch = :batch AND e.state = 'submitting'
    AND r.intent = (SELECT count(*) FROM events WHERE entry = e.key AND kind = 'intended')
ORDER BY r.submission, e.position;

-- name: count_waiting
-- The same rows, counted; submissions come first in the join, since few are open.
SELECT s.standing, count(DISTINCT s.key) AS submissions, count(*) AS rows
FROM submissions AS s JOIN submission_rows AS r ON r.submission = s.key JOIN entries AS e ON e.key = r.entry
WHERE s.batch = :batch AND s.standing <> 'over' AND e.state = 'submitting'
    AND r.intent = (SELECT count(*) FROM events WHERE entry = e.key AND kind = 'intended')
GROUP BY s.standing;

-- name: row_that_waits
SELECT e.id
FROM submissions AS s JOIN submission_rows AS r ON r.submission = s.key JOIN entries AS e ON e.key = r.entry
WHERE s.request_id = :request_id AND e.state = 'submitting'
    AND r.intent = (SELECT count(*) FROM events WHERE entry = e.key AND kind = 'intended')
LIMIT 1;

-- name: last_submission
-- The one by which the attempt was sent last; no row where that was by StartRun.
SELECT
    s.key, s.request_id, s.lane, s.name, s.rows, s.intended_at, s.standing, s.sent_at, s.batch_id, s.batch_uuid, s.status,
    s.code, s.message, s.request
FROM entries AS e JOIN submission_rows AS r ON r.entry = e.key JOIN submissions AS s ON s.key = r.submission
WHERE e.batch = :batch AND e.id = :id AND r.attempt = :attempt AND r.intent = (
    SELECT count(*) FROM events WHERE entry = e.key AND kind = 'intended' AND attempt <= :attempt
);

-- name: entries
SELECT * FROM entry_rows WHERE batch = :batch AND id IN (SELECT value FROM json_each(:ids)) ORDER BY position;

-- name: wanted_run
SELECT e.id
FROM submissions AS s JOIN submission_rows AS r ON r.submission = s.key JOIN entries AS e ON e.key = r.entry
WHERE s.batch = :batch AND s.request_id = :request_id AND e.state = 'active' AND e.attempt = r.attempt
    AND NOT EXISTS (SELECT 1 FROM cancellations WHERE entry = e.key AND scope = 'run')
LIMIT 1;

-- name: count_submissions
SELECT count(*) FROM submissions WHERE batch = :batch;

-- ------------------------------------------------------------------ shapes

-- name: unshaped
SELECT r.*
FROM (
    SELECT key, position FROM (
        SELECT key, position FROM entries
        WHERE batch = :batch AND state = 'planned' AND in_manifest = 1 AND position > :after
            AND NOT EXISTS (SELECT 1 FROM shapes WHERE entry = entries.key)
        ORDER BY position LIMIT :limit
    ) AS a
    UNION ALL
    SELECT key, position FROM (
        SELECT key, position FROM entries
        WHERE batch = :batch AND state = 'backoff' AND in_manifest = 1 AND position > :after
            AND NOT EXISTS (SELECT 1 FROM shapes WHERE entry = entries.key)
        ORDER BY position LIMIT :limit
    ) AS b
    ORDER BY position LIMIT :limit
) AS d JOIN entry_rows AS r ON r.key = d.key
ORDER BY d.position;

-- name: keep_shape
INSERT INTO shapes (entry, shape)
SELECT e.key, CAST(:shape AS TEXT) FROM json_each(:ids) AS j CROSS JOIN entries AS e ON e.id = j.value
WHERE e.batch = :batch
ON CONFLICT (entry) DO UPDATE SET shape = excluded.shape;

-- name: shaped_choices
SELECT e.may_take, s.shape, count(*) AS rows
FROM entries AS e JOIN shapes AS s ON s.entry = e.key
WHERE e.batch = :batch AND e.state IN ('planned', 'backoff') AND e.run_status IS NULL AND e.in_manifest = 1
    AND NOT EXISTS (SELECT 1 FROM cancellations WHERE entry = e.key)
GROUP BY e.may_take, s.shape ORDER BY coalesce(e.may_take, ''), s.shape;

-- name: next_due_of_shape
SELECT min(e.due)
FROM entries AS e JOIN shapes AS s ON s.entry = e.key AND s.shape = :shape
WHERE e.batch = :batch AND e.state IN ('planned', 'backoff') AND e.run_status IS NULL AND e.in_manifest = 1
    AND e.due > :after AND coalesce(e.may_take, '') = coalesce(CAST(:lanes AS TEXT), '');
