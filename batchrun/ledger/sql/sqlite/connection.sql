-- What a connection to SQLite is told, by name: settings, transactions, which file it is. PostgreSQL's is another list.

-- name: settings
-- FULL: a commit is on the disk before it returns. fullfsync: macOS means it, too.
PRAGMA synchronous = FULL;
PRAGMA fullfsync = ON;
PRAGMA cell_size_check = ON;
PRAGMA cache_size = -16000;
PRAGMA journal_size_limit = 16777216;

-- name: attempt_rows
-- Every attempt, the current ones and those before. Made for each connection, so that the file stays as it is.
-- Each column is of one type in both halves: else SQLite makes the whole view first, and sorts it.
CREATE TEMP VIEW attempt_rows AS
SELECT
    batch, key AS entry, id, position, attempt, 1 AS is_current, state, request_id, intended_at, tagged,
    accepted_at, code, message, run_id, run_uuid, run_arn, run_status, run_output_uri, run_creation_time, run_start_time, run_stop_time,
    run_failure_reason, run_status_message, request, lane
FROM main.entries
UNION ALL
SELECT
    e.batch, e.key, e.id, e.position, a.attempt, 0, e.state, a.request_id, a.intended_at, a.tagged,
    a.accepted_at, a.code, a.message, a.run_id, a.run_uuid, a.run_arn, a.run_status, a.run_output_uri,
    a.run_creation_time, a.run_start_time, a.run_stop_time, a.run_failure_reason, a.run_status_message, a.request, a.lane
FROM main.entries AS e JOIN main.attempts AS a ON a.entry = e.key
WHERE e.attempt > 1;

-- name: empty_log
-- As far as nobody reads from it.
PRAGMA wal_checkpoint(TRUNCATE);

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

-- name: held_leases
-- Each with whether it is in force by its time, which ends no later than any lease can.
SELECT
    b.key, l.fence, b.name, l.holder, l.kernel,
    l.expires_at - CAST(unixepoch('subsec') * 1000000 AS INTEGER) BETWEEN 1 AND :longest
FROM leases AS l JOIN batches AS b ON b.key = l.batch WHERE l.holder IS NOT NULL ORDER BY b.key;

-- name: record_migration
INSERT INTO migrations (name, applied_at) VALUES (:name, CAST(unixepoch('subsec') * 1000000 AS INTEGER));

-- name: last_write
-- An error where writes have no form yet, as those of an earlier batchrun.
SELECT id, (SELECT schema_version FROM pragma_schema_version) FROM main.last_write WHERE form IS NOT NULL;

-- name: mark_write
UPDATE main.last_write
SET before = id, id = randomblob(16), form = (SELECT schema_version FROM pragma_schema_version);

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
