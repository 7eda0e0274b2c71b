"""The schema: its statements, and the rules that hold whatever the code above does."""

from __future__ import annotations

import re
from dataclasses import replace
from importlib import resources
from typing import TYPE_CHECKING, Any

import apsw
import apsw.ext
import pytest

from batchrun.errors import InvariantError, ServiceUnusableError
from batchrun.ledger import open_ledger
from batchrun.ledger.copying import _OF_ENTRIES, _OF_RUNS
from batchrun.ledger.rows import entry_of as entry_of_row
from batchrun.ledger.sqlite.migrate import migrate
from batchrun.ledger.sqlite.statements import migrations, queries
from batchrun.ledger.statements import split
from batchrun.model.entries.events import KINDS
from batchrun.model.entries.states import State
from batchrun.ports.stored import Transition
from tests.ledger.samples import (
    AT,
    BATCH,
    accepted,
    connection_of,
    entry_of,
    filled,
    intended,
    move,
    run_of,
    steps_of,
)

if TYPE_CHECKING:
    from batchrun.ledger import SqlLedger


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
    with pytest.raises(ServiceUnusableError, match="one run for two rows"):
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


@pytest.mark.parametrize("name", ["gone_ids", "find_gone"])
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


async def test_a_batch_with_a_run_stays_in_its_account_and_region(ledger):
    await ledger.open_batch(BATCH, region="us-east-1", account="1" * 12, at=AT)
    held = await filled(ledger, "a")
    await move(held, "a", intended())
    for change in ("account = '222222222222'", "region = 'us-west-1'"):
        with pytest.raises(InvariantError, match="stays in the account and region"):
            await raw(ledger, f"UPDATE batches SET {change}")


@pytest.mark.parametrize("account", ["", "1", "12345678901x", "1234567890123"])
async def test_an_account_has_twelve_digits(ledger, account):
    with pytest.raises(InvariantError, match="twelve digits"):
        await ledger.open_batch(BATCH, region="us-east-1", account=account, at=AT)


async def test_what_is_to_be_asked_is_found_without_going_through_what_was(ledger):
    await filled(ledger, "a")
    plan = await ledger._read(lambda: explained(connection_of(ledger), "unasked"))
    assert "USING INDEX failed_runs_to_ask" in plan[0]
    assert not [step for step in plan[1:] if step.startswith("SCAN")]
