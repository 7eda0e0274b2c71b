"""The schema: migrations, and the rules that hold whatever the code above does."""

from __future__ import annotations

import re
from dataclasses import replace
from importlib import resources
from typing import TYPE_CHECKING, Any

import apsw
import apsw.ext
import pytest

from batchrun.errors import InvariantError
from batchrun.ledger import open_ledger
from batchrun.ledger.copying import _OF_ENTRIES, _OF_RUNS
from batchrun.ledger.rows import entry_of as entry_of_row
from batchrun.ledger.sqlite.migrate import APPLICATION_ID, migrate, version
from batchrun.ledger.sqlite.statements import migrations, queries
from batchrun.ledger.statements import Migration, split
from batchrun.ledger.verify import Verification
from batchrun.model.entries.events import KINDS, Accepted, Failed, Removed, Retried
from batchrun.model.entries.states import State
from batchrun.ports.stored import Transition
from tests.ledger.samples import (
    AT,
    BATCH,
    TTL,
    accepted,
    connection_of,
    entry_of,
    filled,
    intended,
    later,
    move,
    run_of,
    spec,
    specs,
    steps_of,
)
from tests.new_ledgers import make

if TYPE_CHECKING:
    from pathlib import Path

    from batchrun.ledger import SqlLedger


@pytest.fixture
def empty():
    connection = apsw.Connection(":memory:")
    yield connection
    connection.close()


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


def test_the_ledger_knows_every_kind_of_event(empty):
    migrate(empty, migrations())
    known = {kind for (kind,) in empty.execute("SELECT kind FROM event_kinds")}
    assert known == {kind.__name__.lower() for kind in KINDS}


def test_every_statement_is_used_and_every_name_is_there():
    package = resources.files("batchrun.ledger")
    rooms = (package, package / "verbs", package / "sqlite")
    source = "".join(
        file.read_text() for room in rooms for file in room.iterdir() if file.name.endswith(".py")
    )
    used = set(re.findall(r"\"(\w+)\"", source))
    used |= {f"{verb}_{table}" for table in (*_OF_ENTRIES, *_OF_RUNS) for verb in ("copied", "copy")}
    assert set(queries()) - used == set()
    asked = set(
        re.findall(
            r"(?:one|value|all|each|run|later|many|_entries|_ids|queries\(\))[(\[]\s*\"(\w+)\"", source
        )
    )
    assert asked - set(queries()) == set()


def test_statements_are_split_at_their_headers():
    text = "-- preamble\n-- name: one\nSELECT 1;\n-- why\n\n-- name: two\nSELECT 2;\n"
    assert split(text) == {"one": "SELECT 1;\n-- why", "two": "SELECT 2;"}


def test_every_statement_compiles(empty):
    migrate(empty, migrations())
    made = {"attempt_rows", "make_manifest", "drop_manifest", "make_works", "drop_works", "find_only_works"}
    made |= {"make_intents", "drop_intents"}
    for name in ("attempt_rows", "make_manifest", "make_works", "find_only_works", "make_intents"):
        empty.execute(queries()[name])
    pragmas = {"settings", "use_wal", "begin_reading", "begin_writing", "commit", "rollback"}
    for name in queries().keys() - pragmas - made:
        explained(empty, name)


def explained(connection: apsw.Connection, name: str) -> list[str]:
    """Return the steps by which SQLite answers; fails where the statement does not compile."""
    sql = queries()[name]
    values = dict.fromkeys(re.findall(r":(\w+)", sql))
    return [step for *_rest, step in connection.execute("EXPLAIN QUERY PLAN " + sql, values)]


def as_of(number: int, source: Path, place: Path) -> None:
    """Make a ledger as it was when its schema had *number*, with what it had room for then."""
    old = apsw.Connection(str(place))
    migrate(old, migrations()[:number])
    old.execute("ATTACH ? AS new", (str(source),))
    tables = (
        "SELECT name FROM sqlite_schema WHERE type = 'table' "
        "AND name NOT IN ('migrations', 'event_kinds', 'entry_counts')"
    )
    for (table,) in old.execute(tables).fetchall():
        names = ", ".join(name for _, name, *_ in old.execute(f"PRAGMA main.table_info({table})"))
        old.execute(f"INSERT INTO main.{table} ({names}) SELECT {names} FROM new.{table}")
    old.close()


async def raw(ledger: SqlLedger, sql: str) -> list[Any]:
    def job() -> list[Any]:
        with ledger._store._explained:  # type: ignore[attr-defined]
            return connection_of(ledger).execute(sql).fetchall()

    return await ledger._read(job)


@pytest.mark.parametrize("sql", ["UPDATE events SET at = 0", "DELETE FROM events"])
async def test_history_cannot_be_changed(ledger, sql):
    held = await filled(ledger, "a")
    await move(held, "a", intended())
    with pytest.raises(InvariantError, match="history is not"):
        await raw(ledger, sql)
    assert len(await ledger.batch(BATCH).history("a")) == 1


@pytest.mark.parametrize("state", State)
async def test_no_state_without_what_it_needs(ledger, state):
    held = await filled(ledger, "a")
    entry = await entry_of(ledger, "a")
    has_run = state in {State.PLANNED, State.CANCELLED}  # too early, or without an intent
    bare = replace(entry, state=state, run=run_of(1) if has_run else None)
    with pytest.raises(InvariantError, match="CHECK"):
        await held.record([Transition(event=intended(), entry=bare)])


