-- Batches and lanes stay where their runs are. While there can be none, they follow the region and the login of the
-- launch: the first may have had a wrong one.

PRAGMA user_version = 20;

DROP TRIGGER account_stays;
CREATE TRIGGER account_stays BEFORE UPDATE OF region, account ON batches
WHEN (new.region <> old.region OR (old.account IS NOT NULL AND new.account IS NOT old.account)) AND EXISTS (
    SELECT 1 FROM entries WHERE batch = old.key AND (run_uuid IS NOT NULL OR state = 'submitting')
)
BEGIN
    SELECT raise(ABORT, 'a batch stays in the account and region that have its runs');
END;

DROP TRIGGER lane_stays_where_it_is;
CREATE TRIGGER lane_stays_where_it_is BEFORE UPDATE ON lanes
WHEN new.name <> old.name OR (
    (new.region <> old.region OR (old.account IS NOT NULL AND new.account IS NOT old.account)) AND EXISTS (
        SELECT 1 FROM entries
        WHERE batch = old.batch AND lane = old.name AND (run_uuid IS NOT NULL OR state = 'submitting')
    )
)
BEGIN
    SELECT raise(ABORT, 'a lane stays in the account and region that have its runs');
END;
