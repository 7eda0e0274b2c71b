-- Statements that are the same in every database, by name, with named values. Booleans are 0 and 1. What a database
-- needs in words of its own is in its folder here.
--
-- `sqlite.statements` and `postgres.statements` translate some words: `clock(:at)` is SQLite's :at and PostgreSQL's
-- server clock, which alone decides who holds a batch; FOR UPDATE, greatest and least are PostgreSQL's; `json_each` of
-- a value, CROSS JOIN (join in the order written) and INDEXED BY are SQLite's. A value of unclear type is cast.

-- ------------------------------------------------------------------ batches

-- name: add_batch
INSERT INTO batches (name, region, created_at, account) VALUES (:name, :region, :at, :account) ON CONFLICT (name) DO NOTHING;

-- name: find_batch
SELECT name, region, created_at, account, place FROM batches WHERE name = :name;

-- name: batches
SELECT name, region, created_at, account, place FROM batches ORDER BY created_at DESC, key DESC;

-- name: move_batch
-- Not while another launcher has it, which may start a run where the batch is now.
UPDATE batches SET region = :region, account = coalesce(:account, account)
WHERE name = :name AND (region <> :region OR account IS DISTINCT FROM coalesce(:account, account))
    AND NOT EXISTS (
        SELECT 1 FROM leases
        WHERE batch = batches.key AND holder IS NOT NULL AND holder IS DISTINCT FROM :holder
            AND expires_at > clock(:at)
    )
    AND NOT EXISTS (
        SELECT 1 FROM entries WHERE batch = batches.key AND (run_uuid IS NOT NULL OR state = 'submitting')
    )
    AND NOT EXISTS (
        SELECT 1 FROM attempts AS a JOIN entries AS e ON e.key = a.entry
        WHERE e.batch = batches.key AND a.run_uuid IS NOT NULL
    );

-- name: learn_account
UPDATE batches SET account = :account WHERE key = :batch AND account IS NULL;

-- name: keep_place
UPDATE batches SET place = :place WHERE key = :batch AND place IS DISTINCT FROM :place;

-- name: keep_files
UPDATE batches SET
    fingerprint = :fingerprint, beside = :beside, warnings = :warnings, warning_count = :warning_count,
    retry = :retry
WHERE key = :batch AND fingerprint IS DISTINCT FROM :fingerprint;

-- name: taken_from
SELECT fingerprint, beside, warnings, warning_count, retry FROM batches WHERE key = :batch AND fingerprint IS NOT NULL;

-- name: is_taken_from
SELECT count(*) FROM batches WHERE key = :batch AND fingerprint = :fingerprint;

-- name: batch_key
SELECT key FROM batches WHERE name = :name;

-- ------------------------------------------------------------------ lanes of a batch

-- name: lanes
SELECT name, region, account FROM lanes WHERE batch = :batch ORDER BY key;

-- name: add_lane
INSERT INTO lanes (batch, name, region, account, kept_at) VALUES (:batch, :name, :region, :account, :at)
ON CONFLICT (batch, name) DO NOTHING;

-- name: move_lane
UPDATE lanes SET region = :region, account = coalesce(:account, account)
WHERE batch = :batch AND name = :name
    AND (region <> :region OR account IS DISTINCT FROM coalesce(:account, account))
    AND NOT EXISTS (
        SELECT 1 FROM entries
        WHERE batch = lanes.batch AND lane = lanes.name AND (run_uuid IS NOT NULL OR state = 'submitting')
    )
    AND NOT EXISTS (
        SELECT 1 FROM attempts AS a JOIN entries AS e ON e.key = a.entry
        WHERE e.batch = lanes.batch AND a.lane = lanes.name AND a.run_uuid IS NOT NULL
    );

-- name: lane
SELECT name, region, account FROM lanes WHERE batch = :batch AND name = :name;

-- name: learn_lane
UPDATE lanes SET account = :account WHERE batch = :batch AND name = :name AND account IS NULL;

-- ------------------------------------------------------------------ leases

-- name: lease
SELECT fence, holder, kernel, expires_at - clock(:at) AS ends_in FROM leases WHERE batch = :batch;

-- name: claim_lease
-- One statement, so that only one of several claims succeeds. :abandoned is the fence of a launcher known to be dead.
INSERT INTO leases (batch, fence, holder, kernel, expires_at) VALUES (:batch, 1, :holder, :kernel, clock(:at) + :ttl)
ON CONFLICT (batch) DO UPDATE SET
    fence = leases.fence + 1, holder = excluded.holder, kernel = excluded.kernel, expires_at = excluded.expires_at
WHERE leases.holder IS NULL OR leases.expires_at <= clock(:at) OR leases.fence = :abandoned
RETURNING fence;

-- name: extend_lease
UPDATE leases SET expires_at = clock(:at) + :ttl WHERE batch = :batch;

-- name: bound_lease
UPDATE leases SET expires_at = clock(:at) + :longest
WHERE batch = :batch AND holder IS NOT NULL AND expires_at > clock(:at) + :longest;

-- name: wait_turn
-- What users ask of a batch, and what its launcher writes, must not overlap.
SELECT 1 FROM leases WHERE batch = :batch FOR UPDATE;

-- name: is_held
-- The row stays locked until the transaction ends: nobody can take the batch over before that.
SELECT 1 FROM leases WHERE batch = :batch AND fence = :fence AND holder IS NOT NULL FOR UPDATE;

-- name: release_lease
UPDATE leases SET holder = NULL WHERE batch = :batch AND fence = :fence;

-- ------------------------------------------------------------------ recording