@pytest.mark.parametrize("state", [state for state in State if state in (State.SUBMITTING, State.BACKOFF)])
async def test_no_run_before_its_state(ledger, state):
    held = await filled(ledger, "a")
    entry = await move(held, "a", intended(), accepted(1))
    with pytest.raises(InvariantError, match="CHECK"):
        await held.record([Transition(event=intended(), entry=replace(entry, state=state))])


async def test_an_unknown_state_is_refused(ledger):
    await filled(ledger, "a")
    with pytest.raises(InvariantError, match="CHECK"):
        await raw(ledger, "UPDATE entries SET state = 'odd'")


async def test_two_entries_cannot_share_a_run(ledger):
    held = await filled(ledger, "a", "b")
    await move(held, "a", intended(), accepted(1))
    with pytest.raises(InvariantError, match="UNIQUE"):
        await move(held, "b", intended(), accepted(1))
    assert (await entry_of(ledger, "b")).state is State.PLANNED


async def test_a_fence_never_shrinks(ledger):
    await filled(ledger, "a")
    with pytest.raises(InvariantError, match="fence only grows"):
        await raw(ledger, "UPDATE leases SET fence = 0")


async def test_the_readable_view_reads(ledger):
    held = await filled(ledger, "a")
    await move(held, "a", intended())
    ((intended_at,),) = await raw(ledger, "SELECT intended_at FROM readable")
    assert intended_at == "2026-01-01T12:00:00.000Z"


@pytest.mark.parametrize(
    "name",
    [
        "due",
        "due_in_lanes",
        "choices",
        "next_due_in_lanes",
        "in_state",
        "next_due",
        "counts",
        "history",
        "stored_attempts_of",
        "outcomes",
        "is_held",
        "open_submissions",
        "rows_that_wait",
        "count_waiting",
        "row_that_waits",
        "last_submission",
        "entries",
        "unshaped",
        "next_due_of_shape",
        "shaped_choices",
        "keep_shape",
    ],
)
async def test_frequent_questions_never_scan(ledger, name):
    await filled(ledger, "a")
    plan = await ledger._read(lambda: explained(connection_of(ledger), name))
    scans = [
        step
        for step in plan
        if step.startswith("SCAN")
        and not re.search(r"json_each|VIRTUAL|subquery|SCAN [abd]$|CONSTANT|states|found", step)
    ]
    assert not scans
    if name == "counts":
        assert "SEARCH entry_counts USING PRIMARY KEY" in plan[0]
    if name == "due_in_lanes":  # each half in the order of the index, so that a page costs a page
        halves = [step for step in plan if "INDEX entries_in_lanes" in step]
        assert [step.endswith("AND <expr>=?)") for step in halves] == [True, True], plan
        assert len([step for step in plan if "TEMP B-TREE" in step]) == 2, plan  # to merge two pages


@pytest.mark.parametrize("name", ["gone", "gone_ids", "find_places"])
def test_a_manifest_is_held_against_its_batch_as_a_whole_not_row_by_row(empty, name):
    migrate(empty, migrations())
    empty.execute(queries()["make_manifest"])
    plan = explained(empty, name)
    assert any("EXCEPT" in step for step in plan)
    assert not [step for step in plan if "CORRELATED" in step or "LEFT-JOIN" in step]


async def test_rows_come_back_as_they_went(ledger):
    held = await filled(ledger, "a")
    entry = steps_of(await entry_of(ledger, "a"), [intended(), accepted(1)])[-1].entry
    await move(held, "a", intended(), accepted(1))
    (row,) = await ledger._read(
        lambda: ledger._store.all("in_state", batch=1, state="active", after=-1, limit=9)
    )
    assert entry_of_row(BATCH, row) == entry


async def test_two_ledgers_in_one_folder_are_apart(tmp_path):
    async with await open_ledger(tmp_path / "a.db") as one, await open_ledger(tmp_path / "b.db") as two:
        await filled(one, "x")
        assert await two.batches() == []


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


async def test_a_batch_with_a_run_stays_in_its_account(ledger):
    await ledger.open_batch(BATCH, region="us-east-1", account="1" * 12, at=AT)
    held = await filled(ledger, "a")
    await move(held, "a", intended())
    with pytest.raises(InvariantError, match="stays in the account"):
        await raw(ledger, "UPDATE batches SET account = '222222222222'")


@pytest.mark.parametrize("account", ["", "1", "12345678901x", "1234567890123"])
async def test_an_account_has_twelve_digits(ledger, account):
    with pytest.raises(InvariantError, match="twelve digits"):
        await ledger.open_batch(BATCH, region="us-east-1", account=account, at=AT)


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


async def test_what_is_to_be_asked_is_found_without_going_through_what_was(ledger):
    await filled(ledger, "a")
    plan = await ledger._read(lambda: explained(connection_of(ledger), "unasked"))
    assert "USING INDEX failed_runs_to_ask" in plan[0]
    assert not [step for step in plan[1:] if step.startswith("SCAN")]
