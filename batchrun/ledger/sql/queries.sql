-- Every statement that the ledger runs, by name. Loaded by `statements`; used by the module each part names.

-- ------------------------------------------------------------------ connection

-- name: settings
-- FULL: a commit is on the disk before it returns. fullfsync: macOS means it, too.
PRAGMA synchronous = FULL;
PRAGMA fullfsync = ON;
PRAGMA cell_size_check = ON;
PRAGMA cache_size = -16000;
PRAGMA journal_size_limit = 16777216;

-- name: application_id
PRAGMA application_id;

-- name: schema_version
PRAGMA user_version;

-- name: is_empty
SELECT NOT EXISTS (SELECT 1 FROM sqlite_schema);

-- name: journal_mode
PRAGMA journal_mode;

-- name: use_wal
PRAGMA journal_mode = WAL;

-- name: use_journal
PRAGMA journal_mode = DELETE;

-- name: record_migration
INSERT INTO migrations (name, applied_at) VALUES (?, CAST(unixepoch('subsec') * 1000000 AS INTEGER));

-- name: broken_references
PRAGMA foreign_key_check;

-- name: data_version
-- Another one as soon as another connection has committed.
PRAGMA data_version;

-- name: begin_reading
BEGIN;

-- name: begin_writing
BEGIN IMMEDIATE;

-- name: begin_alone
-- With a journal, and no log: no other connection is open then, by whichever name of the file.
BEGIN EXCLUSIVE;

-- name: commit
COMMIT;

-- name: rollback
ROLLBACK;

-- ------------------------------------------------------------------ batches

-- name: add_batch
INSERT INTO batches (name, region, created_at, account) VALUES (?, ?, ?, ?) ON CONFLICT (name) DO NOTHING;

-- name: find_batch
SELECT name, region, created_at, account, place FROM batches WHERE name = ?;

-- name: batches
SELECT name, region, created_at, account, place FROM batches ORDER BY created_at DESC, key DESC;

-- name: bind_account
UPDATE batches SET account = ?2
WHERE name = ?1 AND account IS NOT ?2
    AND NOT EXISTS (
        SELECT 1 FROM entries WHERE batch = batches.key AND (run_uuid IS NOT NULL OR state = 'submitting')
    )
    AND NOT EXISTS (
        SELECT 1 FROM attempts AS a JOIN entries AS e ON e.key = a.entry
        WHERE e.batch = batches.key AND a.run_uuid IS NOT NULL
    );

-- name: learn_account
UPDATE batches SET account = ?2 WHERE key = ?1 AND account IS NULL;

-- name: keep_place
UPDATE batches SET place = ?2 WHERE key = ?1 AND place IS NOT ?2;

-- name: batch_key
SELECT key FROM batches WHERE name = ?;

-- ------------------------------------------------------------------ leases

-- name: lease
SELECT fence, holder, kernel, expires_at FROM leases WHERE batch = ?;

-- name: take_lease
INSERT INTO leases (batch, fence, holder, kernel, expires_at) VALUES (?1, ?2, ?3, ?4, ?5)
ON CONFLICT (batch) DO UPDATE SET fence = ?2, holder = ?3, kernel = ?4, expires_at = ?5;

-- name: extend_lease
UPDATE leases SET expires_at = ? WHERE batch = ?;

-- name: release_lease
UPDATE leases SET holder = NULL WHERE batch = ?;

-- name: fenced_batch
SELECT l.batch
FROM leases AS l JOIN batches AS b ON b.key = l.batch
WHERE b.name = ? AND l.fence = ? AND l.holder IS NOT NULL;

-- ------------------------------------------------------------------ recording

-- name: stored_attempts_of
SELECT id, key, attempt, intended_at, run_uuid, run_arn FROM entries
WHERE batch = ? AND id IN (SELECT value FROM json_each(?));

-- name: keep_attempt
INSERT INTO attempts
SELECT
    key, attempt, request_id, intended_at, tagged, accepted_at, code, message, run_id, run_uuid, run_arn,
    run_status, run_output_uri, run_creation_time, run_start_time, run_stop_time, run_failure_reason,
    run_status_message, request
FROM entries WHERE key = ?;

-- Three, because setting an indexed column costs, even to what it was: uuids lie all over their index.

-- name: update_standing
UPDATE entries SET
    state = ?, accepted_at = ?, due = ?, deferrals = ?, is_doubtful = ?, code = ?, message = ?, next_request = ?,
    missed_at = ?, misses = ?,
    run_status = ?, run_output_uri = ?, run_creation_time = ?, run_start_time = ?, run_stop_time = ?,
    run_failure_reason = ?, run_status_message = ?
