-- What `verify` asks SQLite alone.

-- name: integrity
-- Pages, indexes, NOT NULL and UNIQUE. Not CHECK: SQLite leaves these out where it may not write; an entry that
-- lacks what its state needs differs from what its history makes it.
PRAGMA integrity_check;

-- name: broken_references
PRAGMA foreign_key_check;
