"""Takes a manifest into a batch, or compares it with the batch or with the whole ledger.

Rows are streamed into a temporary table, with their requests only where they are new or changed; the rest is
set operations in slices, so that memory does not grow with the manifest.

Does not belong here: what follows from a changed row (``model.entries.transitions``).
"""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from batchrun import points
from batchrun.errors import ChangedRowsError, InvariantError, RenamedRowsError
from batchrun.ledger.rows import content_values, entry_of, lanes_text, taken_from_values
from batchrun.ledger.store import Row, Store, Value
from batchrun.ledger.verbs.record import record
from batchrun.ledger.verbs.user_requests import take_back
from batchrun.model.entries.belonging import is_renamed
from batchrun.model.entries.contents import asks_otherwise, with_content
from batchrun.model.entries.events import Revised
from batchrun.model.entries.transitions import apply
from batchrun.model.lanes import lanes_of
from batchrun.model.planning.limits import Changed
from batchrun.model.spec import Spec
from batchrun.points import Point
from batchrun.ports.stored import Sync, TakenFrom, Transition


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """A manifest compared with its batch; valid while the temporary tables exist."""

    store: Store
    batch: int | None  #: its key; None where there is no such batch yet
    name: str
    counted: Row  #: of ``compared``: how many rows are new, changed, and so on
    gone: int  #: entries that the manifest does not have

    def summary(self) -> Sync:
        """Return the differences."""
        rows, new, changed = self.counted.rows, self.counted.new, self.counted.changed
        renamed = self._renamed() if new and self.gone else ()
        return Sync(
            rows=rows,
            new=new,
            unchanged=rows - new - changed,
            changed=changed,
            changed_ids=self._ids("changed_ids") if changed else (),
            active=self._active(),
            gone=self.gone,
            gone_ids=self._ids("gone_ids") if self.gone else (),
            renamed=renamed[0].total if renamed else 0,
            renamed_ids=tuple((row.was, row.id) for row in renamed),
        )

    @property
    def has_news(self) -> bool:
        """Whether some row is new or changed."""
        return bool(self.counted.new or self.counted.changed)

    def refuse_changed(self) -> None:
        """Raise ChangedRowsError where rows that were sent have changed."""
        if sent := self.counted.sent:
            raise ChangedRowsError(self._ids("changed_sent_ids"), sent, active=self._active())

    def _active(self) -> int:
        return int(self.store.value("count_changed_active")) if self.counted.sent else 0

    def _renamed(self) -> Sequence[Row]:
        """Return rows that were sent under other ids: numbers without their zeros, or most rows."""
        rows = self.store.all("renamed", batch=self.batch)
        if rows and is_renamed(self.counted.rows, rows[0].total, is_number=bool(rows[0].is_number)):
            return rows
        return ()

    def _ids(self, name: str) -> tuple[str, ...]:
        return tuple(row.id for row in self.store.all(name, batch=self.batch))


@contextlib.contextmanager
def compared(
    store: Store, batch: int | None, name: str, specs: Iterable[Spec], home: str | None
) -> Iterator[Comparison]:
    """Compare *specs* with the batch; *home* is the lane of rows sent before the manifest had lanes.

    Outside of any writing transaction: *specs* may come slowly, and other processes must be able to write.
    """
    with store.tables("make_manifest", "drop_manifest"):
        with store.reading():
            _fill(store, batch, specs)
            (counted,) = store.all("compared")
            if counted.sent and _unmark_unchanged(store, name, home):
                (counted,) = store.all("compared")
            gone = store.value("count_entries", batch=batch) - (counted.rows - counted.new)
        yield Comparison(store=store, batch=batch, name=name, counted=counted, gone=int(gone))


def take_in(comparison: Comparison, batch: int, *, resubmit: bool, at: datetime) -> None:
    """Write what was compared into the batch, within the open transaction."""
    store, name, counted = comparison.store, comparison.name, comparison.counted
    # Counts of rows that change without an event: written results are then out of date.
    changes = [_move_entries(comparison, batch), _take_over_content(store, name) if counted.kept else 0]
    if counted.new:
        changes.append(store.run("add_new_entries", batch=batch))
        store.run("add_new_works", batch=batch)
    if counted.new < counted.rows:
        store.run("keep_works", resubmit=resubmit)
    changes.append(store.run("forget_changed_rows", batch=batch))
    if counted.sent and not resubmit:
        changes.append(store.run("keep_changed_rows"))
    if any(changes):
        store.run("forget_written", batch=batch)
    points.reached(Point.SYNCING)
    for steps in _revisions(store, name, resubmit=resubmit, at=at) if counted.changed else ():
        if resubmit:
            take_back(store, batch, [step.entry.id for step in steps])
        record(store, batch, name, steps)