WHERE key = ?;

-- name: update_with_run
UPDATE entries SET
    state = ?, accepted_at = ?, due = ?, deferrals = ?, is_doubtful = ?, code = ?, message = ?, next_request = ?,
    missed_at = ?, misses = ?,
    run_status = ?, run_output_uri = ?, run_creation_time = ?, run_start_time = ?, run_stop_time = ?,
    run_failure_reason = ?, run_status_message = ?,
    run_id = ?, run_uuid = ?, run_arn = ?
WHERE key = ?;

-- name: update_whole
UPDATE entries SET
    state = ?, accepted_at = ?, due = ?, deferrals = ?, is_doubtful = ?, code = ?, message = ?, next_request = ?,
    missed_at = ?, misses = ?,
    run_status = ?, run_output_uri = ?, run_creation_time = ?, run_start_time = ?, run_stop_time = ?,
    run_failure_reason = ?, run_status_message = ?,
    run_id = ?, run_uuid = ?, run_arn = ?,
    attempt = ?, request_id = ?, intended_at = ?, tagged = ?, request = ?, manifest_request = ?
WHERE key = ?;

-- name: add_event
INSERT INTO events (entry, attempt, at, kind, detail) VALUES (?, ?, ?, ?, ?);

-- ------------------------------------------------------------------ proofs

-- name: keep_proof
INSERT INTO proofs (entry, at) VALUES (?, ?) ON CONFLICT (entry) DO UPDATE SET at = excluded.at;

-- name: forget_sought
-- What a survey that never ended was looking for, or a row whose run it saw and nobody took over.
DELETE FROM proofs
WHERE is_sought AND entry IN (
    SELECT key FROM entries
    WHERE batch = ?1 AND (?2 IS NULL OR id IN (SELECT value FROM json_each(?2)))
);

-- name: begin_survey
-- Marks what is to be sent and has no proof that holds; a new name takes the mark away again.
INSERT INTO proofs (entry, is_sought)
SELECT e.key, 1
FROM entries AS e LEFT JOIN proofs AS p ON p.entry = e.key
WHERE e.batch = ?1 AND e.state IN ('planned', 'backoff') AND e.in_manifest
    AND NOT coalesce(p.at > ?2 AND p.at <= ?3, 0)
ON CONFLICT (entry) DO UPDATE SET is_sought = 1;

-- name: sought_names
SELECT e.id, json_extract(e.request, '$.name')
FROM entries AS e JOIN proofs AS p ON p.entry = e.key
WHERE e.batch = ? AND e.state IN ('planned', 'backoff') AND e.in_manifest AND p.is_sought
ORDER BY e.position;

-- name: end_survey
UPDATE proofs SET at = ?2, is_sought = 0
WHERE is_sought AND entry IN (SELECT key FROM entries WHERE batch = ?1);

-- name: keep_survey
INSERT INTO surveys (batch, at, calls) VALUES (?1, ?2, ?3)
ON CONFLICT (batch) DO UPDATE SET at = ?2, calls = ?3;

-- name: proof_clock
SELECT boot, origin FROM proof_clocks WHERE batch = ?;

-- name: keep_proof_clock
INSERT INTO proof_clocks (batch, boot, origin) VALUES (?1, ?2, ?3)
ON CONFLICT (batch) DO UPDATE SET boot = ?2, origin = ?3;

-- name: forget_proofs
DELETE FROM proofs WHERE entry IN (SELECT key FROM entries WHERE batch = ?);

-- name: survey_calls
SELECT calls FROM surveys WHERE batch = ?;

-- name: unproven
SELECT count(*)
FROM entries AS e LEFT JOIN proofs AS p ON p.entry = e.key
WHERE e.batch = ?1 AND e.state IN ('planned', 'backoff') AND e.in_manifest
    AND NOT coalesce(p.at > ?2 AND p.at <= ?3, 0);

-- ------------------------------------------------------------------ failed runs

-- name: add_failed_run
INSERT INTO failed_runs (entry, attempt) VALUES (?, ?) ON CONFLICT (entry, attempt) DO NOTHING;

