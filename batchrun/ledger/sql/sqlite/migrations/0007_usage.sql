-- What ended runs used: enough to price them again with other prices, without asking the service again.

PRAGMA user_version = 7;

CREATE TABLE run_usages (
    key            INTEGER PRIMARY KEY, -- the order in which they were kept
    run_uuid       TEXT NOT NULL UNIQUE,
    at             INTEGER NOT NULL,
    status         TEXT,                -- of the run; NULL: the service does not have it any more
    workflow_id    TEXT,
    is_fixed_price INTEGER NOT NULL DEFAULT 0 CHECK (is_fixed_price IN (0, 1)),
    running        INTEGER NOT NULL DEFAULT 0 CHECK (running >= 0), -- microseconds
    storage_type   TEXT,
    storage_gib    INTEGER CHECK (storage_gib >= 0),
    cached         INTEGER NOT NULL DEFAULT 0 CHECK (cached >= 0)   -- tasks
) STRICT;

CREATE INDEX run_usages_of_workflow ON run_usages (workflow_id, status, key);

-- The tasks of a run by instance type.
CREATE TABLE run_work (
    run_usage     INTEGER NOT NULL REFERENCES run_usages,
    instance_type TEXT NOT NULL,                          -- empty where the service did not say
    tasks         INTEGER NOT NULL CHECK (tasks >= 1),
    billed        INTEGER NOT NULL CHECK (billed >= 0),   -- microseconds

    PRIMARY KEY (run_usage, instance_type)
) STRICT, WITHOUT ROWID;
