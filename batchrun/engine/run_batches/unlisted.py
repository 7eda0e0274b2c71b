"""Runs of rows that their batch does not list, found among all runs by name and tags."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import aclosing
from typing import Final

from batchrun.engine.in_lane import InLane
from batchrun.engine.proof.absence import listed_by_names, look_at
from batchrun.model.entries.entry import Entry, Sighting, run_name
from batchrun.model.entries.events import Accepted, Event
from batchrun.model.planning.verdicts import held_for_rivals, nameless, search

#: Names that are listed one by one; for more, all runs are listed once.
_BY_NAME: Final = 50


class Unlisted(InLane):
    """Looks for such runs in one lane."""

    async def runs(self, entries: Iterable[Entry]) -> Sequence[tuple[Entry, Event]]:
        """Return the event to record for each SUBMITTING entry that has a run, or perhaps one of several.

        Raises:
            CallError: Not all runs could be looked at.
            ServiceUnusableError: The service cannot be used.
        """
        names: dict[str, list[Entry]] = {}
        for entry in entries:
            names.setdefault(run_name(entry) or "", []).append(entry)
        sightings: dict[str, list[Sighting]] = {}
        async with aclosing(listed_by_names(self._service, names, few=_BY_NAME, nameless=True)) as runs:
            async for listed in runs:
                sighting = await look_at(self._service, listed)
                if sighting is None or await self._held.known_runs([sighting.run.uuid], lane=self._lane):
                    continue
                sightings.setdefault(listed.name or sighting.name or "", []).append(sighting)
        return [*self._found(names, sightings)]

    def _found(
        self, names: Mapping[str, Sequence[Entry]], sightings: Mapping[str, Sequence[Sighting]]
    ) -> Iterator[tuple[Entry, Event]]:
        """Yield an event for each entry that has one of the runs; no run goes to two entries."""
        at = self._clock.utcnow()
        for name, entries in names.items():
            runs = list(sightings.get(name, ()))
            for entry in entries:
                result = search(entry, runs)
                if result.rivals:
                    yield entry, held_for_rivals(result.rivals, at)
                elif (run := result.run) is not None and not run.uuid:
                    yield entry, nameless(run.id, at)
                elif run is not None:
                    runs = [other for other in runs if other.run.uuid != run.uuid]
                    yield entry, Accepted(at=at, run=run, was_found=True)
