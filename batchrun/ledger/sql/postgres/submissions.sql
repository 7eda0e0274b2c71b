-- What the ledger asks and writes of submissions in PostgreSQL's own words, by name.

-- name: add_submission_rows
-- After their steps were recorded.
INSERT INTO submission_rows (submission, entry, attempt, intent)
SELECT :submission, e.key, e.attempt, (SELECT count(*) FROM events WHERE entry = e.key AND kind = 'intended')
FROM json_array_elements_text(:ids::json) AS j (value) JOIN entries AS e ON e.batch = :batch AND e.id = j.value;

-- name: entries
SELECT * FROM entry_rows WHERE batch = :batch AND id IN (SELECT json_array_elements_text(:ids::json)) ORDER BY position;
