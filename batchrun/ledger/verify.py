"""Verifies a ledger: the database's own checks, and that every entry is what its history makes it.

Reads one consistent state, also beside a launcher, and streams it: memory does not grow with the ledger.

Does not belong here: replaying a history (``verbs.replay``), showing findings (``cli``).
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import apsw

from batchrun.errors import InvariantError, LedgerError, LedgerUnusableError
from batchrun.ledger.place import LedgerPlace
from batchrun.ledger.rows import entry_of
from batchrun.ledger.store import Row, Store
from batchrun.ledger.verbs.replay import UNREADABLE, Replay, kept_of
from batchrun.model.lanes import place_of

_AGAIN: Final = "restore the ledger from a copy, or rebuild it with 'batchrun ledger rebuild MANIFEST'"
_LOOK: Final = (
    "compare 'batchrun results' with the service for this entry; if they differ, rebuild the ledger"
)
#: Errors of a damaged ledger, not of the disk or of another program: SQLite's, and PostgreSQL's codes.
_DAMAGE: Final = (apsw.CorruptError, apsw.NotADBError, apsw.SQLError)
_DAMAGE_CODES: Final = frozenset({"XX001", "XX002"})


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
    """The verification of the ledger at *place*.

    Raises:
        LedgerUnusableError: There is no ledger there.
    """

    def __init__(self, place: str | Path) -> None:
        self.place = LedgerPlace(place)
        self.batches = 0
        self.entries = 0
        self.events = 0

    def findings(self) -> Iterator[Finding]:
        """Check everything and yield what is wrong as it is found; the counts are complete at the end.

        Raises:
            LedgerUnusableError: There is no ledger there, or it may not be read.
            LedgerError: The disk fails.
        """
        try:
            store = self.place.store(read_only=True, for_once=True)
        except LedgerUnusableError as error:
            if not _is_damage(error.__cause__):
                raise
            yield Finding(what=f"it is damaged ({error.__cause__})", cure=_AGAIN)
            return
        with contextlib.closing(store):
            yield from self._guarded(store)

    def _guarded(self, store: Store) -> Iterator[Finding]:
        try:
            with store.reading():
                yield from _file(store)
                yield from _leases(store)
                yield from _counts(store)
                yield from _runs(store)
                yield from _lanes(store)
                yield from _submissions(store)
                yield from _submitted(store)
                yield from self._entries(store)
        except (LedgerError, InvariantError) as error:
            if not _is_damage(error.__cause__):
                raise
            yield Finding(what=f"it cannot be read any further ({error.__cause__})", cure=_AGAIN)

    def _entries(self, store: Store) -> Iterator[Finding]:
        attempts, events = _Beside(store.each("stored_attempts")), _Beside(store.each("stored_events"))
        seen: set[str] = set()
        for row in store.each("stored_entries"):
            batch = row.batch_name
            self.entries += 1
            seen.add(batch)
            for what in _problems(batch, row, attempts.of(row.key), events.of(row.key)):
                yield Finding(batch=batch, id=row.id, what=what, cure=_LOOK)
        self.events = events.count
        self.batches = len(seen)


def _is_damage(cause: BaseException | None) -> bool:
    return isinstance(cause, _DAMAGE) or getattr(cause, "sqlstate", None) in _DAMAGE_CODES


def _problems(batch: str, row: Row, attempts: Iterable[Row], events: Iterable[Row]) -> Iterator[str]:
    try:
        replay = Replay(entry_of(batch, row), row.request_id, [kept_of(one) for one in attempts])
    except UNREADABLE as error:
        yield f"it cannot be read: {type(error).__name__}: {error}"
        return
    yield from replay.problems(events)


def _file(store: Store) -> Iterator[Finding]:
    for row in store.each("integrity"):
        if row.integrity_check != "ok":
            yield Finding(what=f"{store.database} finds it damaged: {row.integrity_check}", cure=_AGAIN)
    for row in store.each("broken_references"):
        what = f"row {row.rowid} of {row.table} names a row of {row.parent} that is not there"
        yield Finding(what=what, cure=_AGAIN)


def _leases(store: Store) -> Iterator[Finding]:
    for row in store.each("fences"):
        fence = row.fence
        what = "it has a history, but never had a lease" if fence is None else f"its fence is {fence}"
        what = f"{what}: something other than batchrun wrote to it"
        yield Finding(batch=row.name, what=what, cure=_AGAIN)


def _counts(store: Store) -> Iterator[Finding]:
    for row in store.each("miscounted"):
        what = f"its entries that are {row.state} are not as many as it counts: something else wrote to it"
        yield Finding(batch=row.name, what=what, cure=_AGAIN)


def _runs(store: Store) -> Iterator[Finding]:
    for row in store.each("shared_runs"):
        where = "two attempts of it" if row.id == row.other else f"entry '{row.other}' too"
        what = f"its run {row.run_uuid} stands under {where}"
        yield Finding(batch=row.name, id=row.id, what=what, cure=_AGAIN)


def _lanes(store: Store) -> Iterator[Finding]:
    for row in store.each("attempts_in_lanes"):
        if row.region is None:
            what = f"attempt {row.attempt} is in lane '{row.lane}', which the batch does not have"
            yield Finding(batch=row.batch, id=row.id, what=what, cure=_AGAIN)
            continue
        account, region = place_of(row.run_arn or "")
        is_there = account in {None, row.account} and region in {None, row.region}
        if not is_there:
            what = (
                f"its run {row.run_uuid} is in {region} of account {account}, but lane '{row.lane}' is in "
                f"{row.region} of account {row.account}"
            )
            yield Finding(batch=row.batch, id=row.id, what=what, cure=_LOOK)


def _submissions(store: Store) -> Iterator[Finding]:
    for row in store.each("stored_submissions"):
        wrongs = {
            f"has {row.found} of its {row.rows} rows": row.found != row.rows,
            "is taken, but has no batch's id": row.standing == "taken" and row.batch_id is None,
            "is over, but has its request still": row.standing == "over" and not row.is_emptied,
            f"is {row.standing}, but has no request": row.standing != "over" and row.is_emptied,
        }
        for what in (what for what, is_so in wrongs.items() if is_so):
            yield Finding(batch=row.batch, what=f"its submission {row.request_id} {what}", cure=_AGAIN)


def _submitted(store: Store) -> Iterator[Finding]:
    for row in store.each("rows_that_nobody_settles"):
        what = f"its attempt {row.attempt} waits for submission {row.request_id}, which is over"
        yield Finding(batch=row.batch, id=row.id, what=what, cure=_LOOK)
    for row in store.each("rows_of_other_submissions"):
        what = f"its attempt {row.attempt} was never intended in submission {row.request_id}, which names it"
        yield Finding(batch=row.batch, id=row.id, what=what, cure=_AGAIN)


class _Beside:
    """A stream of rows that belong to those of another, both ordered by the same key."""

    def __init__(self, rows: Iterable[Row]) -> None:
        self._rows = iter(rows)
        self._next = next(self._rows, None)
        self.count = 0  #: rows read

    def of(self, key: int) -> Iterator[Row]:
        """Return the rows of *key*; earlier ones that were not asked for are skipped."""
        while self._next is not None and self._next.entry <= key:
            row, self._next = self._next, next(self._rows, None)
            self.count += 1
            if row.entry == key:
                yield row