-- name: unasked
-- An attempt that was followed by another is told by `attempts`, the current one by its entry.
SELECT
    f.key, e.id, f.attempt,
    iif(a.entry IS NULL, e.run_id, a.run_id),
    iif(a.entry IS NULL, e.run_uuid, a.run_uuid),
    iif(a.entry IS NULL, e.run_arn, a.run_arn),
    iif(a.entry IS NULL, e.run_status, a.run_status),
    iif(a.entry IS NULL, e.run_output_uri, a.run_output_uri),
    iif(a.entry IS NULL, e.run_creation_time, a.run_creation_time),
    iif(a.entry IS NULL, e.run_start_time, a.run_start_time),
    iif(a.entry IS NULL, e.run_stop_time, a.run_stop_time),
    iif(a.entry IS NULL, e.run_failure_reason, a.run_failure_reason),
    iif(a.entry IS NULL, e.run_status_message, a.run_status_message)
FROM failed_runs AS f
    CROSS JOIN entries AS e ON e.key = f.entry AND e.batch = ?
    LEFT JOIN attempts AS a ON a.entry = f.entry AND a.attempt = f.attempt
WHERE f.asked_at IS NULL AND f.key > ?
ORDER BY f.key LIMIT ?;

-- name: mark_asked
UPDATE failed_runs SET asked_at = ?, has_more = ?
WHERE key = ? AND asked_at IS NULL AND (SELECT batch FROM entries WHERE key = entry) = ?;

-- name: add_failed_task
INSERT INTO failed_tasks (failed_run, place, task_id, name, failure_reason, status_message, log_stream)
VALUES (?, ?, ?, ?, ?, ?, ?);

-- name: failed_tasks
SELECT e.id, f.attempt, f.has_more, t.task_id, t.name, t.failure_reason, t.status_message, t.log_stream
FROM json_each(?2) AS j
    CROSS JOIN entries AS e ON e.batch = ?1 AND e.id = j.value
    CROSS JOIN failed_runs AS f ON f.entry = e.key
    LEFT JOIN failed_tasks AS t ON t.failed_run = f.key
WHERE f.asked_at IS NOT NULL
ORDER BY e.id, f.attempt, t.place;

-- name: task_failures
SELECT e.run_failure_reason, t.failure_reason, count(DISTINCT e.key) AS total, count(DISTINCT t.name), min(t.name)
FROM entries AS e INDEXED BY entries_by_state
    CROSS JOIN failed_runs AS f ON f.entry = e.key AND f.attempt = e.attempt
    CROSS JOIN failed_tasks AS t ON t.failed_run = f.key
WHERE e.batch = ? AND e.state = 'failed'
GROUP BY e.run_failure_reason, t.failure_reason
ORDER BY total DESC, e.run_failure_reason, t.failure_reason LIMIT 50;

-- ------------------------------------------------------------------ taking a manifest in (sync)

-- name: make_manifest
-- The manifest as it compares to the batch; contents only of rows that are new or changed.
CREATE TEMP TABLE slice (
    position INTEGER PRIMARY KEY,
    id       TEXT NOT NULL,
    request  TEXT NOT NULL,
    work     BLOB
) STRICT;
CREATE TEMP TABLE manifest (
    position   INTEGER PRIMARY KEY,
    id         TEXT NOT NULL UNIQUE,
    entry      INTEGER, -- NULL: new
    was_sent   INTEGER NOT NULL,
    is_changed INTEGER NOT NULL,
    is_moved   INTEGER NOT NULL,
    work       BLOB     -- NULL: not known, or stored already
) STRICT;
CREATE TEMP TABLE contents (
    position INTEGER PRIMARY KEY,
    request  TEXT NOT NULL
) STRICT;
CREATE TEMP TABLE places (
    entry       INTEGER PRIMARY KEY,
    position    INTEGER NOT NULL,
    in_manifest INTEGER NOT NULL
) STRICT;

-- name: drop_manifest
DROP TABLE temp.slice;
DROP TABLE temp.manifest;
DROP TABLE temp.contents;
DROP TABLE temp.places;

-- name: add_spec
INSERT INTO temp.slice (position, id, request, work) VALUES (?, ?, ?, ?);

-- name: compare_slice
INSERT INTO temp.manifest (position, id, entry, was_sent, is_changed, is_moved, work)
SELECT
    s.position, s.id, e.key,
    e.intended_at IS NOT NULL OR e.state IS 'cancelled',
    e.key IS NOT NULL AND coalesce(e.next_request, e.manifest_request, e.request) <> s.request,
    e.key IS NOT NULL AND (e.position <> s.position OR NOT e.in_manifest),
    nullif(s.work, w.work)
FROM temp.slice AS s
    LEFT JOIN main.entries AS e ON e.batch = ? AND e.id = s.id
    LEFT JOIN main.row_works AS w ON w.entry = e.key;

