-- What the ledger runs in PostgreSQL's own words, by name, with its values by name. Loaded by `statements`.
--
-- Whatever decides who holds a batch goes by `server_micros()`, the server's clock, and not by :at; and rows are locked.
-- JSON is taken apart, and tables are made, as PostgreSQL does it. All else is the same in every database.

-- ------------------------------------------------------------------ leases

-- name: lease
SELECT fence, holder, kernel, expires_at, (expires_at <= server_micros())::int AS is_over FROM leases WHERE batch = :batch;

-- name: claim_lease
-- In one statement, so that of several one gets it. :abandoned is the fence of a launcher that is known to be dead.
INSERT INTO leases (batch, fence, holder, kernel, expires_at) VALUES (:batch, 1, :holder, :kernel, server_micros() + :ttl)
ON CONFLICT (batch) DO UPDATE SET
    fence = leases.fence + 1, holder = excluded.holder, kernel = excluded.kernel, expires_at = excluded.expires_at
WHERE leases.holder IS NULL OR leases.expires_at <= server_micros() OR leases.fence = :abandoned
RETURNING fence;

-- name: extend_lease
UPDATE leases SET expires_at = server_micros() + :ttl WHERE batch = :batch;

-- name: bound_lease
UPDATE leases SET expires_at = server_micros() + :longest
WHERE batch = :batch AND holder IS NOT NULL AND expires_at > server_micros() + :longest;

-- name: wait_turn
-- What people ask of a batch, and what its launcher writes, come one after the other.
SELECT 1 FROM leases WHERE batch = :batch FOR UPDATE;

-- name: is_held
-- The row stays locked to the end of the transaction: nobody takes the batch over between this and what follows.
SELECT 1 FROM leases WHERE batch = :batch AND fence = :fence AND holder IS NOT NULL FOR UPDATE;

-- ------------------------------------------------------------------ recording

-- name: add_event
INSERT INTO events (batch, entry, attempt, at, kind, detail) VALUES (:batch, :key, :attempt, :at, :kind, :detail);

-- ------------------------------------------------------------------ proofs

-- name: sought_names
-- Once for each lane that may have a run of the attempt, by the name that it would have there: the one that it
-- was tried in, and all that are open to it, since another ledger may have chosen another.
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
-- The manifest as it compares to the batch; what is asked for only of rows that are new or changed. Gone with the
-- transaction, so that whoever hands out connections by transaction (PgBouncer) meets none of them. All are compared at
-- once, so that a batch is gone through once, and not looked at for each row.
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
    is_kept    INTEGER NOT NULL DEFAULT 0, -- its content is another, but not what it asks for where it was sent
    work       BYTEA,  -- NULL: not known, or stored already
    request    TEXT,   -- NULL: known, as it is
    offers     TEXT,
    may_take   TEXT
) ON COMMIT DROP;
-- Mostly these are few: what is asked of them page by page must not go through all the others each time.
CREATE INDEX ON manifest (position) WHERE is_changed = 1;
CREATE TEMP TABLE places (
    entry       BIGINT PRIMARY KEY,
    position    BIGINT NOT NULL,
    in_manifest INTEGER NOT NULL
) ON COMMIT DROP;

-- name: close_manifest
-- Each position and each id once: sorted as a whole in half the time that it takes row by row.
CREATE UNIQUE INDEX ON manifest (position);
CREATE UNIQUE INDEX ON manifest (id);

-- name: empty_slice
-- What is deleted stays in the way until the transaction ends.
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
    request     TEXT,   -- NULL: what it was
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
-- Two batches may number their events in another order than they are committed in: none is told before all that have
-- a lower number are there to be seen. Whatever else the server does for long counts for a minute and no more.
SELECT coalesce((
    SELECT key FROM events
    WHERE age(xmin) > age((pg_snapshot_xmin(pg_current_snapshot())::text::numeric % 4294967296)::text::xid)
        OR at < (extract(epoch FROM clock_timestamp()) - 60) * 1000000
    ORDER BY key DESC LIMIT 1
), 0);

-- name: recent
-- The newest events lead. Their keys have few gaps, so no index over time is needed. Both bounds: of a range with one
-- the server takes it that it is a third of the table. Each says its batch, since to look 5,000 entries up takes most
-- of the time; those that were recorded before they said so do not.
SELECT v.at, v.kind
FROM events AS v
WHERE v.key > (SELECT max(key) FROM events) - 5000 AND v.key <= (SELECT max(key) FROM events) AND v.at >= :since
    AND coalesce(v.batch, (SELECT batch FROM entries WHERE key = v.entry)) = :batch
ORDER BY v.key;

-- name: in_state
-- So that no other index will do: whatever the server counted last, it may take it that all rows of a batch are in that
-- state, and go through those that are not, by their position, to find the first that is.
SELECT * FROM entry_rows
WHERE (batch, state, position) > (:batch, :state, :after) AND (batch, state) <= (:batch, :state)
ORDER BY batch, state, position LIMIT :limit;

-- name: ids_like
-- As SQLite's LIKE, which passes over capitals.
SELECT id FROM entries WHERE batch = :batch AND id ILIKE :text ESCAPE '\' LIMIT 20;

-- ------------------------------------------------------------------ the pace that launchers share

-- name: has_peers
-- Another launcher that works in the account and region now.
SELECT EXISTS (
    SELECT 1
    FROM leases AS h JOIN batches AS b ON b.key = h.batch LEFT JOIN lanes AS n ON n.batch = b.key
    WHERE h.holder IS NOT NULL AND h.holder <> :holder AND h.expires_at > server_micros()
        AND coalesce(n.region, b.region) = :region
        AND coalesce(CASE WHEN n.key IS NULL THEN b.account ELSE n.account END, '') = :account
) AS has_peers;

-- name: take_stretch
-- The time after all stretches that are given out, or from now on (and a little before: nobody asks in time).
INSERT INTO shared_paces (region, account, operation, until)
VALUES (:region, :account, :operation, server_micros() - :late + :span)
ON CONFLICT (region, account, operation) DO UPDATE SET
    until = greatest(shared_paces.until, server_micros() - :late) + :span
RETURNING until, until - server_micros() AS ends_in;

-- name: leave_pace
-- What is left of the stretch goes back, unless somebody waits for its end.
UPDATE shared_paces SET
    state = :state, left_at = server_micros(), left_until = :until,
    until = CASE until WHEN :until THEN least(until, server_micros()) ELSE until END
WHERE region = :region AND account = :account AND operation = :operation AND coalesce(left_until, 0) <= :until;

-- name: left_pace
SELECT state, server_micros() - left_at AS ago, left_until FROM shared_paces
WHERE region = :region AND account = :account AND operation = :operation AND state IS NOT NULL;
