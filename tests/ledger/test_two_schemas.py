"""The two schemas mean the same, and so do the statements: tables, columns, names and values."""

from __future__ import annotations

import re
from typing import Any

import apsw
import psycopg

from batchrun.ledger.postgres.statements import translated
from batchrun.ledger.sqlite.statements import queries
from batchrun.ledger.statements import statements

_TYPES = {
    "TEXT": {"text"},
    "INTEGER": {"bigint", "smallint"},
    "REAL": {"double precision"},
    "BLOB": {"bytea"},
}
#: What each keeps for itself: which migrations there were, PostgreSQL who wrote last, and SQLite what.
_OWN = {"migrations", "batchrun_migrations", "writers", "last_write"}
#: A column of PostgreSQL alone: what is found there without it takes several times as long as in a file.
_OWN_COLUMNS = {"events": {"batch"}}
#: References that PostgreSQL looks up once for a statement, without foreign keys: table, column, to what.
LOOKED_UP = {
    ("entries", "batch", "batches"),
    ("row_works", "entry", "entries"),
    ("events", "entry", "entries"),
    ("events", "kind", "event_kinds"),
    ("proofs", "entry", "entries"),
    ("shapes", "entry", "entries"),
    ("submission_rows", "entry", "entries"),
    ("submission_rows", "submission", "submissions"),
}
_CONNECTION = {
    *("settings", "attempt_rows", "application_id", "schema_version", "is_empty", "journal_mode", "use_wal"),
    *("use_journal", "record_migration", "data_version", "begin_reading", "begin_writing", "begin_alone"),
    *("commit", "rollback", "last_write", "mark_write", "held_leases", "empty_log", "count_migrations"),
}
_OTHERS = {
    *("begin_writing", "begin_filling", "bound_the_rest", "begin_reading", "begin_comparing", "commit"),
    *("rollback", "mark", "marks_of_others", "forget_writers", "about", "schema_version", "take_migrations"),
    *("make_migrations", "hold_leases", "a_held_lease", "record_migration", "refresh_statistics", "process"),
}


def values_of(sql: str) -> set[str]:
    return set(re.findall(r"(?<![:\w]):(\w+)", re.sub(r"--.*", "", sql)))


def test_the_statements_have_the_same_names_and_values():
    ours, theirs = statements("sqlite"), statements("postgres")
    assert ours.keys() - _CONNECTION == theirs.keys() - _OTHERS
    for name in ours.keys() - _CONNECTION:
        # The server has a clock and a column of its own; nothing else may be left out, and nothing added.
        assert values_of(ours[name]) - values_of(theirs[name]) <= {"at"}, name
        more = {"batch"} if name == "add_event" else set()
        assert values_of(theirs[name]) - values_of(ours[name]) == more, name


async def test_the_answers_have_the_same_columns(file, server):
    temporary = ("make_manifest", "make_works", "make_intents")
    for name in ("attempt_rows", *temporary):
        file.execute(queries()[name])
    for name in temporary:
        server.execute(statements("postgres")[name].replace("ON COMMIT DROP", ""))
    checked = 0
    for name in queries().keys() - _CONNECTION - {*temporary, "integrity", "broken_references"}:
        found = _answered(file, queries()[name])
        if found:
            checked += 1
            answer = _described(server, statements("postgres")[name])
            # What has no name is read by its place.
            named = [
                theirs if ours.isidentifier() else ours for ours, theirs in zip(found, answer, strict=True)
            ]
            assert found == named, name
    assert checked > 60


def _answered(connection: apsw.Connection, sql: str) -> list[str]:
    cursor = connection.cursor()
    seen: list[str] = []

    def trace(cursor: apsw.Cursor, *_: Any) -> bool:
        seen.extend(name for name, *_ in cursor.get_description())
        return False

    cursor.exec_trace = trace
    try:
        cursor.execute(sql, dict.fromkeys(values_of(sql)))
    except apsw.ExecTraceAbort:
        return seen
    return seen


def _described(connection: psycopg.Connection[Any], sql: str) -> list[str]:
    own = translated(sql)
    names = sorted(values_of(own))
    numbered = re.sub(r"(?<![:\w]):(\w+)", lambda found: f"${names.index(found[1]) + 1}", own)
    connection.pgconn.prepare(b"", numbered.encode())
    found = connection.pgconn.describe_prepared(b"")
    assert found.status == psycopg.pq.ExecStatus.COMMAND_OK, found.error_message
    return [(found.fname(number) or b"").decode() for number in range(found.nfields)]


def tables_of_file(file: apsw.Connection) -> dict[Any, Any]:
    found = {}
    for (table,) in file.execute("SELECT name FROM sqlite_schema WHERE type = 'table'").fetchall():
        keys = file.execute(f"SELECT * FROM pragma_index_list('{table}')").fetchall()
        unique = {
            tuple(row[2] for row in file.execute(f"PRAGMA index_info('{key[1]}')")) for key in keys if key[2]
        }
        columns = file.execute(f"PRAGMA table_info('{table}')").fetchall()
        unique |= {tuple(row[1] for row in sorted(columns, key=lambda row: int(str(row[5]))) if row[5])} - {
            ()
        }
        references = {
            (row[3], row[2]) for row in file.execute(f"PRAGMA foreign_key_list('{table}')").fetchall()
        }
        facts = {row[1]: (row[2], bool(row[3] or row[5])) for row in columns}
        found[table] = (facts, unique, references)
    return found


def tables_of_server(server: psycopg.Connection[Any]) -> dict[str, Any]:
    found = {}
    for (table,) in server.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'").fetchall():
        facts = {
            name: (type_, nullable == "NO")
            for name, type_, nullable in server.execute(
                "SELECT column_name, data_type, is_nullable FROM information_schema.columns "
                "WHERE table_name = %s ORDER BY ordinal_position",
                [table],
            )
        }
        unique = {
            tuple(row[0])
            for row in server.execute(
                "SELECT (SELECT array_agg((SELECT attname::text FROM pg_attribute "
                "WHERE attrelid = i.indrelid AND attnum = k.number) ORDER BY place) "
                "FROM unnest(i.indkey) WITH ORDINALITY AS k (number, place)) "
                "FROM pg_index AS i WHERE i.indrelid = %s::regclass AND i.indisunique",
                [table],
            )
        }
        references = set(
            server.execute(
                "SELECT a.attname::text, c.confrelid::regclass::text FROM pg_constraint AS c "
                "JOIN pg_attribute AS a ON a.attrelid = c.conrelid AND a.attnum = c.conkey[1] "
                "WHERE c.contype = 'f' AND c.conrelid = %s::regclass",
                [table],
            ).fetchall()
        )
        looked_up = {(column, parent) for child, column, parent in LOOKED_UP if child == table}
        assert not looked_up & references, table
        found[table] = (facts, unique, references | looked_up)
    return found


def test_the_tables_have_the_same_columns_keys_and_references(file, server):
    ours, theirs = tables_of_file(file), tables_of_server(server)
    assert ours.keys() - _OWN == theirs.keys() - _OWN
    for table in ours.keys() - _OWN:
        (columns, unique, references), (others, also_unique, also_references) = ours[table], theirs[table]
        assert columns.keys() == others.keys() - _OWN_COLUMNS.get(table, set()), table
        for name, (type_, is_needed) in columns.items():
            assert others[name][0] in _TYPES[type_], (table, name)
            assert others[name][1] == is_needed, (table, name)
        assert unique == also_unique, table
        assert references == also_references, table
    kinds = "SELECT kind FROM event_kinds ORDER BY kind"
    assert file.execute(kinds).fetchall() == server.execute(kinds).fetchall()