-- name: stored_attempts_of
SELECT id, key, attempt, intended_at, lane, run_uuid, run_arn FROM entries
WHERE batch = :batch AND id IN (SELECT value FROM json_each(:ids));

-- name: keep_attempt
INSERT INTO attempts
SELECT
    key, attempt, request_id, intended_at, tagged, accepted_at, code, message, run_id, run_uuid, run_arn,
    run_status, run_output_uri, run_creation_time, run_start_time, run_stop_time, run_failure_reason,
    run_status_message, request, lane
FROM entries WHERE key = :key;

-- Three, because setting an indexed column is expensive even where its value stays: uuids are scattered in their index.

-- name: update_standing
UPDATE entries SET
    state = :state, accepted_at = :accepted_at, due = :due, deferrals = :deferrals, is_doubtful = :is_doubtful, code = :code, message = :message, next_request = :next_request,
    missed_at = :missed_at, misses = :misses,
    run_status = :run_status, run_output_uri = :run_output_uri, run_creation_time = :run_creation_time, run_start_time = :run_start_time, run_stop_time = :run_stop_time,
    run_failure_reason = :run_failure_reason, run_status_message = :run_status_message
WHERE key = :key;

-- name: update_with_run
UPDATE entries SET
    state = :state, accepted_at = :accepted_at, due = :due, deferrals = :deferrals, is_doubtful = :is_doubtful, code = :code, message = :message, next_request = :next_request,
    missed_at = :missed_at, misses = :misses,
    run_status = :run_status, run_output_uri = :run_output_uri, run_creation_time = :run_creation_time, run_start_time = :run_start_time, run_stop_time = :run_stop_time,
    run_failure_reason = :run_failure_reason, run_status_message = :run_status_message,
    run_id = :run_id, run_uuid = :run_uuid, run_arn = :run_arn
WHERE key = :key;

-- name: update_whole
UPDATE entries SET
    state = :state, accepted_at = :accepted_at, due = :due, deferrals = :deferrals, is_doubtful = :is_doubtful, code = :code, message = :message, next_request = :next_request,
    missed_at = :missed_at, misses = :misses,
    run_status = :run_status, run_output_uri = :run_output_uri, run_creation_time = :run_creation_time, run_start_time = :run_start_time, run_stop_time = :run_stop_time,
    run_failure_reason = :run_failure_reason, run_status_message = :run_status_message,
    run_id = :run_id, run_uuid = :run_uuid, run_arn = :run_arn,
    attempt = :attempt, request_id = :request_id, intended_at = :intended_at, tagged = :tagged, request = :request, manifest_request = :manifest_request,
    lane = :lane, offers = :offers, may_take = :may_take
WHERE key = :key;

-- ------------------------------------------------------------------ proofs

-- name: keep_proof
INSERT INTO proofs (entry, at) VALUES (:key, :at) ON CONFLICT (entry) DO UPDATE SET at = excluded.at;

-- name: forget_sought
-- Marks left by a survey that never ended, or (:ids) rows whose run was seen and not adopted.
DELETE FROM proofs
WHERE is_sought = 1 AND entry IN (
    SELECT key FROM entries
    WHERE batch = :batch AND (CAST(:ids AS TEXT) IS NULL OR id IN (SELECT value FROM json_each(:ids)))
);

-- name: begin_survey
-- Marks what is to be sent without a valid proof; a change of name removes the mark.
INSERT INTO proofs (entry, is_sought)
SELECT e.key, 1
FROM entries AS e LEFT JOIN proofs AS p ON p.entry = e.key
WHERE e.batch = :batch AND e.state IN ('planned', 'backoff') AND e.in_manifest = 1
    AND NOT coalesce(p.at > :since AND p.at <= :at, false)
ON CONFLICT (entry) DO UPDATE SET is_sought = 1;

-- name: end_survey
UPDATE proofs SET at = :at, is_sought = 0
WHERE is_sought = 1 AND entry IN (SELECT key FROM entries WHERE batch = :batch);

-- name: keep_survey
INSERT INTO surveys (batch, lane, at, calls) VALUES (:batch, :lane, :at, :calls)
ON CONFLICT (batch, lane) DO UPDATE SET at = :at, calls = :calls;

-- name: proof_clock
SELECT boot, origin FROM proof_clocks WHERE batch = :batch;

-- name: keep_proof_clock
INSERT INTO proof_clocks (batch, boot, origin) VALUES (:batch, :boot, :origin)
ON CONFLICT (batch) DO UPDATE SET boot = :boot, origin = :origin;

-- name: forget_proofs
DELETE FROM proofs WHERE entry IN (SELECT key FROM entries WHERE batch = :batch);

-- name: has_found
-- A run that was taken over was intended when the service made it. '_': a colon begins a value.
SELECT EXISTS (
    SELECT 1 FROM entries AS e JOIN events AS v ON v.entry = e.key
    WHERE e.batch = :batch AND e.accepted_at >= :since AND v.at >= :since AND v.kind = 'accepted'
        AND v.detail LIKE '%"was_found"_true%' AND e.intended_at = coalesce(e.run_creation_time, e.accepted_at)
);

-- name: has_started
SELECT EXISTS (
    SELECT 1 FROM entries AS e
    WHERE e.batch = :batch AND e.accepted_at >= :since AND coalesce(e.lane, '') = coalesce(CAST(:lane AS TEXT), '')
        AND NOT EXISTS (
            SELECT 1 FROM events AS v
            WHERE v.entry = e.key AND v.at >= :since AND v.kind = 'accepted' AND v.detail LIKE '%"was_found"_true%'
        )
);

