-- What people ask to be cancelled; attempts whose request departs from the manifest; runs deleted on request.
--
-- `entries` is made anew, since a CHECK cannot be changed: an entry may be cancelled before it has a run. The
-- names of other tables' references follow the name, so the history stays untouched.

PRAGMA user_version = 4;

DROP VIEW entry_rows;
DROP VIEW readable;

CREATE TABLE new_entries (
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
    manifest_request   TEXT,     -- what the manifest asks for, where `request` departs from it

    UNIQUE (batch, id),
    UNIQUE (batch, position),
    CONSTRAINT "an intent has its requestId" CHECK ((request_id IS NULL) = (intended_at IS NULL)),
    CONSTRAINT "the manifest has its own request only where it differs" CHECK (manifest_request <> request),
    CONSTRAINT "a run is known whole or not at all" CHECK (
        (run_uuid IS NULL) = (run_id IS NULL)
        AND (run_uuid IS NULL) = (run_arn IS NULL)
        AND (run_uuid IS NULL) = (run_status IS NULL)
        AND (run_uuid IS NULL) = (accepted_at IS NULL)
        AND (run_uuid IS NULL OR intended_at IS NOT NULL)
    ),
    CONSTRAINT "each state has what it needs, and no run too early" CHECK (
        CASE state
            WHEN 'planned'    THEN intended_at IS NULL AND run_uuid IS NULL
            WHEN 'submitting' THEN intended_at IS NOT NULL AND run_uuid IS NULL
            WHEN 'backoff'    THEN intended_at IS NOT NULL AND run_uuid IS NULL AND due IS NOT NULL
            WHEN 'refused'    THEN intended_at IS NOT NULL AND run_uuid IS NULL
            WHEN 'active'     THEN run_uuid IS NOT NULL
            WHEN 'succeeded'  THEN run_uuid IS NOT NULL
            WHEN 'failed'     THEN run_uuid IS NOT NULL
            WHEN 'cancelled'  THEN 1 -- its run, or what was to be sent
            WHEN 'deleted'    THEN run_uuid IS NOT NULL
            ELSE 0
        END
    )
) STRICT;

INSERT INTO new_entries (
    key, batch, id, position, in_manifest, state, attempt, request_id, intended_at, tagged, accepted_at, due,
    deferrals, is_doubtful, code, message, run_id, run_uuid, run_arn, run_status, run_output_uri,
    run_creation_time, run_start_time, run_stop_time, run_failure_reason, run_status_message, request,
    next_request
)
SELECT
    key, batch, id, position, in_manifest, state, attempt, request_id, intended_at, tagged, accepted_at, due,
    deferrals, is_doubtful, code, message, run_id, run_uuid, run_arn, run_status, run_output_uri,
    run_creation_time, run_start_time, run_stop_time, run_failure_reason, run_status_message, request,
    next_request
FROM entries ORDER BY key;

DROP TABLE entries;
ALTER TABLE new_entries RENAME TO entries;

CREATE INDEX entries_by_state ON entries (batch, state, position);
-- Answers counts alone: no row is read.
CREATE INDEX entries_counted ON entries (batch, state, run_status, in_manifest);
CREATE INDEX entries_by_due ON entries (batch, due) WHERE state = 'backoff';
CREATE INDEX entries_planned_later ON entries (batch, due) WHERE state = 'planned' AND due IS NOT NULL;
CREATE UNIQUE INDEX one_entry_per_run ON entries (batch, run_uuid) WHERE run_uuid IS NOT NULL;

-- What `rows.entry` reads, in its order.
CREATE VIEW entry_rows AS
SELECT
    key, batch, in_manifest,
    id, position, request, state, attempt, intended_at, tagged, accepted_at, due, deferrals, is_doubtful,
    code, message, next_request, manifest_request,
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

-- Entries that people asked to be cancelled. Whoever holds the batch carries it out; only a new attempt that
-- people ask for takes it back, so it also holds for an attempt that a launch had begun by itself meanwhile.
CREATE TABLE cancellations (
    entry INTEGER PRIMARY KEY REFERENCES entries,
    scope TEXT NOT NULL CHECK (scope IN ('sending', 'run')), -- send nothing more; cancel its run too
    at    INTEGER NOT NULL
) STRICT;

-- Runs that were deleted from the service on request. Their entries stay as they ended.
CREATE TABLE deletions (
    run_uuid TEXT PRIMARY KEY,
    at       INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

INSERT INTO event_kinds (kind) VALUES ('withdrawn'), ('recalled');
