-- Batches and lanes stay where their runs are. While there can be none, they follow the region and the login of the
-- launch: the first may have had a wrong one.

CREATE OR REPLACE FUNCTION account_stays() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (
        SELECT 1 FROM entries WHERE batch = old.key AND (run_uuid IS NOT NULL OR state = 'submitting')
    ) THEN
        RAISE EXCEPTION 'a batch stays in the account and region that have its runs'
            USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN new;
END $$;

DROP TRIGGER account_stays ON batches;
CREATE TRIGGER account_stays BEFORE UPDATE OF region, account ON batches FOR EACH ROW
WHEN (new.region <> old.region OR (old.account IS NOT NULL AND new.account IS DISTINCT FROM old.account))
EXECUTE FUNCTION account_stays();

CREATE OR REPLACE FUNCTION lane_stays_where_it_is() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF new.name <> old.name OR (
        (new.region <> old.region OR (old.account IS NOT NULL AND new.account IS DISTINCT FROM old.account))
        AND EXISTS (
            SELECT 1 FROM entries
            WHERE batch = old.batch AND lane = old.name AND (run_uuid IS NOT NULL OR state = 'submitting')
        )
    ) THEN
        RAISE EXCEPTION 'a lane stays in the account and region that have its runs'
            USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN new;
END $$;
