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

import apsw

from batchrun import points
from batchrun.errors import ChangedRowsError, InvariantError
from batchrun.ledger.cancelling import take_back
from batchrun.ledger.record import record
from batchrun.ledger.rows import entry_of
from batchrun.ledger.statements import queries
from batchrun.ledger.transaction import reading
from batchrun.model.events import Revised
from batchrun.model.limits import Changed
from batchrun.model.transitions import apply
from batchrun.points import Point
from batchrun.ports.ledger import Step, Sync

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from datetime import datetime

    from batchrun.model.spec import Spec


#: Rows that are compared in one go: enough to pay, few enough to stay in SQLite's cache.
_SLICE = 2_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """A manifest beside its batch, for as long as the temporary tables live."""

    connection: apsw.Connection
    batch: int | None  #: its key; None where there is no such batch yet

    def summary(self) -> Sync:
        """Return the differences."""
        rows, new, changed, _sent = self._row("compared")
        (gone,) = self._row("gone", self.batch)
        return Sync(
            rows=rows,
            new=new,
            unchanged=rows - new - changed,
            changed=changed,
            changed_ids=self._ids("changed_ids") if changed else (),
            gone=gone,
            gone_ids=self._ids("gone_ids", self.batch) if gone else (),
        )

    def refuse_changed(self) -> None:
        """Raise ChangedRowsError where rows that were sent have changed."""
        _rows, _new, _changed, sent = self._row("compared")
        if sent:
            raise ChangedRowsError(self._ids("changed_sent_ids"), sent)

    def _row(self, name: str, *values: int | None) -> tuple[int, ...]:
        row: tuple[int, ...] | None = self.connection.execute(queries()[name], values).fetchone()
        return row or ()

    def _ids(self, name: str, *values: int | None) -> tuple[str, ...]:
        return tuple(id_ for (id_,) in self.connection.execute(queries()[name], values))


@contextlib.contextmanager
def compared(connection: apsw.Connection, batch: int | None, specs: Iterable[Spec]) -> Iterator[Comparison]:
    """
    Read *specs* beside the batch.

    Outside of any writing transaction: *specs* may come slowly, and other processes write to other batches.
    """
    with _temporary_tables(connection):
        with reading(connection):
            _read(connection, batch, specs)
        yield Comparison(connection=connection, batch=batch)


def take_in(connection: apsw.Connection, batch: int, name: str, *, resubmit: bool, at: datetime) -> None:
    """Write what was compared into the batch, within the transaction that is open."""
    sql = queries()
    _place(connection, batch)
    connection.execute(sql["add_new_entries"], (batch,))
    connection.execute(sql["keep_works"], (batch, resubmit))
    connection.execute(sql["forget_changed_rows"], (batch,))
    if not resubmit:
        connection.execute(sql["keep_changed_rows"])
    points.reached(Point.SYNCING)
    for steps in _revisions(connection, name, resubmit=resubmit, at=at):
        if resubmit:
            take_back(connection, batch, [step.entry.id for step in steps])
        record(connection, batch, name, steps)


def sync(
    comparison: Comparison, batch: int, name: str, *, changed: Changed, at: datetime, place: str | None
) -> Sync:
    """Carry out what *changed* asks for, within the transaction that is open."""
    if changed is Changed.REFUSE:
        comparison.refuse_changed()
    found = comparison.summary()
    take_in(comparison.connection, batch, name, resubmit=changed is Changed.RESUBMIT, at=at)
    if place is not None:
        comparison.connection.execute(queries()["keep_place"], (batch, place))
    return found


def _read(connection: apsw.Connection, batch: int | None, specs: Iterable[Spec]) -> None:
    sql = queries()
    rows = ((spec.position, spec.id, spec.request, spec.work) for spec in specs)
    try:
        while part := list(itertools.islice(rows, _SLICE)):
            connection.executemany(sql["add_spec"], part)
            connection.execute(sql["compare_slice"], (batch,))
            connection.execute(sql["keep_contents"])
            connection.execute(sql["empty_slice"])
    except apsw.ConstraintError as error:
        raise InvariantError(f"two rows of the manifest have one id or one position: {error}") from error


def _place(connection: apsw.Connection, batch: int) -> None:
    sql = queries()
    connection.execute(sql["find_places"], (batch,))
    if connection.changes():
        beyond = connection.execute(sql["beyond"], (batch,)).get
        connection.execute(sql["step_aside"], (beyond,))
        connection.execute(sql["take_places"])


def _revisions(
    connection: apsw.Connection, name: str, *, resubmit: bool, at: datetime
) -> Iterator[Sequence[Step]]:
    """Return the steps for changed rows in pages, each read before it is written."""
    position = -1
    while rows := connection.execute(queries()["rows_to_revise"], (resubmit, position)).fetchall():
        entries = [entry_of(name, row) for row in rows]
        events = [Revised(at=at, request=str(row[-1])) for row in rows]
        yield [
            Step(event=event, entry=apply(entry, event)) for entry, event in zip(entries, events, strict=True)
        ]
        position = entries[-1].position


@contextlib.contextmanager
def _temporary_tables(connection: apsw.Connection) -> Iterator[None]:
    connection.execute(queries()["make_manifest"])
    try:
        yield
    finally:
        connection.execute(queries()["drop_manifest"])
