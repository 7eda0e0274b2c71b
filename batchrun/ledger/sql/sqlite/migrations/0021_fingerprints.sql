-- Of the files that a batch was last taken in from, so that the same are not read and compared again.

PRAGMA user_version = 21;

-- NULL: they had none, or not every row is as they say.
ALTER TABLE batches ADD COLUMN fingerprint TEXT CHECK (length(fingerprint) = 64);
-- A JSON list of paths: the files that the manifest names.
ALTER TABLE batches ADD COLUMN beside TEXT NOT NULL DEFAULT '[]';
