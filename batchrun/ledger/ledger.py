# ruff: noqa: D102 - what each method promises stands in the contract, ports.ledger
"""A ledger of many batches, kept in a store.

Does not belong here: a batch (``held``), opening a ledger (``place``).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path

import anyio

from batchrun.errors import InvariantError, LeaseHeldError
from batchrun.ledger import leases
from batchrun.ledger.batch import SqlBatch
from batchrun.ledger.held import SqlHeldBatch
from batchrun.ledger.rows import batch_of, micros
from batchrun.ledger.store import Store, Value
from batchrun.ledger.verbs.paces import SqlPaces
from batchrun.ledger.verbs.story import keep_usage, usage_of
from batchrun.ledger.verbs.sync import rows_as_known, rows_elsewhere
from batchrun.ledger.worker import StoreVerbs, Worker, reads, writes
from batchrun.model.costs import Usage
from batchrun.model.spec import Spec
from batchrun.ports.ledger import Ledger
from batchrun.ports.stored import Batch


class SqlLedger(StoreVerbs, Ledger):
    """A ledger in a store; opened by ``place``."""

    def __init__(self, store: Store, worker: Worker, path: Path | None) -> None:
        super().__init__(store, worker)
        self.path = path
        self.paces = SqlPaces(store, worker)

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
