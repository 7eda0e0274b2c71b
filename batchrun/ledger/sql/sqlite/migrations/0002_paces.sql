-- What launches learned of the service's rate limits, so that the next one does not begin with a burst.

PRAGMA user_version = 2;

CREATE TABLE paces (
    account   TEXT NOT NULL,    -- endpoint and profile: what a limit belongs to, beside its operation
    operation TEXT NOT NULL,
    phase     TEXT NOT NULL CHECK (phase IN ('searching', 'holding')),
    base      REAL NOT NULL CHECK (base > 0),          -- calls per second
    cut       REAL NOT NULL CHECK (cut BETWEEN 0 AND 1),
    span      INTEGER NOT NULL CHECK (span >= 1),      -- calls
    passed    INTEGER NOT NULL CHECK (passed >= 0),    -- calls
    burst     INTEGER NOT NULL CHECK (burst >= 0),     -- calls
    at        INTEGER NOT NULL,

    PRIMARY KEY (account, operation)
) STRICT, WITHOUT ROWID;
