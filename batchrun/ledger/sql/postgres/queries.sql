-- Statements that PostgreSQL needs in words of its own (JSON, temporary tables, transactions), by name, with named values.
-- All others are in `../queries.sql`.

-- ------------------------------------------------------------------ recording

-- name: add_event
INSERT INTO events (batch, entry, attempt, at, kind, detail) VALUES (:batch, :key, :attempt, :at, :kind, :detail);

-- ------------------------------------------------------------------ proofs

-- name: sought_names
-- A row for each lane that may have a run of the attempt, with the run's name there: the lane that it was tried in, and
-- all that are open to it, since another ledger may have chosen another.
WITH sought AS (
    SELECT e.* FROM entries AS e JOIN proofs AS p ON p.entry = e.key
    WHERE e.batch = :batch AND e.state IN ('planned', 'backoff') AND e.in_manifest = 1 AND p.is_sought = 1
)
SELECT id, lane, name FROM (
    SELECT id, position, lane, request::json ->> 'name' AS name
    FROM sought WHERE offers IS NULL OR intended_at IS NOT NULL
    UNION
    SELECT s.id, s.position, o.value ->> 0, o.value -> 1 ->> 'name'
    FROM sought AS s CROSS JOIN json_array_elements(s.offers::json) AS o (value)
    WHERE s.offers IS NOT NULL AND json_array_length(o.value) = 2
) AS names
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
            SELECT 1 FROM json_each_text(CAST(:uses AS json)) AS u WHERE e.request::json ->> u.key IS DISTINCT FROM u.value
        )
    LIMIT :limit
) AS alike;

-- name: has_started_alike
-- Whether one that uses the same was started since; what was found does not count.
SELECT EXISTS (
    SELECT 1 FROM entries AS e
    WHERE e.batch = :batch AND e.accepted_at >= :since AND coalesce(e.lane, '') = coalesce(CAST(:lane AS TEXT), '')
        AND NOT EXISTS (
            SELECT 1 FROM json_each_text(CAST(:uses AS json)) AS u WHERE e.request::json ->> u.key IS DISTINCT FROM u.value
        )
        AND NOT EXISTS (
            SELECT 1 FROM events AS v
            WHERE v.entry = e.key AND v.at >= :since AND v.kind = 'accepted' AND v.detail LIKE '%"was_found"_true%'
        )
);

-- name: forget_unreached
-- An empty name stands for rows that have no lane.
DELETE FROM proofs
WHERE is_sought = 1 AND entry IN (
    SELECT key FROM entries
    WHERE batch = :batch AND (
        EXISTS (
            SELECT 1 FROM json_array_elements_text(coalesce(may_take, '[""]')::json) AS l (value)
            WHERE value IN (SELECT json_array_elements_text(:lanes::json))
        ) OR EXISTS (
            SELECT 1 FROM json_array_elements(offers::json) AS o (value)
            WHERE json_array_length(value) = 2 AND value ->> 0 IN (SELECT json_array_elements_text(:lanes::json))
        )
    )
);

-- ------------------------------------------------------------------ taking a manifest in (sync)

-- name: make_manifest
-- The manifest compared with the batch; requests only of rows that are new or changed. Dropped with the transaction, since
-- a pooler (PgBouncer) may hand the connection to others. All rows are compared at once, in one pass over the batch.
SET LOCAL work_mem = '64MB';
CREATE TEMP TABLE slice (
    position BIGINT NOT NULL,
    id       TEXT COLLATE "C" NOT NULL,
    request  TEXT NOT NULL,
    offers   TEXT,
    may_take TEXT,
    work     BYTEA
) ON COMMIT DROP;
CREATE TEMP TABLE manifest (
    position   BIGINT NOT NULL,
    id         TEXT COLLATE "C" NOT NULL,
    entry      BIGINT, -- NULL: new
    was_sent   INTEGER NOT NULL,
    is_changed INTEGER NOT NULL,
    is_moved   INTEGER NOT NULL,
    is_kept    INTEGER NOT NULL DEFAULT 0, -- its content has changed, but not for the lane that it was sent to
    work       BYTEA,  -- NULL: not known, or stored already
    request    TEXT,   -- NULL: unchanged
    offers     TEXT,
    may_take   TEXT
) ON COMMIT DROP;
-- For pages of changed rows, mostly few, without scanning all the others each time.
CREATE INDEX ON manifest (position) WHERE is_changed = 1;
CREATE TEMP TABLE places (
    entry       BIGINT PRIMARY KEY,
    position    BIGINT NOT NULL,
    in_manifest INTEGER NOT NULL
) ON COMMIT DROP;

