# ruff: noqa: D102 - what each method promises stands in the contract, ports.ledger
"""A ledger of many batches, kept in a store.

Does not belong here: a batch (``held``), opening a ledger (``place``).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import asdict
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

import anyio

from batchrun.errors import InvariantError, LeaseHeldError
from batchrun.ledger import leases
from batchrun.ledger.held import SqlBatch, SqlHeldBatch
from batchrun.ledger.rows import batch_of, micros, time_of
from batchrun.ledger.store import Row, Store, Value
from batchrun.ledger.verbs.sync import rows_as_known, rows_elsewhere
from batchrun.ledger.verbs.user_reads import keep_usage, usage_of
from batchrun.ledger.worker import StoreVerbs, Worker, reads, writes
from batchrun.model.costs import Usage
from batchrun.model.paces.handing_on import Learned, Phase
from batchrun.model.spec import Spec
from batchrun.ports.ledger import Ledger
from batchrun.ports.stored import Batch, Commons, KeptPace, LeftPace, Stretch

_MICROS: Final = 1_000_000
#: Seconds in the past from which time is still given out, since asking for it takes about that long.
_LATE: Final = 0.05
#: Seconds that stretches reach into the future at most, one of a second for each of so many launchers.
_LONGEST_QUEUE: Final = 300


class SqlLedger(StoreVerbs, Ledger):
    """A ledger in a store; opened by ``place``."""

    def __init__(self, store: Store, worker: Worker, path: Path | None) -> None:
        super().__init__(store, worker)
        self.path = path

    @writes
    def open_batch(
        self, name: str, *, region: str, account: str | None = None, holder: str | None = None, at: datetime
    ) -> Batch:
        place: dict[str, Value] = {"name": name, "region": region, "account": account, "at": micros(at)}
        self._store.run("add_batch", **place)
        if self._store.run("move_batch", **place, holder=holder):
            self._store.run("forget_proofs", batch=self._store.value("batch_key", name=name))
        batch = self._store.one("find_batch", name=name)
        if batch is None:
            raise InvariantError(f"batch '{name}' is not there after it was made")
        return batch_of(batch)

    def hurry(self, seconds: float) -> None:
        self._store.hurry(seconds)

    @reads
    def find_batch(self, name: str) -> Batch | None:
        row = self._store.one("find_batch", name=name)
        return None if row is None else batch_of(row)

    @reads
    def batches(self) -> Sequence[Batch]:
        return [batch_of(row) for row in self._store.all("batches")]

    def batch(self, name: str) -> SqlBatch:
        return SqlBatch(self._store, self._worker, name)

    async def hold(self, batch: str, *, holder: str, ttl: timedelta, at: datetime) -> SqlHeldBatch:
        taken: list[SqlHeldBatch] = []

        def job() -> SqlHeldBatch:
            key = self._store.value("batch_key", name=batch)
            lease = leases.claim(self._store, key, batch, holder=holder, ttl=ttl, at=at)
            taken.append(SqlHeldBatch(self._store, self._worker, key, lease))
            return taken[0]

        try:
            try:
                return await self._begun(job)
            except LeaseHeldError:
                if not await self._bound(batch, at):
                    raise
            return await self._begun(job)
        except anyio.get_cancelled_exc_class():
            # Nobody else would release a lease that is not returned.
            with anyio.CancelScope(shield=True):
                for held in taken:
                    await held.release()
            raise

    async def _begun(self, job: Callable[[], SqlHeldBatch]) -> SqlHeldBatch:
        held = await self._write(job)
        self._worker.launches.add(held)
        return held

    @writes
    def _bound(self, batch: str, at: datetime) -> bool:
        return leases.bound(self._store, self._store.value("batch_key", name=batch), at)

    @reads
    def rows_as_known(self, batch: str, specs: Iterable[Spec]) -> int:
        return rows_as_known(self._store, self._store.value("batch_key", name=batch), specs)

    @reads
    def rows_elsewhere(self, batch: str, specs: Iterable[Spec]) -> Mapping[str, int]:
        return rows_elsewhere(self._store, batch, specs)

    @reads
    def paces(self, account: str, *, since: datetime) -> Mapping[str, Learned]:
        rows = self._store.all("paces", account=account, since=micros(since))
        return {row.operation: _learned(row) for row in rows}

    @reads
    def all_paces(self) -> Sequence[KeptPace]:
        return [
            KeptPace(account=row.account, operation=row.operation, learned=_learned(row), at=time_of(row.at))
            for row in self._store.all("all_paces")
        ]

    @writes
    def keep_paces(self, account: str, learned: Mapping[str, Learned], *, at: datetime) -> None:
        for operation, one in learned.items():
            facts = {**asdict(one), "phase": one.phase.value}
            self._store.run("keep_pace", account=account, operation=operation, **facts, at=micros(at))

    @reads
    def newest_event(self) -> int:
        return int(self._store.value("newest_event"))

    @reads
    def has_peers(self, region: str, account: str | None, *, besides: str, at: datetime) -> bool:
        found = self._store.value(
            "has_peers", region=region, account=account or "", holder=besides, at=micros(at)
        )
        return bool(found)

    @reads
    def active_there(self, region: str, account: str | None) -> Mapping[str, int]:
        rows = self._store.all("active_there", region=region, account=account or "")
        return {row.batch: int(row.total) for row in rows}

    @writes
    def take_stretch(self, commons: Commons, seconds: float, *, at: datetime) -> Stretch:
        span = round(seconds * _MICROS)
        row = self._store.one(
            "take_stretch",
            **_where(commons),
            span=span,
            late=round(_LATE * _MICROS),
            longest=_LONGEST_QUEUE * _MICROS,
            at=micros(at),
        )
        if row is None:
            raise InvariantError(f"no time for {commons.operation} was given out")
        ends_in = row.ends_in / _MICROS
        return Stretch(begins_in=ends_in - seconds, ends_in=ends_in, after=row.until - span, until=row.until)

    @writes
    def leave_pace(self, commons: Commons, state: str, *, until: int, at: datetime) -> None:
        longest = _LONGEST_QUEUE * _MICROS
        self._store.run(
            "leave_pace", **_where(commons), state=state, until=until, longest=longest, at=micros(at)
        )

    @reads
    def left_pace(self, commons: Commons, *, at: datetime) -> LeftPace | None:
        row = self._store.one("left_pace", **_where(commons), at=micros(at))
        return None if row is None else LeftPace(row.state, ago=row.ago / _MICROS, until=row.left_until)

    @writes
    def keep_usage(self, run_uuid: str, usage: Usage | None, *, at: datetime) -> None:
        keep_usage(self._store, run_uuid, usage, at=at)

    @reads
    def workflow_usages(self, workflow_id: str, *, limit: int) -> Sequence[Usage]:
        rows = self._store.all("workflow_usages", workflow_id=workflow_id, limit=limit)
        return [usage_of(self._store, row) for row in rows]

    @writes
    def keep_deleted(self, uuids: Collection[str], *, at: datetime) -> None:
        self._store.many("keep_deleted", [{"uuid": uuid, "at": micros(at)} for uuid in uuids])

    async def close(self) -> None:
        if not self._worker.is_stopped:
            try:
                await self._worker.run(self._store.close)
            finally:
                self._worker.stop()


def _learned(row: Row) -> Learned:
    return Learned(
        phase=Phase(row.phase), base=row.base, cut=row.cut, span=row.span, passed=row.passed, burst=row.burst
    )


def _where(commons: Commons) -> dict[str, str]:
    return {**asdict(commons), "account": commons.account or ""}
