-- The rules for retries of a manifest that is not read again.

-- A JSON object; null where a batch was taken in before, from a manifest without rules.
ALTER TABLE batches ADD COLUMN retry TEXT;
