-- How many entries stand how, kept as they change: to be asked at any time, however many there are.

PRAGMA user_version = 15;

-- Written by the triggers below alone. Empty texts stand for none, so that each group has one key.
CREATE TABLE entry_counts (
    batch       INTEGER NOT NULL REFERENCES batches,
    state       TEXT NOT NULL,
    run_status  TEXT NOT NULL,
    in_manifest INTEGER NOT NULL,
    may_take    TEXT NOT NULL,
    total       INTEGER NOT NULL CHECK (total >= 0),

    PRIMARY KEY (batch, state, run_status, in_manifest, may_take)
) STRICT, WITHOUT ROWID;

INSERT INTO entry_counts (batch, state, run_status, in_manifest, may_take, total)
SELECT batch, state, coalesce(run_status, ''), in_manifest, coalesce(may_take, ''), count(*)
FROM entries GROUP BY 1, 2, 3, 4, 5;

CREATE TRIGGER an_entry_comes AFTER INSERT ON entries
BEGIN
    INSERT INTO entry_counts (batch, state, run_status, in_manifest, may_take, total)
    VALUES (new.batch, new.state, coalesce(new.run_status, ''), new.in_manifest, coalesce(new.may_take, ''), 1)
    ON CONFLICT DO UPDATE SET total = total + 1;
END;

CREATE TRIGGER an_entry_goes AFTER DELETE ON entries
BEGIN
    UPDATE entry_counts SET total = total - 1
    WHERE batch = old.batch AND state = old.state AND run_status = coalesce(old.run_status, '')
        AND in_manifest = old.in_manifest AND may_take = coalesce(old.may_take, '');
END;

CREATE TRIGGER an_entry_changes AFTER UPDATE OF batch, state, run_status, in_manifest, may_take ON entries
WHEN new.state <> old.state OR new.run_status IS NOT old.run_status OR new.in_manifest <> old.in_manifest
    OR new.may_take IS NOT old.may_take OR new.batch <> old.batch
BEGIN
    UPDATE entry_counts SET total = total - 1
    WHERE batch = old.batch AND state = old.state AND run_status = coalesce(old.run_status, '')
        AND in_manifest = old.in_manifest AND may_take = coalesce(old.may_take, '');
    INSERT INTO entry_counts (batch, state, run_status, in_manifest, may_take, total)
    VALUES (new.batch, new.state, coalesce(new.run_status, ''), new.in_manifest, coalesce(new.may_take, ''), 1)
    ON CONFLICT DO UPDATE SET total = total + 1;
END;

-- What is due in which lanes. An empty text stands for none.
DROP INDEX entries_counted;
CREATE INDEX entries_in_lanes ON entries (batch, state, coalesce(may_take, ''), position)
WHERE run_status IS NULL AND in_manifest = 1;
