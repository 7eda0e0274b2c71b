-- What a batch is beside its name: the account of its runs, where its manifest lay, and the work of its rows.
-- And which rows' runs have other content than the manifest has now.

PRAGMA user_version = 9;

ALTER TABLE batches ADD COLUMN account TEXT -- NULL: not known yet
    CONSTRAINT "an account has twelve digits" CHECK (length(account) = 12 AND account NOT GLOB '*[^0-9]*');
ALTER TABLE batches ADD COLUMN place TEXT   -- absolute path; NULL: not known, or read from no file
    CONSTRAINT "a place is a path" CHECK (place <> '');

CREATE TRIGGER account_stays BEFORE UPDATE OF account ON batches
WHEN old.account IS NOT NULL AND new.account IS NOT old.account AND EXISTS (
    SELECT 1 FROM entries WHERE batch = old.key AND (run_uuid IS NOT NULL OR state = 'submitting')
)
BEGIN
    SELECT raise(ABORT, 'a batch stays in the account that has its runs');
END;

-- The work that was taken up of each row, as a digest. Rows that an older batchrun took in have none until their
-- manifest is read again.
CREATE TABLE row_works (
    entry INTEGER PRIMARY KEY REFERENCES entries,
    work  BLOB NOT NULL CHECK (length(work) = 16)
) STRICT;

-- Rows whose runs have other content than the manifest has now, and are kept all the same.
CREATE TABLE changed_rows (
    entry   INTEGER PRIMARY KEY REFERENCES entries,
    attempt INTEGER CHECK (attempt >= 1) -- the one whose run was found so; NULL: the manifest changed since
) STRICT;

-- The runs of a batch say whose they are, where all of them say the same.
UPDATE batches SET account = (
    SELECT min(account) FROM (
        SELECT substr(run_arn, instr(run_arn, ':run/') - 12, 12) AS account FROM (
            SELECT run_arn FROM entries WHERE batch = batches.key AND run_arn LIKE 'arn:%:omics:%:run/%'
            UNION ALL
            SELECT a.run_arn FROM attempts AS a JOIN entries AS e ON e.key = a.entry
            WHERE e.batch = batches.key AND a.run_arn LIKE 'arn:%:omics:%:run/%'
        )
    )
    HAVING min(account) = max(account) AND length(min(account)) = 12 AND min(account) NOT GLOB '*[^0-9]*'
);

-- What `rows.entry` reads, in its order.
DROP VIEW entry_rows;
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
    ) AS is_changed
FROM entries;