-- name: has_proofs
SELECT EXISTS (
    SELECT 1 FROM entries AS e JOIN proofs AS p ON p.entry = e.key
    WHERE e.batch = :batch AND e.state IN ('planned', 'backoff')
);

-- name: survey_calls
SELECT lane, calls FROM surveys WHERE batch = :batch;

-- name: unproven
SELECT count(*)
FROM entries AS e LEFT JOIN proofs AS p ON p.entry = e.key
WHERE e.batch = :batch AND e.state IN ('planned', 'backoff') AND e.in_manifest = 1
    AND NOT coalesce(p.at > :since AND p.at <= :at, false);

-- ------------------------------------------------------------------ failed runs

-- name: add_failed_run
INSERT INTO failed_runs (entry, attempt) VALUES (:key, :attempt) ON CONFLICT (entry, attempt) DO NOTHING;

-- name: unasked
SELECT f.key AS number, f.entry, f.attempt
FROM failed_runs AS f CROSS JOIN entries AS e ON e.key = f.entry AND e.batch = :batch
WHERE f.asked_at IS NULL AND f.key > :after
ORDER BY f.key LIMIT :limit;

-- name: attempt
SELECT * FROM attempt_rows WHERE entry = :entry AND attempt = :attempt;

-- name: mark_asked
UPDATE failed_runs SET asked_at = :at, has_more = :has_more
WHERE key = :number AND asked_at IS NULL AND (SELECT batch FROM entries WHERE key = entry) = :batch;

-- name: add_failed_task
INSERT INTO failed_tasks (failed_run, place, task_id, name, failure_reason, status_message, log_stream)
VALUES (:number, :place, :id, :name, :failure_reason, :status_message, :log_stream);

-- name: failed_tasks
SELECT e.id, f.attempt, f.has_more, t.task_id, t.name, t.failure_reason, t.status_message, t.log_stream
FROM json_each(:ids) AS j
    CROSS JOIN entries AS e ON e.batch = :batch AND e.id = j.value
    CROSS JOIN failed_runs AS f ON f.entry = e.key
    LEFT JOIN failed_tasks AS t ON t.failed_run = f.key
WHERE f.asked_at IS NOT NULL
ORDER BY e.id, f.attempt, t.place;

-- name: task_failures
SELECT
    e.run_failure_reason AS run_reason, t.failure_reason AS reason, count(DISTINCT e.key) AS rows,
    count(DISTINCT t.name) AS names, min(t.name) AS name
FROM entries AS e INDEXED BY entries_by_state
    CROSS JOIN failed_runs AS f ON f.entry = e.key AND f.attempt = e.attempt
    CROSS JOIN failed_tasks AS t ON t.failed_run = f.key
WHERE e.batch = :batch AND e.state = 'failed'
GROUP BY e.run_failure_reason, t.failure_reason
ORDER BY rows DESC, e.run_failure_reason NULLS FIRST, t.failure_reason NULLS FIRST LIMIT 50;

-- ------------------------------------------------------------------ taking a manifest in (sync)

-- name: drop_manifest
DROP TABLE slice;
DROP TABLE manifest;
DROP TABLE places;

-- name: add_spec
INSERT INTO slice (position, id, request, offers, may_take, work)
VALUES (:position, :id, :request, :offers, :may_take, :work);

-- name: compare_slice
INSERT INTO manifest (position, id, entry, was_sent, is_changed, is_moved, work, request, offers, may_take)
SELECT
    position, id, entry, was_sent, is_changed, is_moved, work,
    CASE WHEN entry IS NULL OR is_changed = 1 THEN request END,
    CASE WHEN entry IS NULL OR is_changed = 1 THEN offers END,
    CASE WHEN entry IS NULL OR is_changed = 1 THEN may_take END
FROM (
    SELECT
        s.position, s.id, e.key AS entry, s.request, s.offers, s.may_take, nullif(s.work, w.work) AS work,
        CAST(e.intended_at IS NOT NULL OR e.state IS NOT DISTINCT FROM 'cancelled' AS INTEGER) AS was_sent,
        CAST(coalesce(
            coalesce(e.next_request, e.manifest_request, e.offers, e.request) <> coalesce(s.offers, s.request), false
        ) AS INTEGER) AS is_changed,
        CAST(coalesce(e.position <> s.position OR e.in_manifest = 0, false) AS INTEGER) AS is_moved
    FROM slice AS s
        LEFT JOIN entries AS e ON e.batch = :batch AND e.id = s.id
        LEFT JOIN row_works AS w ON w.entry = e.key
) AS compared;

-- name: compared
SELECT
    count(*) AS rows,
    count(*) - count(entry) AS new,
    coalesce(sum(is_changed), 0) AS changed,
    coalesce(sum(is_changed * was_sent), 0) AS sent,
    coalesce(sum(is_moved), 0) AS moved,
    coalesce(sum(is_kept), 0) AS kept
FROM manifest;

-- name: count_entries
SELECT coalesce(sum(total), 0) FROM entry_counts WHERE batch = :batch;

-- name: changed_ids
SELECT id FROM manifest WHERE is_changed = 1 ORDER BY position LIMIT 20;

-- name: changed_sent_ids
SELECT id FROM manifest WHERE is_changed = 1 AND was_sent = 1 ORDER BY position LIMIT 20;

-- name: count_changed_active
SELECT count(*) FROM manifest AS m CROSS JOIN entries AS e ON e.key = m.entry
WHERE m.is_changed = 1 AND m.was_sent = 1 AND e.state IN ('active', 'submitting');

