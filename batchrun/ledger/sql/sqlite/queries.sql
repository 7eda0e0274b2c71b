-- Statements that SQLite needs in words of its own (JSON, temporary tables, settings, transactions), by name, with named
-- values. All others are in `../queries.sql`.

-- ------------------------------------------------------------------ recording

-- name: add_event
INSERT INTO events (entry, attempt, at, kind, detail) VALUES (:key, :attempt, :at, :kind, :detail);

-- ------------------------------------------------------------------ proofs

-- name: sought_names
-- A row for each lane that may have a run of the attempt, with the run's name there: the lane that it was tried in, and
-- all that are open to it, since another ledger may have chosen another.
WITH sought AS (
    SELECT e.* FROM entries AS e JOIN proofs AS p ON p.entry = e.key
    WHERE e.batch = :batch AND e.state IN ('planned', 'backoff') AND e.in_manifest AND p.is_sought
)
SELECT id, lane, name FROM (
    SELECT id, position, lane, json_extract(request, '$.name') AS name
    FROM sought WHERE offers IS NULL OR intended_at IS NOT NULL
    UNION
    SELECT s.id, s.position, json_extract(o.value, '$[0]'), json_extract(json_extract(o.value, '$[1]'), '$.name')
    FROM sought AS s CROSS JOIN json_each(s.offers) AS o
    WHERE s.offers IS NOT NULL AND json_array_length(o.value) = 2
)
ORDER BY position;

-- name: unsent_alike
-- How many rows that may take exactly these lanes use the same (fields of the request by name, NULL for none) and have no
-- run, or were denied and have none.
SELECT count(*) FROM (
    SELECT 1 FROM entries AS e
    WHERE e.batch = :batch AND e.state IN ('planned', 'backoff', 'submitting') AND e.in_manifest = 1
        AND (:are_all = 1 OR e.code = :code)
        AND coalesce(e.may_take, '') = coalesce(CAST(:lanes AS TEXT), '')
        AND NOT EXISTS (
            SELECT 1 FROM json_each(:uses) AS u WHERE json_extract(e.request, '$.' || u.key) IS NOT u.value
        )
    LIMIT :limit
) AS alike;

-- name: has_started_alike
-- Whether one that uses the same was started since; what was found does not count.
SELECT EXISTS (
    SELECT 1 FROM entries AS e
    WHERE e.batch = :batch AND e.accepted_at >= :since AND coalesce(e.lane, '') = coalesce(CAST(:lane AS TEXT), '')
        AND NOT EXISTS (
            SELECT 1 FROM json_each(:uses) AS u WHERE json_extract(e.request, '$.' || u.key) IS NOT u.value
        )
        AND NOT EXISTS (
            SELECT 1 FROM events AS v
            WHERE v.entry = e.key AND v.at >= :since AND v.kind = 'accepted' AND v.detail LIKE '%"was_found"_true%'
        )
);

-- name: forget_unreached
-- An empty name stands for rows that have no lane.
DELETE FROM proofs
WHERE is_sought AND entry IN (
    SELECT key FROM entries
    WHERE batch = :batch AND (
        EXISTS (
            SELECT 1 FROM json_each(coalesce(may_take, '[""]')) WHERE value IN (SELECT value FROM json_each(:lanes))
        ) OR EXISTS (
            SELECT 1 FROM json_each(offers)
            WHERE json_array_length(value) = 2 AND json_extract(value, '$[0]') IN (SELECT value FROM json_each(:lanes))
        )
    )
);

-- ------------------------------------------------------------------ taking a manifest in (sync)

-- name: make_manifest
-- The manifest compared with the batch; requests only of rows that are new or changed.
CREATE TEMP TABLE slice (
    position INTEGER PRIMARY KEY,
    id       TEXT NOT NULL,
    request  TEXT NOT NULL,
    offers   TEXT,
    may_take TEXT,
    work     BLOB
) STRICT;
CREATE TEMP TABLE manifest (
    position   INTEGER PRIMARY KEY,
    id         TEXT NOT NULL,
    entry      INTEGER, -- NULL: new
    was_sent   INTEGER NOT NULL,
    is_changed INTEGER NOT NULL,
    is_moved   INTEGER NOT NULL,
    is_kept    INTEGER NOT NULL DEFAULT 0, -- its content has changed, but not for the lane that it was sent to
    work       BLOB,   -- NULL: not known, or stored already
    request    TEXT,   -- NULL: unchanged
    offers     TEXT,
    may_take   TEXT
) STRICT;
CREATE TEMP TABLE places (
    entry       INTEGER PRIMARY KEY,
    position    INTEGER NOT NULL,
    in_manifest INTEGER NOT NULL
) STRICT;

