-- Every statement that the ledger runs and that is the same in every database, by name, with its values by name.
-- Loaded by `statements`. Truths are 0 and 1. What differs is in each database's own folder.

-- name: counts
-- Kept by the schema's own triggers, so that many entries are counted as fast as few.
SELECT state, nullif(run_status, '') AS run_status, nullif(may_take, '') AS may_take, total FROM entry_counts
WHERE batch = :batch AND total > 0 AND (in_manifest = 1 OR state NOT IN ('planned', 'backoff'));

-- name: choices
-- From one value to the next by the index, however many rows have it. Empty, which comes first, is for no lane.
WITH RECURSIVE
    states (state) AS (VALUES ('planned'), ('backoff')),
    found (state, choice) AS (
        SELECT state, (
            SELECT coalesce(may_take, '') FROM entries
            WHERE batch = :batch AND entries.state = states.state AND run_status IS NULL AND in_manifest = 1
            ORDER BY coalesce(may_take, '') LIMIT 1
        )
        FROM states
        UNION ALL
        SELECT state, (
            SELECT coalesce(may_take, '') FROM entries
            WHERE batch = :batch AND entries.state = found.state AND run_status IS NULL AND in_manifest = 1
                AND coalesce(may_take, '') > found.choice
            ORDER BY coalesce(may_take, '') LIMIT 1
        )
        FROM found WHERE choice IS NOT NULL
    )
SELECT DISTINCT nullif(choice, '') AS may_take FROM found WHERE choice IS NOT NULL ORDER BY may_take NULLS FIRST;