-- name: gone_ids
SELECT id FROM entries
WHERE key IN (SELECT key FROM entries WHERE batch = :batch EXCEPT SELECT entry FROM manifest)
ORDER BY position LIMIT 20;

-- name: renamed
-- New rows that stand for rows which were sent and have left the manifest: they ask for the same work, which no other row
-- asks for, or (is_number) their ids are the same without the zeros that a spreadsheet drops.
WITH gone (id, work) AS (
    SELECT e.id, w.work FROM entries AS e LEFT JOIN row_works AS w ON w.entry = e.key
    WHERE e.batch = :batch AND e.state NOT IN ('planned', 'backoff', 'failed', 'cancelled', 'refused')
        AND NOT EXISTS (SELECT 1 FROM manifest AS m WHERE m.id = e.id)
),
news (id, position, work) AS (
    SELECT max(id), max(position), work FROM manifest
    WHERE entry IS NULL AND work IS NOT NULL GROUP BY work HAVING count(*) = 1
)
SELECT id, was, max(is_number) AS is_number, count(*) OVER () AS total
FROM (
    SELECT n.id, max(g.id) AS was, n.position, 0 AS is_number FROM news AS n JOIN gone AS g ON g.work = n.work
    WHERE n.work NOT IN (SELECT w.work FROM manifest AS m JOIN row_works AS w ON w.entry = m.entry)
    GROUP BY n.id, n.position HAVING count(*) = 1
    UNION ALL
    SELECT m.id, g.id, m.position, 1 FROM gone AS g JOIN manifest AS m ON m.id = ltrim(g.id, '0')
    WHERE m.entry IS NULL AND m.id <> g.id AND ltrim(g.id, '0123456789') = ''
) AS pairs
GROUP BY id, was, position
ORDER BY is_number DESC, position LIMIT 20;

-- name: find_moved
-- Known rows take the manifest's positions.
INSERT INTO places (entry, position, in_manifest)
SELECT entry, position, 1 FROM manifest WHERE is_moved = 1;

-- name: find_gone
-- They follow after all rows, in their old order.
INSERT INTO places (entry, position, in_manifest)
SELECT key, place, 0 FROM (
    SELECT
        key, position, in_manifest,
        (SELECT coalesce(max(position), -1) FROM manifest) + row_number() OVER (ORDER BY position) AS place
    FROM entries
    WHERE key IN (SELECT key FROM entries WHERE batch = :batch EXCEPT SELECT entry FROM manifest)
) AS gone
WHERE position <> place OR in_manifest = 1;

-- name: beyond
SELECT 1 + coalesce(max(position), 0) FROM (
    SELECT max(position) AS position FROM entries WHERE batch = :batch
    UNION ALL
    SELECT max(position) FROM places
) AS positions;

-- name: step_aside
-- Positions are unique at every moment, so entries that move go beyond all others first.
UPDATE entries SET position = position + :beyond WHERE key IN (SELECT entry FROM places);

-- name: take_places
UPDATE entries SET position = p.position, in_manifest = p.in_manifest
FROM places AS p WHERE key = p.entry;

-- name: add_new_entries
INSERT INTO entries (batch, id, position, request, offers, may_take)
SELECT CAST(:batch AS BIGINT), id, position, request, offers, may_take
FROM manifest WHERE entry IS NULL ORDER BY position;

-- name: add_new_works
INSERT INTO row_works (entry, work)
SELECT e.key, m.work FROM manifest AS m CROSS JOIN entries AS e ON e.batch = :batch AND e.position = m.position + 0
WHERE m.entry IS NULL AND m.work IS NOT NULL;

-- name: keep_works
-- Not of changed rows that were sent and are kept as they were.
INSERT INTO row_works (entry, work)
SELECT entry, work FROM manifest
WHERE entry IS NOT NULL AND work IS NOT NULL AND (:resubmit OR NOT (is_changed = 1 AND was_sent = 1))
ON CONFLICT (entry) DO UPDATE SET work = excluded.work;

-- name: forget_changed_rows
-- Except those whose run was found with other content, while that attempt is the current one.
DELETE FROM changed_rows WHERE EXISTS (
    SELECT 1 FROM entries AS e
    WHERE e.key = changed_rows.entry AND e.batch = :batch AND changed_rows.attempt IS DISTINCT FROM e.attempt
);

-- name: keep_changed_rows
INSERT INTO changed_rows (entry) SELECT entry FROM manifest WHERE is_changed = 1 AND was_sent = 1
ON CONFLICT (entry) DO NOTHING;

-- name: keep_found_otherwise
INSERT INTO changed_rows (entry, attempt) VALUES (:key, :attempt) ON CONFLICT (entry) DO UPDATE SET attempt = excluded.attempt;

-- name: count_changed_rows
-- Changed rows come first in the join, since they are few or none.
SELECT count(*) FROM changed_rows AS c CROSS JOIN entries AS e ON e.key = c.entry
WHERE e.batch = :batch AND coalesce(c.attempt, e.attempt) = e.attempt;

-- name: rows_to_revise
SELECT r.*, m.position AS place, coalesce(m.offers, m.request) AS wanted
FROM manifest AS m JOIN entry_rows AS r ON r.key = m.entry
WHERE m.is_changed = 1 AND (NOT m.was_sent = 1 OR :resubmit) AND m.position > :after
ORDER BY m.position LIMIT 200;

