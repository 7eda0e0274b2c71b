-- Statements of `ledger copy`, by name: the same in every database.
--
-- Entries are read in slices by key. What belongs to them is read with the entry's id, which is the same in both
-- ledgers, and written with the target's key. Proofs are not copied, since they depend on the ledger's clock.

-- name: closed
SELECT why, other, at FROM closed_batches WHERE batch = :batch;

-- name: close_batch
INSERT INTO closed_batches (batch, why, other, at) VALUES (:batch, :why, :other, :at)
ON CONFLICT (batch) DO UPDATE SET why = excluded.why, other = excluded.other, at = excluded.at;

-- name: open_copy
DELETE FROM closed_batches WHERE batch = :batch AND why = 'arriving';

-- name: copy_batch
INSERT INTO batches (name, region, created_at, account, place) VALUES (:name, :region, :created_at, :account, :place);

-- name: copied_fence
SELECT fence FROM leases WHERE batch = :batch;

-- name: copy_fence
INSERT INTO leases (batch, fence, holder, kernel, expires_at) VALUES (:batch, :fence, NULL, 'copied', 0);

-- name: copied_lanes
SELECT name, region, account, kept_at FROM lanes WHERE batch = :batch ORDER BY key;

-- name: copy_lane
INSERT INTO lanes (batch, name, region, account, kept_at) VALUES (:batch, :name, :region, :account, :kept_at)
ON CONFLICT (batch, name) DO NOTHING;

-- name: copied_notices
SELECT notice, at FROM notices WHERE batch = :batch ORDER BY notice;

-- name: copy_notice
INSERT INTO notices (batch, notice, at) VALUES (:batch, :notice, :at)
ON CONFLICT (batch, notice) DO NOTHING;

-- name: copied_entries
SELECT
    key,
    id, position, in_manifest, state, attempt, request_id, intended_at, tagged, accepted_at, due,
    deferrals, is_doubtful, code, message, run_id, run_uuid, run_arn, run_status, run_output_uri,
    run_creation_time, run_start_time, run_stop_time, run_failure_reason, run_status_message, request,
    next_request, manifest_request, missed_at, misses, lane, offers, may_take
FROM entries WHERE batch = :batch AND key > :after ORDER BY key LIMIT :limit;

-- name: copy_entry
INSERT INTO entries (
    batch,
    id, position, in_manifest, state, attempt, request_id, intended_at, tagged, accepted_at, due,
    deferrals, is_doubtful, code, message, run_id, run_uuid, run_arn, run_status, run_output_uri,
    run_creation_time, run_start_time, run_stop_time, run_failure_reason, run_status_message, request,
    next_request, manifest_request, missed_at, misses, lane, offers, may_take
) VALUES (
    :batch,
    :id, :position, :in_manifest, :state, :attempt, :request_id, :intended_at, :tagged, :accepted_at, :due,
    :deferrals, :is_doubtful, :code, :message, :run_id, :run_uuid, :run_arn, :run_status, :run_output_uri,
    :run_creation_time, :run_start_time, :run_stop_time, :run_failure_reason, :run_status_message,
    :request, :next_request, :manifest_request, :missed_at, :misses, :lane, :offers, :may_take
);

-- name: copied_keys
SELECT id, key FROM entries WHERE batch = :batch AND key > :after;

-- name: last_copied
SELECT id, key FROM entries WHERE batch = :batch ORDER BY key DESC LIMIT 1;

-- name: key_of_entry
SELECT key FROM entries WHERE batch = :batch AND id = :id;

-- name: copied_attempts
SELECT
    e.id AS entry,
    c.attempt, c.request_id, c.intended_at, c.tagged, c.accepted_at, c.code, c.message, c.run_id,
    c.run_uuid, c.run_arn, c.run_status, c.run_output_uri, c.run_creation_time, c.run_start_time,
    c.run_stop_time, c.run_failure_reason, c.run_status_message, c.request, c.lane
FROM attempts AS c JOIN entries AS e ON e.key = c.entry
WHERE e.batch = :batch AND e.key > :after AND e.key <= :last ORDER BY e.key, c.attempt;

-- name: copy_attempts
INSERT INTO attempts (
    entry,
    attempt, request_id, intended_at, tagged, accepted_at, code, message, run_id, run_uuid, run_arn,
    run_status, run_output_uri, run_creation_time, run_start_time, run_stop_time, run_failure_reason,
    run_status_message, request, lane
) VALUES (
    :entry,
    :attempt, :request_id, :intended_at, :tagged, :accepted_at, :code, :message, :run_id, :run_uuid,
    :run_arn, :run_status, :run_output_uri, :run_creation_time, :run_start_time, :run_stop_time,
    :run_failure_reason, :run_status_message, :request, :lane
);

-- name: copied_events
SELECT
    e.id AS entry,
    c.attempt, c.at, c.kind, c.detail
FROM events AS c JOIN entries AS e ON e.key = c.entry
WHERE e.batch = :batch AND e.key > :after AND e.key <= :last ORDER BY e.key, c.key;

-- name: copy_events
INSERT INTO events (
    entry,
    attempt, at, kind, detail
) VALUES (
    :entry,
    :attempt, :at, :kind, :detail
);

-- name: copied_cancellations
SELECT
    e.id AS entry,
    c.scope, c.at
FROM cancellations AS c JOIN entries AS e ON e.key = c.entry
WHERE e.batch = :batch AND e.key > :after AND e.key <= :last ORDER BY e.key;

-- name: copy_cancellations
INSERT INTO cancellations (
    entry,
    scope, at
) VALUES (
    :entry,
    :scope, :at
);