-- name: keep_contents
-- CROSS JOIN: the slice leads, or the whole manifest would be gone through for each slice.
INSERT INTO temp.contents (position, request)
SELECT s.position, s.request
FROM temp.slice AS s CROSS JOIN temp.manifest AS m ON m.position = s.position
WHERE m.entry IS NULL OR m.is_changed;

-- name: empty_slice
DELETE FROM temp.slice;

-- name: compared
SELECT
    count(*),
    count(*) - count(entry),
    coalesce(sum(is_changed), 0),
    coalesce(sum(is_changed AND was_sent), 0)
FROM temp.manifest;

-- name: changed_ids
SELECT id FROM temp.manifest WHERE is_changed ORDER BY position LIMIT 20;

-- name: changed_sent_ids
SELECT id FROM temp.manifest WHERE is_changed AND was_sent ORDER BY position LIMIT 20;

-- name: gone
SELECT count(*) FROM entries
WHERE batch = ? AND key NOT IN (SELECT entry FROM temp.manifest WHERE entry IS NOT NULL);

-- name: gone_ids
SELECT id FROM entries
WHERE batch = ? AND key NOT IN (SELECT entry FROM temp.manifest WHERE entry IS NOT NULL)
ORDER BY position LIMIT 20;

-- name: find_places
-- Known rows go where the manifest has them; gone entries follow after, in the order they had.
INSERT INTO temp.places (entry, position, in_manifest)
SELECT entry, position, 1 FROM temp.manifest WHERE is_moved
UNION ALL
SELECT key, place, 0 FROM (
    SELECT
        key, position, in_manifest,
        (SELECT coalesce(max(position), -1) FROM temp.manifest) + row_number() OVER (ORDER BY position) AS place
    FROM entries
    WHERE batch = ?1 AND key NOT IN (SELECT entry FROM temp.manifest WHERE entry IS NOT NULL)
)
WHERE position <> place OR in_manifest;

-- name: beyond
SELECT 1 + max(
    coalesce((SELECT max(position) FROM entries WHERE batch = ?), 0),
    coalesce((SELECT max(position) FROM temp.places), 0)
);

-- name: step_aside
-- A position is unique at every moment: who moves goes beyond all others first.
UPDATE entries SET position = position + ? WHERE key IN (SELECT entry FROM temp.places);

-- name: take_places
UPDATE entries SET position = p.position, in_manifest = p.in_manifest
FROM temp.places AS p WHERE key = p.entry;

-- name: add_new_entries
INSERT INTO entries (batch, id, position, request)
SELECT ?, m.id, m.position, c.request
FROM temp.manifest AS m JOIN temp.contents AS c ON c.position = m.position
WHERE m.entry IS NULL ORDER BY m.position;

-- name: keep_works
-- Of what is taken up: a changed row that stays as it was submitted keeps the work that it had.
INSERT INTO row_works (entry, work)
SELECT e.key, m.work
FROM temp.manifest AS m CROSS JOIN entries AS e ON e.batch = ?1 AND e.id = m.id
WHERE m.work IS NOT NULL AND (?2 OR NOT (m.is_changed AND m.was_sent))
ON CONFLICT (entry) DO UPDATE SET work = excluded.work;

-- name: forget_changed_rows
-- What was found otherwise stays so for as long as its attempt is the last.
DELETE FROM changed_rows WHERE EXISTS (
    SELECT 1 FROM entries AS e
    WHERE e.key = entry AND e.batch = ? AND changed_rows.attempt IS NOT e.attempt
);

-- name: keep_changed_rows
INSERT INTO changed_rows (entry) SELECT entry FROM temp.manifest WHERE is_changed AND was_sent
ON CONFLICT (entry) DO NOTHING;

-- name: keep_found_otherwise
INSERT INTO changed_rows (entry, attempt) VALUES (?1, ?2) ON CONFLICT (entry) DO UPDATE SET attempt = ?2;

-- name: count_changed_rows
-- CROSS JOIN: they lead, since mostly there are few or none.
SELECT count(*) FROM changed_rows AS c CROSS JOIN entries AS e ON e.key = c.entry
WHERE e.batch = ? AND coalesce(c.attempt, e.attempt) = e.attempt;

-- name: rows_to_revise
SELECT r.*, c.request
FROM temp.manifest AS m
    JOIN temp.contents AS c ON c.position = m.position
    JOIN entry_rows AS r ON r.key = m.entry
