-- By which clock a batch's proofs were stamped: by another, their age cannot be told.

PRAGMA user_version = 11;

CREATE TABLE proof_clocks (
    batch  INTEGER PRIMARY KEY REFERENCES batches,
    boot   TEXT NOT NULL,    -- of which machine, since when it is up
    origin INTEGER NOT NULL  -- when that was, by the time in which proofs are stamped
) STRICT;
