-- What is known of other ledgers' runs: when it was last seen that the service has none of an entry's name.

PRAGMA user_version = 10;

CREATE TABLE proofs (
    entry     INTEGER PRIMARY KEY REFERENCES entries,
    at        INTEGER,          -- when the look began that found none
    is_sought INTEGER NOT NULL DEFAULT 0 CHECK (is_sought IN (0, 1)), -- a survey is looking
    CONSTRAINT "it was looked for, or is" CHECK (at IS NOT NULL OR is_sought)
) STRICT;

-- Runs are looked for by their name, so a proof is one of that name alone.
CREATE TRIGGER proof_is_of_a_name AFTER UPDATE OF request ON entries
WHEN new.request <> old.request
    AND json_extract(new.request, '$.name') IS NOT json_extract(old.request, '$.name')
BEGIN
    DELETE FROM proofs WHERE entry = new.key;
END;

-- The last look over the whole account for each batch.
CREATE TABLE surveys (
    batch INTEGER PRIMARY KEY REFERENCES batches,
    at    INTEGER NOT NULL,
    calls INTEGER NOT NULL CHECK (calls >= 0) -- of ListRuns, as far as a whole listing takes
) STRICT;

DROP VIEW entry_rows;

-- What `rows.entry_of` reads, in its order.
CREATE VIEW entry_rows AS
SELECT
    key, batch, in_manifest,
    id, position, request, state, attempt, intended_at, tagged, accepted_at, due, deferrals, is_doubtful,
    code, message, next_request, manifest_request, missed_at, misses,
    run_id, run_uuid, run_arn, run_status, run_output_uri, run_creation_time, run_start_time, run_stop_time,
    run_failure_reason, run_status_message,
    EXISTS (
        SELECT 1 FROM changed_rows AS c
        WHERE c.entry = entries.key AND coalesce(c.attempt, entries.attempt) = entries.attempt
    ) AS is_changed,
    (SELECT at FROM proofs WHERE entry = entries.key) AS proven_at
FROM entries;
