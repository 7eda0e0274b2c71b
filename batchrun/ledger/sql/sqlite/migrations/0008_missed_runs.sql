-- Answers by which a run is gone: one decides nothing, so it is kept until another says the same.

PRAGMA user_version = 8;

DROP VIEW entry_rows;

ALTER TABLE entries ADD COLUMN missed_at INTEGER CHECK (missed_at IS NULL OR state = 'active');
ALTER TABLE entries ADD COLUMN misses INTEGER NOT NULL DEFAULT 0 CHECK ((misses > 0) = (missed_at IS NOT NULL));

-- What `rows.entry_of` reads, in its order.
CREATE VIEW entry_rows AS
SELECT
    key, batch, in_manifest,
    id, position, request, state, attempt, intended_at, tagged, accepted_at, due, deferrals, is_doubtful,
    code, message, next_request, manifest_request, missed_at, misses,
    run_id, run_uuid, run_arn, run_status, run_output_uri, run_creation_time, run_start_time, run_stop_time,
    run_failure_reason, run_status_message
FROM entries;

INSERT INTO event_kinds (kind) VALUES ('missed'), ('reappeared');
