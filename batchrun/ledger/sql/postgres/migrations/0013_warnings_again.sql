-- What was told of the files that a batch was taken in from is told again where they are not read.

-- A JSON list; warning_count says how many there were, also where these are too many to be kept.
ALTER TABLE batches ADD COLUMN warnings text NOT NULL DEFAULT '[]';
ALTER TABLE batches ADD COLUMN warning_count integer NOT NULL DEFAULT 0;
