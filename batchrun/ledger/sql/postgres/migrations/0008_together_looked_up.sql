-- References of many rows at once, which are mostly of entries that lie together: these are gone through once.

CREATE FUNCTION entries_are_there() RETURNS trigger LANGUAGE plpgsql
SET enable_seqscan = off SET enable_nestloop = off AS $$
DECLARE
    first BIGINT;
    last  BIGINT;
    rows  BIGINT;
BEGIN
    SELECT min(entry), max(entry), count(*) INTO first, last, rows FROM come;
    IF last - first < 2 * rows THEN
        PERFORM miss('an entry')
        FROM come LEFT JOIN (SELECT key FROM entries WHERE key BETWEEN first AND last) AS e ON e.key = come.entry
        WHERE e.key IS NULL;
    ELSE
        PERFORM miss('an entry') FROM come WHERE (SELECT key FROM entries WHERE key = come.entry) IS NULL;
    END IF;
    RETURN NULL;
END $$;

DROP TRIGGER entry_is_there ON row_works;
DROP TRIGGER entry_is_there ON submission_rows;
CREATE TRIGGER entries_are_there AFTER INSERT ON row_works REFERENCING NEW TABLE AS come
FOR EACH STATEMENT EXECUTE FUNCTION entries_are_there();
CREATE TRIGGER entries_are_there AFTER INSERT ON submission_rows REFERENCING NEW TABLE AS come
FOR EACH STATEMENT EXECUTE FUNCTION entries_are_there();
