-- What launchers of one ledger share: the pace of an account's calls. And batches that are not launched here.

PRAGMA user_version = 13;

-- Stretches of time in which one launcher alone makes an operation's calls, and the pace as the last left it.
CREATE TABLE shared_paces (
    region     TEXT NOT NULL,
    account    TEXT NOT NULL, -- empty where it is not known
    operation  TEXT NOT NULL,
    until      INTEGER NOT NULL, -- when the last stretch ends
    state      TEXT CHECK (json_valid(state)),
    left_at    INTEGER,
    left_until INTEGER,       -- when the stretch ended, or was to end, at whose end it was left

    PRIMARY KEY (region, account, operation),
    CONSTRAINT "a pace was left at some time" CHECK (
        (state IS NULL) = (left_at IS NULL) AND (state IS NULL) = (left_until IS NULL)
    )
) STRICT, WITHOUT ROWID;

-- Batches that went on in another ledger, that come from one and are not whole yet, or are there to be read alone.
CREATE TABLE closed_batches (
    batch INTEGER PRIMARY KEY REFERENCES batches,
    why   TEXT NOT NULL CHECK (why IN ('moved', 'arriving', 'copy')),
    other TEXT NOT NULL CHECK (other <> ''), -- the other ledger
    at    INTEGER NOT NULL
) STRICT;
