-- SQLite's number of the schema, as it was at the last write: VACUUM, which puts pages elsewhere, counts it up.

PRAGMA user_version = 19;

ALTER TABLE last_write ADD COLUMN form INTEGER NOT NULL DEFAULT 0;
UPDATE last_write SET before = id, id = randomblob(16), form = (SELECT schema_version FROM pragma_schema_version);
