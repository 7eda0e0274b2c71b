"""
Whether a ledger is sound: SQLite's own checks, and the laws, by living through every entry's history again.

Reads one consistent state, beside a launcher too, and streams it: memory does not grow with the ledger.
Belongs here: which checks there are, and their rows. Does not: what a history leads to (``replay``,
``model.transitions``), and showing what was found (``cli``).
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import apsw

from batchrun.errors import LedgerUnusableError
from batchrun.ledger.connection import local_path, open_to_read
from batchrun.ledger.failures import failed
from batchrun.ledger.replay import UNREADABLE, Replay, kept_of
from batchrun.ledger.rows import entry_of
from batchrun.ledger.statements import checks
from batchrun.ledger.transaction import reading

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from batchrun.ledger.rows import Row

_AGAIN: Final = "restore the ledger from a copy, or make it again with 'batchrun ledger rebuild MANIFEST'"
_LOOK: Final = (
    "compare 'batchrun results' with the service for this entry; if they differ, make the ledger again"
)
#: Errors that are the ledger's own, not the disk's or another program's.
_DAMAGE: Final = (apsw.CorruptError, apsw.NotADBError, apsw.SQLError)


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that is wrong in a ledger."""

    what: str
    cure: str
    batch: str | None = None  #: None where it is the file as a whole
    id: str | None = None  #: the entry's

    def __str__(self) -> str:
        place = " ".join(part for part in (self.batch, self.id) if part is not None)
        return f"{place or 'the file'}: {self.what}; {self.cure}"


class Verification:
    """
    One look at the ledger at *place*.

    Raises:
        LedgerUnusableError: There is no ledger there.
    """

    def __init__(self, place: str | Path) -> None:
        self.path = local_path(place)
        self.batches = 0
        self.entries = 0
        self.events = 0

    def findings(self) -> Iterator[Finding]:
        """
        Check everything and give what is wrong as it is found; the numbers are right at the end.

        Raises:
            LedgerUnusableError: There is no ledger there, or it may not be read.
            LedgerError: The disk fails.
        """
        try:
            connection = open_to_read(self.path)
        except LedgerUnusableError as error:
            if not isinstance(error.__cause__, apsw.CorruptError):
                raise
            yield Finding(what=f"it is damaged ({error.__cause__})", cure=_AGAIN)
            return
        with contextlib.closing(connection):
            yield from self._guarded(connection)

    def _guarded(self, connection: apsw.Connection) -> Iterator[Finding]:
        try:
            with reading(connection):
                yield from _file(connection)
                yield from _leases(connection)
                yield from _runs(connection)
                yield from self._entries(connection)
        except _DAMAGE as error:
            yield Finding(what=f"it cannot be read any further ({error})", cure=_AGAIN)
        except apsw.Error as error:
            raise failed(self.path, error) from error

    def _entries(self, connection: apsw.Connection) -> Iterator[Finding]:
        attempts = _Beside(connection.execute(checks()["stored_attempts"]))
        events = _Beside(connection.execute(checks()["stored_events"]))
        seen: set[str] = set()
        for row in connection.execute(checks()["stored_entries"]):
            *stored, request_id, batch = row
            self.entries += 1
            seen.add(batch)
            for what in _problems(batch, stored, request_id, attempts.of(row[0]), events.of(row[0])):
                yield Finding(batch=batch, id=row[3], what=what, cure=_LOOK)
        self.events = events.count
        self.batches = len(seen)


def _problems(
    batch: str, row: list[object], request_id: str | None, attempts: Iterable[Row], events: Iterable[Row]
) -> Iterator[str]:
    try:
        replay = Replay(entry_of(batch, tuple(row)), request_id, [kept_of(one) for one in attempts])
    except UNREADABLE as error:
        yield f"it cannot be read: {type(error).__name__}: {error}"
        return
    yield from replay.problems(events)


def _file(connection: apsw.Connection) -> Iterator[Finding]:
    for (said,) in connection.execute(checks()["integrity"]):
        if said != "ok":
            yield Finding(what=f"SQLite finds it damaged: {said}", cure=_AGAIN)
    for table, key, parent, _number in connection.execute(checks()["foreign_keys"]):
        yield Finding(what=f"row {key} of {table} names a row of {parent} that is not there", cure=_AGAIN)


def _leases(connection: apsw.Connection) -> Iterator[Finding]:
    for batch, fence in connection.execute(checks()["fences"]):
        what = "it has a history, but never had a lease" if fence is None else f"its fence is {fence}"
        yield Finding(batch=batch, what=f"{what}: something else than batchrun wrote to it", cure=_AGAIN)


def _runs(connection: apsw.Connection) -> Iterator[Finding]:
    for uuid, batch, one, other in connection.execute(checks()["shared_runs"]):
        where = "two attempts of it" if one == other else f"entry '{other}' too"
        yield Finding(batch=batch, id=one, what=f"its run {uuid} stands under {where}", cure=_AGAIN)


class _Beside:
    """Rows that belong to those of another stream: both come in the order of the same key."""

    def __init__(self, rows: Iterable[Row]) -> None:
        self._rows = iter(rows)
        self._next = next(self._rows, None)
        self.count = 0  #: rows that were gone through

    def of(self, key: int) -> Iterator[Row]:
        """Return the rows of *key*; what stands before and nobody asked for is passed over."""
        while self._next is not None and self._next[0] <= key:
            row, self._next = self._next, next(self._rows, None)
            self.count += 1
            if row[0] == key:
                yield row