-- name: rows_to_weigh
-- Rows that were sent and have other content, which may differ in other lanes only.
SELECT r.*, m.position AS place, coalesce(m.offers, m.request) AS wanted
FROM manifest AS m JOIN entry_rows AS r ON r.key = m.entry
WHERE m.is_changed = 1 AND m.was_sent = 1 AND m.position > :after
    AND (m.offers IS NOT NULL OR r.offers IS NOT NULL OR coalesce(r.next_request, r.manifest_request) LIKE '[%')
ORDER BY m.position LIMIT 200;

-- name: keep_row
UPDATE manifest SET is_changed = 0, is_kept = 1 WHERE position = :position;

-- name: rows_to_keep
SELECT r.*, m.position AS place, coalesce(m.offers, m.request) AS wanted
FROM manifest AS m JOIN entry_rows AS r ON r.key = m.entry
WHERE m.is_kept = 1 AND m.position > :after
ORDER BY m.position LIMIT 200;

-- name: update_content
UPDATE entries SET
    request = :request, next_request = :next_request, manifest_request = :manifest_request, offers = :offers,
    may_take = :may_take
WHERE key = :key;

-- ------------------------------------------------------------------ namesakes

-- name: drop_works
DROP TABLE works;

-- name: add_work
INSERT INTO works (position, id, work) VALUES (:position, :id, :work);

-- name: find_only_works
CREATE INDEX works_by_work ON works (work, is_only, id);
UPDATE works SET is_only = 1
WHERE work IN (SELECT work FROM works GROUP BY work HAVING count(*) = 1);

-- name: rows_as_known
SELECT count(*)
FROM works AS w
    CROSS JOIN entries AS e ON e.batch = :batch AND e.id = w.id
    LEFT JOIN row_works AS known ON known.entry = e.key
WHERE coalesce(known.work = w.work, true);

-- name: rows_elsewhere
-- CROSS JOIN: the ledger's works come first, in the order of their rows; each is looked up in the manifest.
WITH standing (batch, position) AS (
    SELECT e.batch, w.position
    FROM row_works AS known
        CROSS JOIN works AS w ON w.work = known.work AND w.is_only = 1
        CROSS JOIN entries AS e ON e.key = known.entry
    WHERE e.state NOT IN ('failed', 'cancelled', 'refused')
        AND (e.in_manifest = 1 OR e.state NOT IN ('planned', 'backoff'))
    GROUP BY e.batch, w.position HAVING count(*) = 1 OR max(CASE WHEN e.id = w.id THEN 1 ELSE 0 END) = 1
    UNION ALL
    SELECT e.batch, w.position
    FROM row_works AS known
        CROSS JOIN entries AS e ON e.key = known.entry
        CROSS JOIN works AS w ON w.work = known.work AND w.is_only = 0 AND w.id = e.id
    WHERE known.work IN (SELECT work FROM works WHERE is_only = 0)
        AND e.state NOT IN ('failed', 'cancelled', 'refused')
        AND (e.in_manifest = 1 OR e.state NOT IN ('planned', 'backoff'))
)
SELECT b.name, count(*) AS rows FROM standing AS s JOIN batches AS b ON b.key = s.batch
WHERE b.name <> :name
    AND EXISTS (SELECT 1 FROM entries WHERE batch = b.key AND (run_uuid IS NOT NULL OR state = 'submitting'))
GROUP BY b.key;

-- ------------------------------------------------------------------ reading

-- name: due
SELECT r.*
FROM (
    SELECT key, position FROM (
        SELECT key, position FROM entries
        WHERE batch = :batch AND state = 'planned' AND (due IS NULL OR due <= :at OR due > :horizon) AND in_manifest = 1
            AND id NOT IN (SELECT value FROM json_each(:skip))
            AND NOT EXISTS (SELECT 1 FROM cancellations WHERE entry = entries.key)
        ORDER BY position LIMIT :limit
    ) AS a
    UNION ALL
    SELECT key, position FROM (
        SELECT key, position FROM entries
        WHERE batch = :batch AND state = 'backoff' AND (due <= :at OR due > :horizon) AND in_manifest = 1
            AND id NOT IN (SELECT value FROM json_each(:skip))
            AND NOT EXISTS (SELECT 1 FROM cancellations WHERE entry = entries.key)
        ORDER BY position LIMIT :limit
    ) AS b
    ORDER BY position LIMIT :limit
) AS d JOIN entry_rows AS r ON r.key = d.key
ORDER BY d.position;

-- name: due_in_lanes
-- Only rows that may take exactly these lanes (NULL: none) and have this shape (NULL: any); an index has them in one range.
SELECT r.*
FROM (
    SELECT key, position FROM (
        SELECT key, position FROM entries
        WHERE batch = :batch AND state = 'planned' AND run_status IS NULL AND in_manifest = 1 AND coalesce(may_take, '') = coalesce(CAST(:lanes AS TEXT), '')
            AND (due IS NULL OR due <= :at OR due > :horizon)
            AND (CAST(:shape AS TEXT) IS NULL OR EXISTS (SELECT 1 FROM shapes WHERE entry = entries.key AND shape = CAST(:shape AS TEXT)))
            AND id NOT IN (SELECT value FROM json_each(:skip))
            AND NOT EXISTS (SELECT 1 FROM cancellations WHERE entry = entries.key)
        ORDER BY position LIMIT :limit
    ) AS a
    UNION ALL
    SELECT key, position FROM (
        SELECT key, position FROM entries
        WHERE batch = :batch AND state = 'backoff' AND run_status IS NULL AND in_manifest = 1 AND coalesce(may_take, '') = coalesce(CAST(:lanes AS TEXT), '')
            AND (due <= :at OR due > :horizon)
            AND (CAST(:shape AS TEXT) IS NULL OR EXISTS (SELECT 1 FROM shapes WHERE entry = entries.key AND shape = CAST(:shape AS TEXT)))
            AND id NOT IN (SELECT value FROM json_each(:skip))
            AND NOT EXISTS (SELECT 1 FROM cancellations WHERE entry = entries.key)
        ORDER BY position LIMIT :limit
    ) AS b
    ORDER BY position LIMIT :limit
) AS d JOIN entry_rows AS r ON r.key = d.key
ORDER BY d.position;

