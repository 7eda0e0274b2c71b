-- Checks of `verify`, by name: the same in every database. All only read, and are streamed.

-- name: fences
-- Every write is fenced, so a batch with a history has had a lease.
SELECT b.name, l.fence
FROM batches AS b LEFT JOIN leases AS l ON l.batch = b.key
WHERE l.fence < 1
    OR (l.fence IS NULL AND EXISTS (
        SELECT 1 FROM entries AS e JOIN events AS v ON v.entry = e.key WHERE e.batch = b.key
    ));

-- name: shared_runs
-- A run of two entries, or of two attempts of one; within each table the schema excludes it.
SELECT s.run_uuid, b.name, e.id, coalesce((SELECT id FROM entries WHERE key = s.other), '?') AS other
FROM (
    SELECT run_uuid, min(entry) AS one, max(entry) AS other
    FROM (
        SELECT key AS entry, run_uuid, lane FROM entries WHERE run_uuid IS NOT NULL
        UNION ALL
        SELECT entry, run_uuid, lane FROM attempts WHERE run_uuid IS NOT NULL
    ) AS every
    GROUP BY run_uuid, lane HAVING count(*) > 1
) AS s JOIN entries AS e ON e.key = s.one JOIN batches AS b ON b.key = e.batch;

-- name: stored_entries
SELECT r.*, e.request_id, coalesce(b.name, '?') AS batch_name
FROM entry_rows AS r JOIN entries AS e ON e.key = r.key LEFT JOIN batches AS b ON b.key = r.batch
ORDER BY r.key;

-- name: stored_attempts
SELECT
    entry, attempt, request_id, intended_at, code, message,
    run_id, run_uuid, run_arn, run_status, run_output_uri, run_creation_time, run_start_time, run_stop_time,
    run_failure_reason, run_status_message, tagged, accepted_at, request, lane
FROM attempts ORDER BY entry, attempt;

-- name: stored_events
-- By the index, which has an entry's events in the order of recording.
SELECT entry, attempt, at, kind, detail FROM events INDEXED BY events_of_entry ORDER BY entry, key;

-- name: attempts_in_lanes
-- Each attempt that has a lane, with the lane's region and account, if the batch has it.
SELECT b.name AS batch, s.id, s.attempt, s.lane, s.run_uuid, s.run_arn, l.region, l.account
FROM (
    SELECT batch, id, attempt, lane, run_uuid, run_arn FROM entries WHERE lane IS NOT NULL
    UNION ALL
    SELECT e.batch, e.id, a.attempt, a.lane, a.run_uuid, a.run_arn
    FROM attempts AS a JOIN entries AS e ON e.key = a.entry WHERE a.lane IS NOT NULL
) AS s JOIN batches AS b ON b.key = s.batch
    LEFT JOIN lanes AS l ON l.batch = s.batch AND l.name = s.lane;

-- name: miscounted
SELECT b.name, c.state
FROM (
    SELECT
        batch, state, coalesce(run_status, '') AS run_status, in_manifest, coalesce(may_take, '') AS may_take,
        1 AS total
    FROM entries
    UNION ALL
    SELECT batch, state, run_status, in_manifest, may_take, -total FROM entry_counts
) AS c JOIN batches AS b ON b.key = c.batch
GROUP BY b.name, c.state, c.run_status, c.in_manifest, c.may_take HAVING sum(c.total) <> 0
ORDER BY b.name, c.state;

-- name: stored_submissions
SELECT
    coalesce(b.name, '?') AS batch, s.request_id, s.standing, s.batch_id, s.rows,
    (SELECT count(*) FROM submission_rows WHERE submission = s.key) AS found,
    CASE WHEN s.request IS NULL THEN 1 ELSE 0 END AS is_emptied
FROM submissions AS s LEFT JOIN batches AS b ON b.key = s.batch
ORDER BY s.key;

-- name: rows_that_nobody_settles
SELECT b.name AS batch, e.id, r.attempt, s.request_id
FROM entries AS e JOIN submission_rows AS r ON r.entry = e.key JOIN submissions AS s ON s.key = r.submission
    JOIN batches AS b ON b.key = e.batch
WHERE e.state = 'submitting' AND s.standing = 'over'
    AND r.intent = (SELECT count(*) FROM events WHERE entry = e.key AND kind = 'intended');

-- name: rows_of_other_submissions
-- Rows of another batch or lane, or of an intent that is not in the entry's history.
SELECT b.name AS batch, e.id, r.attempt, r.intent, s.request_id
FROM submission_rows AS r JOIN submissions AS s ON s.key = r.submission
    JOIN entries AS e ON e.key = r.entry JOIN batches AS b ON b.key = e.batch
    LEFT JOIN attempts AS a ON a.entry = r.entry AND a.attempt = r.attempt
WHERE e.batch <> s.batch
    OR coalesce(CASE WHEN e.attempt = r.attempt THEN e.lane ELSE a.lane END, '') <> coalesce(s.lane, '')
    OR r.intent > (SELECT count(*) FROM events WHERE entry = e.key AND kind = 'intended' AND attempt <= r.attempt)
    OR r.intent <= (SELECT count(*) FROM events WHERE entry = e.key AND kind = 'intended' AND attempt < r.attempt);
