"""Migrations: each whole or not at all, all of them one schema, and nothing lost of an older ledger."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import apsw
import apsw.ext
import pytest

from batchrun.errors import InvariantError
from batchrun.ledger import open_ledger
from batchrun.ledger.sqlite.migrate import APPLICATION_ID, migrate, version
from batchrun.ledger.sqlite.statements import migrations
from batchrun.ledger.statements import Migration
from batchrun.ledger.verify import Verification
from batchrun.model.entries.events import Accepted, Failed, Removed, Retried
from tests.ledger.samples import (
    AT,
    BATCH,
    TTL,
    accepted,
    entry_of,
    filled,
    intended,
    later,
    move,
    run_of,
    spec,
    specs,
)
from tests.new_ledgers import make

if TYPE_CHECKING:
    from pathlib import Path


def schema(connection: apsw.Connection) -> list[Any]:
    return connection.execute("SELECT type, name, sql FROM sqlite_schema ORDER BY type, name").fetchall()


def grown(number: int, sql: str) -> Migration:
    return Migration(number=number, name=f"{number:04}_more", sql=f"{sql}; PRAGMA user_version = {number};")


def test_migrations_are_numbered_from_one_without_a_gap():
    assert [migration.number for migration in migrations()] == list(range(1, len(migrations()) + 1))


def test_migrations_lead_to_one_schema_in_one_go_or_in_many(empty):
    stepwise = apsw.Connection(":memory:")
    for migration in migrations():
        migrate(stepwise, [migration])
    migrate(empty, migrations())
    assert schema(empty) == schema(stepwise)
    assert version(empty) == migrations()[-1].number
    assert empty.pragma("application_id") == APPLICATION_ID
    assert empty.pragma("integrity_check") == "ok"
    stepwise.close()


def test_new_ledgers_of_tests_are_what_the_migrations_make(empty):
    migrate(empty, migrations())
    at_once = apsw.Connection(":memory:")
    make(at_once, migrations())
    assert schema(at_once) == schema(empty)
    assert version(at_once) == version(empty)
    assert at_once.pragma("application_id") == APPLICATION_ID
    for table, columns in (("event_kinds", "*"), ("migrations", "name"), ("entry_counts", "*")):
        said = f"SELECT {columns} FROM {table}"
        assert at_once.execute(said).fetchall() == empty.execute(said).fetchall()
    at_once.close()


def test_entries_made_anew_keep_what_they_hold_and_what_refers_to_them(empty):
    migrate(empty, migrations()[:3])
    empty.config(apsw.SQLITE_DBCONFIG_ENABLE_FKEY, 1)
    empty.execute(
        "INSERT INTO batches VALUES (1, 'b', 'us-east-1', 0);"
        "INSERT INTO entries (key, batch, id, position, request, attempt, request_id, intended_at, state) "
        "VALUES (7, 1, 'a', 0, '{}', 2, 'r2', 5, 'submitting'), "
        "(3, 1, 'b', 1, '{}', 1, NULL, NULL, 'planned');"
        f"INSERT INTO attempts SELECT 7, 1, 'r1', 4, 1, {'NULL, ' * 13} '{{}}';"
        "INSERT INTO events (entry, attempt, at, kind, detail) VALUES (7, 1, 4, 'intended', '{}')"
    )
    columns = "key, id, position, in_manifest, state, attempt, request_id, intended_at, deferrals, request"
    before = empty.execute(f"SELECT {columns} FROM entries ORDER BY key").fetchall()
    migrate(empty, migrations())
    assert empty.execute(f"SELECT {columns} FROM entries ORDER BY key").fetchall() == before
    assert (
        empty.execute("SELECT entry FROM attempts UNION ALL SELECT entry FROM events").fetchall()
        == [(7,)] * 2
    )
    assert empty.pragma("foreign_key_check") is None
    with pytest.raises(apsw.ConstraintError, match="FOREIGN KEY"):
        empty.execute("INSERT INTO proofs (entry, at) VALUES (8, 0)")


def test_a_migration_may_not_leave_broken_references(empty):
    migrate(empty, migrations())
    empty.execute("INSERT INTO batches (name, region, created_at) VALUES ('b', 'us-east-1', 0)")
    empty.execute("INSERT INTO entries (batch, id, position, request) VALUES (1, 'a', 0, '{}')")
    careless = grown(version(empty) + 1, "DROP TRIGGER batches_stay; DELETE FROM batches")
    with pytest.raises(InvariantError, match="references"):
        migrate(empty, [careless])
    assert empty.execute("SELECT count(*) FROM batches").get == 1


def test_each_migration_is_recorded(empty):
    migrate(empty, migrations())
    names = [name for (name,) in empty.execute("SELECT name FROM migrations WHERE applied_at > 0")]
    assert names == [migration.name for migration in migrations()]


def test_migrating_again_does_nothing(empty):
    migrate(empty, migrations())
    before = empty.total_changes()
    migrate(empty, migrations())
    assert empty.total_changes() == before


def test_a_migration_that_fails_leaves_nothing(empty):
    migrate(empty, migrations())
    before = schema(empty)
    broken = grown(version(empty) + 1, "CREATE TABLE more (x); SELECT nonsense")
    with pytest.raises(apsw.SQLError):
        migrate(empty, [*migrations(), broken])
    assert schema(empty) == before
    assert not empty.in_transaction


def test_a_migration_must_set_its_version(empty):
    migrate(empty, migrations())
    forgetful = replace(grown(version(empty) + 1, ""), sql="CREATE TABLE more (x);")
    with pytest.raises(InvariantError, match="user_version"):
        migrate(empty, [forgetful])
    assert version(empty) == migrations()[-1].number


def as_of(number: int, source: Path, place: Path) -> None:
    """Make a ledger as it was when its schema had *number*, with what it had room for then."""
    old = apsw.Connection(str(place))
    migrate(old, migrations()[:number])
    old.execute("ATTACH ? AS new", (str(source),))
    tables = (
        "SELECT name FROM sqlite_schema WHERE type = 'table' "
        "AND name NOT IN ('migrations', 'event_kinds', 'entry_counts', 'last_write')"
    )
    for (table,) in old.execute(tables).fetchall():
        names = ", ".join(name for _, name, *_ in old.execute(f"PRAGMA main.table_info({table})"))
        old.execute(f"INSERT INTO main.{table} ({names}) SELECT {names} FROM new.{table}")
    old.close()


async def test_a_batchs_account_is_learned_from_the_runs_that_an_older_ledger_has(tmp_path):
    runs = {
        "one": [run_of(1), run_of(2)],
        "two": [run_of(3), replace(run_of(4), arn="arn:aws:omics:us-east-1:222222222222:run/0000004")],
        "odd": [replace(run_of(5), arn="arn:aws:omics:us-east-1::run/5"), replace(run_of(6), arn="")],
        "none": [],
    }
    async with await open_ledger(tmp_path / "a.db") as ledger:
        for batch, own in runs.items():
            held = await filled(ledger, "a", "b", batch=batch)
            for id_, run in zip("ab", own, strict=False):
                await move(held, id_, intended(), Accepted(at=AT, run=run))
    as_of(8, tmp_path / "a.db", tmp_path / "old.db")
    async with await open_ledger(tmp_path / "old.db") as ledger:
        batches = await ledger.batches()
        assert {batch.name: batch.account for batch in batches if batch.account} == {"one": "123456789012"}
        assert {batch.place for batch in batches} == {None}
        assert await ledger.rows_as_known("one", specs("a", "b", "c")) == 2
        assert await ledger.rows_elsewhere("new", [replace(spec("a"), work=b"x" * 16)]) == {}


async def test_runs_that_failed_before_tasks_were_kept_may_still_be_asked_for(tmp_path):
    failed = Failed(at=AT, run=run_of(1, "FAILED", stop_time=AT))
    again = Retried(at=AT, due=AT, why="x")
    async with await open_ledger(tmp_path / "a.db") as ledger:
        held = await filled(ledger, "a", "b")
        await move(held, "a", intended(), accepted(1), failed, again, intended(), accepted(2))
        await move(held, "a", replace(failed, run=run_of(2, "FAILED", stop_time=AT)))
        await move(held, "b", intended(), accepted(3))
    as_of(4, tmp_path / "a.db", tmp_path / "old.db")
    async with await open_ledger(tmp_path / "old.db") as ledger:
        held = await ledger.hold(BATCH, holder="host:2", ttl=TTL, at=later(hours=1))
        assert [(one.id, one.attempt, one.run.uuid) for one in await held.unasked(limit=9)] == [
            ("a", 1, "uuid-1"),
            ("a", 2, "uuid-2"),
        ]


@pytest.mark.parametrize("number", range(4, len(migrations())))
async def test_an_older_ledger_is_opened_as_it_was_and_found_sound(tmp_path, number):
    async with await open_ledger(tmp_path / "a.db") as ledger:
        held = await filled(ledger, "a", "b", "c")
        await move(held, "a", intended(), accepted(1), Removed(at=AT, message="404"))
        await move(held, "b", intended(), accepted(2))
        before = [await entry_of(ledger, id_) for id_ in "abc"]
    as_of(number, tmp_path / "a.db", tmp_path / "old.db")
    async with await open_ledger(tmp_path / "old.db") as ledger:
        assert [await entry_of(ledger, id_) for id_ in "abc"] == before
    assert list(Verification(tmp_path / "old.db").findings()) == []
