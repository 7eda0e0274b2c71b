-- What a connection to PostgreSQL is told, by name: transactions, and which schema it meets.
--
-- Nothing here lasts beyond a transaction: connections may be handed out by transaction (PgBouncer). What does is kept by
-- connections alone of which it is known whose they are (`prepared`).

-- name: begin_writing
-- A launcher that stops in the middle (suspended, cut off) must not keep the batch from its successor. This is the
-- server's to see: whoever is stopped sees nothing.
BEGIN ISOLATION LEVEL READ COMMITTED;
SET LOCAL idle_in_transaction_session_timeout = '5s';

-- name: begin_filling
BEGIN ISOLATION LEVEL READ COMMITTED;

-- name: bound_the_rest
-- What was filled is counted, by the smallest sample, and gone through as a whole from here on.
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
-- It makes temporary tables.
BEGIN ISOLATION LEVEL REPEATABLE READ;

-- name: refresh_statistics
SELECT refresh_statistics();

-- name: commit
COMMIT;

-- name: rollback
ROLLBACK;

-- name: mark
-- Refused, and all that follows, where this very transaction was committed before, and the word of it was lost on the
-- way: there is no mark then. Waits until whatever is left of that has ended.
INSERT INTO writers (writer, mark, at) VALUES (:writer, :mark, server_micros())
ON CONFLICT (writer) DO UPDATE SET mark = nullif(excluded.mark, writers.mark), at = excluded.at;

-- name: marks_of_others
-- Another number as soon as another connection has written.
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
-- One of several that find an old schema brings it up to date.
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
