"""
The group that holds a ledger in PostgreSQL against one in a file: the same verbs, on one machine and disk.

Both are durable: a server of our own, started here as packages start it, with its commits on the disk.
Belongs here: that, without a service. Does not: launches (``submission``).
"""

from __future__ import annotations

import itertools
import os
import tempfile
import time
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import median

import anyio

from batchrun.ledger import open_ledger
from batchrun.model.entries.entry import Entry, Run
from batchrun.model.entries.events import Accepted, Intended
from batchrun.model.entries.transitions import apply
from batchrun.model.planning.limits import Changed
from batchrun.model.spec import Json, Spec, canonical, digest
from batchrun.model.submissions.submission import Submission
from batchrun.ports.held import HeldBatch
from batchrun.ports.ledger import Ledger
from batchrun.ports.stored import Transition
from tests.bench.bench import Bench
from tests.bench.scale import Scale
from tests.bench.table import Section, figure
from tests.postgres.server import NoServerError, Server, gone, started

_AT = datetime(2026, 1, 1, tzinfo=UTC)
_HELD = timedelta(hours=1)
_BATCH = "cohort"
#: Steps of one commit, as with 16 workers.
_TOGETHER = 16
_HEADS = ("rows", "what", "SQLite", "PostgreSQL", "ratio")
_WHATS = {
    "taken in": "rows per second",
    "the same taken in again": "rows per second",
    "runs recorded, 16 at once": "runs per second, intent and answer each",
    "runs recorded one by one": "runs per second, intent and answer each",
    "intended together": "rows per second, all that are left in one submission",
    "counts and what stands out": "per second",
    "500 that are due": "per second",
    "results read": "rows per second",
}


def stores(bench: Bench, scale: Scale) -> list[Section]:
    """Measure each store at each number of rows."""
    try:
        # Not in the bench's own folder, which nobody may enter: as root, nobody is who runs it.
        server = started(Path(tempfile.gettempdir()) / f"batchrun-stores-{os.getpid()}", is_durable=True)
    except NoServerError as error:
        return [Section(title="Stores", note=f"**Left out**: {error}", rows=(), heads=_HEADS)]
    try:
        rows = [row for size in scale.sizes for row in _compared(bench, server, size)]
    finally:
        gone(server)
    note = f"{', '.join(f'{what}: {unit}' for what, unit in _WHATS.items())}. Medians of {bench.repeats}."
    return [Section(title="A ledger in a file, and in PostgreSQL", note=note, rows=tuple(rows), heads=_HEADS)]


def _compared(bench: Bench, server: Server, size: int) -> list[tuple[str, ...]]:
    bench.tell(f"stores: {size} rows")
    found: dict[str, list[list[float]]] = {what: [[], []] for what in _WHATS}
    for place, number in itertools.product(range(2), range(bench.repeats)):
        bench.tell(f"stores: {('SQLite', 'PostgreSQL')[place]}, {number + 1}")
        ledger = bench.folder() / "batchrun.db" if place == 0 else server.make()
        for what, speed in anyio.run(_measured, ledger, size).items():
            found[what][place].append(speed)
    rows: list[tuple[str, ...]] = []
    for what, (ours, theirs) in found.items():
        file, server_speed = median(ours), median(theirs)
        rows.append((f"{size:,}", what, figure(file), figure(server_speed), f"{server_speed / file:.2f}"))
    return rows


async def _measured(place: str | Path, size: int) -> dict[str, float]:
    specs = [_spec(number) for number in range(size)]
    async with await open_ledger(place) as ledger:
        await ledger.open_batch(_BATCH, region="us-east-1", at=_AT)
        held = await ledger.hold(_BATCH, holder="bench:1", ttl=_HELD, at=_AT)
        took = {}

        async def sync() -> None:
            await held.sync(specs, changed=Changed.REFUSE, at=_AT)

        async def due() -> None:
            await held.due(at=_AT, limit=500)

        took["taken in"] = await _per_second(sync, size)
        took["the same taken in again"] = await _per_second(sync, size)
        took["500 that are due"] = await _per_second(due, 1, times=20)
        entries = await held.due(at=_AT, limit=min(size, 1_600))
        half = len(entries) // 2
        together = [entries[first : first + _TOGETHER] for first in range(0, half, _TOGETHER)]
        took["runs recorded, 16 at once"] = await _recorded(held, together)
        took["runs recorded one by one"] = await _recorded(
            held, [[one] for one in entries[half:][: min(200, half // 2)]]
        )
        took["intended together"] = await _intended(held, await held.due(at=_AT, limit=size))
        took["counts and what stands out"] = await _per_second(lambda: _glance(ledger), 1, times=20)
        took["results read"] = await _per_second(lambda: _read(ledger), size)
        return {what: took[what] for what in _WHATS}


async def _per_second(job: Callable[[], Awaitable[None]], count: int, *, times: int = 1) -> float:
    began = time.perf_counter()
    for _ in range(times):
        await job()
    return count * times / (time.perf_counter() - began)


async def _recorded(held: HeldBatch, groups: Sequence[Sequence[Entry]]) -> float:
    """Record an intent and an answer for each, a group in a commit."""
    began = time.perf_counter()
    for group in groups:
        steps = [_step(entry, Intended(at=_AT)) for entry in group]
        await held.record(steps)
        await held.record([_step(step.entry, _accepted(step.entry)) for step in steps])
    return sum(map(len, groups)) / (time.perf_counter() - began)


async def _intended(held: HeldBatch, entries: Sequence[Entry]) -> float:
    """Have all of them intended in one submission."""
    name = f"{_BATCH}-{len(entries)}"
    made = Submission(
        request_id=digest(name),
        batch=_BATCH,
        lane=None,
        name=name,
        request="{}",
        rows=len(entries),
        intended_at=_AT,
    )
    steps = [_step(entry, Intended(at=_AT)) for entry in entries]
    return await _per_second(lambda: held.submissions.intend(made, steps), len(steps))


def _step(entry: Entry, event: Intended | Accepted) -> Transition:
    return Transition(event=event, entry=apply(entry, event))


def _accepted(entry: Entry) -> Accepted:
    number = f"{entry.position:07}"
    arn = f"arn:aws:omics:us-east-1:123456789012:run/{number}"
    return Accepted(at=_AT, run=Run(id=number, uuid=f"uuid-{number}", arn=arn, status="PENDING"))


async def _glance(ledger: Ledger) -> None:
    batch = ledger.batch(_BATCH)
    await batch.counts()
    await batch.story.glance(since=_AT, at=_AT, limit=10)


async def _read(ledger: Ledger) -> None:
    async for _ in ledger.batch(_BATCH).story.outcomes():
        pass


def _spec(number: int) -> Spec:
    request: Json = {
        "name": f"s{number}",
        "outputUri": f"s3://lab-results/cohort/s{number}/",
        "parameters": {"reads": f"s3://lab-data/cohort/s{number}.fastq.gz"},
        "roleArn": "arn:aws:iam::123456789012:role/omics",
        "workflowId": "1234567",
    }
    work = number.to_bytes(16, "big")
    return Spec(id=f"s{number:07}", position=number, request=canonical(request), work=work)
