-- SQLite's number of the schema, as it was at the last write: VACUUM, which puts pages elsewhere, counts it up.

PRAGMA user_version = 19;

ALTER TABLE last_write ADD COLUMN form INTEGER NOT NULL DEFAULT 0;
-- What says that a log continues a file without all this: "before the first".
UPDATE last_write
SET before = x'6265666f726520746865206669727374', id = randomblob(16), form = (SELECT schema_version FROM pragma_schema_version);
