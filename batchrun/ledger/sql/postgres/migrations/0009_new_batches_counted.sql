-- Has the server count again what it takes for few else: what has grown by half, or by many rows of one transaction. A
-- new batch may be a small part of a ledger; while the server has not heard of it, it goes through all of its rows for each.
CREATE OR REPLACE FUNCTION refresh_statistics() RETURNS void LANGUAGE plpgsql SECURITY DEFINER
SET search_path FROM CURRENT SET default_statistics_target = 10 AS $$
DECLARE
    grown REGCLASS;
BEGIN
    FOR grown IN
        SELECT c.oid::regclass FROM pg_class AS c
        WHERE c.oid IN ('entries'::regclass, 'row_works'::regclass, 'events'::regclass, 'proofs'::regclass)
            AND (
                pg_relation_size(c.oid) > 8192 * (8 + 1.5 * greatest(c.relpages, 0))
                OR pg_stat_get_xact_tuples_inserted(c.oid) > 1000
            )
    LOOP
        EXECUTE format('ANALYZE %s', grown);
    END LOOP;
END $$;
