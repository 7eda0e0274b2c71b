-- Lanes: the accounts and regions of one batch, what a row asks for in each, and where each attempt went.

PRAGMA user_version = 12;

CREATE TABLE lanes (
    key     INTEGER PRIMARY KEY, -- the order in which they were first kept
    batch   INTEGER NOT NULL REFERENCES batches,
    name    TEXT NOT NULL CHECK (name <> ''),
    region  TEXT NOT NULL,
    account TEXT                 -- NULL: not known yet
        CONSTRAINT "an account has twelve digits" CHECK (length(account) = 12 AND account NOT GLOB '*[^0-9]*'),
    kept_at INTEGER NOT NULL,

    UNIQUE (batch, name)
) STRICT;

DROP VIEW entry_rows;
DROP VIEW readable;
DROP TRIGGER proof_is_of_a_name;

ALTER TABLE entries ADD COLUMN lane TEXT   -- of the attempt, once it is intended; NULL in a batch without lanes
    CONSTRAINT "a lane is chosen with the intent" CHECK (lane <> '' AND intended_at IS NOT NULL OR lane IS NULL);
ALTER TABLE entries ADD COLUMN offers TEXT -- what the attempt was made with, lane by lane; NULL: `request` alone
    CONSTRAINT "the manifest has its own offers only where they differ" CHECK (manifest_request <> offers);
ALTER TABLE entries ADD COLUMN may_take TEXT -- JSON list of the lanes that it may be sent to; NULL: it has none
    CONSTRAINT "what is in a lane may take that one" CHECK (may_take = json_array(lane) OR lane IS NULL);

-- Two accounts know nothing of each other's runs: what is one run's uuid in a lane may be another's in the next.
DROP INDEX one_entry_per_run;
CREATE UNIQUE INDEX one_entry_per_run ON entries (batch, run_uuid, coalesce(lane, '')) WHERE run_uuid IS NOT NULL;
ALTER TABLE attempts RENAME TO old_attempts;
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
    run_uuid           TEXT,
    run_arn            TEXT,
    run_status         TEXT,
    run_output_uri     TEXT,
    run_creation_time  INTEGER,
    run_start_time     INTEGER,
    run_stop_time      INTEGER,
    run_failure_reason TEXT,
    run_status_message TEXT,
    request            TEXT NOT NULL,
    lane               TEXT,

    UNIQUE (entry, attempt)
) STRICT;
INSERT INTO attempts SELECT *, NULL FROM old_attempts;
DROP TABLE old_attempts;
CREATE UNIQUE INDEX one_attempt_per_run ON attempts (run_uuid, coalesce(lane, '')) WHERE run_uuid IS NOT NULL;

-- Answers counts, and what is due in which lanes: no row is read but those that are given.
DROP INDEX entries_counted;
CREATE INDEX entries_counted ON entries (batch, state, run_status, in_manifest, may_take, position);
DROP INDEX entries_by_due;
CREATE INDEX entries_by_due ON entries (batch, due, may_take) WHERE state = 'backoff';
DROP INDEX entries_planned_later;
CREATE INDEX entries_planned_later ON entries (batch, due, may_take) WHERE state = 'planned' AND due IS NOT NULL;

CREATE TRIGGER attempt_stays_in_its_lane BEFORE UPDATE OF lane ON entries
WHEN new.lane IS NOT old.lane AND new.attempt = old.attempt AND old.intended_at IS NOT NULL
BEGIN
    SELECT raise(ABORT, 'an attempt stays in its lane');
END;

CREATE TRIGGER lane_stays_where_it_is BEFORE UPDATE ON lanes
WHEN new.region <> old.region OR new.name <> old.name OR (
    old.account IS NOT NULL AND new.account IS NOT old.account AND EXISTS (
        SELECT 1 FROM entries
        WHERE batch = old.batch AND lane = old.name AND (run_uuid IS NOT NULL OR state = 'submitting')
    )
)
BEGIN
    SELECT raise(ABORT, 'a lane stays in its region, and in the account that has its runs');
END;

-- Runs are looked for by their name, in each lane that the row may take: a proof is one of these alone.
CREATE TRIGGER proof_is_of_a_name AFTER UPDATE OF request, offers, lane ON entries
WHEN (new.request <> old.request OR new.offers IS NOT old.offers OR new.lane IS NOT old.lane) AND EXISTS (
    SELECT
        coalesce(new.lane, json_extract(o.value, '$[0]')),
        json_extract(coalesce(json_extract(o.value, '$[1]'), new.request), '$.name')
    FROM (SELECT 1) LEFT JOIN json_each(CASE WHEN new.lane IS NULL AND new.may_take IS NOT NULL THEN new.offers END) AS o
    WHERE o.value IS NULL OR json_array_length(o.value) = 2
    EXCEPT
    SELECT
        coalesce(old.lane, json_extract(o.value, '$[0]')),
        json_extract(coalesce(json_extract(o.value, '$[1]'), old.request), '$.name')
    FROM (SELECT 1) LEFT JOIN json_each(CASE WHEN old.lane IS NULL AND old.may_take IS NOT NULL THEN old.offers END) AS o
    WHERE o.value IS NULL OR json_array_length(o.value) = 2
)
BEGIN
    DELETE FROM proofs WHERE entry = new.key;
END;

-- The last look over a whole account, for each lane of a batch.
ALTER TABLE surveys RENAME TO old_surveys;
CREATE TABLE surveys (
    batch INTEGER NOT NULL REFERENCES batches,
    lane  TEXT NOT NULL,    -- empty in a batch without lanes
    at    INTEGER NOT NULL,
    calls INTEGER NOT NULL CHECK (calls >= 0), -- of ListRuns, as far as a whole listing takes

    PRIMARY KEY (batch, lane)
) STRICT, WITHOUT ROWID;
INSERT INTO surveys (batch, lane, at, calls) SELECT batch, '', at, calls FROM old_surveys;
DROP TABLE old_surveys;

-- What `rows.entry_of` reads, in its order.
CREATE VIEW entry_rows AS
SELECT
    key, batch, in_manifest,
    id, position, request, state, attempt, intended_at, lane, offers, tagged, accepted_at, due, deferrals, is_doubtful,
    code, message, next_request, manifest_request, missed_at, misses,
    run_id, run_uuid, run_arn, run_status, run_output_uri, run_creation_time, run_start_time, run_stop_time,
    run_failure_reason, run_status_message,
    EXISTS (
        SELECT 1 FROM changed_rows AS c
        WHERE c.entry = entries.key AND coalesce(c.attempt, entries.attempt) = entries.attempt
    ) AS is_changed,
    (SELECT at FROM proofs WHERE entry = entries.key) AS proven_at
FROM entries;

-- For people with a SQLite shell.
CREATE VIEW readable AS
SELECT
    b.name AS batch, e.position, e.id, e.state, e.attempt, e.run_id, e.run_uuid, e.run_status,
    e.run_output_uri, strftime('%FT%R:%fZ', e.intended_at / 1e6, 'unixepoch') AS intended_at,
    strftime('%FT%R:%fZ', e.due / 1e6, 'unixepoch') AS due, e.code, e.message, e.run_failure_reason,
    e.run_status_message, e.request_id, e.lane
FROM entries AS e JOIN batches AS b ON b.key = e.batch
ORDER BY b.key, e.position;

INSERT INTO event_kinds (kind) VALUES ('moved');
