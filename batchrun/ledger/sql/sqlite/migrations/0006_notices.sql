-- What was told of a batch to those who do not watch, so that it is told once.

PRAGMA user_version = 6;

CREATE TABLE notices (
    batch  INTEGER NOT NULL REFERENCES batches,
    notice TEXT NOT NULL CHECK (notice IN ('failure', 'stopped', 'end')),
    at     INTEGER NOT NULL,

    PRIMARY KEY (batch, notice)
) STRICT, WITHOUT ROWID;
