"""The two schemas have the same rules: what may be written, what refers to what, what is counted."""

from __future__ import annotations

import apsw
import psycopg
import pytest

from batchrun.ledger.postgres.store import PostgresStore
from batchrun.ledger.statements import statements
from tests.ledger.test_two_schemas import LOOKED_UP

#: Writes that both take, in their order, and of which everything below departs in one thing.
_ALLOWED = """
INSERT INTO batches (key, name, region, created_at, account) VALUES (1, 'b', 'r', 0, '111111111111');
INSERT INTO batches (key, name, region, created_at) VALUES (2, 'c', 'r', 0);
INSERT INTO leases VALUES (1, 2, 'h:1', 'k', 0);
INSERT INTO lanes (key, batch, name, region, account, kept_at) VALUES (1, 1, 'east', 'r', '111111111111', 0);
INSERT INTO entries (key, batch, id, position, request) VALUES (1, 1, 'a', 0, '{"name":"a"}');
INSERT INTO entries (key, batch, id, position, request, state, request_id, intended_at, lane, may_take)
    VALUES (2, 1, 'b', 1, '{}', 'submitting', 'q', 0, 'east', '["east"]');
INSERT INTO entries (key, batch, id, position, request, state, request_id, intended_at, accepted_at, run_id,
    run_uuid, run_arn, run_status)
    VALUES (3, 1, 'c', 2, '{}', 'active', 'q3', 0, 0, '1', 'u', 'arn', 'PENDING');
INSERT INTO attempts (entry, attempt, request_id, intended_at, tagged, request, run_uuid)
    VALUES (3, 1, 'q0', 0, 1, '{}', 'v');
INSERT INTO events (key, entry, attempt, at, kind, detail) VALUES (1, 1, 1, 0, 'intended', '{}');
INSERT INTO paces VALUES ('a', 'o', 'holding', 1, 0.5, 1, 0, 0, 0);
INSERT INTO cancellations VALUES (1, 'run', 0);
INSERT INTO failed_runs (key, entry, attempt) VALUES (1, 3, 1);
INSERT INTO failed_tasks (failed_run, place, task_id) VALUES (1, 0, 't');
INSERT INTO notices VALUES (1, 'end', 0);
INSERT INTO run_usages (key, run_uuid, at) VALUES (1, 'u', 0);
INSERT INTO run_work VALUES (1, 'omics.m.large', 1, 0);
INSERT INTO proofs VALUES (1, 0, 0);
INSERT INTO surveys VALUES (1, '', 0, 0);
INSERT INTO shared_paces (region, account, operation, until) VALUES ('r', '', 'o', 0);
INSERT INTO closed_batches VALUES (2, 'copy', 'x', 0);
INSERT INTO submissions (key, batch, request_id, name, rows, intended_at, request)
    VALUES (1, 1, 'abababababababababababababababababababababababababababababababab', 'one', 2, 0, '{}');
INSERT INTO submissions (key, batch, name, rows, intended_at, batch_id, standing, request_id)
    VALUES (2, 1, 'two', 2, 0, '7', 'over',
        'cdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcd');
INSERT INTO submissions (key, batch, name, rows, intended_at, batch_id, standing, request, request_id)
    VALUES (3, 1, 'three', 2, 0, '8', 'taken', '{}',
        'efefefefefefefefefefefefefefefefefefefefefefefefefefefefefefefef');
INSERT INTO submission_rows VALUES (1, 2, 1, 1);
INSERT INTO submission_rows VALUES (2, 2, 1, 2);
INSERT INTO shapes VALUES (1, '');
UPDATE leases SET fence = 3;
UPDATE batches SET account = '222222222222' WHERE key = 2;
"""
_SAME_RUN = """
INSERT INTO entries (batch, id, position, request, state, request_id, intended_at, accepted_at, run_id,
    run_uuid, run_arn, run_status) VALUES (1, 'x', 9, '{}', 'active', 'q4', 0, 0, '1', 'u', 'arn', 'PENDING')
"""
_SAME_PAST_RUN = """
INSERT INTO attempts (entry, attempt, request_id, intended_at, tagged, request, run_uuid)
    VALUES (3, 2, 'q2', 0, 1, '{}', 'v')
"""
_SUBMISSION = "INSERT INTO submissions (batch, request_id, name, rows, intended_at, request)"
_PAST = "INSERT INTO attempts (entry, attempt, request_id, intended_at, tagged, request)"
_FORBIDDEN = [
    "INSERT INTO batches (name, region, created_at) VALUES ('', 'r', 0)",
    "INSERT INTO batches (name, region, created_at) VALUES ('b', 'r', 0)",
    "INSERT INTO batches (name, region, created_at, account) VALUES ('x', 'r', 0, '11111111111x')",
    "INSERT INTO batches (name, region, created_at, place) VALUES ('x', 'r', 0, '')",
    "UPDATE batches SET account = '222222222222' WHERE key = 1",
    "UPDATE leases SET fence = 1",
    "INSERT INTO leases VALUES (2, 0, 'h:1', 'k', 0)",
    "INSERT INTO leases VALUES (9, 1, 'h:1', 'k', 0)",
    "UPDATE lanes SET region = 's'",
    "UPDATE lanes SET account = '222222222222'",
    "INSERT INTO lanes (batch, name, region, kept_at) VALUES (1, '', 'r', 0)",
    "INSERT INTO entries (batch, id, position, request) VALUES (1, '', 9, '{}')",
    "INSERT INTO entries (batch, id, position, request) VALUES (1, 'a', 9, '{}')",
    "INSERT INTO entries (batch, id, position, request) VALUES (1, 'x', 0, '{}')",
    "INSERT INTO entries (batch, id, position, request) VALUES (1, 'x', -1, '{}')",
    "INSERT INTO entries (batch, id, position, request) VALUES (9, 'x', 9, '{}')",
    "INSERT INTO entries (batch, id, position, request) VALUES (1, 'x', 9, NULL)",
    "UPDATE entries SET in_manifest = 2",
    "UPDATE entries SET attempt = 0",
    "UPDATE entries SET tagged = 2",
    "UPDATE entries SET deferrals = -1",
    "UPDATE entries SET is_doubtful = 2",
    "UPDATE entries SET state = 'odd'",
    *(
        f"UPDATE entries SET state = '{state}' WHERE key = 1"
        for state in ("submitting", "backoff", "refused")
    ),
    *(
        f"UPDATE entries SET state = '{state}' WHERE key = 2"
        for state in ("planned", "backoff", "active", "succeeded", "failed", "deleted")
    ),
    *(
        f"UPDATE entries SET state = '{state}' WHERE key = 3"
        for state in ("planned", "submitting", "refused")
    ),
    "UPDATE entries SET request_id = 'q' WHERE key = 1",
    "UPDATE entries SET run_uuid = NULL WHERE key = 3",
    "UPDATE entries SET accepted_at = NULL WHERE key = 3",
    "UPDATE entries SET manifest_request = request",
    "UPDATE entries SET manifest_request = 'x', offers = 'x'",
    "UPDATE entries SET missed_at = 0, misses = 1 WHERE key = 1",
    "UPDATE entries SET misses = 1 WHERE key = 3",
    "UPDATE entries SET lane = 'east' WHERE key = 1",
    "UPDATE entries SET lane = 'west', may_take = '[\"west\"]' WHERE key = 2",
    "UPDATE entries SET may_take = '[\"west\"]' WHERE key = 2",
    _SAME_RUN,
    *(f"DELETE FROM {table}" for table in ("batches", "entries", "event_kinds")),
    *(f"UPDATE {table} SET key = 9 WHERE key = 1" for table in ("batches", "entries", "submissions")),
    "UPDATE entries SET batch = 2 WHERE key = 1",
    "UPDATE event_kinds SET kind = 'x' WHERE kind = 'moved'",
    *(f"UPDATE {table} SET entry = 2" for table in ("proofs", "shapes")),
    "INSERT INTO proofs VALUES (2, 0, 0), (9, 0, 0)",
    "INSERT INTO shapes VALUES (2, ''), (9, '')",
    *(f"{_PAST} VALUES {values}" for values in ("(3, 1, 'q1', 0, 1, '{}')", "(3, 2, 'q0', 0, 1, '{}')")),
    "UPDATE attempts SET request = NULL",
    _SAME_PAST_RUN,
    "UPDATE events SET at = 1",
    "DELETE FROM events",
    "INSERT INTO events (entry, attempt, at, kind, detail) VALUES (1, 1, 0, 'odd', '{}')",
    "INSERT INTO events (entry, attempt, at, kind, detail) VALUES (1, 1, 0, 'intended', '{')",
    "INSERT INTO events (entry, attempt, at, kind, detail) VALUES (1, 0, 0, 'intended', '{}')",
    "INSERT INTO events (entry, attempt, at, kind, detail) VALUES (9, 1, 0, 'intended', '{}')",
    "UPDATE paces SET phase = 'x'",
    *(
        f"UPDATE paces SET {what}"
        for what in ("base = 0", "cut = 2", "span = 0", "passed = -1", "burst = -1")
    ),
    "UPDATE cancellations SET scope = 'x'",
    "INSERT INTO cancellations VALUES (9, 'run', 0)",
    "UPDATE failed_runs SET has_more = 2",
    "INSERT INTO failed_runs (entry, attempt) VALUES (3, 1)",
    "INSERT INTO failed_tasks (failed_run, place, task_id) VALUES (1, 0, 't')",
    "INSERT INTO failed_tasks (failed_run, place, task_id) VALUES (1, -1, 't')",
    "INSERT INTO notices VALUES (1, 'odd', 0)",
    "INSERT INTO run_usages (run_uuid, at) VALUES ('u', 0)",
    *(f"UPDATE run_usages SET {what}" for what in ("is_fixed_price = 2", "running = -1", "storage_gib = -1")),
    "INSERT INTO run_work VALUES (1, 'x', 0, 0)",
    "INSERT INTO row_works VALUES (1, NULL)",
    "INSERT INTO changed_rows VALUES (1, 0)",
    "UPDATE proofs SET at = NULL",
    "UPDATE surveys SET calls = -1",
    "UPDATE shared_paces SET state = '{}'",
    "UPDATE shared_paces SET state = '{', left_at = 0, left_until = 0",
    *(
        f"UPDATE submissions SET {what}"
        for what in ("rows = 3", "lane = 'x'", "name = 'x'", "intended_at = 1")
    ),
    *(
        f"UPDATE submissions SET {what} WHERE key = 1"
        for what in (
            "request = NULL",
            "request = 'x'",
            "standing = 'taken'",
            "standing = 'x'",
            "batch_uuid = 'u'",
        )
    ),
    "UPDATE submissions SET standing = 'taken', request = '{}' WHERE key = 2",
    "UPDATE submissions SET request = '{}' WHERE key = 2",
    "UPDATE submissions SET standing = 'intended' WHERE key = 3",
    "UPDATE submissions SET batch_id = NULL WHERE key = 3",
    "DELETE FROM submissions",
    *(
        f"{_SUBMISSION} VALUES ({values}, 0, '{{}}')"
        for values in (
            f"1, '{'ab' * 32}', 'x', 2",
            f"1, '{'AB' * 32}', 'x', 2",
            "1, '00', 'x', 2",
            f"1, '{'00' * 32}', 'one', 2",
            f"1, '{'00' * 32}', '', 2",
            f"1, '{'00' * 32}', '{'x' * 65}', 2",
            f"1, '{'00' * 32}', 'x', 0",
            f"9, '{'00' * 32}', 'x', 2",
        )
    ),
    *(
        f"INSERT INTO submission_rows VALUES ({values})"
        for values in (
            *("1, 2, 1, 3", "3, 2, 1, 1", "9, 1, 1, 1", "1, 9, 1, 1", "1, 1, 0, 1", "1, 1, 1, 0"),
            # Of several entries, that lie together and that do not, the last is not there.
            *("1, 3, 1, 1), (1, 4, 1, 1", "1, 1, 1, 1), (1, 900, 1, 1"),
        )
    ),
    "UPDATE submission_rows SET intent = 5",
    "DELETE FROM submission_rows",
    "INSERT INTO shapes VALUES (1, 'x')",
    "UPDATE shapes SET shape = NULL",
    "UPDATE closed_batches SET why = 'x'",
    "UPDATE closed_batches SET other = ''",
    "UPDATE entry_counts SET total = -1",
    "INSERT INTO written_results VALUES (1, '/x', '', NULL, 0)",
]


