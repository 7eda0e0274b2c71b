"""Requesting another attempt for entries that ended without success, for programs and the command line.

Runs of DELETED rows are looked up first: a run that still exists is given back to its row. Belongs here: that
look, which entries may have another attempt, and the order of steps. Does not: asking people (``cli``), what
becomes of an entry (``ledger``).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Final

from batchrun.api.given import several
from batchrun.api.opening import Opening
from batchrun.api.reading import find_batch, open_ledger
from batchrun.clock import Clock, SystemClock
from batchrun.engine.reach import Looked
from batchrun.model.entries.duplicating import can_duplicate
from batchrun.model.entries.entry import Entry
from batchrun.model.entries.states import UNSUCCESSFUL, State
from batchrun.model.entries.transitions import apply
from batchrun.model.planning.verdicts import after_reappearing
from batchrun.ports.ledger import Ledger
from batchrun.ports.stored import Batch
from batchrun.report.chosen import Selection
from batchrun.report.columns import failed_of, read_condition
from batchrun.service.target import CONFIGURED, Target


@dataclass(frozen=True, slots=True, kw_only=True)
class How:
    """How to look for the runs of DELETED rows."""

    at_once: int = 32  #: concurrent look-ups
    is_dry: bool = False  #: whether nothing is written
    tell: Callable[[int], None] | None = None  #: called with their number before it begins


_USUALLY: Final = How()


@dataclass(frozen=True, slots=True, kw_only=True)
class FirstLook:
    """What the look for the runs of DELETED rows found."""

    back: Mapping[str, Entry] = field(default_factory=dict)  #: entries whose runs exist, in their new state
    #: By id, why it is unknown whether the run exists.
    unknown: Mapping[str, str] = field(default_factory=dict)

    def now(self, entry: Entry) -> Entry | None:
        """Return *entry* as it is after the look; None if that is unknown."""
        return None if entry.id in self.unknown else self.back.get(entry.id, entry)


async def first_look(
    opened: Opening, batch: Batch, entries: Sequence[Entry], *, at: datetime, how: How = _USUALLY
) -> FirstLook:
    """Look for the runs of those *entries* that are DELETED; without any nothing is called."""
    deleted = [entry for entry in entries if entry.state is State.DELETED]
    if not deleted:
        return FirstLook()
    # Only now: importing the client takes longer than reading the ledger.
    from batchrun.engine.reach import look_for  # noqa: PLC0415

    if how.tell is not None:
        how.tell(len(deleted))
    reach = await opened.reach_of(batch, {entry.lane for entry in deleted})
    looked = await look_for(deleted, reach=reach, at_once=how.at_once)
    return await give_back(await opened.ledger(), batch, looked, at=at, is_dry=how.is_dry)


async def give_back(
    ledger: Ledger, batch: Batch, looked: Looked, *, at: datetime, is_dry: bool = False
) -> FirstLook:
    """Give existing runs back to their DELETED rows; nothing is written if *is_dry*."""
    back: dict[str, Entry] = {}
    for entry, run in looked.there:
        for event in after_reappearing(run, at):
            back[entry.id] = apply(back.get(entry.id, entry), event)
    if back and not is_dry:
        await ledger.batch(batch.name).requests.give_back([run for _, run in looked.there], at=at)
    return FirstLook(back=back, unknown={entry.id: why for entry, why in looked.unknown})


@dataclass(frozen=True, slots=True, kw_only=True)
class Retried:
    """The result of a retry."""

    ids: tuple[str, ...]  #: entries that get another attempt
    reappeared: tuple[str, ...] = ()  #: entries whose runs, taken for deleted, still exist
    unknown: Mapping[str, str]  #: by id, why it is unknown whether the run exists; these were left alone


@dataclass(frozen=True, slots=True, kw_only=True)
class Retriable:
    """Entries that can have another attempt, and what the look for deleted runs found."""

    entries: Sequence[Entry]
    left_out: Sequence[Entry]  #: entries without a run that the service could duplicate
    looked: FirstLook


async def retry(  # noqa: PLR0913 (what is meant, each by its name)
    batch: str,
    *,
    ledger: str | Path,
    target: Target = CONFIGURED,
    ids: str | Iterable[str] | None = None,
    where: str | Iterable[str] = (),
    reason: str | None = None,
    duplicates: bool = False,
    lanes: str | None = None,
    clock: Clock | None = None,
) -> Retried:
    """Give failed, cancelled, deleted and refused entries another attempt; the next launch starts them.

    A running launch starts them within seconds. Succeeded and active entries are left alone. The service is
    only called for DELETED entries, whose runs are looked for first. Otherwise STS is asked for the account
    of the credentials, if there are any.

    Args:
        batch: One that the ledger has.
        ledger: A SQLite file.
        target: Overrides for the AWS configuration.
        ids: Only these entries.
        where: Only entries whose results match: ``status=FAILED``, ``taskReason=*MEMORY*``.
        reason: Only entries whose run, or a task of it, failed for a reason that matches this glob.
        duplicates: Have the service repeat the last run (StartRun by ``runId``).
        lanes: A file of lanes; without it the manifest of a batch with lanes is read again.
        clock: By default the machine's own.

    Raises:
        UsageError: There is no such batch, entry, column or status; or the runs are in another account.
        ServiceUnusableError: The service must be called, and cannot be.
        LedgerUnusableError: The ledger cannot be used.
    """
    conditions = (*map(read_condition, several(where)), *([failed_of(reason)] if reason else []))
    choice = Selection(ids=None if ids is None else frozenset(several(ids)), conditions=conditions)
    now = (clock or SystemClock()).utcnow()
    async with open_ledger(ledger, for_once=True) as read:  # which does not create one
        known = await find_batch(read, batch)
    async with Opening(ledger, target=target, clock=clock, lanes=lanes) as opened:
        found = await retriable(opened, known, choice, at=now, duplicates=duplicates)
        begun = await begin_anew(await opened.ledger(), batch, found.entries, at=now, duplicates=duplicates)
    return Retried(ids=tuple(begun), reappeared=tuple(found.looked.back), unknown=found.looked.unknown)


async def retriable(
    opened: Opening,
    batch: Batch,
    choice: Selection,
    *,
    at: datetime,
    duplicates: bool = False,
    how: How = _USUALLY,
) -> Retriable:
    """Return the entries of *choice* that can have another attempt; see ``first_look``."""
    fitting = [one async for one in choice.entries(await opened.ledger(), batch.name, UNSUCCESSFUL)]
    looked = await first_look(opened, batch, fitting, at=at, how=how)
    fitting = [now for one in fitting if (now := looked.now(one)) and now.state in UNSUCCESSFUL]
    entries = [one for one in fitting if can_duplicate(one)] if duplicates else fitting
    taken = {one.id for one in entries}
    if entries:
        await opened.check_account(batch)
    return Retriable(entries=entries, left_out=[one for one in fitting if one.id not in taken], looked=looked)


async def begin_anew(
    ledger: Ledger, batch: str, entries: Sequence[Entry], *, at: datetime, duplicates: bool
) -> Sequence[str]:
    """Request another attempt of each of *entries*, and return the ids of those that get one."""
    why = "asked for, as a duplicate" if duplicates else "asked for"
    ids = [entry.id for entry in entries]
    return await ledger.batch(batch).requests.retry(ids, at=at, why=why, duplicates=duplicates)
