# ruff: noqa: D102 - what each method promises stands in the contract, ports.batch
"""What a launch and results read of a batch: what is due, counts, what became of each entry.

Does not belong here: what users ask (``user_reads``).
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Collection, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Final

from batchrun.ledger import leases
from batchrun.ledger.leases import why_closed
from batchrun.ledger.rows import (
    entry_of,
    lane_of,
    lanes_in,
    listed,
    micros,
    past_attempt_of,
    taken_from_of,
    time_of,
)
from batchrun.ledger.store import Store
from batchrun.ledger.verbs.sync import compared
from batchrun.ledger.worker import BatchVerbs, reads
from batchrun.model.entries.entry import Entry
from batchrun.model.entries.events import History
from batchrun.model.entries.states import State
from batchrun.model.planning.cancelling import Cancellation, Scope
from batchrun.model.spec import Spec
from batchrun.ports.stored import Counts, LanePlace, Lease, Outcome, PastAttempt, Sync, TakenFrom

_PAGE: Final = 1_000


class LaunchReads(BatchVerbs):
    """What a launch and results read of a batch."""

    @reads
    def holder(self, *, at: datetime) -> Lease | None:
        return leases.holder(self._store, self._key, self.name, at)

    @reads
    def why_closed(self) -> str | None:
        return why_closed(self._store, self._key, self.name)

    @reads
    def taken_from(self) -> TakenFrom | None:
        row = self._store.one("taken_from", batch=self._key)
        return None if row is None else taken_from_of(row)

    @reads
    def lanes(self) -> Sequence[LanePlace]:
        return [lane_of(row) for row in self._store.all("lanes", batch=self._key)]

    @reads
    def compare(self, specs: Iterable[Spec], *, home: str | None = None) -> Sync:
        with compared(self._store, self._key, self.name, specs, home) as found:
            return found.summary()

    @reads
    def unproven(self, *, since: datetime, at: datetime) -> int:
        return int(self._store.value("unproven", batch=self._key, since=micros(since), at=micros(at)))

    @reads
    def counts(self) -> Counts:
        by_state, by_status = Counter[State](), Counter[str]()
        by_lane: defaultdict[str, Counter[State]] = defaultdict(Counter)
        for row in self._store.all("counts", batch=self._key):
            state = State(row.state)
            by_state[state] += row.total
            if state is State.ACTIVE:
                by_status[row.run_status] += row.total
            by_lane[_only(lanes_in(row.may_take))][state] += row.total
        has_lanes = by_lane.keys() - {""} or self._store.all("lanes", batch=self._key)
        return Counts(
            by_state=by_state,
            by_status=by_status,
            changed=self._store.value("count_changed_rows", batch=self._key),
            by_lane=by_lane if has_lanes else {},
        )

    @reads
    def entry(self, entry_id: str) -> Entry | None:
        row = self._store.one("entry", batch=self._key, id=entry_id)
        return None if row is None else entry_of(self.name, row)

    @reads
    def entries(self, ids: Collection[str]) -> Mapping[str, Entry]:
        return {entry.id: entry for entry in self._entries("entries", ids=listed(ids))}

    @reads
    def earlier(self, entry_id: str) -> Sequence[PastAttempt]:
        return self._earlier(entry_id)

    @reads
    def known_runs(self, uuids: Collection[str], *, lane: str | None = None) -> frozenset[str]:
        return frozenset(
            uuid for uuid in uuids if self._store.one("is_known_run", batch=self._key, uuid=uuid, lane=lane)
        )

    @reads
    def in_state(self, state: State, *, limit: int, after: int = -1) -> Sequence[Entry]:
        return self._entries("in_state", state=state.value, after=after, limit=limit)

    @reads
    def cancellations(self, *, limit: int, after: int = -1) -> Sequence[Cancellation]:
        rows = self._store.all("cancellations", batch=self._key, after=after, limit=limit)
        return [Cancellation(entry=entry_of(self.name, row), scope=Scope(row.scope)) for row in rows]

    @reads
    def history(self, entry_id: str) -> History:
        rows = self._store.all("history", batch=self._key, id=entry_id)
        return [(time_of(row.at), row.attempt, row.kind, row.detail) for row in rows]

    @reads
    def changed(self, *, after: int, upto: int) -> Sequence[Outcome]:
        with self._store.reading():
            rows = self._store.all("changed", batch=self._key, after=after, upto=upto)
            entries = [entry_of(self.name, row) for row in rows]
            return [
                Outcome(entry=one, earlier=self._earlier(one.id) if one.attempt > 1 else ())
                for one in entries
            ]

    def _earlier(self, entry_id: str) -> tuple[PastAttempt, ...]:
        rows = self._store.all("earlier_attempts", batch=self._key, id=entry_id)
        return tuple(past_attempt_of(row) for row in rows)

    async def outcomes(self) -> AsyncIterator[Outcome]:
        snapshot = await self._read(self._store.snapshot)
        try:
            after = -1
            while page := await self._page(snapshot, after):
                for outcome in page:
                    yield outcome
                after = page[-1].entry.position
        finally:
            if not self._worker.is_stopped:
                await self._read(snapshot.close)

    @reads
    def _page(self, snapshot: Store, after: int) -> Sequence[Outcome]:
        rows = snapshot.all("outcomes", batch=self._key, after=after, limit=_PAGE)
        entries = [entry_of(self.name, row) for row in rows]
        if not entries:
            return []
        earlier = self._attempts_before(snapshot, entries[0].position, entries[-1].position)
        return [Outcome(entry=one, earlier=tuple(earlier.get(one.position, ()))) for one in entries]

    def _attempts_before(self, snapshot: Store, first: int, last: int) -> Mapping[int, Sequence[PastAttempt]]:
        by_position: defaultdict[int, list[PastAttempt]] = defaultdict(list)
        for row in snapshot.all("attempts_before", batch=self._key, first=first, last=last):
            by_position[row.position].append(past_attempt_of(row))
        return by_position


def _only(lanes: Sequence[str]) -> str:
    """Return the only lane, or an empty name."""
    return lanes[0] if len(lanes) == 1 else ""
