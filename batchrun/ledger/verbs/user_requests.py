# ruff: noqa: D102 - what each method promises stands in the contract, ports.user_requests
"""What users ask of a batch, without its lease: new attempts, runs given back, cancellations, notices.

Belongs here: which entries that concerns, at the moment of writing. Does not: carrying it out, and automatic
retries (``engine``).
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from datetime import datetime

from batchrun.ledger import leases
from batchrun.ledger.leases import check_open
from batchrun.ledger.rows import entry_of, listed, micros
from batchrun.ledger.store import Store
from batchrun.ledger.verbs.record import record
from batchrun.ledger.worker import BatchVerbs, writes
from batchrun.model.entries.duplicating import after_asking, can_duplicate
from batchrun.model.entries.entry import Entry, Run
from batchrun.model.entries.events import Retried
from batchrun.model.entries.states import UNSUCCESSFUL
from batchrun.model.entries.transitions import apply
from batchrun.model.notices import Notice
from batchrun.model.planning.cancelling import Scope
from batchrun.model.planning.verdicts import after_reappearing
from batchrun.ports.stored import Transition
from batchrun.ports.user_requests import UserRequests


class SqlRequests(BatchVerbs, UserRequests):
    """What users ask of a batch, beside its holder."""

    @writes
    def retry(
        self, ids: Collection[str], *, at: datetime, why: str, duplicates: bool = False
    ) -> Sequence[str]:
        key = self._waited(at)
        if key is None:
            return []
        rows = (self._store.one("entry", batch=key, id=id_) for id_ in ids)
        entries = [entry_of(self.name, row) for row in rows if row is not None]
        found = [
            one
            for one in entries
            if one.state in UNSUCCESSFUL and (not duplicates or self._can_duplicate(one))
        ]
        requests = [after_asking(one, duplicates=duplicates) for one in found]
        events = [Retried(at=at, due=at, why=why, request=request) for request in requests]
        steps = [
            Transition(event=event, entry=apply(one, event)) for one, event in zip(found, events, strict=True)
        ]
        take_back(self._store, key, [one.id for one in found])
        record(self._store, key, self.name, steps)
        return [one.id for one in found]

    @writes
    def give_back(self, runs: Collection[Run], *, at: datetime) -> Sequence[str]:
        key = self._waited(at)
        if key is None:
            return []
        given: list[str] = []
        for run in runs:
            row = self._store.one("deleted_entry", batch=key, uuid=run.uuid)
            if row is not None:
                entry = entry_of(self.name, row)
                record(self._store, key, self.name, _reappeared(entry, run, at))
                given.append(entry.id)
        return given

    @writes
    def ask_to_cancel(self, ids: Collection[str] | None, *, scope: Scope, at: datetime) -> int:
        key = self._waited(at)
        self._store.run("forget_cancellations", batch=key)
        named = None if ids is None else listed(ids)
        return self._store.run("ask_to_cancel", batch=key, scope=scope.value, at=micros(at), ids=named)

    @writes
    def tell(self, notice: Notice, *, at: datetime) -> bool:
        return bool(self._store.run("add_notice", batch=self._key, notice=notice.value, at=micros(at)))

    @writes
    def forget(self, *, but: Collection[Notice]) -> None:
        self._store.run("drop_notices", batch=self._key, but=listed(one.value for one in but))

    def _waited(self, at: datetime) -> int | None:
        """Return the batch's key once no other process writes to it; None if there is no such batch."""
        self._store.one("wait_turn", batch=self._key)
        leases.bound(self._store, self._key, at)  # carrying it out may have to wait for that lease to end
        check_open(self._store, self._key, self.name)
        return self._key

    def _can_duplicate(self, entry: Entry) -> bool:
        """Report whether the service may still have the entry's run, which no user had deleted."""
        if entry.run is None or not can_duplicate(entry):
            return False
        return self._store.one("is_deleted_run", uuid=entry.run.uuid) is None


def take_back(store: Store, batch: int, ids: Collection[str]) -> None:
    """Drop the cancellations of these entries: the user wants another attempt."""
    store.run("take_back_cancellations", batch=batch, ids=listed(ids))


def _reappeared(entry: Entry, run: Run, at: datetime) -> Iterator[Transition]:
    for event in after_reappearing(run, at):
        entry = apply(entry, event)
        yield Transition(event=event, entry=entry)