-- name: close_manifest
-- Each id once.
CREATE UNIQUE INDEX temp.manifest_by_id ON manifest (id);

-- name: empty_slice
DELETE FROM slice;

-- ------------------------------------------------------------------ intents of many rows

-- name: make_intents
CREATE TEMP TABLE intents (
    id          TEXT NOT NULL,
    attempt     INTEGER NOT NULL,
    at          INTEGER NOT NULL,
    request_id  TEXT NOT NULL,
    intended_at INTEGER NOT NULL,
    tagged      INTEGER NOT NULL,
    lane        TEXT,
    may_take    TEXT,
    request     TEXT,   -- NULL: unchanged
    detail      TEXT NOT NULL,
    proven_at   INTEGER
) STRICT;

-- name: add_intended_events
INSERT INTO events (entry, attempt, at, kind, detail)
SELECT e.key, i.attempt, i.at, 'intended', i.detail
FROM intents AS i CROSS JOIN entries AS e ON e.batch = :batch AND e.id = i.id;

-- ------------------------------------------------------------------ namesakes

-- name: make_works
CREATE TEMP TABLE works (
    position INTEGER PRIMARY KEY,
    id       TEXT NOT NULL,
    work     BLOB,
    is_only  INTEGER NOT NULL DEFAULT 0
) STRICT;

-- ------------------------------------------------------------------ reading

-- name: newest_event
SELECT coalesce(max(key), 0) FROM events;

-- name: recent
-- The newest events, by key: keys have few gaps, so no index over time is needed.
SELECT v.at, v.kind
FROM events AS v
WHERE v.key > (SELECT max(key) FROM events) - 5000 AND v.key <= (SELECT max(key) FROM events) AND v.at >= :since
    AND (SELECT batch FROM entries WHERE key = v.entry) = :batch
ORDER BY v.key;

-- name: in_state
SELECT * FROM entry_rows WHERE batch = :batch AND state = :state AND position > :after ORDER BY position LIMIT :limit;

-- name: ids_like
SELECT id FROM entries WHERE batch = :batch AND id LIKE :text ESCAPE '\' LIMIT 20;

-- ------------------------------------------------------------------ the connection

-- name: settings
-- FULL: a commit is on the disk before it returns; fullfsync: on macOS, too.
PRAGMA synchronous = FULL;
PRAGMA fullfsync = ON;
PRAGMA cell_size_check = ON;
PRAGMA cache_size = -16000;
PRAGMA journal_size_limit = 16777216;

-- name: attempt_rows
-- Every attempt, current and earlier. A temporary view, so that it is not part of the schema. Each column has one type in
-- both halves: else SQLite would materialise and sort the whole view.
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
-- As far as nobody is reading from it.
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
-- With whether it is in force by the clock, and ends no later than any lease can.
SELECT
    b.key, l.fence, b.name, l.holder, l.kernel,
    l.expires_at - CAST(unixepoch('subsec') * 1000000 AS INTEGER) BETWEEN 1 AND :longest
FROM leases AS l JOIN batches AS b ON b.key = l.batch WHERE l.holder IS NOT NULL ORDER BY b.key;

-- name: record_migration
INSERT INTO migrations (name, applied_at) VALUES (:name, CAST(unixepoch('subsec') * 1000000 AS INTEGER));

-- name: count_migrations
-- Read in a database that may be another program's: its table of migrations has other columns, or another first one.
SELECT count(applied_at) FROM migrations WHERE EXISTS (SELECT 1 FROM migrations WHERE name = '0001_batches_and_entries');

-- name: last_write
-- An error in a ledger of an older batchrun, whose writes have no form.
SELECT id, (SELECT schema_version FROM pragma_schema_version) FROM main.last_write WHERE form IS NOT NULL;

-- name: mark_write
UPDATE main.last_write
SET before = id, id = randomblob(16), form = (SELECT schema_version FROM pragma_schema_version);

-- name: data_version
-- Changes whenever another connection has committed.
PRAGMA data_version;

-- name: begin_reading
BEGIN;

-- name: begin_writing
BEGIN IMMEDIATE;

-- name: begin_alone
-- Without WAL this fails while any other connection is open, under any name of the file.
BEGIN EXCLUSIVE;

-- name: commit
COMMIT;

-- name: rollback
ROLLBACK;

-- ------------------------------------------------------------------ verify

-- name: integrity
-- Pages, indexes, NOT NULL and UNIQUE. Read-only, SQLite skips CHECK; replaying the history finds such entries.
PRAGMA integrity_check;

-- name: broken_references
PRAGMA foreign_key_check;
