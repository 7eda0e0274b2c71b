# ruff: noqa: D102 - what each method promises stands in the contract, ports.batch
"""A batch of a store, without its lease: its entries, and where they stand.

Does not belong here: what is written of a held one (``held``), what became of entries (``verbs.story``).
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime

from batchrun.ledger import leases
from batchrun.ledger.leases import why_closed
from batchrun.ledger.rows import (
    entry_of,
    lane_of,
    lanes_in,
    listed,
    micros,
    run_of,
    taken_from_of,
    time_of,
)
from batchrun.ledger.store import Store, Value
from batchrun.ledger.verbs.results import SqlResults
from batchrun.ledger.verbs.story import SqlStory
from batchrun.ledger.verbs.submissions import SqlSubmissions
from batchrun.ledger.verbs.sync import compared
from batchrun.ledger.verbs.user_requests import SqlRequests
from batchrun.ledger.worker import BatchVerbs, Worker, reads
from batchrun.model.entries.entry import Entry, Run
from batchrun.model.entries.events import History
from batchrun.model.entries.states import State
from batchrun.model.planning.cancelling import Cancellation, Scope
from batchrun.model.spec import Spec
from batchrun.ports.batch import StoredBatch
from batchrun.ports.stored import Counts, LanePlace, Latest, Lease, PastAttempt, Sync, TakenFrom


class SqlBatch(BatchVerbs, StoredBatch):
    """A batch of a store, without its lease."""

    def __init__(self, store: Store, worker: Worker, name: str, key: int | None = None) -> None:
        super().__init__(store, worker, name, key)
        self.submissions = SqlSubmissions(store, worker, name, key)
        self.results = SqlResults(store, worker, name, key)
        self.requests = SqlRequests(store, worker, name, key)
        self.story = SqlStory(store, worker, name, key)

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
    def latest_runs(
        self, which: Latest, *, limit: int, lane: str | None = None, is_home: bool = False
    ) -> Sequence[Run]:
        where: dict[str, Value] = {"batch": self._key, "limit": limit, "lane": lane, "is_home": is_home}
        if which is Latest.ENDED:
            rows = self._store.all("latest_ends", **where)
        else:
            rows = self._store.all("latest_runs", is_active=which is Latest.ACTIVE, **where)
        return [run for row in rows if (run := run_of(row))]


def _only(lanes: Sequence[str]) -> str:
    """Return the only lane, or an empty name."""
    return lanes[0] if len(lanes) == 1 else ""
