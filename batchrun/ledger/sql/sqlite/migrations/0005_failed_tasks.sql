-- Which tasks failed in runs that failed: asked for after the end was recorded, where the service still says.

PRAGMA user_version = 5;

-- Each failed run whose tasks may be asked for.
CREATE TABLE failed_runs (
    key      INTEGER PRIMARY KEY, -- the order in which their ends were recorded
    entry    INTEGER NOT NULL REFERENCES entries,
    attempt  INTEGER NOT NULL CHECK (attempt >= 1),
    asked_at INTEGER,             -- NULL: nobody has yet
    has_more INTEGER NOT NULL DEFAULT 0 CHECK (has_more IN (0, 1)),

    UNIQUE (entry, attempt)
) STRICT;

CREATE INDEX failed_runs_to_ask ON failed_runs (key) WHERE asked_at IS NULL;

CREATE TABLE failed_tasks (
    failed_run     INTEGER NOT NULL REFERENCES failed_runs,
    place          INTEGER NOT NULL CHECK (place >= 0), -- in the service's order
    task_id        TEXT NOT NULL,
    name           TEXT,
    failure_reason TEXT,
    status_message TEXT,
    log_stream     TEXT,

    PRIMARY KEY (failed_run, place)
) STRICT, WITHOUT ROWID;

-- Those that failed before this was kept: the service may still know.
INSERT INTO failed_runs (entry, attempt)
SELECT entry, attempt FROM attempts WHERE run_status = 'FAILED' AND run_stop_time IS NOT NULL
UNION ALL
SELECT key, attempt FROM entries WHERE state = 'failed' AND run_stop_time IS NOT NULL;
