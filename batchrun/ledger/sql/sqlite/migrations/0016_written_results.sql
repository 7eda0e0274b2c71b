-- Which results were written where, so that the same are not written again.

PRAGMA user_version = 16;

CREATE TABLE written_results (
    batch  INTEGER NOT NULL REFERENCES batches,
    place  TEXT NOT NULL CHECK (place <> ''), -- absolute path
    form   TEXT NOT NULL,    -- by which batchrun, and how
    digest BLOB NOT NULL CHECK (length(digest) = 32), -- of the file
    event  INTEGER NOT NULL, -- the batch's newest that is told there

    PRIMARY KEY (batch, place)
) STRICT, WITHOUT ROWID;
