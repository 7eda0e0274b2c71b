-- What the ledger asks and writes of submissions in SQLite's own words, by name.

-- name: add_submission_rows
-- After their steps were recorded.
INSERT INTO submission_rows (submission, entry, attempt, intent)
SELECT :submission, e.key, e.attempt, (SELECT count(*) FROM events WHERE entry = e.key AND kind = 'intended')
FROM json_each(:ids) AS j CROSS JOIN entries AS e ON e.batch = :batch AND e.id = j.value;

-- name: entries
SELECT * FROM entry_rows WHERE batch = :batch AND id IN (SELECT value FROM json_each(:ids)) ORDER BY position;
