-- What the ledger asks and writes of submissions in PostgreSQL's own words, by name.

-- name: add_submission_rows
-- After their steps were recorded.
INSERT INTO submission_rows (submission, entry, attempt, intent)
SELECT :submission, e.key, e.attempt, (SELECT count(*) FROM events WHERE entry = e.key AND kind = 'intended')
FROM json_array_elements_text(:ids::json) AS j (value) JOIN entries AS e ON e.batch = :batch AND e.id = j.value;

-- name: entries
SELECT * FROM entry_rows WHERE batch = :batch AND id IN (SELECT json_array_elements_text(:ids::json)) ORDER BY position;

-- ------------------------------------------------------------------ shapes

-- name: keep_shapes
INSERT INTO shapes (entry, shape)
SELECT e.key, j.value ->> 1
FROM json_array_elements(:shapes::json) AS j (value) JOIN entries AS e ON e.batch = :batch AND e.id = j.value ->> 0
ON CONFLICT (entry) DO UPDATE SET shape = excluded.shape;

-- name: due_of_shape
SELECT r.*
FROM (
    SELECT key, position FROM (
        SELECT key, position FROM entries
        WHERE batch = :batch AND state = 'planned' AND run_status IS NULL AND in_manifest = 1 AND coalesce(may_take, '') = coalesce(:lanes::text, '')
            AND (due IS NULL OR due <= :at OR due > :horizon)
            AND EXISTS (SELECT 1 FROM shapes WHERE entry = entries.key AND shape = :shape)
            AND id NOT IN (SELECT json_array_elements_text(:skip::json))
            AND NOT EXISTS (SELECT 1 FROM cancellations WHERE entry = entries.key)
        ORDER BY position LIMIT :limit
    ) AS a
    UNION ALL
    SELECT key, position FROM (
        SELECT key, position FROM entries
        WHERE batch = :batch AND state = 'backoff' AND run_status IS NULL AND in_manifest = 1 AND coalesce(may_take, '') = coalesce(:lanes::text, '')
            AND (due <= :at OR due > :horizon)
            AND EXISTS (SELECT 1 FROM shapes WHERE entry = entries.key AND shape = :shape)
            AND id NOT IN (SELECT json_array_elements_text(:skip::json))
            AND NOT EXISTS (SELECT 1 FROM cancellations WHERE entry = entries.key)
        ORDER BY position LIMIT :limit
    ) AS b
    ORDER BY position LIMIT :limit
) AS d JOIN entry_rows AS r ON r.key = d.key
ORDER BY d.position;
