"""Reading a ledger, for programs.

Belongs here: opening it without creating, changing or locking anything, finding a batch or a row in it, and
noticing that its file was replaced. SQLite does not notice that: a reader keeps reading a deleted file, or
stale pages of one that was overwritten. Does not: the questions it answers (``ports.ledger``).
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Callable, Collection
from contextlib import asynccontextmanager, suppress
from difflib import SequenceMatcher
from pathlib import Path
from typing import Final

import anyio

from batchrun import ledger
from batchrun.api.given import check_loop
from batchrun.clock import Clock
from batchrun.errors import BatchrunError, InvariantError, LedgerUnusableError, UsageError
from batchrun.ledger import LedgerPlace
from batchrun.ledger.place import Stamp
from batchrun.model.entries.entry import Entry
from batchrun.ports.ledger import Ledger
from batchrun.ports.stored import Batch, By, Outcome
from batchrun.report.chosen import id_by_name
from batchrun.report.outputs import ProtectedFiles

#: Rows whose ids are suggested.
_SUGGESTED: Final = 3
#: How similar an id must be to what was typed, from 0 to 1.
_CUTOFF: Final = 0.4
#: The zeros before a number, S000011.
_ZEROS: Final = re.compile("(?<![0-9])0+(?=[0-9])")
#: Seconds between two looks at the file.
_EVERY: Final = 2.0


@asynccontextmanager
async def open_ledger(path: str | Path, *, for_once: bool = False) -> AsyncIterator[Ledger]:
    """Open a ledger for reading, also beside a launch: ``batches()``, and ``batch(name)``.

    A batch has ``counts()``, ``entry(id)`` and ``history(id)``, and of all entries ``story.outcomes()``.

    If it is read *for once*, and need not show what is written later, a file of an earlier batchrun is read
    too, from a private copy with the tables of now.

    Raises:
        LedgerUnusableError: There is no usable ledger; it says why, and what to do.
    """
    check_loop()
    async with await ledger.open_ledger(path, read_only=True, for_once=for_once) as opened:
        yield opened


async def protected_files(ledger: Ledger, *, read: tuple[str, ...] = ()) -> ProtectedFiles:
    """Return what no output may replace: the ledger, its batches' manifests, and the files in *read*."""
    manifests = tuple(batch.place for batch in await ledger.batches() if batch.place is not None)
    return ProtectedFiles(ledger=ledger.path, read=read, manifests=manifests)


async def find_batch(ledger: Ledger, name: str | None) -> Batch:
    """Return the batch of this name, or the only one. Raises UsageError if there is none, or several."""
    if name is not None and (found := await ledger.find_batch(name)) is not None:
        return found
    names = [batch.name for batch in await ledger.batches()]
    if name is None and len(names) == 1:
        return await find_batch(ledger, names[0])
    problem = "which batch?" if name is None else f"the ledger has no batch '{name}';"
    having = None if name is None else await _first_with(ledger, name, names)
    row = "" if name is None or having is None else _is_row(name, having)
    raise UsageError(f"{problem} it has: {', '.join(names) or 'none'}{row}")


def _is_row(entry_id: str, batch: str) -> str:
    shown = f"'batchrun show {entry_id}'"
    return f"; '{entry_id}' is a row of '{batch}': {shown}, or where rows are chosen --ids {entry_id}"


async def _first_with(ledger: Ledger, entry_id: str, batches: list[str]) -> str | None:
    """Return the first of *batches* that has the row, or None."""
    for name in batches:
        if await ledger.batch(name).entry(entry_id) is not None:
            return name
    return None


async def find_row(ledger: Ledger, entry_id: str, batch: str | None) -> Outcome:
    """Return the entry with this id, or whose run has it, in the named batch or in any if unambiguous."""
    if batch is not None:
        names = [(await find_batch(ledger, batch)).name]
    else:
        names = [one.name for one in await ledger.batches()]
    found = [entry for name in names if (entry := await ledger.batch(name).entry(entry_id)) is not None]
    found = found or await _of_run(ledger, entry_id, names)
    if len(found) == 1:
        (entry,) = found
        return Outcome(entry=entry, earlier=tuple(await ledger.batch(entry.batch).earlier(entry.id)))
    if found:
        raise UsageError(_several(entry_id, found))
    raise UsageError(await _unknown(ledger, entry_id, names))


async def _of_run(ledger: Ledger, run: str, batches: list[str]) -> list[Entry]:
    ids = [(name, id_) for name in batches for id_ in await ledger.batch(name).story.find_ids(run, By.RUN)]
    return [entry for name, id_ in ids if (entry := await ledger.batch(name).entry(id_)) is not None]


