"""Batches that a ledger has beside the one that a test is about: rows of the same ids, in every state."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import apsw

from batchrun.clock import ClockOrigin
from batchrun.ledger import open_ledger
from batchrun.model.entries.events import Accepted, Cancelled, Failed, Refused, Removed, Retried
from batchrun.model.notices import NOTED
from batchrun.model.planning.cancelling import Scope
from batchrun.model.planning.limits import Changed
from batchrun.model.tasks import FailedTask, FailedTasks
from batchrun.ports.results import WrittenResults
from tests.ledger.contract_lanes import into, rows
from tests.ledger.samples import (
    AT,
    TTL,
    accepted,
    completed,
    deferred,
    intended,
    later,
    move,
    run_of,
    specs,
    steps_of,
)
from tests.ledger.submitting import submission, taken

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from batchrun.ledger import SqlLedger
    from batchrun.model.entries.entry import Entry
    from batchrun.model.entries.events import Event, Intended
    from batchrun.ports.held import HeldBatch

_IDS = [*"abcdefghijklmnxyz", "nobody"]
_NAME, _REGION = "beside", "eu-central-1"


def settle(place: Path) -> None:
    """Make a ledger of both, which launchers hold whose clocks are ahead."""
    asyncio.run(_settle(place))


def stored(place: Path) -> set[tuple[str, object]]:
    """Return all that is stored of them there, row by row."""
    connection = apsw.Connection(str(place), flags=apsw.SQLITE_OPEN_READONLY)
    theirs = f"SELECT key FROM batches WHERE name LIKE '{_NAME}%'"
    columns = {"batch": theirs, "entry": f"SELECT key FROM entries WHERE batch IN ({theirs})"}
    found: set[tuple[str, object]] = set()
    for name, column in connection.execute(
        "SELECT t.name, c.name FROM sqlite_schema AS t, pragma_table_info(t.name) AS c WHERE t.type = 'table'"
    ).fetchall():
        if column in columns:
            rows_of = f"SELECT * FROM {name} WHERE {column} IN ({columns[column]})"
            found.update((str(name), row) for row in connection.execute(rows_of))
    connection.close()
    return found


async def _settle(place: Path) -> None:
    async with await open_ledger(place) as ledger:
        held = await _held(ledger, _NAME)
        await held.sync(specs(*_IDS), changed=Changed.REFUSE, at=AT)
        await _live(held, 9000, None)
        held = await _held(ledger, f"{_NAME}, in lanes")
        for lane in ("east", "west"):
            await held.keep_lane(lane, region=_REGION, account=None, at=AT)
        await held.sync(rows(**dict.fromkeys(_IDS, "east west")), changed=Changed.REFUSE, at=AT)
        await _live(held, 9100, "west")


async def _held(ledger: SqlLedger, name: str) -> HeldBatch:
    await ledger.open_batch(name, region=_REGION, at=AT)
    return await ledger.hold(name, holder="host:1", ttl=TTL, at=AT)


async def _live(held: HeldBatch, number: int, lane: str | None) -> None:
    """Do with a batch all that can be done with one, its runs numbered from *number*."""
    await held.proofs.bind(ClockOrigin(boot="m", at=AT))
    await held.proofs.begin_survey(since=AT, at=later(seconds=1))
    await held.proofs.end_survey(at=later(seconds=1), calls={lane: 3}, besides=["x"])
    await held.submissions.keep_shapes(dict.fromkeys("abmxy", "x"))
    await held.requests.ask_to_cancel(["a", "b", "d", "e", "m"], scope=Scope.SENDING, at=AT)
    for id_, events in _stories(number).items():
        await _send(held, id_, lane, events)
    await _send_together(held, number, lane)
    (failed,) = await held.unasked(limit=1)
    await held.keep_tasks({failed.number: FailedTasks(tasks=(FailedTask(id="1", name="align"),))}, at=AT)
    for notice in NOTED:
        await held.requests.tell(notice, at=AT)
    await held.results.keep(WrittenResults(place="/x", form="1.0", digest=bytes(32), event=1))
    await held.proofs.begin_survey(since=later(minutes=1), at=later(minutes=1))  # it never ends
    await held.renew(ttl=TTL, at=later(days=30))


def _stories(number: int) -> dict[str, Sequence[Event]]:
    """Return what becomes of rows that are sent, by id."""
    failed = [Failed(at=AT, run=run_of(number + n, "FAILED", stop_time=AT)) for n in (2, 5, 7)]
    return {
        "a": [accepted(number + 7), failed[2], Retried(at=AT, due=AT, why="x")],
        "b": [deferred(later(seconds=1))],
        "c": [],
        "d": [accepted(number)],
        "e": [accepted(number + 1), completed(number + 1)],
        "f": [accepted(number + 2), failed[0]],
        "g": [Refused(at=AT, code="ValidationException", message="no")],
        "h": [accepted(number + 3), Removed(at=AT, message="404")],
        "i": [accepted(number + 4), Cancelled(at=AT, run=run_of(number + 4, "CANCELLED"))],
        "j": [accepted(number + 5), failed[1], Retried(at=AT, due=AT, why="x")],
        "n": [Accepted(at=AT, run=run_of(number + 6), was_found=True)],
    }


async def _send(held: HeldBatch, id_: str, lane: str | None, events: Sequence[Event]) -> None:
    entry = await held.entry(id_)
    assert entry is not None
    await move(held, id_, _to(entry, lane), *events)


async def _send_together(held: HeldBatch, number: int, lane: str | None) -> None:
    found = await held.entries(["k", "l"])
    steps = [step for entry in found.values() for step in steps_of(entry, [_to(entry, lane)])]
    made = submission(number, batch=held.name, lane=lane)
    await held.submissions.intend(made, steps)
    await held.submissions.keep(taken(made))


def _to(entry: Entry, lane: str | None) -> Intended:
    return intended() if lane is None else into(entry, lane)