-- name: copied_changed_rows
SELECT
    e.id AS entry,
    c.attempt
FROM changed_rows AS c JOIN entries AS e ON e.key = c.entry
WHERE e.batch = :batch AND e.key > :after AND e.key <= :last ORDER BY e.key;

-- name: copy_changed_rows
INSERT INTO changed_rows (
    entry,
    attempt
) VALUES (
    :entry,
    :attempt
);

-- name: copied_row_works
SELECT
    e.id AS entry,
    c.work
FROM row_works AS c JOIN entries AS e ON e.key = c.entry
WHERE e.batch = :batch AND e.key > :after AND e.key <= :last ORDER BY e.key;

-- name: copy_row_works
INSERT INTO row_works (
    entry,
    work
) VALUES (
    :entry,
    :work
);

-- name: copied_failed_runs
SELECT
    e.id AS entry,
    c.attempt, c.asked_at, c.has_more
FROM failed_runs AS c JOIN entries AS e ON e.key = c.entry
WHERE e.batch = :batch AND e.key > :after AND e.key <= :last ORDER BY e.key, c.attempt;

-- name: copy_failed_runs
INSERT INTO failed_runs (
    entry,
    attempt, asked_at, has_more
) VALUES (
    :entry,
    :attempt, :asked_at, :has_more
);

-- name: copied_failed_tasks
SELECT
    e.id AS entry, f.attempt,
    c.place, c.task_id, c.name, c.failure_reason, c.status_message, c.log_stream
FROM failed_tasks AS c JOIN failed_runs AS f ON f.key = c.failed_run JOIN entries AS e ON e.key = f.entry
WHERE e.batch = :batch AND e.key > :after AND e.key <= :last ORDER BY e.key, f.attempt, c.place;

-- name: copy_failed_tasks
INSERT INTO failed_tasks (
    failed_run,
    place, task_id, name, failure_reason, status_message, log_stream
)
SELECT
    key,
    :place, :task_id, :name, :failure_reason, :status_message, :log_stream
FROM failed_runs WHERE entry = :entry AND attempt = :attempt;

-- name: copied_run_usages
SELECT
    run_uuid, at, status, workflow_id, is_fixed_price, running, storage_type, storage_gib, cached
FROM run_usages WHERE run_uuid IN (
    SELECT run_uuid FROM entries WHERE batch = :batch AND key > :after AND key <= :last
    UNION
    SELECT a.run_uuid FROM attempts AS a JOIN entries AS e ON e.key = a.entry
    WHERE e.batch = :batch AND e.key > :after AND e.key <= :last
) ORDER BY run_uuid;

-- name: copy_run_usages
INSERT INTO run_usages (
    run_uuid, at, status, workflow_id, is_fixed_price, running, storage_type, storage_gib, cached
) VALUES (
    :run_uuid, :at, :status, :workflow_id, :is_fixed_price, :running, :storage_type, :storage_gib, :cached
) ON CONFLICT (run_uuid) DO NOTHING;

-- name: copied_run_work
SELECT u.run_uuid, w.instance_type, w.tasks, w.billed
FROM run_work AS w JOIN run_usages AS u ON u.key = w.run_usage
WHERE u.run_uuid IN (
    SELECT run_uuid FROM entries WHERE batch = :batch AND key > :after AND key <= :last
    UNION
    SELECT a.run_uuid FROM attempts AS a JOIN entries AS e ON e.key = a.entry
    WHERE e.batch = :batch AND e.key > :after AND e.key <= :last
) ORDER BY u.run_uuid, w.instance_type;

-- name: copy_run_work
INSERT INTO run_work (run_usage, instance_type, tasks, billed)
SELECT key, :instance_type, :tasks, :billed FROM run_usages WHERE run_uuid = :run_uuid
ON CONFLICT (run_usage, instance_type) DO NOTHING;

-- name: copied_deletions
SELECT run_uuid, at FROM deletions WHERE run_uuid IN (
    SELECT run_uuid FROM entries WHERE batch = :batch AND key > :after AND key <= :last
    UNION
    SELECT a.run_uuid FROM attempts AS a JOIN entries AS e ON e.key = a.entry
    WHERE e.batch = :batch AND e.key > :after AND e.key <= :last
) ORDER BY run_uuid;

-- name: copy_deletions
INSERT INTO deletions (run_uuid, at) VALUES (:run_uuid, :at) ON CONFLICT (run_uuid) DO NOTHING;

-- name: copied_submissions
SELECT
    request_id, lane, name, rows, intended_at, standing, sent_at, batch_id, batch_uuid, status, code, message, request
FROM submissions WHERE batch = :batch ORDER BY key;

-- name: copy_submission
INSERT INTO submissions (
    batch, request_id, lane, name, rows, intended_at, standing, sent_at, batch_id, batch_uuid, status, code, message,
    request
) VALUES (
    :batch, :request_id, :lane, :name, :rows, :intended_at, :standing, :sent_at, :batch_id, :batch_uuid, :status, :code,
    :message, :request
) ON CONFLICT (request_id) DO NOTHING;

-- name: copied_submission_rows
SELECT e.id AS entry, s.request_id, c.attempt, c.intent
FROM submission_rows AS c JOIN submissions AS s ON s.key = c.submission JOIN entries AS e ON e.key = c.entry
WHERE e.batch = :batch AND e.key > :after AND e.key <= :last ORDER BY e.key, c.intent;

-- name: copy_submission_rows
INSERT INTO submission_rows (submission, entry, attempt, intent)
SELECT key, :entry, :attempt, :intent FROM submissions WHERE request_id = :request_id;
