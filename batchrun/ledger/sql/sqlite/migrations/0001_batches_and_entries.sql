-- The first schema: batches, their entries, the attempts before, the history, and who may write.
--
-- Times are whole microseconds since 1970 in UTC. Truths are 0 or 1. A fact is stored once: an entry carries
-- its current attempt, `attempts` only those before it.

PRAGMA application_id = 0x6272756e; -- 'brun'
PRAGMA user_version = 1;

CREATE TABLE migrations (
    name       TEXT PRIMARY KEY,
    applied_at INTEGER NOT NULL
) STRICT;

CREATE TABLE batches (
    key        INTEGER PRIMARY KEY,
    name       TEXT NOT NULL UNIQUE CHECK (name <> ''),
    region     TEXT NOT NULL,
    created_at INTEGER NOT NULL
) STRICT;

-- The last lease of each batch. The fence stays when the lease is released, so that it only ever grows.
CREATE TABLE leases (
    batch      INTEGER PRIMARY KEY REFERENCES batches,
    fence      INTEGER NOT NULL CHECK (fence >= 1),
    holder     TEXT,             -- host:pid, for people; NULL once released
    kernel     TEXT NOT NULL,    -- where the holder runs: process locks mean something only there
    expires_at INTEGER NOT NULL
) STRICT;

CREATE TRIGGER fence_grows BEFORE UPDATE OF fence ON leases WHEN new.fence < old.fence
BEGIN
    SELECT raise(ABORT, 'a fence only grows');
END;

CREATE TABLE entries (
    key                INTEGER PRIMARY KEY,
    batch              INTEGER NOT NULL REFERENCES batches,
    id                 TEXT NOT NULL CHECK (id <> ''),
    position           INTEGER NOT NULL CHECK (position >= 0),
    in_manifest        INTEGER NOT NULL DEFAULT 1 CHECK (in_manifest IN (0, 1)),
    state              TEXT NOT NULL DEFAULT 'planned',
    attempt            INTEGER NOT NULL DEFAULT 1 CHECK (attempt >= 1),
    request_id         TEXT,     -- of the current attempt, from the moment it is intended
    intended_at        INTEGER,
    tagged             INTEGER NOT NULL DEFAULT 1 CHECK (tagged IN (0, 1)),
    accepted_at        INTEGER,
    due                INTEGER,
    deferrals          INTEGER NOT NULL DEFAULT 0 CHECK (deferrals >= 0),
    is_doubtful        INTEGER NOT NULL DEFAULT 0 CHECK (is_doubtful IN (0, 1)),
    code               TEXT,
    message            TEXT,
    run_id             TEXT,
    run_uuid           TEXT,
    run_arn            TEXT,
    run_status         TEXT,
    run_output_uri     TEXT,
    run_creation_time  INTEGER,
    run_start_time     INTEGER,
    run_stop_time      INTEGER,
    run_failure_reason TEXT,
    run_status_message TEXT,
    -- Last, because they are long: what stands before them is read without them.
    request            TEXT NOT NULL,
    next_request       TEXT,

    UNIQUE (batch, id),
    UNIQUE (batch, position),
    CONSTRAINT "an intent has its requestId" CHECK ((request_id IS NULL) = (intended_at IS NULL)),
    CONSTRAINT "a run is known whole or not at all" CHECK (
        (run_uuid IS NULL) = (run_id IS NULL)
        AND (run_uuid IS NULL) = (run_arn IS NULL)
        AND (run_uuid IS NULL) = (run_status IS NULL)
        AND (run_uuid IS NULL) = (accepted_at IS NULL)
    ),
    CONSTRAINT "each state has what it needs, and no run too early" CHECK (
        CASE state
            WHEN 'planned'    THEN intended_at IS NULL AND run_uuid IS NULL
            WHEN 'submitting' THEN intended_at IS NOT NULL AND run_uuid IS NULL
            WHEN 'backoff'    THEN intended_at IS NOT NULL AND run_uuid IS NULL AND due IS NOT NULL
            WHEN 'refused'    THEN intended_at IS NOT NULL AND run_uuid IS NULL
            WHEN 'active'     THEN intended_at IS NOT NULL AND run_uuid IS NOT NULL
            WHEN 'succeeded'  THEN intended_at IS NOT NULL AND run_uuid IS NOT NULL
            WHEN 'failed'     THEN intended_at IS NOT NULL AND run_uuid IS NOT NULL
            WHEN 'cancelled'  THEN intended_at IS NOT NULL AND run_uuid IS NOT NULL
            WHEN 'deleted'    THEN intended_at IS NOT NULL AND run_uuid IS NOT NULL
            ELSE 0
        END
    )
) STRICT;