-- name: close_manifest
-- Sorting all at once takes half the time of inserting row by row.
CREATE UNIQUE INDEX ON manifest (position);
CREATE UNIQUE INDEX ON manifest (id);

-- name: empty_slice
-- Deleted rows would stay in the table until the transaction ends.
TRUNCATE slice;

-- ------------------------------------------------------------------ intents of many rows

-- name: make_intents
CREATE TEMP TABLE intents (
    id          TEXT COLLATE "C" NOT NULL,
    attempt     BIGINT NOT NULL,
    at          BIGINT NOT NULL,
    request_id  TEXT COLLATE "C" NOT NULL,
    intended_at BIGINT NOT NULL,
    tagged      SMALLINT NOT NULL,
    lane        TEXT COLLATE "C",
    may_take    TEXT COLLATE "C",
    request     TEXT,   -- NULL: unchanged
    detail      TEXT NOT NULL,
    proven_at   BIGINT
) ON COMMIT DROP;

-- name: add_intended_events
INSERT INTO events (batch, entry, attempt, at, kind, detail)
SELECT e.batch, e.key, i.attempt, i.at, 'intended', i.detail
FROM intents AS i CROSS JOIN entries AS e ON e.batch = :batch AND e.id = i.id;

-- ------------------------------------------------------------------ namesakes

-- name: make_works
CREATE TEMP TABLE works (
    position BIGINT PRIMARY KEY,
    id       TEXT COLLATE "C" NOT NULL,
    work     BYTEA,
    is_only  INTEGER NOT NULL DEFAULT 0
) ON COMMIT DROP;

-- ------------------------------------------------------------------ reading

-- name: newest_event
-- Events may be committed in another order than they are numbered, so none counts before all with lower numbers are
-- visible. Long transactions elsewhere on the server delay it by a minute at most.
SELECT coalesce((
    SELECT key FROM events
    WHERE age(xmin) > age((pg_snapshot_xmin(pg_current_snapshot())::text::numeric % 4294967296)::text::xid)
        OR at < (extract(epoch FROM clock_timestamp()) - 60) * 1000000
    ORDER BY key DESC LIMIT 1
), 0);

-- name: recent
-- The newest events, by key: keys have few gaps, so no index over time is needed. With one bound the planner would assume
-- a third of the table, so there are two. Events have their batch, since looking up 5,000 entries would take most of the
-- time; those of older versions do not.
SELECT v.at, v.kind
FROM events AS v
WHERE v.key > (SELECT max(key) FROM events) - 5000 AND v.key <= (SELECT max(key) FROM events) AND v.at >= :since
    AND coalesce(v.batch, (SELECT batch FROM entries WHERE key = v.entry)) = :batch
ORDER BY v.key;

-- name: in_state
-- Compared as rows, so that only this index fits: with old statistics the planner may assume that all rows are in that
-- state, and scan the batch by position for the first.
SELECT * FROM entry_rows
WHERE (batch, state, position) > (:batch, :state, :after) AND (batch, state) <= (:batch, :state)
ORDER BY batch, state, position LIMIT :limit;

-- name: ids_like
-- SQLite's LIKE ignores case.
SELECT id FROM entries WHERE batch = :batch AND id ILIKE :text ESCAPE '\' LIMIT 20;

-- ------------------------------------------------------------------ the connection

-- Nothing here outlasts a transaction: a pooler (PgBouncer) may hand out connections by transaction. Statements are
-- prepared only on connections to the server itself (`together`).

-- name: begin_writing
-- A launcher that is suspended or cut off in the middle must not lock out its successor; only the server can end that.
BEGIN ISOLATION LEVEL READ COMMITTED;
SET LOCAL idle_in_transaction_session_timeout = '5s';

-- name: begin_filling
BEGIN ISOLATION LEVEL READ COMMITTED;

-- name: bound_the_rest
-- Analyzes the filled tables with the smallest sample; from here on they are scanned as a whole.
SET LOCAL default_statistics_target = 1;
DO $$
DECLARE
    filled REGCLASS;
BEGIN
    FOR filled IN SELECT oid FROM pg_class WHERE relnamespace = pg_my_temp_schema() AND relkind = 'r' LOOP
        EXECUTE 'ANALYZE ' || filled;
    END LOOP;
