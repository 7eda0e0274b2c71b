-- What launchers of one ledger share: the turns of an account's calls. And batches that are not launched here.

PRAGMA user_version = 13;

-- A time up to which an account's turns are given out, and how many were.
CREATE TABLE shared_turns (
    region     TEXT NOT NULL,
    account    TEXT NOT NULL,    -- empty where it is not known
    operation  TEXT NOT NULL,
    until      INTEGER NOT NULL,
    given      INTEGER NOT NULL CHECK (given >= 0),
    rate       REAL CHECK (rate > 0), -- turns per second, as they were given last; NULL: as fast as they were asked for
    refused_at INTEGER,          -- when the service last refused a call

    PRIMARY KEY (region, account, operation)
) STRICT, WITHOUT ROWID;

-- Batches that went on in another ledger, that come from one and are not whole yet, or are there to be read alone.
CREATE TABLE closed_batches (
    batch INTEGER PRIMARY KEY REFERENCES batches,
    why   TEXT NOT NULL CHECK (why IN ('moved', 'arriving', 'copy')),
    other TEXT NOT NULL CHECK (other <> ''), -- the other ledger
    at    INTEGER NOT NULL
) STRICT;
