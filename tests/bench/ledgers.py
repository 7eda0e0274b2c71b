"""
A ledger of a batch that is done, made without a service.

100,000 calls would take minutes and show nothing about reading a ledger. So the rows go in through
:mod:`batchrun.ledger`, with the very events that a launch records: intended, accepted, completed. Belongs
here: that. Does not: measuring.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import chdir
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import NAMESPACE_URL, uuid5

import anyio

from batchrun.ledger import open_ledger
from batchrun.manifest import Source, load
from batchrun.model.entries.entry import Entry, Run
from batchrun.model.entries.events import Accepted, Completed, Intended
from batchrun.model.entries.states import State
from batchrun.model.entries.transitions import apply
from batchrun.model.planning.limits import Changed
from batchrun.ports.held import HeldBatch
from batchrun.ports.ledger import Ledger
from batchrun.ports.stored import Transition
from tests.bench.cohort import MANIFEST, NAME

_AT = datetime(2026, 1, 1, tzinfo=UTC)
_TTL = timedelta(hours=1)
#: Entries that are recorded in one transaction.
_PAGE = 2_000


def finish(folder: Path) -> None:
    """Make the folder's ledger say that every row of its manifest has succeeded, as a launch there does."""
    with chdir(folder):
        anyio.run(_finish)


async def _finish() -> None:
    path, _, defaults = MANIFEST
    with load(Source(path=path, defaults=(defaults,))) as manifest:
        async with await open_ledger("batchrun.db") as ledger:
            await ledger.open_batch(NAME, region="us-east-1", at=_AT)
            held = await ledger.hold(NAME, holder=f"bench:{os.getpid()}", ttl=_TTL, at=_AT)
            files, place = manifest.taken_from, manifest.place
            await held.sync(manifest.specs(), changed=Changed.REFUSE, at=_AT, place=place, taken_from=files)
            await _complete(ledger, held)
            await held.release()


async def _complete(ledger: Ledger, held: HeldBatch) -> None:
    after = -1
    while page := await ledger.batch(NAME).in_state(State.PLANNED, limit=_PAGE, after=after):
        await held.record([step for entry in page for step in _life(entry)])
        after = page[-1].position


def _life(entry: Entry) -> Iterator[Transition]:
    going, done = _run(entry, "PENDING"), _run(entry, "COMPLETED")
    events = (Intended(at=_AT), Accepted(at=_AT, run=going), Completed(at=_AT, run=done))
    for event in events:
        entry = apply(entry, event)
        yield Transition(event=event, entry=entry)


def _run(entry: Entry, status: str) -> Run:
    id = str(1_000_001 + entry.position)
    is_done = status == "COMPLETED"
    return Run(
        id=id,
        uuid=str(uuid5(NAMESPACE_URL, entry.id)),
        arn=f"arn:aws:omics:us-east-1:123456789012:run/{id}",
        status=status,
        output_uri=f"s3://lab-results/{NAME}/{entry.id}/{id}",
        creation_time=_AT if is_done else None,
        start_time=_AT if is_done else None,
        stop_time=_AT if is_done else None,
    )