def sync(
    comparison: Comparison,
    batch: int,
    *,
    changed: Changed,
    at: datetime,
    place: str | None,
    taken_from: TakenFrom | None,
) -> Sync:
    """Take the manifest in, with changed rows as *changed* says, within the open transaction."""
    if changed is Changed.REFUSE:
        comparison.refuse_changed()
    found = comparison.summary()
    if changed is not Changed.RESUBMIT and found.renamed:
        raise RenamedRowsError(found.renamed_ids, found.renamed)
    take_in(comparison, batch, resubmit=changed is Changed.RESUBMIT, at=at)
    if place is not None:
        comparison.store.run("keep_place", batch=batch, place=place)
    files = None if found.changed or found.gone else taken_from
    comparison.store.run("keep_files", batch=batch, **taken_from_values(files))
    return found


def as_taken_in(store: Store, batch: int, files: TakenFrom | None) -> Sync | None:
    """Return all rows, unchanged, if these files were the last taken in; else None."""
    if files is None or not store.value("is_taken_from", batch=batch, fingerprint=files.fingerprint):
        return None
    rows = int(store.value("count_entries", batch=batch))
    return Sync(rows=rows, unchanged=rows)


def _fill(store: Store, batch: int | None, specs: Iterable[Spec]) -> None:
    rest = iterated(specs)
    try:
        for first in rest:
            part = itertools.chain([first], itertools.islice(rest, store.slice_rows))
            store.many("add_spec", map(_values, part))
            store.run("compare_slice", batch=batch)
            store.run("empty_slice")
        store.run("close_manifest")
    except InvariantError as error:
        raise InvariantError(f"two rows of the manifest have one id or one position: {error}") from error


def _values(spec: Spec) -> dict[str, Value]:
    lanes = None if spec.offers is None else lanes_text(lanes_of(spec.content))
    return {
        "position": spec.position,
        "id": spec.id,
        "request": spec.request,
        "offers": spec.offers,
        "may_take": lanes,
        "work": spec.work,
    }


def _unmark_unchanged(store: Store, name: str, home: str | None) -> int:
    """Unmark, and count, changed rows whose request in the lane they were sent to is the same."""
    return sum(
        store.run("keep_row", position=row.place)
        for rows in _pages(store, "rows_to_weigh")
        for row in rows
        if not asks_otherwise(entry_of(name, row), row.wanted, home)
    )


def _take_over_content(store: Store, name: str) -> int:
    """Store the new content of these rows, without an event, for attempts to come; return their count."""
    count = 0
    for rows in _pages(store, "rows_to_keep"):
        entries = [with_content(entry_of(name, row), row.wanted) for row in rows]
        changes = zip(rows, entries, strict=True)
        store.many("update_content", ({"key": row.key, **content_values(one)} for row, one in changes))
        count += len(rows)
    return count


def _pages(store: Store, statement: str, **values: Value) -> Iterator[Sequence[Row]]:
    """Yield rows of the manifest in pages, each read whole before it is yielded."""
    after = -1
    while rows := store.all(statement, after=after, **values):
        after = rows[-1].place
        yield rows


def _move_entries(comparison: Comparison, batch: int) -> int:
    store, moved = comparison.store, 0
    if comparison.counted.moved:
        moved += store.run("find_moved")
    if comparison.gone:
        moved += store.run("find_gone", batch=batch)
    if moved:
        store.run("step_aside", beyond=store.value("beyond", batch=batch))
        store.run("take_places")
    return moved


def _revisions(store: Store, name: str, *, resubmit: bool, at: datetime) -> Iterator[Sequence[Transition]]:
    """Yield the steps for changed rows in pages."""
    for rows in _pages(store, "rows_to_revise", resubmit=resubmit):
        entries = [entry_of(name, row) for row in rows]
        events = [Revised(at=at, request=row.wanted) for row in rows]
        yield [
            Transition(event=event, entry=apply(entry, event))
            for entry, event in zip(entries, events, strict=True)
        ]


def iterated(specs: Iterable[Spec]) -> Iterator[Spec]:
    """Return an iterator over *specs*.

    Raises:
        InvariantError: They are an iterator themselves: when retried, all rows would seem to be gone.
    """
    if isinstance(specs, Iterator):
        raise InvariantError("rows that can be gone through but once were given to the ledger")
    return iter(specs)


def rows_as_known(store: Store, batch: int | None, specs: Iterable[Spec]) -> int:
    """Count the rows that the batch has unchanged."""
    with _works(store, specs):
        return int(store.value("rows_as_known", batch=batch))


def rows_elsewhere(store: Store, batch: str, specs: Iterable[Spec]) -> Mapping[str, int]:
    """Count the rows that stand in batches other than *batch*, by batch."""
    with _works(store, specs):
        store.run("find_only_works")
        return {row.name: row.rows for row in store.all("rows_elsewhere", name=batch)}


@contextlib.contextmanager
def _works(store: Store, specs: Iterable[Spec]) -> Iterator[None]:
    with store.tables("make_works", "drop_works"), store.reading():
        rows = ({"position": one.position, "id": one.id, "work": one.work} for one in iterated(specs))
        store.many("add_work", rows)
        yield