WHERE m.is_changed AND (NOT m.was_sent OR ?) AND m.position > ?
ORDER BY m.position LIMIT 200;

-- ------------------------------------------------------------------ namesakes

-- name: make_works
CREATE TEMP TABLE works (
    position INTEGER PRIMARY KEY,
    id       TEXT NOT NULL,
    work     BLOB,
    is_only  INTEGER NOT NULL DEFAULT 0
) STRICT;

-- name: drop_works
DROP TABLE temp.works;

-- name: add_work
INSERT INTO temp.works (position, id, work) VALUES (?, ?, ?);

-- name: find_only_works
CREATE INDEX temp.works_by_work ON works (work, is_only, id);
UPDATE temp.works SET is_only = 1
WHERE work IN (SELECT work FROM temp.works GROUP BY work HAVING count(*) = 1);

-- name: rows_as_known
SELECT count(*)
FROM temp.works AS w
    CROSS JOIN entries AS e ON e.batch = ? AND e.id = w.id
    LEFT JOIN row_works AS known ON known.entry = e.key
WHERE coalesce(known.work = w.work, 1);

-- name: rows_elsewhere
-- CROSS JOIN: all works of the ledger lead, in the order of their rows; each is looked for in the manifest.
WITH standing (batch, position) AS (
    SELECT e.batch, w.position
    FROM row_works AS known
        CROSS JOIN temp.works AS w ON w.work = known.work AND w.is_only = 1
        CROSS JOIN entries AS e ON e.key = known.entry
    WHERE e.state NOT IN ('failed', 'cancelled', 'refused')
        AND (e.in_manifest OR e.state NOT IN ('planned', 'backoff'))
    GROUP BY e.batch, w.position HAVING count(*) = 1 OR max(e.id = w.id)
    UNION ALL
    SELECT e.batch, w.position
    FROM row_works AS known
        CROSS JOIN entries AS e ON e.key = known.entry
        CROSS JOIN temp.works AS w ON w.work = known.work AND w.is_only = 0 AND w.id = e.id
    WHERE known.work IN (SELECT work FROM temp.works WHERE is_only = 0)
        AND e.state NOT IN ('failed', 'cancelled', 'refused')
        AND (e.in_manifest OR e.state NOT IN ('planned', 'backoff'))
)
SELECT b.name, count(*) FROM standing AS s JOIN batches AS b ON b.key = s.batch
WHERE b.name <> ?
    AND EXISTS (SELECT 1 FROM entries WHERE batch = b.key AND (run_uuid IS NOT NULL OR state = 'submitting'))
GROUP BY b.key;

-- ------------------------------------------------------------------ reading

-- name: due
SELECT r.*
FROM (
    SELECT key, position FROM (
        SELECT key, position FROM entries
        WHERE batch = ?1 AND state = 'planned' AND (due IS NULL OR due <= ?2 OR due > ?5) AND in_manifest
            AND id NOT IN (SELECT value FROM json_each(?4))
            AND NOT EXISTS (SELECT 1 FROM cancellations WHERE entry = entries.key)
        ORDER BY position LIMIT ?3
    )
    UNION ALL
    SELECT key, position FROM (
        SELECT key, position FROM entries
        WHERE batch = ?1 AND state = 'backoff' AND (due <= ?2 OR due > ?5) AND in_manifest
            AND id NOT IN (SELECT value FROM json_each(?4))
            AND NOT EXISTS (SELECT 1 FROM cancellations WHERE entry = entries.key)
        ORDER BY position LIMIT ?3
    )
    ORDER BY position LIMIT ?3
) AS d JOIN entry_rows AS r ON r.key = d.key
ORDER BY d.position;

-- name: next_due
SELECT min(due) FROM (
    SELECT due FROM (
        SELECT due FROM entries
        WHERE batch = ?1 AND state = 'backoff' AND due > ?2 AND in_manifest ORDER BY due LIMIT 1
    )
    UNION ALL
    SELECT due FROM (
        SELECT due FROM entries
        WHERE batch = ?1 AND state = 'planned' AND due > ?2 AND in_manifest ORDER BY due LIMIT 1
    )
);

-- name: in_state
SELECT * FROM entry_rows WHERE batch = ? AND state = ? AND position > ? ORDER BY position LIMIT ?;

-- name: entry
SELECT * FROM entry_rows WHERE batch = ? AND id = ?;

-- name: deleted_entry
-- CROSS JOIN: the run leads, by its index.
SELECT r.* FROM entries AS e CROSS JOIN entry_rows AS r ON r.key = e.key
WHERE e.batch = ? AND e.run_uuid = ? AND e.state = 'deleted';

