-- What `verify` asks of every database, by name. All of it reads, and each answer is streamed.

-- name: miscounted
SELECT b.name, c.state
FROM (
    SELECT
        batch, state, coalesce(run_status, '') AS run_status, in_manifest, coalesce(may_take, '') AS may_take,
        1 AS total
    FROM entries
    UNION ALL
    SELECT batch, state, run_status, in_manifest, may_take, -total FROM entry_counts
) AS c JOIN batches AS b ON b.key = c.batch
GROUP BY b.name, c.state, c.run_status, c.in_manifest, c.may_take HAVING sum(c.total) <> 0
ORDER BY b.name, c.state;