END $$;
SET LOCAL work_mem = '64MB';
SET LOCAL idle_in_transaction_session_timeout = '5s';

-- name: begin_reading
BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY;

-- name: begin_comparing
-- It makes temporary tables, which only a transaction for writing may, also for a user who reads by default.
BEGIN ISOLATION LEVEL REPEATABLE READ READ WRITE;

-- name: refresh_statistics
SELECT refresh_statistics();

-- name: commit
COMMIT;

-- name: rollback
ROLLBACK;

-- name: mark
-- Fails (the mark becomes NULL), with all that follows, where this very transaction was committed already and only the
-- answer was lost. Waits until what is left of that transaction has ended.
INSERT INTO writers (writer, mark, at) VALUES (:writer, :mark, server_micros())
ON CONFLICT (writer) DO UPDATE SET mark = nullif(excluded.mark, writers.mark), at = excluded.at;

-- name: marks_of_others
-- Changes whenever another connection has written.
SELECT coalesce(bit_xor(mark), 0) FROM writers WHERE writer <> :writer;

-- name: forget_writers
DELETE FROM writers WHERE at < server_micros() - 86400000000;

-- name: about
SELECT
    current_setting('server_version_num')::int AS server, current_setting('server_encoding') AS encoding,
    current_user AS role, current_schema() AS schema,
    to_regclass('batchrun_migrations') IS NOT NULL AS has_ledger, to_regclass('entries') IS NOT NULL AS has_other,
    pg_is_in_recovery() AS is_standby;

-- name: process
SELECT pg_backend_pid();

-- name: schema_version
SELECT coalesce(max(number), 0) FROM batchrun_migrations;

-- name: take_migrations
-- Of several processes that find an old schema one migrates it.
SELECT pg_advisory_xact_lock(7021815550206346606);

-- name: hold_leases
LOCK TABLE leases IN SHARE ROW EXCLUSIVE MODE;

-- name: a_held_lease
SELECT b.name AS batch, l.holder FROM leases AS l JOIN batches AS b ON b.key = l.batch
WHERE l.holder IS NOT NULL AND l.expires_at > server_micros() ORDER BY b.key LIMIT 1;

-- name: make_migrations
CREATE TABLE IF NOT EXISTS batchrun_migrations (
    number     INTEGER PRIMARY KEY,
    name       TEXT NOT NULL,
    applied_at TIMESTAMPTZ NOT NULL DEFAULT clock_timestamp()
);

-- name: record_migration
INSERT INTO batchrun_migrations (number, name) VALUES (:number, :name);

-- ------------------------------------------------------------------ verify

-- name: integrity
-- The server checks its pages itself. Constraints that were never validated, and disabled triggers.
SELECT 'the rule ' || conname || ' of ' || conrelid::regclass || ' was not checked' AS integrity_check
FROM pg_constraint WHERE NOT convalidated AND connamespace = current_schema()::regnamespace
UNION ALL
SELECT 'the trigger ' || tgname || ' of ' || tgrelid::regclass || ' is switched off'
FROM pg_trigger JOIN pg_class AS c ON c.oid = tgrelid
WHERE tgenabled IN ('D', 'R') AND c.relnamespace = current_schema()::regnamespace;

-- name: broken_references
-- Of references that triggers check on writing, without foreign keys.
SELECT v.key AS rowid, 'events' AS "table", 'entries' AS parent
FROM events AS v WHERE NOT EXISTS (SELECT 1 FROM entries WHERE key = v.entry)
UNION ALL
SELECT v.key, 'events', 'event_kinds'
FROM events AS v WHERE NOT EXISTS (SELECT 1 FROM event_kinds WHERE kind = v.kind)
UNION ALL
SELECT e.key, 'entries', 'batches' FROM entries AS e WHERE NOT EXISTS (SELECT 1 FROM batches WHERE key = e.batch)
UNION ALL
SELECT r.entry, 'submission_rows', 'submissions'
FROM submission_rows AS r WHERE NOT EXISTS (SELECT 1 FROM submissions WHERE key = r.submission)
UNION ALL
SELECT o.entry, o.name, 'entries'
FROM (
    SELECT entry, 'row_works' AS name FROM row_works
    UNION ALL
    SELECT entry, 'proofs' FROM proofs
    UNION ALL
    SELECT entry, 'shapes' FROM shapes
    UNION ALL
    SELECT entry, 'submission_rows' FROM submission_rows
) AS o WHERE NOT EXISTS (SELECT 1 FROM entries WHERE key = o.entry);