-- name: counts
SELECT state, run_status, count(*) FROM entries
WHERE batch = ? AND (in_manifest OR state NOT IN ('planned', 'backoff'))
GROUP BY state, run_status;

-- name: is_known_run
SELECT 1 FROM entries WHERE batch = :batch AND run_uuid = :uuid
UNION ALL
SELECT 1 FROM attempts AS a JOIN entries AS e ON e.key = a.entry WHERE e.batch = :batch AND a.run_uuid = :uuid;

-- name: is_deleted_run
SELECT 1 FROM deletions WHERE run_uuid = ?;

-- name: outcomes
SELECT * FROM entry_rows
WHERE batch = ? AND position > ? AND (in_manifest OR state <> 'planned' OR attempt > 1)
ORDER BY position LIMIT ?;

-- name: attempts_before
SELECT
    e.position, a.attempt, a.request_id, a.intended_at, a.code, a.message,
    a.run_id, a.run_uuid, a.run_arn, a.run_status, a.run_output_uri, a.run_creation_time, a.run_start_time,
    a.run_stop_time, a.run_failure_reason, a.run_status_message, a.request
FROM entries AS e JOIN attempts AS a ON a.entry = e.key
WHERE e.batch = ? AND e.position BETWEEN ? AND ? AND e.attempt > 1
ORDER BY e.position, a.attempt;

-- name: earlier_attempts
SELECT
    e.position, a.attempt, a.request_id, a.intended_at, a.code, a.message,
    a.run_id, a.run_uuid, a.run_arn, a.run_status, a.run_output_uri, a.run_creation_time, a.run_start_time,
    a.run_stop_time, a.run_failure_reason, a.run_status_message, a.request
FROM entries AS e JOIN attempts AS a ON a.entry = e.key
WHERE e.batch = ? AND e.id = ?
ORDER BY a.attempt;

-- name: history
SELECT at, attempt, kind, detail FROM events
WHERE entry = (SELECT key FROM entries WHERE batch = ? AND id = ?)
ORDER BY key;

-- name: oldest_active
SELECT r.* FROM (
    SELECT key, accepted_at, position
    FROM entries WHERE key IN (
        SELECT key FROM entries WHERE batch = ? AND state = 'active' ORDER BY position LIMIT 5000
    )
    ORDER BY accepted_at, position LIMIT ?
) AS o JOIN entry_rows AS r ON r.key = o.key
ORDER BY o.accepted_at, o.position;

-- name: latest_runs
SELECT
    run_id, run_uuid, run_arn, run_status, run_output_uri, run_creation_time, run_start_time, run_stop_time,
    run_failure_reason, run_status_message
FROM entries
WHERE batch = ?1 AND run_uuid IS NOT NULL AND (state = 'active' OR NOT ?2)
    AND run_uuid NOT IN (SELECT run_uuid FROM deletions)
ORDER BY state = 'deleted', accepted_at DESC, position LIMIT ?3;

-- name: latest_ends
SELECT
    run_id, run_uuid, run_arn, run_status, run_output_uri, run_creation_time, run_start_time, run_stop_time,
    run_failure_reason, run_status_message
FROM (
    SELECT
        run_id, run_uuid, run_arn, run_status, run_output_uri, run_creation_time, run_start_time,
        run_stop_time, run_failure_reason, run_status_message, intended_at, position
    FROM entries WHERE batch = ?1 AND state IN ('succeeded', 'failed', 'cancelled')
    UNION ALL
    SELECT
        a.run_id, a.run_uuid, a.run_arn, a.run_status, a.run_output_uri, a.run_creation_time, a.run_start_time,
        a.run_stop_time, a.run_failure_reason, a.run_status_message, a.intended_at, e.position
    FROM entries AS e JOIN attempts AS a ON a.entry = e.key
    WHERE e.batch = ?1 AND a.run_status IN ('COMPLETED', 'FAILED', 'CANCELLED')
)
WHERE run_uuid IS NOT NULL AND run_uuid NOT IN (SELECT run_uuid FROM deletions)
ORDER BY run_status <> 'COMPLETED', intended_at DESC, position LIMIT ?2;