@pytest.fixture
def filled(file, server):
    file.execute(_ALLOWED)
    server.execute(_ALLOWED)


def test_the_same_writes_are_forbidden(file, server, filled):  # noqa: ARG001 (both have what is written to)
    for sql in _FORBIDDEN:
        with pytest.raises(apsw.ConstraintError):
            file.execute(sql)
        with pytest.raises((psycopg.IntegrityError, psycopg.DataError)):
            server.execute(sql)


def test_a_proof_is_of_a_name_in_both(file, server, filled):  # noqa: ARG001
    for connection in (file, server):
        connection.execute('UPDATE entries SET request = \'{"name":"a","x":1}\' WHERE key = 1')
        assert connection.execute("SELECT count(*) FROM proofs").fetchall() == [(1,)]
        connection.execute(
            'UPDATE entries SET offers = \'[["east",{"name":"a"}]]\', may_take = \'["east"]\' WHERE key = 1'
        )
        assert connection.execute("SELECT count(*) FROM proofs").fetchall() == [(0,)]


@pytest.mark.parametrize(
    "change",
    [
        "request = '{}'",
        "offers = '[]'",
        "attempt = 2",
        "state = 'submitting', request_id = 'q9', intended_at = 0, lane = 'east', may_take = '[\"east\"]'",
    ],
)
def test_a_shape_is_of_an_attempt_in_both(file, server, filled, change):  # noqa: ARG001
    for connection in (file, server):
        connection.execute("UPDATE entries SET due = 7, request = request, attempt = attempt WHERE key = 1")
        assert connection.execute("SELECT count(*) FROM shapes").fetchall() == [(1,)]
        connection.execute(f"UPDATE entries SET {change} WHERE key = 1")
        assert connection.execute("SELECT count(*) FROM shapes").fetchall() == [(0,)]