-- name: choices
-- From the counts, so that it takes the same time for any number of rows. Empty stands for no lane.
SELECT DISTINCT nullif(may_take, '') AS may_take FROM entry_counts
WHERE batch = :batch AND state IN ('planned', 'backoff') AND run_status = '' AND in_manifest = 1 AND total > 0
ORDER BY may_take NULLS FIRST;

-- name: next_due_in_lanes
SELECT min(due) FROM (
    SELECT due FROM (
        SELECT due FROM entries
        WHERE batch = :batch AND state = 'backoff' AND due > :after AND coalesce(may_take, '') = coalesce(CAST(:lanes AS TEXT), '') AND in_manifest = 1
        ORDER BY due LIMIT 1
    ) AS a
    UNION ALL
    SELECT due FROM (
        SELECT due FROM entries
        WHERE batch = :batch AND state = 'planned' AND due > :after AND coalesce(may_take, '') = coalesce(CAST(:lanes AS TEXT), '') AND in_manifest = 1
        ORDER BY due LIMIT 1
    ) AS b
) AS next;

-- name: next_due
SELECT min(due) FROM (
    SELECT due FROM (
        SELECT due FROM entries
        WHERE batch = :batch AND state = 'backoff' AND due > :after AND in_manifest = 1 ORDER BY due LIMIT 1
    ) AS a
    UNION ALL
    SELECT due FROM (
        SELECT due FROM entries
        WHERE batch = :batch AND state = 'planned' AND due > :after AND in_manifest = 1 ORDER BY due LIMIT 1
    ) AS b
) AS next;

-- name: entry
SELECT * FROM entry_rows WHERE batch = :batch AND id = :id;

-- name: deleted_entry
-- The run comes first in the join, by its index.
SELECT r.* FROM entries AS e CROSS JOIN entry_rows AS r ON r.key = e.key
WHERE e.batch = :batch AND e.run_uuid = :uuid AND e.state = 'deleted';

-- name: active_there
-- Runs of each batch that may be active in the account and region; batches moved to another ledger count there.
SELECT b.name AS batch, sum(c.total) AS total
FROM entry_counts AS c JOIN batches AS b ON b.key = c.batch
    LEFT JOIN lanes AS n ON n.batch = c.batch AND c.may_take = '["' || n.name || '"]'
WHERE c.state IN ('submitting', 'active') AND c.total > 0 AND coalesce(n.region, b.region) = :region
    AND coalesce(CASE WHEN n.key IS NULL THEN b.account ELSE n.account END, '') = :account
    AND NOT EXISTS (SELECT 1 FROM closed_batches AS x WHERE x.batch = b.key)
GROUP BY b.name ORDER BY b.name;

-- name: counts
-- Maintained by triggers, so that it takes the same time for any number of entries.
SELECT state, nullif(run_status, '') AS run_status, nullif(may_take, '') AS may_take, total FROM entry_counts
WHERE batch = :batch AND total > 0 AND (in_manifest = 1 OR state NOT IN ('planned', 'backoff'));

-- name: is_known_run
SELECT 1 FROM attempt_rows
WHERE batch = :batch AND run_uuid = :uuid AND (lane IS NULL OR CAST(:lane AS TEXT) IS NULL OR lane = :lane);

-- name: is_deleted_run
SELECT 1 FROM deletions WHERE run_uuid = :uuid;

-- name: outcomes
SELECT * FROM entry_rows
WHERE batch = :batch AND position > :after AND (in_manifest = 1 OR state <> 'planned' OR attempt > 1)
ORDER BY position LIMIT :limit;

-- name: changed
SELECT * FROM entry_rows
WHERE key IN (SELECT entry FROM events WHERE key > :after AND key <= :upto) AND batch = :batch
    AND (in_manifest = 1 OR state <> 'planned' OR attempt > 1)
ORDER BY position;

-- name: attempts_before
SELECT * FROM attempt_rows
WHERE batch = :batch AND position BETWEEN :first AND :last AND is_current = 0
ORDER BY position, attempt;

-- name: earlier_attempts
SELECT * FROM attempt_rows WHERE batch = :batch AND id = :id AND is_current = 0 ORDER BY attempt;

-- name: history
SELECT at, attempt, kind, detail FROM events
WHERE entry = (SELECT key FROM entries WHERE batch = :batch AND id = :id)
ORDER BY key;

-- name: oldest_active
SELECT r.*
FROM (
    SELECT key, accepted_at, position FROM (
        SELECT key, accepted_at, position FROM entries
        WHERE batch = :batch AND state = 'active' ORDER BY position LIMIT 5000
    ) AS active
    ORDER BY accepted_at, position LIMIT :limit
) AS o JOIN entry_rows AS r ON r.key = o.key
ORDER BY o.accepted_at, o.position;

-- name: latest_runs
SELECT
    run_id, run_uuid, run_arn, run_status, run_output_uri, run_creation_time, run_start_time, run_stop_time,
    run_failure_reason, run_status_message
