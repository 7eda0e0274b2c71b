"""Ledgers for verbs that only read one: made in the test's own process, without a service."""

from __future__ import annotations

import functools
import json
from dataclasses import replace
from pathlib import Path

import anyio

from batchrun.ledger import open_ledger
from batchrun.model.entries.entry import Run
from batchrun.model.entries.events import (
    Accepted,
    Completed,
    Event,
    Failed,
    Intended,
    Progressed,
    Refused,
    Removed,
    Retried,
)
from batchrun.model.lanes import Offer, offers_text
from batchrun.model.planning.limits import Changed
from batchrun.model.spec import Spec, canonical
from batchrun.ports.held import HeldBatch
from batchrun.ports.ledger import Ledger
from tests.ledger.samples import AT, intended, later, lease_on, move, run_of

#: What no row of a manifest may lose on its way through a ledger and back.
PARAMETERS = {
    "text": "a{id}b",
    "braces": "*_{1,2}.fq",
    "number": 7,
    "ratio": 0.5,
    "flag": True,
    "list": ["x", 1],
    "zero": "007",
    "none": None,
}


def spec(entry_id: str, position: int, batch: str) -> Spec:
    fields = {
        "name": f"{batch}-{entry_id}",
        "workflowId": "1234567",
        "roleArn": "arn:aws:iam::123456789012:role/omics",
        "outputUri": f"s3://lab-results/{batch}/{entry_id}/",
        "parameters": {**PARAMETERS, "sample": entry_id},
        "tags": {"project": "cohort"},
    }
    return Spec(id=entry_id, position=position, request=canonical(fields))  # type: ignore[arg-type]


def stories(first: int = 0) -> dict[str, list[Event]]:
    """Return what happens to each row; run numbers, which a ledger has once, are above *first*."""
    run = functools.partial(_run, first)
    return {
        "planned": [],
        "queued": [intended(), Accepted(at=AT, run=run(1))],
        "running": [
            intended(),
            Accepted(at=later(seconds=1), run=run(2)),
            Progressed(at=AT, run=run(2, "RUNNING")),
        ],
        "done": [intended(), Accepted(at=AT, run=run(3)), Completed(at=AT, run=run(3, "COMPLETED"))],
        "memory": [intended(), Accepted(at=AT, run=run(4)), _failed(first, 4, "OUT_OF_MEMORY_ERROR")],
        "task": [intended(), Accepted(at=AT, run=run(5)), _failed(first, 5, "RUN_TASK_FAILED")],
        "task2": [intended(), Accepted(at=AT, run=run(6)), _failed(first, 6, "RUN_TASK_FAILED")],
        "refused": [intended(), Refused(at=AT, code="ValidationException", message="no such role")],
        "gone": [intended(), Accepted(at=AT, run=run(8)), Removed(at=AT, message="it is not there any more")],
        "twice": [intended(), Accepted(at=AT, run=run(9)), _failed(first, 9, "SERVICE_ERROR")],
        "again": [intended(), Accepted(at=AT, run=run(10)), Completed(at=AT, run=run(10, "COMPLETED"))],
    }


def _run(first: int, number: int, status: str = "PENDING", **fields: object) -> Run:
    return run_of(first + number, status, **fields)


def _failed(first: int, number: int, reason: str) -> Failed:
    at = later(minutes=number)
    fields = {"failure_reason": reason, "status_message": "it\nbroke", "stop_time": at}
    return Failed(at=at, run=_run(first, number, "FAILED", **fields))


def _placed(number: int, place: tuple[str, str], status: str = "PENDING", **fields: object) -> Run:
    region, account = place
    return replace(run_of(number, status, **fields), arn=f"arn:aws:omics:{region}:{account}:run/{number:07}")


def _over(number: int, place: tuple[str, str], status: str) -> Event:
    run = _placed(number, place, status, stop_time=later(minutes=number))
    return Completed(at=AT, run=run) if status == "COMPLETED" else Failed(at=AT, run=run)


#: What a row asks for in each lane.
WORKFLOWS = {"east": "1234567", "west": "7654321"}
#: The rows, in the manifest's order.
IDS = [entry_id for entry_id in stories() if entry_id != "again"]
BAD = ["memory", "task", "task2", "refused", "gone"]


