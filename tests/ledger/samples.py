"""What ledger tests are made of: specs, runs, and entries led through their states."""

from __future__ import annotations

import tempfile
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, cast

from psycopg.pq import TransactionStatus

from batchrun.ledger import open_ledger
from batchrun.ledger.postgres.store import PostgresStore
from batchrun.ledger.sqlite.store import SqliteStore
from batchrun.model.entries.entry import Run
from batchrun.model.entries.events import Accepted, Completed, Deferred, Intended
from batchrun.model.entries.transitions import apply
from batchrun.model.planning.limits import Changed
from batchrun.model.spec import Spec, canonical
from batchrun.ports.stored import Transition

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable, Sequence

    import apsw

    from batchrun.ledger import SqlLedger
    from batchrun.model.entries.entry import Entry
    from batchrun.model.entries.events import Event
    from batchrun.ports.held import HeldBatch
    from batchrun.ports.ledger import Ledger

AT = datetime(2026, 1, 1, 12, tzinfo=UTC)
TTL = timedelta(minutes=1)
BATCH = "cohort"


@asynccontextmanager
async def kept_ledger() -> AsyncIterator[Ledger]:
    """Open an empty ledger in a folder of its own, for as long as the block lasts."""
    with tempfile.TemporaryDirectory() as folder:
        async with await open_ledger(Path(folder) / "batchrun.db") as ledger:
            yield ledger


def connection_of(ledger: Ledger) -> apsw.Connection:
    """Return what a ledger's own thread may look at, beside what the contract says."""
    store = cast("SqlLedger", ledger)._store
    assert isinstance(store, SqliteStore)
    return store._connection


def is_idle(ledger: Ledger) -> bool:
    """Report whether no transaction is open."""
    store = cast("SqlLedger", ledger)._store
    if isinstance(store, SqliteStore):
        return not store._connection.in_transaction
    assert isinstance(store, PostgresStore)
    return store._link.connection.info.transaction_status == TransactionStatus.IDLE


def later(**parts: float) -> datetime:
    return AT + timedelta(**parts)


def spec(id_: str, position: int = 0, content: object = 1) -> Spec:
    return Spec(id=id_, position=position, request=canonical({"name": id_, "content": str(content)}))


def specs(*ids: str, content: object = 1) -> list[Spec]:
    return [spec(id_, position, content) for position, id_ in enumerate(ids)]


def run_of(number: int, status: str = "PENDING", **fields: object) -> Run:
    return Run(
        id=f"{number:07}",
        uuid=f"uuid-{number}",
        arn=f"arn:aws:omics:us-east-1:123456789012:run/{number:07}",
        status=status,
        **fields,  # type: ignore[arg-type]
    )


async def lease_on(ledger: Ledger, batch: str = BATCH, *, holder: str = "host:1") -> HeldBatch:
    await ledger.open_batch(batch, region="us-east-1", at=AT)
    return await ledger.hold(batch, holder=holder, ttl=TTL, at=AT)


async def filled(ledger: Ledger, *ids: str, batch: str = BATCH) -> HeldBatch:
    held = await lease_on(ledger, batch)
    await held.sync(specs(*ids), changed=Changed.REFUSE, at=AT)
    return held


async def entry_of(ledger: Ledger, id_: str, batch: str = BATCH) -> Entry:
    entry = await ledger.batch(batch).entry(id_)
    assert entry is not None
    return entry


async def move(held: HeldBatch, id_: str, *events: Event) -> Entry:
    """Record *events*, one after the other, in one transaction."""
    entry = await held.entry(id_)
    assert entry is not None
    steps = steps_of(entry, events)
    await held.record(steps)
    return steps[-1].entry


def steps_of(entry: Entry, events: Iterable[Event]) -> Sequence[Transition]:
    steps: list[Transition] = []
    for event in events:
        entry = apply(entry, event)
        steps.append(Transition(event=event, entry=entry))
    return steps


def intended() -> Intended:
    return Intended(at=AT)


def accepted(number: int) -> Accepted:
    return Accepted(at=AT, run=run_of(number))


def completed(number: int) -> Completed:
    return Completed(at=AT, run=run_of(number, "COMPLETED"))


def deferred(due: datetime) -> Deferred:
    return Deferred(at=AT, due=due, code="ServiceQuotaExceededException", message="not now")