FROM entries
WHERE batch = :batch AND run_uuid IS NOT NULL AND (state = 'active' OR NOT :is_active)
    AND (CAST(:lane AS TEXT) IS NULL OR coalesce(lane = :lane, :is_home))
    AND run_uuid NOT IN (SELECT run_uuid FROM deletions)
ORDER BY state = 'deleted', accepted_at DESC NULLS LAST, position LIMIT :limit;

-- name: latest_ends
SELECT * FROM attempt_rows
WHERE batch = :batch
    AND CASE WHEN is_current = 1 THEN state IN ('succeeded', 'failed', 'cancelled')
        ELSE run_status IN ('COMPLETED', 'FAILED', 'CANCELLED') END
    AND (CAST(:lane AS TEXT) IS NULL OR coalesce(lane = :lane, :is_home))
    AND run_uuid IS NOT NULL AND run_uuid NOT IN (SELECT run_uuid FROM deletions)
ORDER BY run_status <> 'COMPLETED', intended_at DESC NULLS LAST, position LIMIT :limit;

-- name: latest_failures
SELECT r.* FROM (
    SELECT key, position, coalesce(run_stop_time, accepted_at, intended_at) AS ended
    FROM entries WHERE key IN (
        SELECT key FROM entries INDEXED BY entries_by_state
        WHERE batch = :batch AND state IN ('failed', 'cancelled', 'deleted', 'refused')
        ORDER BY position DESC LIMIT 5000
    )
    ORDER BY ended DESC NULLS LAST, position DESC LIMIT :limit
) AS l JOIN entry_rows AS r ON r.key = l.key
ORDER BY l.ended DESC NULLS LAST, l.position DESC;

-- name: failures
SELECT f.reason, f.total, r.*
FROM (
    SELECT
        key, state, reason, position,
        row_number() OVER (PARTITION BY state, reason ORDER BY position) AS place,
        count(*) OVER (PARTITION BY state, reason) AS total
    FROM (
        SELECT key, state, position, CASE WHEN run_uuid IS NULL THEN code ELSE run_failure_reason END AS reason
        FROM entries INDEXED BY entries_by_state
        WHERE batch = :batch AND state IN ('failed', 'cancelled', 'deleted', 'refused')
    ) AS ended
) AS f JOIN entry_rows AS r ON r.key = f.key
WHERE f.place <= :limit
ORDER BY f.total DESC, f.state, f.reason NULLS FIRST, f.position;

-- name: ids_of_run
SELECT DISTINCT id FROM attempt_rows WHERE batch = :batch AND :text IN (run_uuid, run_id, run_arn) ORDER BY id;

-- name: ids_beginning
SELECT id FROM entries WHERE batch = :batch AND id >= :first AND id < :last ORDER BY id LIMIT :limit;

-- name: ids_after
SELECT id FROM entries WHERE batch = :batch AND id > :text ORDER BY id LIMIT 20;

-- name: ids_before
SELECT id FROM entries WHERE batch = :batch AND id < :text ORDER BY id DESC LIMIT 20;

-- name: ids_among
SELECT id FROM entries WHERE batch = :batch AND id IN (SELECT value FROM json_each(:text)) LIMIT 20;

-- ------------------------------------------------------------------ paces

-- name: all_paces
SELECT account, operation, at, phase, base, cut, span, passed, burst FROM paces ORDER BY account, operation;

-- name: paces
SELECT operation, phase, base, cut, span, passed, burst FROM paces WHERE account = :account AND at >= :since;

-- name: keep_pace
INSERT INTO paces (account, operation, phase, base, cut, span, passed, burst, at)
VALUES (:account, :operation, :phase, :base, :cut, :span, :passed, :burst, :at)
ON CONFLICT (account, operation) DO UPDATE SET
    phase = :phase, base = :base, cut = :cut, span = :span, passed = :passed, burst = :burst, at = :at;

-- ------------------------------------------------------------------ the pace that launchers share

-- name: has_peers
-- Whether another launcher works in the account and region now.
SELECT EXISTS (
    SELECT 1
    FROM leases AS h JOIN batches AS b ON b.key = h.batch LEFT JOIN lanes AS n ON n.batch = b.key
    WHERE h.holder IS NOT NULL AND h.holder <> :holder AND h.expires_at > clock(:at)
        AND coalesce(n.region, b.region) = :region
        AND coalesce(CASE WHEN n.key IS NULL THEN b.account ELSE n.account END, '') = :account
) AS has_peers;

-- name: take_stretch
-- The time after all stretches given out so far, or from a little before now, since asking takes time. Time further away
-- than stretches reach was given out by a clock that was ahead.
INSERT INTO shared_paces (region, account, operation, until)
VALUES (:region, :account, :operation, clock(:at) - :late + :span)
ON CONFLICT (region, account, operation) DO UPDATE SET
    until = greatest(
        CASE WHEN shared_paces.until <= clock(:at) + :longest THEN shared_paces.until ELSE 0 END, clock(:at) - :late
    ) + :span
RETURNING until, until - clock(:at) AS ends_in;

-- name: leave_pace
-- The rest of the stretch is given back, unless a later one was given out.
UPDATE shared_paces SET
    state = :state, left_at = clock(:at), left_until = :until,
    until = CASE until WHEN :until THEN least(until, clock(:at)) ELSE until END
WHERE region = :region AND account = :account AND operation = :operation
    AND (coalesce(left_until, 0) <= :until OR left_until > clock(:at) + :longest);