-- name: latest_failures
SELECT r.* FROM (
    SELECT key, position, coalesce(run_stop_time, accepted_at, intended_at) AS ended
    FROM entries WHERE key IN (
        SELECT key FROM entries INDEXED BY entries_by_state
        WHERE batch = ? AND state IN ('failed', 'cancelled', 'deleted', 'refused')
        ORDER BY position DESC LIMIT 5000
    )
    ORDER BY ended DESC, position DESC LIMIT ?
) AS l JOIN entry_rows AS r ON r.key = l.key
ORDER BY l.ended DESC, l.position DESC;

-- name: failures
SELECT f.state, f.reason, f.total, r.*
FROM (
    SELECT
        key, state, reason, position,
        row_number() OVER (PARTITION BY state, reason ORDER BY position) AS place,
        count(*) OVER (PARTITION BY state, reason) AS total
    FROM (
        SELECT key, state, position, iif(run_uuid IS NULL, code, run_failure_reason) AS reason
        FROM entries INDEXED BY entries_by_state
        WHERE batch = ? AND state IN ('failed', 'cancelled', 'deleted', 'refused')
    )
) AS f JOIN entry_rows AS r ON r.key = f.key
WHERE f.place <= ?
ORDER BY f.total DESC, f.state, f.reason, f.position;

-- name: recent
-- CROSS JOIN: the newest events lead. Their keys have no gaps, so no index over time is needed.
SELECT v.at, v.kind
FROM events AS v CROSS JOIN entries AS e ON e.key = v.entry
WHERE v.key > (SELECT max(key) FROM events) - 5000 AND v.at >= ? AND e.batch = ?
ORDER BY v.key;

-- name: ids_of_run
SELECT id FROM entries WHERE batch = ?1 AND ?2 IN (run_uuid, run_id, run_arn)
UNION
SELECT e.id FROM attempts AS a JOIN entries AS e ON e.key = a.entry
WHERE e.batch = ?1 AND e.attempt > 1 AND ?2 IN (a.run_uuid, a.run_id, a.run_arn)
ORDER BY id;

-- name: ids_beginning
SELECT id FROM entries WHERE batch = ? AND id >= ? AND id < ? ORDER BY id LIMIT ?;

-- name: ids_after
SELECT id FROM entries WHERE batch = ? AND id > ? ORDER BY id LIMIT 20;

-- name: ids_before
SELECT id FROM entries WHERE batch = ? AND id < ? ORDER BY id DESC LIMIT 20;

-- name: ids_among
SELECT id FROM entries WHERE batch = ? AND id IN (SELECT value FROM json_each(?)) LIMIT 20;

-- name: ids_like
SELECT id FROM entries WHERE batch = ? AND id LIKE ? ESCAPE '\' LIMIT 20;

-- ------------------------------------------------------------------ paces

-- name: all_paces
SELECT account, operation, at, phase, base, cut, span, passed, burst FROM paces ORDER BY account, operation;

-- name: paces
SELECT operation, phase, base, cut, span, passed, burst FROM paces WHERE account = ? AND at >= ?;

-- name: keep_pace
INSERT INTO paces (account, operation, phase, base, cut, span, passed, burst, at)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)
ON CONFLICT (account, operation) DO UPDATE SET
    phase = ?3, base = ?4, cut = ?5, span = ?6, passed = ?7, burst = ?8, at = ?9;

-- ------------------------------------------------------------------ cancelling

-- name: ask_to_cancel
INSERT INTO cancellations (entry, scope, at)
SELECT key, ?2, ?3 FROM entries
WHERE batch = ?1 AND state IN ('planned', 'submitting', 'backoff', 'active')
    AND (in_manifest OR state IN ('submitting', 'active'))
    AND (?4 IS NULL OR id IN (SELECT value FROM json_each(?4)))
ON CONFLICT (entry) DO UPDATE SET scope = excluded.scope, at = excluded.at
WHERE scope = 'sending' AND excluded.scope = 'run';

-- name: forget_cancellations
-- What has ended needs no word any more; what a launch retries by itself is ended at no moment.
DELETE FROM cancellations WHERE entry IN (
    SELECT key FROM entries
    WHERE batch = ? AND state IN ('succeeded', 'failed', 'cancelled', 'deleted', 'refused')
);

-- name: cancellations
-- CROSS JOIN: they lead, since mostly there are few or none.
SELECT r.*, c.scope
FROM cancellations AS c CROSS JOIN entry_rows AS r ON r.key = c.entry
WHERE r.batch = ? AND r.position > ?
    AND (
        (r.state IN ('planned', 'backoff') AND r.in_manifest)
        OR (r.state IN ('submitting', 'active') AND c.scope = 'run')
    )
ORDER BY r.position LIMIT ?;

