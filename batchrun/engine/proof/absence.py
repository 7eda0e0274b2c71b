"""Whether a run is gone: answers that say so are weighed, and confirmed by a listing once they are enough.

Belongs here: the calls. Does not: how much an answer weighs (``model.planning.verdicts``), recording the
result (``lanes.looker``).
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Collection
from contextlib import aclosing

import structlog

from batchrun.clock import Clock
from batchrun.engine.parts import LaneLink
from batchrun.errors import AccessDeniedError, CallError, NotFoundError
from batchrun.model.entries.entry import Entry, Run, Sighting, run_name
from batchrun.model.entries.events import Accepted, Missed, Removed
from batchrun.model.entries.states import Outlook, outlook
from batchrun.model.planning.limits import Limits
from batchrun.model.planning.listing import Listed, Sought, shows, sought
from batchrun.model.planning.verdicts import Silences, Weight, decided, mistold, weigh
from batchrun.ports.service import HealthOmics

log = structlog.get_logger(__name__)


class Absences:
    """The answers in one launch that say that runs are gone."""

    def __init__(self, link: LaneLink, limits: Limits, clock: Clock) -> None:
        self._service = link.service
        self._recognition = link.recognition
        self._lag = limits.listing_lag
        self._clock = clock
        self._kept_at: dict[str, float] = {}  #: loop time of the last answer that counted, by entry
        self._silences = Silences(limits.longest_silence)
        self._contradictions = Silences(limits.longest_silence)
        self._told: set[str] = set()  #: ids of entries whose contradiction was logged

    async def outcome(
        self, entry: Entry, run: Run, missed: Missed, found: Run | None
    ) -> Missed | Removed | Accepted | None:
        """Return the event to record for an answer about an ACTIVE entry's run, or None.

        *missed* is what the answer says, *found* the run that it shows, if any.

        Raises:
            CallError: The listing that decides failed, or the check that the service knows the batch.
            ServiceUnusableError: The service does not know the batch, and its account is unknown.
        """
        now = self._clock.monotonic()
        kept_at = self._kept_at.get(entry.id)
        known_for = None if kept_at is None else now - kept_at
        event: Missed | Removed | Accepted | None = None
        match weigh(entry, missed, known_for=known_for, lag=self._lag):
            case Weight.FIRST:
                event = missed
                self._silences.answered(entry.id)  # it was seen in between
            case Weight.ENOUGH:
                event = await self._mistold(entry, run, found) or await self._decided(
                    entry, run, missed, found
                )
            case Weight.EARLY:
                pass
        if isinstance(event, Missed):
            self._kept_at[entry.id] = now
        elif isinstance(event, Removed):
            await self._recognition.confirm()
        return event

    async def _mistold(self, entry: Entry, run: Run, found: Run | None) -> Accepted | None:
        """Look once more at another uuid under the run's id: it may be the run's own, and ours wrong."""
        if found is None or found.uuid in {run.uuid, ""} or not entry.tagged:
            return None
        return mistold(entry, found, await self._service.get_run(run.id), self._clock.utcnow())

    async def _decided(
        self, entry: Entry, run: Run, missed: Missed, found: Run | None
    ) -> Missed | Removed | None:
        listed = await self._is_listed(entry, run, found)
        if listed:
            self._recognition.shown()
            self._tell_if_it_lasts(entry, run, missed)
        return decided(missed, kept=entry.misses, is_listed=listed)

    def _tell_if_it_lasts(self, entry: Entry, run: Run, missed: Missed) -> None:
        has_lasted = self._contradictions.has_lasted(entry.id, self._clock.monotonic())
        if has_lasted and entry.id not in self._told:
            self._told.add(entry.id)
            log.warning(
                "run_listed_but_not_found",
                batch=entry.batch,
                id=entry.id,
                run_id=run.id,
                get_run=missed.message,
                meaning="ListRuns shows it all the same, so it is waited for; "
                "if that stays so, ask AWS, or stop this launch",
            )

    async def _is_listed(self, entry: Entry, run: Run, found: Run | None) -> bool | None:
        """Report what :func:`is_listed` does; None where listing has failed for too long."""
        try:
            listed = await is_listed(self._service, sought(entry, run, run_name(entry)), found)
        except CallError:
            if not self._silences.has_lasted(entry.id, self._clock.monotonic()):
                raise
            return None
        self._silences.answered(entry.id)
        return listed


async def listed_by_name(service: HealthOmics, name: str | None) -> AsyncGenerator[Listed]:
    """Yield the runs that bear *name*, or all, from all pages. Raises CallError."""
    async with aclosing(service.listed_runs(name)) as pages:
        async for page in pages:
            for run in page:
                yield run


async def listed_by_names(
    service: HealthOmics, names: Collection[str], *, few: int, nameless: bool
) -> AsyncGenerator[Listed]:
    """Yield the runs that bear one of *names*: up to *few* are listed one by one, for more all runs once.

    Of all runs those whose name is left out are yielded too if *nameless*. Raises CallError.
    """
    wanted = {*names, ""} if nameless else {*names}
    for name in names if len(names) <= few else (None,):
        async with aclosing(listed_by_name(service, name)) as runs:
            async for run in runs:
                if name is not None or run.name in wanted:
                    yield run


async def look_at(service: HealthOmics, run: Listed) -> Sighting | None:
    """Call GetRun for a listed run; None where both say that it was removed.

    Raises:
        CallError: It cannot be looked at, or the service lists it and yet does not find it.
    """
    try:
        return await service.get_run(run.id)
    except NotFoundError as error:
        if outlook(run.status) is Outlook.REMOVED:
            return None
        told = f"{error.message} (run {run.id}, which ListRuns shows)"
        raise NotFoundError(told, operation=error.operation, code=error.code) from error


async def is_listed(service: HealthOmics, subject: Sought, found: Run | None) -> bool | None:
    """Report whether a listing shows a run; None where listing is denied, or may show another run.

    *found* is the run that GetRun shows under its id, if any.

    Raises:
        CallError: The listing failed.
    """
    is_clear = True
    try:
        async with aclosing(service.listed_runs(subject.name)) as pages:
            async for page in pages:
                shown = [shows(subject, item, found) for item in page]
                is_clear = is_clear and None not in shown
                if True in shown:
                    log.debug("run_listed_but_not_found", run=subject.run.id)
                    return True
    except AccessDeniedError as error:
        log.debug("listing_denied", run=subject.run.id, message=error.message)
        return None
    return False if is_clear else None
