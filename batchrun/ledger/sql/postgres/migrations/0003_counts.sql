-- How many entries stand how, kept as they change: to be asked at any time, however many there are.

-- Written by the triggers below alone. Empty texts stand for none, so that each group has one key.
CREATE TABLE entry_counts (
    batch       BIGINT NOT NULL REFERENCES batches,
    state       TEXT COLLATE "C" NOT NULL,
    run_status  TEXT COLLATE "C" NOT NULL,
    in_manifest SMALLINT NOT NULL,
    may_take    TEXT COLLATE "C" NOT NULL,
    total       BIGINT NOT NULL CHECK (total >= 0),

    PRIMARY KEY (batch, state, run_status, in_manifest, may_take)
)
-- Changed by every commit: new versions find room beside the old.
WITH (fillfactor = 20);

INSERT INTO entry_counts (batch, state, run_status, in_manifest, may_take, total)
SELECT batch, state, coalesce(run_status, ''), in_manifest, coalesce(may_take, ''), count(*)
FROM entries GROUP BY 1, 2, 3, 4, 5;

-- Once a statement, however many rows that writes.
CREATE FUNCTION entries_come() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO entry_counts AS c (batch, state, run_status, in_manifest, may_take, total)
    SELECT batch, state, coalesce(run_status, ''), in_manifest, coalesce(may_take, ''), count(*)
    FROM come GROUP BY 1, 2, 3, 4, 5 ORDER BY 1, 2, 3, 4, 5
    ON CONFLICT (batch, state, run_status, in_manifest, may_take) DO UPDATE SET total = c.total + excluded.total;
    RETURN NULL;
END $$;

CREATE FUNCTION entries_go() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE entry_counts AS c SET total = c.total - g.total
    FROM (
        SELECT
            batch, state, coalesce(run_status, '') AS run_status, in_manifest, coalesce(may_take, '') AS may_take,
            count(*) AS total
        FROM gone GROUP BY 1, 2, 3, 4, 5
    ) AS g
    WHERE (c.batch, c.state, c.run_status, c.in_manifest, c.may_take)
        = (g.batch, g.state, g.run_status, g.in_manifest, g.may_take);
    RETURN NULL;
END $$;

CREATE TRIGGER entries_come AFTER INSERT ON entries REFERENCING NEW TABLE AS come
FOR EACH STATEMENT EXECUTE FUNCTION entries_come();
CREATE TRIGGER entries_go AFTER DELETE ON entries REFERENCING OLD TABLE AS gone
FOR EACH STATEMENT EXECUTE FUNCTION entries_go();
-- In the order of their names: first what they were is taken away.
CREATE TRIGGER entries_change_1 AFTER UPDATE ON entries REFERENCING OLD TABLE AS gone
FOR EACH STATEMENT EXECUTE FUNCTION entries_go();
CREATE TRIGGER entries_change_2 AFTER UPDATE ON entries REFERENCING NEW TABLE AS come
FOR EACH STATEMENT EXECUTE FUNCTION entries_come();

-- Each index that an entry is in costs, whatever of it changes. This one has only what is still to be sent.
DROP INDEX entries_counted;
DROP INDEX entries_in_lanes;
CREATE INDEX entries_in_lanes ON entries (batch, state, coalesce(may_take, ''), position)
WHERE state IN ('planned', 'backoff') AND in_manifest = 1;