def test_both_count_what_comes_and_changes(file, server, filled):  # noqa: ARG001
    for connection in (file, server):
        new = "INSERT INTO entries (key, batch, id, position, request) VALUES"
        for change in (
            f"{new} (8, 2, 'x', 8, '{{}}'), (9, 1, 'y', 9, '{{}}')",
            "UPDATE entries SET in_manifest = 0 WHERE key = 2",
            "UPDATE entries SET run_status = 'RUNNING', position = 7 WHERE key = 3",
        ):
            connection.execute(change)
            assert connection.execute(statements("postgres")["miscounted"]).fetchall() == [], change
        rows = connection.execute(
            "SELECT * FROM entry_counts WHERE total > 0 ORDER BY batch, state"
        ).fetchall()
        assert rows == [
            (1, "active", "RUNNING", 1, "", 1),
            (1, "planned", "", 1, "", 2),
            (1, "submitting", "", 0, '["east"]', 1),
            (2, "planned", "", 1, "", 1),
        ]


_NEW = "INSERT INTO entries (key, batch, id, position, request) VALUES (7, 1, 'new', 7, '{}')"
_ITS_EVENT = (
    "INSERT INTO events (key, entry, attempt, at, kind, detail) VALUES (7, 7, 1, 0, 'intended', '{}')"
)
_ITS_WORK = "INSERT INTO row_works VALUES (7, decode(repeat('00', 16), 'hex'))"


