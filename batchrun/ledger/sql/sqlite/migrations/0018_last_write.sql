-- What tells whether the log beside the file continues it: which write was the last, and which was before that.

PRAGMA user_version = 18;

CREATE TABLE last_write (
    one    INTEGER PRIMARY KEY CHECK (one = 1),
    before BLOB NOT NULL,
    id     BLOB NOT NULL CHECK (length(id) = 16)
) STRICT;

INSERT INTO last_write (one, before, id) VALUES (1, x'', randomblob(16));
CREATE TRIGGER last_write_stays BEFORE DELETE ON last_write
BEGIN SELECT raise(ABORT, 'there is always a last write'); END;
