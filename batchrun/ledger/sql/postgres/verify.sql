-- What `verify` asks PostgreSQL alone.

-- name: integrity
-- The server sees to its pages. A rule that was switched off, or that nobody has held the rows to, is no rule.
SELECT 'the rule ' || conname || ' of ' || conrelid::regclass || ' was not checked' AS integrity_check
FROM pg_constraint WHERE NOT convalidated AND connamespace = current_schema()::regnamespace
UNION ALL
SELECT 'the trigger ' || tgname || ' of ' || tgrelid::regclass || ' is switched off'
FROM pg_trigger JOIN pg_class AS c ON c.oid = tgrelid
WHERE tgenabled IN ('D', 'R') AND c.relnamespace = current_schema()::regnamespace;

-- name: broken_references
-- Of those that are looked up as rows are written, and not by the server whatever is done.
SELECT v.key AS rowid, 'events' AS "table", 'entries' AS parent
FROM events AS v WHERE NOT EXISTS (SELECT 1 FROM entries WHERE key = v.entry)
UNION ALL
SELECT v.key, 'events', 'event_kinds'
FROM events AS v WHERE NOT EXISTS (SELECT 1 FROM event_kinds WHERE kind = v.kind)
UNION ALL
SELECT e.key, 'entries', 'batches' FROM entries AS e WHERE NOT EXISTS (SELECT 1 FROM batches WHERE key = e.batch)
UNION ALL
SELECT r.entry, 'submission_rows', 'submissions'
FROM submission_rows AS r WHERE NOT EXISTS (SELECT 1 FROM submissions WHERE key = r.submission)
UNION ALL
SELECT o.entry, o.name, 'entries'
FROM (
    SELECT entry, 'row_works' AS name FROM row_works
    UNION ALL
    SELECT entry, 'proofs' FROM proofs
    UNION ALL
    SELECT entry, 'shapes' FROM shapes
    UNION ALL
    SELECT entry, 'submission_rows' FROM submission_rows
) AS o WHERE NOT EXISTS (SELECT 1 FROM entries WHERE key = o.entry);
