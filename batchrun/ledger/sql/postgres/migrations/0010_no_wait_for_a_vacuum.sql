-- Waits for no vacuum, which may take long: a launcher's lease is not renewed meanwhile. It is counted another time.
CREATE OR REPLACE FUNCTION refresh_statistics() RETURNS void LANGUAGE plpgsql SECURITY DEFINER
SET search_path FROM CURRENT SET default_statistics_target = 10 SET lock_timeout = '2s' AS $$
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
        BEGIN
            EXECUTE format('ANALYZE %s', grown);
        EXCEPTION WHEN lock_not_available THEN
            NULL;
        END;
    END LOOP;
END $$;
