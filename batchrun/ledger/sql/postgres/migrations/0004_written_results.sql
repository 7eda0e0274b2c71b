-- Which results were written where, so that the same are not written again.

CREATE TABLE written_results (
    batch  BIGINT NOT NULL REFERENCES batches,
    place  TEXT COLLATE "C" NOT NULL CHECK (place <> ''), -- absolute path
    form   TEXT COLLATE "C" NOT NULL, -- by which batchrun, and how
    digest BYTEA NOT NULL CHECK (length(digest) = 32), -- of the file
    event  BIGINT NOT NULL, -- the batch's newest that is told there

    PRIMARY KEY (batch, place)
);
