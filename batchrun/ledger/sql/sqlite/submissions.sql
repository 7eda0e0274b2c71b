-- What the ledger asks and writes of submissions in SQLite's own words, by name.

-- name: add_submission_rows
-- After their steps were recorded.
INSERT INTO submission_rows (submission, entry, attempt, intent)
SELECT :submission, e.key, e.attempt, (SELECT count(*) FROM events WHERE entry = e.key AND kind = 'intended')
FROM json_each(:ids) AS j CROSS JOIN entries AS e ON e.batch = :batch AND e.id = j.value;

-- name: entries
SELECT * FROM entry_rows WHERE batch = :batch AND id IN (SELECT value FROM json_each(:ids)) ORDER BY position;

-- ------------------------------------------------------------------ shapes

-- name: keep_shapes
-- WHERE, or ON would belong to the join.
INSERT INTO shapes (entry, shape)
SELECT e.key, json_extract(j.value, '$[1]')
FROM json_each(:shapes) AS j CROSS JOIN entries AS e ON e.batch = :batch AND e.id = json_extract(j.value, '$[0]')
WHERE true
ON CONFLICT (entry) DO UPDATE SET shape = excluded.shape;

-- name: due_of_shape
SELECT r.*
FROM (
    SELECT key, position FROM (
        SELECT key, position FROM entries
        WHERE batch = :batch AND state = 'planned' AND run_status IS NULL AND in_manifest = 1 AND coalesce(may_take, '') = coalesce(:lanes, '')
            AND (due IS NULL OR due <= :at OR due > :horizon)
            AND EXISTS (SELECT 1 FROM shapes WHERE entry = entries.key AND shape = :shape)
            AND id NOT IN (SELECT value FROM json_each(:skip))
            AND NOT EXISTS (SELECT 1 FROM cancellations WHERE entry = entries.key)
        ORDER BY position LIMIT :limit
    )
    UNION ALL
    SELECT key, position FROM (
        SELECT key, position FROM entries
        WHERE batch = :batch AND state = 'backoff' AND run_status IS NULL AND in_manifest = 1 AND coalesce(may_take, '') = coalesce(:lanes, '')
            AND (due <= :at OR due > :horizon)
            AND EXISTS (SELECT 1 FROM shapes WHERE entry = entries.key AND shape = :shape)
            AND id NOT IN (SELECT value FROM json_each(:skip))
            AND NOT EXISTS (SELECT 1 FROM cancellations WHERE entry = entries.key)
        ORDER BY position LIMIT :limit
    )
    ORDER BY position LIMIT :limit
) AS d JOIN entry_rows AS r ON r.key = d.key
ORDER BY d.position;