def _several(text: str, found: list[Entry]) -> str:
    if all(entry.id == text for entry in found):
        having = ", ".join(entry.batch for entry in found)
        return f"'{text}' is in several batches: {having}; say which with --batch"
    rows = ", ".join(f"{entry.id} of {entry.batch}" for entry in found)
    return f"'{text}' was the run of several rows: {rows}; name the row, and its batch with --batch"


async def _unknown(ledger: Ledger, entry_id: str, batches: list[str]) -> str:
    if entry_id in batches:
        status = f"'batchrun status {entry_id}'"
        return f"'{entry_id}' is a batch, and not a row; name one of its rows, or see {status}"
    where = f"batch '{batches[0]}' has" if len(batches) == 1 else "the ledger has"
    meant = [id_ for name in batches if (id_ := await id_by_name(ledger, name, entry_id)) is not None]
    pages = [await ledger.batch(name).story.find_ids(entry_id, By.LIKENESS) for name in batches]
    near = [*dict.fromkeys(meant)] or _nearest(entry_id, {one for page in pages for one in page})
    hint = f"; did you mean {', '.join(near)}?" if near else ""
    return f"{where} no row '{entry_id}'{hint}"


def _nearest(text: str, ids: Collection[str]) -> list[str]:
    likeness = SequenceMatcher(b=text.casefold(), autojunk=False)
    ranked = []
    for one in ids:
        likeness.set_seq1(one.casefold())
        ranked.append((0.0 if _plain(one) == _plain(text) else 1 - likeness.ratio(), one))
    return [one for distance, one in sorted(ranked)[:_SUGGESTED] if distance <= 1 - _CUTOFF]


def _plain(text: str) -> str:
    """Return an id in small letters, without the zeros before its numbers."""
    return _ZEROS.sub("", text.casefold())


@asynccontextmanager
async def open_as_soon_as_possible(
    path: str | Path, clock: Clock, tell: Callable[[str], None]
) -> AsyncIterator[Ledger]:
    """Open a ledger for reading as :func:`open_ledger` does, but wait while there is no usable one.

    *tell* is called with the reason at each try that fails.
    """
    opened = None
    while opened is None:
        try:
            opened = await ledger.open_ledger(path, read_only=True)
        except InvariantError:
            raise
        except BatchrunError as error:
            tell(str(error))
            await clock.sleep(_EVERY)
    async with opened:
        yield opened


async def until_replaced(
    place: LedgerPlace, ledger: Ledger, clock: Clock, tell: Callable[[str | None], None]
) -> None:
    """Wait until the file at *place* is another ledger than *ledger*, which was opened there for reading.

    What is no usable ledger is waited for, such as a missing or incomplete file: from the second look on,
    *tell* is called with the reason, and with None at each look that finds the ledger. A database is never
    replaced.
    """
    if not place.is_file:
        await anyio.sleep_forever()
    known = _Known(place, ledger)
    reason = None
    while True:
        await clock.sleep(_EVERY)
        try:
            if await known.is_replaced():
                return
        except InvariantError:
            raise
        except BatchrunError as error:  # perhaps it is only being copied: that is over at the next look
            if reason is not None:
                tell(str(error))
            reason = str(error)
        else:
            tell(reason := None)


class _Known:
    """The file of a ledger that is open, as it was when it was looked at last."""

    def __init__(self, place: LedgerPlace, ledger: Ledger) -> None:
        self._place = place
        self._ledger = ledger
        self._file = None  #: of the ledger that is open; None where it was away already
        self._seen: Stamp | None = None
        with suppress(LedgerUnusableError):
            self._file = (found := place.stamp()) and found.file

    async def is_replaced(self) -> bool:
        """Report whether there is another ledger now. Raises BatchrunError where there is no usable one."""
        now = self._place.stamp()
        if now is None:
            raise LedgerUnusableError(f"{self._place} is not there any more")
        if now == self._seen:
            return False
        async with await self._place.open(read_only=True) as there:
            if now.file != self._file or not await _are_one(self._ledger, there):
                return True
        self._seen = now
        return False


async def _are_one(ours: Ledger, theirs: Ledger) -> bool:
    """Report whether the file can be the ledger that is open; both may change during the comparison."""
    before = await ours.newest_event()
    there, batches = await theirs.newest_event(), await theirs.batches()
    is_within = before <= there <= await ours.newest_event()
    known = {(batch.name, batch.created_at) for batch in await ours.batches()}
    return is_within and {(batch.name, batch.created_at) for batch in batches} <= known