CREATE INDEX entries_by_state ON entries (batch, state, position);
-- Answers counts alone: no row is read.
CREATE INDEX entries_counted ON entries (batch, state, run_status, in_manifest);
CREATE INDEX entries_by_due ON entries (batch, due) WHERE state = 'backoff';
CREATE UNIQUE INDEX one_entry_per_run ON entries (batch, run_uuid) WHERE run_uuid IS NOT NULL;

-- The attempts before an entry's current one, as they stood when the next began. Only attempts that were sent.
CREATE TABLE attempts (
    entry              INTEGER NOT NULL REFERENCES entries,
    attempt            INTEGER NOT NULL CHECK (attempt >= 1),
    request_id         TEXT NOT NULL UNIQUE,
    intended_at        INTEGER NOT NULL,
    tagged             INTEGER NOT NULL CHECK (tagged IN (0, 1)),
    accepted_at        INTEGER,
    code               TEXT,
    message            TEXT,
    run_id             TEXT,
    run_uuid           TEXT UNIQUE,
    run_arn            TEXT,
    run_status         TEXT,
    run_output_uri     TEXT,
    run_creation_time  INTEGER,
    run_start_time     INTEGER,
    run_stop_time      INTEGER,
    run_failure_reason TEXT,
    run_status_message TEXT,
    request            TEXT NOT NULL,

    UNIQUE (entry, attempt)
) STRICT;

-- A table, not a CHECK, so that a new kind is one more row and the history is not written anew.
CREATE TABLE event_kinds (
    kind TEXT PRIMARY KEY
) STRICT, WITHOUT ROWID;

INSERT INTO event_kinds (kind) VALUES
    ('intended'), ('accepted'), ('deferred'), ('refused'), ('doubted'), ('progressed'), ('completed'),
    ('failed'), ('cancelled'), ('removed'), ('revised');

CREATE TABLE events (
    key     INTEGER PRIMARY KEY, -- the order in which they were recorded
    entry   INTEGER NOT NULL REFERENCES entries,
    attempt INTEGER NOT NULL CHECK (attempt >= 1),
    at      INTEGER NOT NULL,
    kind    TEXT NOT NULL REFERENCES event_kinds,
    detail  TEXT NOT NULL CHECK (json_valid(detail))
) STRICT;

CREATE INDEX events_of_entry ON events (entry);

CREATE TRIGGER events_stay_as_they_are BEFORE UPDATE ON events
BEGIN
    SELECT raise(ABORT, 'history is not changed');
END;

CREATE TRIGGER events_stay BEFORE DELETE ON events
BEGIN
    SELECT raise(ABORT, 'history is not deleted');
END;

-- What `rows.entry` reads, in its order.
CREATE VIEW entry_rows AS
SELECT
    key, batch, in_manifest,
    id, position, request, state, attempt, intended_at, tagged, accepted_at, due, deferrals, is_doubtful,
    code, message, next_request,
    run_id, run_uuid, run_arn, run_status, run_output_uri, run_creation_time, run_start_time, run_stop_time,
    run_failure_reason, run_status_message
FROM entries;

-- For people with a SQLite shell.
CREATE VIEW readable AS
SELECT
    b.name AS batch, e.position, e.id, e.state, e.attempt, e.run_id, e.run_uuid, e.run_status,
    e.run_output_uri, strftime('%FT%R:%fZ', e.intended_at / 1e6, 'unixepoch') AS intended_at,
    strftime('%FT%R:%fZ', e.due / 1e6, 'unixepoch') AS due, e.code, e.message, e.run_failure_reason,
    e.run_status_message, e.request_id
FROM entries AS e JOIN batches AS b ON b.key = e.batch
ORDER BY b.key, e.position;
