# ruff: noqa: D102 - what each method promises stands in the contract, ports.held
"""A batch that this launcher holds: its writes are fenced by the lease.

Does not belong here: who may hold a batch (``leases``), what needs no lease (``batch``).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict, replace
from datetime import datetime, timedelta

from batchrun import points
from batchrun.ledger import leases
from batchrun.ledger.batch import SqlBatch
from batchrun.ledger.rows import (
    lane_of,
    lanes_in,
    lanes_text,
    listed,
    maybe_micros,
    micros,
    run_of,
    span_micros,
)
from batchrun.ledger.store import Store, T, Value
from batchrun.ledger.verbs.proofs import SqlProofs
from batchrun.ledger.verbs.record import prefetch, record
from batchrun.ledger.verbs.submissions import SqlHeldSubmissions
from batchrun.ledger.verbs.sync import Comparison, as_taken_in, compared, sync
from batchrun.ledger.worker import Worker, reads, writes
from batchrun.model.entries.entry import Entry
from batchrun.model.planning.limits import Changed
from batchrun.model.spec import Spec
from batchrun.model.tasks import FailedTasks
from batchrun.points import Point
from batchrun.ports.held import HeldBatch
from batchrun.ports.stored import FailedRun, LanePlace, Lease, Sync, TakenFrom, Transition


class SqlHeldBatch(SqlBatch, HeldBatch):
    """A batch of a store, under a lease."""

    def __init__(self, store: Store, worker: Worker, key: int, lease: Lease) -> None:
        super().__init__(store, worker, lease.batch, key)
        self._held = key
        self._version = store.version()  #: of the data, when last asked for
        self.lease = lease
        self.submissions = SqlHeldSubmissions(store, worker, lease.batch, key, fenced=self._fenced)
        self.proofs = SqlProofs(store, worker, lease.batch, key, fenced=self._fenced)

    async def renew(self, *, ttl: timedelta, at: datetime) -> Lease:
        await self._extend(at, ttl)
        self.lease = replace(self.lease, expires_at=at + ttl)
        return self.lease

    @writes
    def _extend(self, at: datetime, ttl: timedelta) -> None:
        self._store.run("extend_lease", batch=self._fenced(), at=micros(at), ttl=span_micros(ttl))
        points.reached(Point.RENEWING)

    async def release(self) -> None:
        try:
            has_proofs = await self._release()
            # Last: on a full disk the row stays, and the abandoned lock must show that no process holds the
            # batch.
            await self._unlock(leaves_mark=has_proofs)
        finally:
            self._worker.launches.discard(self)

    @writes
    def _release(self) -> bool:
        """Release the lease, and report whether the next one may need its mark, which vouches for proofs."""
        self._store.run("release_lease", batch=self._held, fence=self.lease.fence)
        return leases.has_proofs(self._store, self._held)

    @reads
    def _unlock(self, *, leaves_mark: bool) -> None:
        leases.unlock(self._store, self._held, self.lease.fence, leaves_mark=leaves_mark)

    def hurry(self, seconds: float) -> None:
        self._store.hurry(seconds)

    async def sync(
        self,
        specs: Iterable[Spec],
        *,
        changed: Changed,
        at: datetime,
        place: str | None = None,
        taken_from: TakenFrom | None = None,
        home: str | None = None,
    ) -> Sync:
        def job(found: Comparison) -> Sync:
            return sync(found, self._fenced(), changed=changed, at=at, place=place, taken_from=taken_from)

        known = await self._as_taken_in(taken_from)
        return await self._compared(specs, home, job) if known is None else known

    async def sync_if_known(
        self,
        specs: Iterable[Spec],
        *,
        at: datetime,
        place: str | None = None,
        taken_from: TakenFrom | None = None,
    ) -> Sync | None:
        def job(found: Comparison) -> Sync | None:
            held = self._fenced()
            if found.has_news:
                return None
            return sync(found, held, changed=Changed.REFUSE, at=at, place=place, taken_from=taken_from)

        known = await self._as_taken_in(taken_from)
        return await self._compared(specs, None, job) if known is None else known

    @reads
    def _as_taken_in(self, files: TakenFrom | None) -> Sync | None:
        return as_taken_in(self._store, self._fenced(), files)

    async def _compared(self, specs: Iterable[Spec], home: str | None, job: Callable[[Comparison], T]) -> T:
        """Return what *job* makes of a comparison.

        Invariant: a fence that is valid within *job* was valid while the rows were read: another launcher's
        claim in between would have changed it.
        """

        def tables() -> AbstractContextManager[Comparison]:
            return compared(self._store, self._held, self.name, specs, home)

        return await self._worker.run(lambda: self._store.write_beside(tables, job))

    @writes
    def keep_lane(self, name: str, *, region: str, account: str | None, at: datetime) -> LanePlace:
        key = self._fenced()
        place: dict[str, Value] = {"batch": key, "name": name, "region": region, "account": account}
        self._store.run("add_lane", **place, at=micros(at))
        if self._store.run("move_lane", **place):
            self._store.run("forget_proofs", batch=key)
        return lane_of(self._store.one("lane", batch=key, name=name))

    @writes
    def record(self, steps: Sequence[Transition]) -> None:
        prefetch(self._store, self._held, steps)
        record(self._store, self._fenced(), self.name, steps)

    @reads
    def has_started(
        self, *, since: datetime, lane: str | None, uses: Mapping[str, str | None] | None = None
    ) -> bool:
        where: dict[str, Value] = {"batch": self._held, "since": micros(since), "lane": lane}
        if uses is None:
            return bool(self._store.value("has_started", **where))
        return bool(self._store.value("has_started_alike", **where, uses=json.dumps(uses)))

    @reads
    def unsent_alike(
        self, *, lanes: Sequence[str], uses: Mapping[str, str | None], code: str, are_all: bool, limit: int
    ) -> int:
        kind: dict[str, Value] = {"uses": json.dumps(uses), "code": code, "are_all": int(are_all)}
        may_take = lanes_text(tuple(lanes))
        return int(self._store.value("unsent_alike", batch=self._held, lanes=may_take, **kind, limit=limit))

    @writes
    def keep_tasks(self, found: Mapping[int, FailedTasks], *, at: datetime) -> None:
        key = self._fenced()
        for number, one in found.items():
            asked = self._store.run(
                "mark_asked", batch=key, number=number, at=micros(at), has_more=int(one.has_more)
            )
            if asked:
                rows = (
                    {"number": number, "place": place, **asdict(task)} for place, task in enumerate(one.tasks)
                )
                self._store.many("add_failed_task", rows)

    @reads
    def unasked(self, *, limit: int, after: int = -1) -> Sequence[FailedRun]:
        return [
            FailedRun(number=failed.number, id=row.id, attempt=failed.attempt, run=run, lane=row.lane)
            for failed in self._store.all("unasked", batch=self._held, after=after, limit=limit)
            if (row := self._store.one("attempt", entry=failed.entry, attempt=failed.attempt))
            and (run := run_of(row))
        ]

    @reads
    def due(
        self,
        *,
        at: datetime,
        limit: int,
        skip: Collection[str] = (),
        horizon: datetime | None = None,
        lanes: tuple[str, ...] | None = None,
        shape: str | None = None,
    ) -> Sequence[Entry]:
        wanted: dict[str, Value] = {
            "at": micros(at),
            "limit": limit,
            "skip": listed(skip),
            "horizon": maybe_micros(horizon),
        }
        if lanes is None and shape is None:
            return self._entries("due", **wanted)
        return self._entries("due_in_lanes", **wanted, lanes=lanes_text(lanes or ()), shape=shape)

    @reads
    def next_due(
        self, *, after: datetime, lanes: tuple[str, ...] | None = None, shape: str | None = None
    ) -> datetime | None:
        return self._next_due(after, lanes, shape)

    @reads
    def choices(self) -> Sequence[tuple[str, ...]]:
        return [lanes_in(row.may_take) for row in self._store.all("choices", batch=self._held)]

    @reads
    def was_changed(self) -> bool:
        before, self._version = self._version, self._store.version()
        return self._version != before

    def _fenced(self) -> int:
        """Return the batch's key where the lease is still ours, or raise LeaseLostError."""
        leases.check(self._store, self._held, self.lease)
        return self._held