-- name: take_back_cancellations
DELETE FROM cancellations WHERE entry IN (
    SELECT key FROM entries WHERE batch = ? AND id IN (SELECT value FROM json_each(?))
);

-- name: ended_runs
SELECT
    position, id, attempt, run_id, run_uuid, run_status, json_extract(request, '$.name'), run_creation_time
FROM (
    SELECT position, id, attempt, run_id, run_uuid, run_status, request, run_creation_time FROM entries
    WHERE batch = ?1 AND state IN ('succeeded', 'failed', 'cancelled') AND run_uuid IS NOT NULL
    UNION ALL
    SELECT
        e.position, e.id, a.attempt, a.run_id, a.run_uuid, a.run_status, a.request, a.run_creation_time
    FROM entries AS e JOIN attempts AS a ON a.entry = e.key
    WHERE e.batch = ?1 AND e.attempt > 1 AND a.run_status IN ('COMPLETED', 'FAILED', 'CANCELLED')
)
WHERE (position, attempt) > (?2, ?3) AND run_uuid NOT IN (SELECT run_uuid FROM deletions)
ORDER BY position, attempt LIMIT ?4;

-- name: keep_deleted
INSERT INTO deletions (run_uuid, at) VALUES (?, ?) ON CONFLICT (run_uuid) DO NOTHING;

-- ------------------------------------------------------------------ notices

-- name: notices
SELECT notice FROM notices WHERE batch = ?;

-- name: add_notice
INSERT INTO notices (batch, notice, at) VALUES (?, ?, ?) ON CONFLICT DO NOTHING RETURNING 1;

-- name: drop_notice
DELETE FROM notices WHERE batch = ? AND notice = ?;

-- ------------------------------------------------------------------ usage

-- name: spent_runs
SELECT
    s.position, s.id, s.attempt,
    s.run_id, s.run_uuid, s.run_arn, s.run_status, s.run_output_uri, s.run_creation_time, s.run_start_time,
    s.run_stop_time, s.run_failure_reason, s.run_status_message,
    s.is_removed OR (u.key IS NOT NULL AND u.status IS NULL)
        OR EXISTS (SELECT 1 FROM deletions AS d WHERE d.run_uuid = s.run_uuid),
    json_extract(s.request, '$.name'), u.key, u.status, u.workflow_id, u.is_fixed_price, u.running, u.storage_type, u.storage_gib, u.cached
FROM (
    SELECT
        position, id, attempt,
        run_id, run_uuid, run_arn, run_status, run_output_uri, run_creation_time, run_start_time, run_stop_time,
        run_failure_reason, run_status_message, state = 'deleted' AS is_removed, request
    FROM entries
    WHERE batch = ?1 AND position >= ?2 AND state IN ('succeeded', 'failed', 'cancelled', 'deleted')
        AND run_uuid IS NOT NULL
    UNION ALL
    SELECT
        e.position, e.id, a.attempt,
        a.run_id, a.run_uuid, a.run_arn, a.run_status, a.run_output_uri, a.run_creation_time, a.run_start_time,
        a.run_stop_time, a.run_failure_reason, a.run_status_message,
        a.run_status NOT IN ('COMPLETED', 'FAILED', 'CANCELLED'), a.request
    FROM entries AS e JOIN attempts AS a ON a.entry = e.key
    WHERE e.batch = ?1 AND e.position >= ?2 AND e.attempt > 1 AND a.run_uuid IS NOT NULL
) AS s LEFT JOIN run_usages AS u ON u.run_uuid = s.run_uuid
WHERE (s.position, s.attempt) > (?2, ?3)
ORDER BY s.position, s.attempt LIMIT ?4;

-- name: work_of_run
SELECT instance_type, tasks, billed FROM run_work WHERE run_usage = ? ORDER BY instance_type;

-- name: forget_gone
DELETE FROM run_usages WHERE run_uuid = ? AND status IS NULL;

-- name: keep_usage
INSERT INTO run_usages (
    run_uuid, at, status, workflow_id, is_fixed_price, running, storage_type, storage_gib, cached
)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (run_uuid) DO NOTHING RETURNING key;

-- name: keep_work
INSERT INTO run_work (run_usage, instance_type, tasks, billed) VALUES (?, ?, ?, ?);

-- name: workflow_usages
SELECT key, status, workflow_id, is_fixed_price, running, storage_type, storage_gib, cached
FROM run_usages WHERE workflow_id = ? AND status = 'COMPLETED' ORDER BY key DESC LIMIT ?;
