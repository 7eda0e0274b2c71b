-- References of what is written by the hundred thousand: looked up once for a statement, not row by row.
--
-- As strict as foreign keys: what they refer to is never deleted and keeps its key, so that what was there when a row
-- came stays there for as long as the row does. An entry's batch needs no rule of its own: whatever comes into a batch
-- or changes there is counted in `entry_counts`, which refers to it.

CREATE TRIGGER batches_stay BEFORE DELETE OR TRUNCATE OR UPDATE OF key ON batches
EXECUTE FUNCTION refuse('batches are not deleted');
CREATE TRIGGER entries_stay BEFORE DELETE OR TRUNCATE OR UPDATE OF key, batch ON entries
EXECUTE FUNCTION refuse('entries are not deleted');
CREATE TRIGGER event_kinds_stay BEFORE DELETE OR TRUNCATE OR UPDATE ON event_kinds
EXECUTE FUNCTION refuse('kinds of events are not deleted');
CREATE TRIGGER submissions_keep_their_keys BEFORE UPDATE OF key ON submissions
EXECUTE FUNCTION refuse('a submission stays what it was intended to be');
DROP TRIGGER entries_go ON entries;

CREATE FUNCTION miss(what TEXT) RETURNS void LANGUAGE plpgsql AS
$$ BEGIN RAISE EXCEPTION '% that is not there', what USING ERRCODE = 'foreign_key_violation'; END $$;

-- By the index, whatever the server believes of the size of a table that has just grown.
CREATE FUNCTION entry_is_there() RETURNS trigger LANGUAGE plpgsql SET enable_seqscan = off AS $$
BEGIN
    PERFORM miss('an entry') FROM come WHERE (SELECT key FROM entries WHERE key = come.entry) IS NULL;
    RETURN NULL;
END $$;

CREATE FUNCTION kind_is_there() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM miss('a kind of event') FROM come WHERE kind NOT IN (SELECT kind FROM event_kinds);
    RETURN NULL;
END $$;

CREATE FUNCTION submission_is_there() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM miss('a submission') FROM come WHERE submission NOT IN (SELECT key FROM submissions);
    RETURN NULL;
END $$;

ALTER TABLE entries DROP CONSTRAINT entries_batch_fkey;
ALTER TABLE events DROP CONSTRAINT events_entry_fkey, DROP CONSTRAINT events_kind_fkey;
ALTER TABLE row_works DROP CONSTRAINT row_works_entry_fkey;
ALTER TABLE proofs DROP CONSTRAINT proofs_entry_fkey;
ALTER TABLE shapes DROP CONSTRAINT shapes_entry_fkey;
ALTER TABLE submission_rows
    DROP CONSTRAINT submission_rows_submission_fkey, DROP CONSTRAINT submission_rows_entry_fkey;

CREATE TRIGGER entry_is_there AFTER INSERT ON events REFERENCING NEW TABLE AS come
FOR EACH STATEMENT EXECUTE FUNCTION entry_is_there();
CREATE TRIGGER kind_is_there AFTER INSERT ON events REFERENCING NEW TABLE AS come
FOR EACH STATEMENT EXECUTE FUNCTION kind_is_there();
CREATE TRIGGER entry_is_there AFTER INSERT ON row_works REFERENCING NEW TABLE AS come
FOR EACH STATEMENT EXECUTE FUNCTION entry_is_there();
CREATE TRIGGER entry_stays BEFORE UPDATE OF entry ON row_works EXECUTE FUNCTION refuse('it is of one entry');
CREATE TRIGGER entry_is_there AFTER INSERT ON proofs REFERENCING NEW TABLE AS come
FOR EACH STATEMENT EXECUTE FUNCTION entry_is_there();
CREATE TRIGGER entry_stays BEFORE UPDATE OF entry ON proofs EXECUTE FUNCTION refuse('it is of one entry');
CREATE TRIGGER entry_is_there AFTER INSERT ON shapes REFERENCING NEW TABLE AS come
FOR EACH STATEMENT EXECUTE FUNCTION entry_is_there();
CREATE TRIGGER entry_stays BEFORE UPDATE OF entry ON shapes EXECUTE FUNCTION refuse('it is of one entry');
CREATE TRIGGER entry_is_there AFTER INSERT ON submission_rows REFERENCING NEW TABLE AS come
FOR EACH STATEMENT EXECUTE FUNCTION entry_is_there();
CREATE TRIGGER submission_is_there AFTER INSERT ON submission_rows REFERENCING NEW TABLE AS come
FOR EACH STATEMENT EXECUTE FUNCTION submission_is_there();

-- A tenth of the usual sample: a hundred thousand rows are taken in many times as fast as they are counted else.
ALTER FUNCTION refresh_statistics() SET default_statistics_target = 10;