def make(folder: Path, *batches: str) -> None:
    """Make ``batchrun.db`` with these batches, or one called cohort; nobody holds any."""

    async def made() -> None:
        async with await open_ledger(folder / "batchrun.db") as ledger:
            for number, batch in enumerate(batches or ("cohort",)):
                await _fill(ledger, batch, stories(100 * number))

    anyio.run(made)


async def _fill(ledger: Ledger, batch: str, told: dict[str, list[Event]]) -> None:
    held = await lease_on(ledger, batch)
    rows = [spec(entry_id, position, batch) for position, entry_id in enumerate(IDS)]
    await held.sync(rows, changed=Changed.REFUSE, at=AT)
    for entry_id in IDS[1:]:
        await move(held, entry_id, *told[entry_id])
    assert await ledger.batch(batch).requests.retry(["twice"], at=AT, why="asked for") == ["twice"]
    await move(held, "twice", *told["again"])
    await held.release()


def make_long(folder: Path, rows: int) -> None:
    """Make ``batchrun.db`` with a batch of so many planned rows."""

    async def made() -> None:
        async with await open_ledger(folder / "batchrun.db") as ledger:
            held = await lease_on(ledger)
            specs = [spec(f"s{number:05}", number, "cohort") for number in range(rows)]
            await held.sync(specs, changed=Changed.REFUSE, at=AT)
            await held.release()

    anyio.run(made)


EAST, WEST = ("us-east-1", "111111111111"), ("us-west-2", "222222222222")
#: The rows of a batch with lanes: the lanes that each may take, and what happened to it in which.
IN_LANES: dict[str, tuple[str, list[tuple[str, list[Event]]]]] = {
    "free": ("east west", []),
    "fixed": ("west", []),
    "going": ("east west", [("east", [Accepted(at=AT, run=_placed(1, EAST))])]),
    "done": ("west east", [("west", [Accepted(at=AT, run=_placed(2, WEST)), _over(2, WEST, "COMPLETED")])]),
    "lost": ("east", [("east", [Accepted(at=AT, run=_placed(3, EAST)), _over(3, EAST, "FAILED")])]),
    "moved": (
        "east west",
        [
            ("east", [Accepted(at=AT, run=_placed(4, EAST)), _over(4, EAST, "FAILED")]),
            ("west", [Accepted(at=AT, run=_placed(5, WEST)), _over(5, WEST, "COMPLETED")]),
        ],
    ),
    "refused": ("west", [("west", [Refused(at=AT, code="ValidationException", message="no such role")])]),
}


def make_lanes(folder: Path) -> None:
    """Make ``batchrun.db`` with the batch cohort, whose rows are in two lanes; nobody holds it."""

    async def made() -> None:
        async with await open_ledger(folder / "batchrun.db") as ledger:
            held = await lease_on(ledger)
            for name, (region, account) in (("east", EAST), ("west", WEST)):
                await held.keep_lane(name, region=region, account=account, at=AT)
            rows = [_offered(id_, at, lanes.split()) for at, (id_, (lanes, _)) in enumerate(IN_LANES.items())]
            await held.sync(rows, changed=Changed.REFUSE, at=AT)
            for id_, (_, attempts) in IN_LANES.items():
                await _attempts(held, id_, attempts)
            await held.release()

    anyio.run(made)


async def _attempts(held: HeldBatch, entry_id: str, attempts: list[tuple[str, list[Event]]]) -> None:
    for number, (lane, events) in enumerate(attempts):
        if number:
            await move(held, entry_id, Retried(at=AT, due=AT, why="asked for"))
        entry = await held.entry(entry_id)
        assert entry is not None
        await move(held, entry_id, Intended(at=AT, lane=lane, request=entry.as_in(lane).request), *events)


def _offered(entry_id: str, position: int, lanes: list[str]) -> Spec:
    """Return the row as it asks for another workflow in each lane."""
    asked = json.loads(spec(entry_id, position, "cohort").request)
    made = [Offer(lane=one, request=canonical(asked | {"workflowId": WORKFLOWS[one]})) for one in lanes]
    return Spec(id=entry_id, position=position, request=made[0].request, offers=offers_text(made))
