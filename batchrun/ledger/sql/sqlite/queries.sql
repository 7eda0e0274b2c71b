-- What the ledger runs in SQLite's own words, by name, with its values by name. Loaded by `statements`.
--
-- Who holds a batch goes by :at, the clock of the one machine that has the file. JSON is taken apart, and tables are
-- made, as SQLite does it. All else is the same in every database.

-- ------------------------------------------------------------------ leases

-- name: lease
SELECT fence, holder, kernel, expires_at, expires_at <= :at AS is_over FROM leases WHERE batch = :batch;

-- name: claim_lease
-- In one statement, so that of several one gets it. :abandoned is the fence of a launcher that is known to be dead.
INSERT INTO leases (batch, fence, holder, kernel, expires_at) VALUES (:batch, 1, :holder, :kernel, :at + :ttl)
ON CONFLICT (batch) DO UPDATE SET
    fence = leases.fence + 1, holder = excluded.holder, kernel = excluded.kernel, expires_at = excluded.expires_at
WHERE leases.holder IS NULL OR leases.expires_at <= :at OR leases.fence = :abandoned
RETURNING fence;

-- name: extend_lease
UPDATE leases SET expires_at = :at + :ttl WHERE batch = :batch;

-- name: bound_lease
UPDATE leases SET expires_at = :at + :longest
WHERE batch = :batch AND holder IS NOT NULL AND expires_at > :at + :longest;

-- name: wait_turn
-- What people ask of a batch, and what its launcher writes, come one after the other. Here all that writes does.
SELECT 1 FROM leases WHERE batch = :batch;

-- name: is_held
SELECT 1 FROM leases WHERE batch = :batch AND fence = :fence AND holder IS NOT NULL;

-- ------------------------------------------------------------------ recording

-- name: add_event
INSERT INTO events (entry, attempt, at, kind, detail) VALUES (:key, :attempt, :at, :kind, :detail);

-- ------------------------------------------------------------------ proofs

-- name: sought_names
-- Once for each lane that may have a run of the attempt, by the name that it would have there: the one that it
-- was tried in, and all that are open to it, since another ledger may have chosen another.
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
-- The manifest as it compares to the batch; what is asked for only of rows that are new or changed.
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
    is_kept    INTEGER NOT NULL DEFAULT 0, -- its content is another, but not what it asks for where it was sent
    work       BLOB,   -- NULL: not known, or stored already
    request    TEXT,   -- NULL: known, as it is
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
    request     TEXT,   -- NULL: what it was
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
-- The newest events lead. Their keys have few gaps, so no index over time is needed.
SELECT v.at, v.kind
FROM events AS v
WHERE v.key > (SELECT max(key) FROM events) - 5000 AND v.key <= (SELECT max(key) FROM events) AND v.at >= :since
    AND (SELECT batch FROM entries WHERE key = v.entry) = :batch
ORDER BY v.key;

-- name: in_state
SELECT * FROM entry_rows WHERE batch = :batch AND state = :state AND position > :after ORDER BY position LIMIT :limit;

-- name: ids_like
SELECT id FROM entries WHERE batch = :batch AND id LIKE :text ESCAPE '\' LIMIT 20;

-- ------------------------------------------------------------------ the pace that launchers share

-- name: has_peers
-- Another launcher that works in the account and region now.
SELECT EXISTS (
    SELECT 1
    FROM leases AS h JOIN batches AS b ON b.key = h.batch LEFT JOIN lanes AS n ON n.batch = b.key
    WHERE h.holder IS NOT NULL AND h.holder <> :holder AND h.expires_at > :at
        AND coalesce(n.region, b.region) = :region
        AND coalesce(CASE WHEN n.key IS NULL THEN b.account ELSE n.account END, '') = :account
) AS has_peers;

-- name: take_stretch
-- The time after all stretches that are given out, or from now on (and a little before: nobody asks in time).
INSERT INTO shared_paces (region, account, operation, until)
VALUES (:region, :account, :operation, :at - :late + :span)
ON CONFLICT (region, account, operation) DO UPDATE SET until = max(until, :at - :late) + :span
RETURNING until, until - :at AS ends_in;

-- name: leave_pace
-- What is left of the stretch goes back, unless somebody waits for its end.
UPDATE shared_paces SET
    state = :state, left_at = :at, left_until = :until, until = CASE until WHEN :until THEN min(until, :at) ELSE until END
WHERE region = :region AND account = :account AND operation = :operation AND coalesce(left_until, 0) <= :until;

-- name: left_pace
SELECT state, :at - left_at AS ago, left_until FROM shared_paces
WHERE region = :region AND account = :account AND operation = :operation AND state IS NOT NULL;
