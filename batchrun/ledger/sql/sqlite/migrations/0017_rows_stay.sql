-- Batches and entries stay, as their history does, and keep their keys: what refers to them may rely on that.

PRAGMA user_version = 17;

CREATE TRIGGER batches_stay BEFORE DELETE ON batches
BEGIN SELECT raise(ABORT, 'batches are not deleted'); END;
CREATE TRIGGER batches_keep_their_keys BEFORE UPDATE OF key ON batches
BEGIN SELECT raise(ABORT, 'batches are not deleted'); END;
CREATE TRIGGER entries_stay BEFORE DELETE ON entries
BEGIN SELECT raise(ABORT, 'entries are not deleted'); END;
CREATE TRIGGER entries_keep_their_keys BEFORE UPDATE OF key, batch ON entries
BEGIN SELECT raise(ABORT, 'entries are not deleted'); END;
CREATE TRIGGER event_kinds_stay BEFORE DELETE ON event_kinds
BEGIN SELECT raise(ABORT, 'kinds of events are not deleted'); END;
CREATE TRIGGER event_kinds_stay_as_they_are BEFORE UPDATE ON event_kinds
BEGIN SELECT raise(ABORT, 'kinds of events are not deleted'); END;
CREATE TRIGGER submissions_keep_their_keys BEFORE UPDATE OF key ON submissions
BEGIN SELECT raise(ABORT, 'a submission stays what it was intended to be'); END;
CREATE TRIGGER work_stays BEFORE UPDATE OF entry ON row_works
BEGIN SELECT raise(ABORT, 'it is of one entry'); END;
CREATE TRIGGER proof_stays BEFORE UPDATE OF entry ON proofs
BEGIN SELECT raise(ABORT, 'it is of one entry'); END;
CREATE TRIGGER shape_stays BEFORE UPDATE OF entry ON shapes
BEGIN SELECT raise(ABORT, 'it is of one entry'); END;
DROP TRIGGER an_entry_goes;
