"""One look at all runs of a lane that bear the name of a row to be sent.

It is one pass over ListRuns, or a listing for each name where that takes fewer calls. Only runs of rows'
names are looked at one by one, since a listing has neither tags nor uuid. Belongs here: these calls. Does
not: what they prove, and adopting what is found (``prover``).
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from batchrun.engine.parts import LaneLink
from batchrun.engine.proof.absence import listed_by_name, look_at
from batchrun.errors import NotFoundError, OutcomeUnknownError
from batchrun.model.entries.entry import Entry, Sighting
from batchrun.model.entries.recovery import Evidence
from batchrun.model.entries.states import UNSENT
from batchrun.model.planning.listing import ENDLESS, Listed, is_same_run
from batchrun.ports.held import HeldBatch
from batchrun.ports.stored import Unproven
from batchrun.side_by_side import each_found

#: Runs looked at in parallel.
_LOOKS: Final = 16
#: Names that are listed one by one: a whole listing is hardly shorter.
FEW: Final = 4


@dataclass(slots=True, kw_only=True)
class Sighted:
    """What a survey saw, in all lanes, of rows that have a run of their name."""

    begun: datetime  #: the clock's latest time
    evidence: Evidence
    entries: dict[str, Entry] = field(default_factory=dict)  #: rows whose name was seen
    calls: dict[str | None, int] = field(default_factory=dict)  #: that a whole listing took, by lane
    unreached: set[str | None] = field(default_factory=set)  #: lanes that were not seen completely


class LaneSurvey:
    """The part of a survey that is made in one lane."""

    def __init__(self, link: LaneLink, held: HeldBatch, sighted: Sighted) -> None:
        self._lane = link.name
        self._service = link.service
        self._held = held
        self._sighted = sighted
        self._found: list[Sighting] = []  #: runs that no entry has
        self._not_found: NotFoundError | None = None  #: about a run that is listed and yet not there

    async def look(self, unproven: Unproven) -> Sequence[Sighting]:
        """Look at every run of one of the names, add it to the evidence, and return those that no entry has.

        Raises:
            CallError: Not everything was seen.
            ServiceUnusableError: The service cannot be used.
            LeaseLostError, LedgerError: Another launcher took over the batch, or the ledger fails.
        """
        await each_found(self._look_at, self._named_runs(unproven), at_once=_LOOKS)
        if self._not_found is not None:
            raise self._not_found
        return self._found

    async def _look_at(self, run: Listed) -> None:
        try:
            sighting = await look_at(self._service, run)
        except NotFoundError as error:  # raised at the end, so that the other looks count
            self._not_found = error
            return
        if sighting is None or await self._held.known_runs([sighting.run.uuid], lane=self._lane):
            return
        self._sighted.evidence.add(sighting, self._lane)
        self._found.append(sighting)

    async def _named_runs(self, unproven: Unproven) -> AsyncIterator[Listed]:
        """Yield the runs that bear one of the names, in whichever way takes fewer calls."""
        known: set[str] = set()
        rows = len(unproven.names)
        if rows > max(FEW, unproven.last_calls or 0):
            async for run in self._listed(rows):
                if run.id not in known and await self._expect(run, unproven.names.get(run.name, ())):
                    known.add(run.id)
                    yield run
            if self._lane in self._sighted.calls:
                return
        for name, entry_ids in unproven.names.items():
            if await self._are_sent(entry_ids):
                continue  # they were looked for one by one, and sent since
            async with aclosing(listed_by_name(self._service, name)) as runs:
                async for run in runs:
                    if run.id not in known and await self._expect(run, entry_ids):
                        known.add(run.id)
                        yield run

    async def _are_sent(self, entry_ids: Collection[str]) -> bool:
        entries = [await self._held.entry(entry_id) for entry_id in entry_ids]
        return all(entry is not None and entry.state not in UNSENT for entry in entries)

    async def _listed(self, most: int) -> AsyncIterator[Listed]:
        """Yield the lane's runs; a complete listing is noted in `Sighted.calls`.

        It stops after *most* calls, since listing each name takes fewer then, and where a run's name is left
        out or the listing has no end: it cannot show then that a name is not there.
        """
        calls = 0
        try:
            async with aclosing(self._service.listed_runs(None)) as pages:
                async for page in pages:
                    calls += 1
                    for run in page:
                        if not run.name:
                            return
                        yield run
                    if calls > most:
                        return
        except OutcomeUnknownError as error:
            if error.code != ENDLESS:
                raise
            return
        self._sighted.calls[self._lane] = calls

    async def _expect(self, run: Listed, entry_ids: Collection[str]) -> bool:
        """Note rows whose name was seen; False where this run is one of their earlier attempts."""
        is_news = False
        for entry_id in entry_ids:
            entry = self._sighted.entries.get(entry_id) or await self._held.entry(entry_id)
            if entry is None:
                continue
            if entry_id not in self._sighted.entries:  # another lane may have come first
                self._sighted.entries[entry_id] = entry
                self._sighted.evidence.expect(entry_id, entry.asked)
            is_news = is_news or not await is_earlier(self._held, run, entry)
        return is_news


async def is_earlier(held: HeldBatch, run: Listed, entry: Entry) -> bool:
    """Report whether a listed run is surely one of the entry's earlier attempts: ids are reused."""
    if entry.attempt == 1:
        return False
    earlier = [attempt.run for attempt in await held.earlier(entry.id)]
    return any(known is not None and is_same_run(known, run) for known in earlier)