-- name: left_pace
-- One from the future was left by a clock that was ahead.
SELECT state, greatest(clock(:at) - left_at, 0) AS ago, left_until FROM shared_paces
WHERE region = :region AND account = :account AND operation = :operation AND state IS NOT NULL;

-- ------------------------------------------------------------------ cancelling

-- name: ask_to_cancel
INSERT INTO cancellations (entry, scope, at)
SELECT key, :scope, :at FROM entries
WHERE batch = :batch AND state IN ('planned', 'submitting', 'backoff', 'active')
    AND (in_manifest = 1 OR state IN ('submitting', 'active'))
    AND (CAST(:ids AS TEXT) IS NULL OR id IN (SELECT value FROM json_each(:ids)))
ON CONFLICT (entry) DO UPDATE SET scope = excluded.scope, at = excluded.at
WHERE cancellations.scope = 'sending' AND excluded.scope = 'run';

-- name: forget_cancellations
-- Entries that have ended need no cancellation; what a launch retries automatically is never seen as ended.
DELETE FROM cancellations WHERE entry IN (
    SELECT key FROM entries
    WHERE batch = :batch AND state IN ('succeeded', 'failed', 'cancelled', 'deleted', 'refused')
);

-- name: cancellations
-- Cancellations come first in the join, since they are few or none.
SELECT r.*, c.scope
FROM cancellations AS c CROSS JOIN entry_rows AS r ON r.key = c.entry
WHERE r.batch = :batch AND r.position > :after
    AND (
        (r.state IN ('planned', 'backoff') AND r.in_manifest = 1)
        OR (r.state IN ('submitting', 'active') AND c.scope = 'run')
    )
ORDER BY r.position LIMIT :limit;

-- name: take_back_cancellations
DELETE FROM cancellations WHERE entry IN (
    SELECT key FROM entries WHERE batch = :batch AND id IN (SELECT value FROM json_each(:ids))
);

-- name: keep_deleted
INSERT INTO deletions (run_uuid, at) VALUES (:uuid, :at) ON CONFLICT (run_uuid) DO NOTHING;

-- ------------------------------------------------------------------ notices

-- name: add_notice
INSERT INTO notices (batch, notice, at) VALUES (:batch, :notice, :at) ON CONFLICT DO NOTHING;

-- name: drop_notices
DELETE FROM notices WHERE batch = :batch AND notice NOT IN (SELECT value FROM json_each(:but));

-- ------------------------------------------------------------------ usage

-- name: ended_runs
SELECT
    s.*,
    CAST(CASE WHEN s.is_current = 1 THEN s.state = 'deleted' ELSE s.run_status NOT IN ('COMPLETED', 'FAILED', 'CANCELLED') END
        OR (u.key IS NOT NULL AND u.status IS NULL)
        OR d.run_uuid IS NOT NULL AS INTEGER) AS is_gone,
    CAST(d.run_uuid IS NULL AND CASE WHEN s.is_current = 1 THEN s.state <> 'deleted'
        ELSE s.run_status IN ('COMPLETED', 'FAILED', 'CANCELLED') END AS INTEGER) AS is_there,
    u.key AS usage, u.status, u.workflow_id, u.is_fixed_price, u.running, u.storage_type, u.storage_gib, u.cached
FROM attempt_rows AS s
    LEFT JOIN run_usages AS u ON u.run_uuid = s.run_uuid
    LEFT JOIN deletions AS d ON d.run_uuid = s.run_uuid
WHERE s.batch = :batch AND s.position >= :after AND (s.position, s.attempt) > (:after, :attempt)
    AND (s.is_current = 0 OR s.state IN ('succeeded', 'failed', 'cancelled', 'deleted'))
    AND s.run_uuid IS NOT NULL
ORDER BY s.position, s.attempt LIMIT :limit;

-- name: work_of_run
SELECT instance_type, tasks, billed FROM run_work WHERE run_usage = :usage ORDER BY instance_type;

-- name: forget_gone
DELETE FROM run_usages WHERE run_uuid = :uuid AND status IS NULL;

-- name: keep_gone
INSERT INTO run_usages (run_uuid, at) VALUES (:uuid, :at) ON CONFLICT (run_uuid) DO NOTHING;

-- name: keep_usage
INSERT INTO run_usages (
    run_uuid, at, status, workflow_id, is_fixed_price, running, storage_type, storage_gib, cached
)
VALUES (:uuid, :at, :status, :workflow_id, :is_fixed_price, :running, :storage_type, :storage_gib, :cached) ON CONFLICT (run_uuid) DO NOTHING RETURNING key;

-- name: keep_work
INSERT INTO run_work (run_usage, instance_type, tasks, billed) VALUES (:key, :instance_type, :tasks, :billed);

-- name: workflow_usages
SELECT key AS usage, status, workflow_id, is_fixed_price, running, storage_type, storage_gib, cached
FROM run_usages WHERE workflow_id = :workflow_id AND status = 'COMPLETED' ORDER BY key DESC LIMIT :limit;

-- ------------------------------------------------------------------ results that were written

-- name: newest_told
SELECT coalesce(max(v.key), 0) FROM entries AS e CROSS JOIN events AS v ON v.entry = e.key WHERE e.batch = :batch;

-- name: written_results
SELECT form, digest, event FROM written_results WHERE batch = :batch AND place = :place;

-- name: keep_written
INSERT INTO written_results (batch, place, form, digest, event) VALUES (:batch, :place, :form, :digest, :event)
ON CONFLICT (batch, place) DO UPDATE SET form = excluded.form, digest = excluded.digest, event = excluded.event;

-- name: forget_written
DELETE FROM written_results WHERE batch = :batch;
