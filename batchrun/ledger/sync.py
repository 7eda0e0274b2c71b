"""
Takes a manifest into a batch, or says how it differs.

The rows are streamed into a temporary table, request and all only where they are new or changed; the rest is
set operations in slices, so that memory does not grow with the manifest. Belongs here: that, and the order
of entries. Does not: what a changed row leads to (``model.transitions``).
"""

from __future__ import annotations

import contextlib
import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING

from batchrun import points
from batchrun.errors import ChangedRowsError, InvariantError
from batchrun.ledger.asking import take_back
from batchrun.ledger.record import record
from batchrun.ledger.rows import entry_of
from batchrun.model.events import Revised
from batchrun.model.limits import Changed
from batchrun.model.transitions import apply
from batchrun.points import Point
from batchrun.ports.stored import Sync, Transition

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from datetime import datetime

    from batchrun.ledger.store import Row, Store
    from batchrun.model.spec import Spec

#: Rows that are compared in one go: enough to pay, few enough to stay in SQLite's cache.
_SLICE = 2_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """A manifest beside its batch, for as long as the temporary tables live."""

    store: Store
    batch: int | None  #: its key; None where there is no such batch yet

    def summary(self) -> Sync:
        """Return the differences."""
        found = self._counted()
        rows, new, changed = found.rows, found.new, found.changed
        gone = self.store.value("gone", batch=self.batch)
        return Sync(
            rows=rows,
            new=new,
            unchanged=rows - new - changed,
            changed=changed,
            changed_ids=self._ids("changed_ids") if changed else (),
            gone=gone,
            gone_ids=self._ids("gone_ids") if gone else (),
        )

    def refuse_changed(self) -> None:
        """Raise ChangedRowsError where rows that were sent have changed."""
        if sent := self._counted().sent:
            raise ChangedRowsError(self._ids("changed_sent_ids"), sent)

    def _counted(self) -> Row:
        return self.store.one("compared")

    def _ids(self, name: str) -> tuple[str, ...]:
        return tuple(row.id for row in self.store.all(name, batch=self.batch))


@contextlib.contextmanager
def compared(store: Store, batch: int | None, specs: Iterable[Spec]) -> Iterator[Comparison]:
    """
    Read *specs* beside the batch.

    Outside of any writing transaction: *specs* may come slowly, and other processes write to other batches.
    """
    with _temporary_tables(store):
        with store.reading():
            _read(store, batch, specs)
        yield Comparison(store=store, batch=batch)


def take_in(store: Store, batch: int, name: str, *, resubmit: bool, at: datetime) -> None:
    """Write what was compared into the batch, within the transaction that is open."""
    _place(store, batch)
    store.run("add_new_entries", batch=batch)
    store.run("keep_works", batch=batch, resubmit=resubmit)
    store.run("forget_changed_rows", batch=batch)
    if not resubmit:
        store.run("keep_changed_rows")
    points.reached(Point.SYNCING)
    for steps in _revisions(store, name, resubmit=resubmit, at=at):
        if resubmit:
            take_back(store, batch, [step.entry.id for step in steps])
        record(store, batch, name, steps)


def sync(
    comparison: Comparison, batch: int, name: str, *, changed: Changed, at: datetime, place: str | None
) -> Sync:
    """Carry out what *changed* asks for, within the transaction that is open."""
    if changed is Changed.REFUSE:
        comparison.refuse_changed()
    found = comparison.summary()
    take_in(comparison.store, batch, name, resubmit=changed is Changed.RESUBMIT, at=at)
    if place is not None:
        comparison.store.run("keep_place", batch=batch, place=place)
    return found


def _read(store: Store, batch: int | None, specs: Iterable[Spec]) -> None:
    rows = (
        {"position": spec.position, "id": spec.id, "request": spec.request, "work": spec.work}
        for spec in specs
    )
    while part := list(itertools.islice(rows, _SLICE)):
        try:
            store.many("add_spec", part)
            store.run("compare_slice", batch=batch)
        except InvariantError as error:
            raise InvariantError(f"two rows of the manifest have one id or one position: {error}") from error
        store.run("keep_contents")
        store.run("empty_slice")


def _place(store: Store, batch: int) -> None:
    if store.run("find_places", batch=batch):
        store.run("step_aside", beyond=store.value("beyond", batch=batch))
        store.run("take_places")


def _revisions(store: Store, name: str, *, resubmit: bool, at: datetime) -> Iterator[Sequence[Transition]]:
    """Return the steps for changed rows in pages, each read before it is written."""
    position = -1
    while rows := store.all("rows_to_revise", resubmit=resubmit, after=position):
        entries = [entry_of(name, row) for row in rows]
        events = [Revised(at=at, request=row.wanted) for row in rows]
        yield [
            Transition(event=event, entry=apply(entry, event))
            for entry, event in zip(entries, events, strict=True)
        ]
        position = entries[-1].position


@contextlib.contextmanager
def _temporary_tables(store: Store) -> Iterator[None]:
    store.run("make_manifest")
    try:
        yield
    finally:
        store.run("drop_manifest")