@pytest.mark.parametrize("sql", [_ITS_EVENT, _ITS_WORK])
def test_what_is_looked_up_is_there_to_stay(server, filled, in_postgres, sql):  # noqa: ARG001
    with psycopg.connect(in_postgres) as other:
        other.execute(_NEW)
        with pytest.raises(psycopg.errors.ForeignKeyViolation, match="an entry that is not there"):
            server.execute(sql)  # nobody knows whether the other will be committed
        other.rollback()
        with pytest.raises(psycopg.errors.ForeignKeyViolation):
            server.execute(sql)
        with other.transaction():
            with other.transaction(force_rollback=True):
                other.execute(_NEW)
            with pytest.raises(psycopg.errors.ForeignKeyViolation), other.transaction():
                other.execute(sql)
            other.execute(_NEW)
            other.execute(sql)
            # Uncommitted, and out of sight of who would take away what it refers to.
            for gone in ("DELETE FROM entries WHERE key = 3", "UPDATE entries SET key = 8 WHERE key = 3"):
                with pytest.raises(psycopg.IntegrityError, match="not deleted"):
                    server.execute(gone)
    with pytest.raises(psycopg.IntegrityError, match="not deleted"):
        server.execute("TRUNCATE entries CASCADE")


def test_all_rows_of_a_statement_are_looked_up(server, filled):  # noqa: ARG001
    with pytest.raises(psycopg.errors.ForeignKeyViolation):
        server.execute(
            "INSERT INTO events (key, entry, attempt, at, kind, detail) "
            "SELECT key + 10, key, 1, 0, 'intended', '{}' FROM unnest('{1, 2, 9, 3}'::bigint[]) AS r (key)"
        )
    assert server.execute("SELECT count(*) FROM events").fetchone() == (1,)


def test_an_event_is_of_its_entrys_batch(server, filled):  # noqa: ARG001
    event = (
        "INSERT INTO events (key, batch, entry, attempt, at, kind, detail) "
        "VALUES (%s, %s, 1, 1, 0, 'intended', '{}')"
    )
    with pytest.raises(psycopg.errors.ForeignKeyViolation):
        server.execute(event, [7, 2])
    server.execute(event, [8, 1])
    server.execute(event, [9, None])  # as those were that are from before


def test_what_refers_to_nothing_is_found(server, filled, in_postgres):  # noqa: ARG001
    """As after a copy that was put back by halves."""
    server.execute(
        "SET session_replication_role = replica; DELETE FROM batches WHERE key = 2;"
        "UPDATE entries SET batch = 2 WHERE key = 2; INSERT INTO proofs VALUES (9, 0, 0);"
        "INSERT INTO shapes VALUES (9, ''); INSERT INTO submission_rows VALUES (9, 9, 1, 1);"
        "INSERT INTO events (key, entry, attempt, at, kind, detail) VALUES (9, 9, 1, 0, 'odd', '{}');"
        "INSERT INTO row_works VALUES (9, decode(repeat('00', 16), 'hex'))"
    )
    store = PostgresStore(in_postgres)
    found = {(row.table, row.parent) for row in store.all("broken_references")}
    store.close()
    assert found == {(table, parent) for table, _, parent in LOOKED_UP}
