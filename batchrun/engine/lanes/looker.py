"""Looking at runs, one by one or by sweeps over ListRuns, and asking the service to cancel one.

A run batch says how many of its runs are in which state: while these counts have not changed, its last
listing stands, and one call replaces its pages. Counts lag, by an undocumented time, so it stands for a
minute.

Does not belong here: what an answer means (``model.planning.verdicts``, ``proof.absence``), when a look is
due (``model.planning.watch``).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from contextlib import aclosing
from dataclasses import dataclass
from typing import Final

import structlog

from batchrun import points
from batchrun.clock import Clock
from batchrun.engine.in_lane import Common, InLane
from batchrun.engine.launch_errors import not_permitted
from batchrun.engine.parts import LaneLink, Wait
from batchrun.engine.proof.absence import Absences
from batchrun.errors import AccessDeniedError, CallError, ConflictError, InvariantError, NotFoundError
from batchrun.model.entries.entry import Entry, Run
from batchrun.model.entries.events import Event, Missed, Recalled, Seen
from batchrun.model.entries.states import State
from batchrun.model.planning.actions import Cancel, Look, Sweep
from batchrun.model.planning.denials import Denials, Extent, no_resources
from batchrun.model.planning.limits import Mode
from batchrun.model.planning.listing import Listed
from batchrun.model.planning.stimuli import Acted, SweepFailed, Swept
from batchrun.model.planning.verdicts import after_look, after_missing
from batchrun.points import Point

#: Seconds for which a listing stands while the counts do not change.
_STANDS: Final = 60.0
log = structlog.get_logger(__name__)


class Looker(InLane):
    """Looks at runs, many at once."""

    def __init__(self, link: LaneLink, common: Common) -> None:
        super().__init__(link, common)
        self._observer = common.observer
        self._denials = Denials(no_resources, most=math.inf)
        #: Runs whose last look got no answer, and why, by entry.
        self.unanswered: dict[str, tuple[Run, CallError]] = {}
        self._absences = Absences(link, self._limits, self._clock)

    async def look(self, action: Look | Cancel) -> Acted:
        """Call GetRun, and record the answer."""
        entry = await self._look(action.entry)
        return Acted(action=action, entry=entry or action.entry, is_answered=entry is not None)

    async def cancel(self, action: Cancel) -> Acted:
        """Call CancelRun, but only right after GetRun showed that the id is still our run's."""
        looked = await self.look(action)
        entry, run = looked.entry, looked.entry.run
        is_there = looked.is_answered and entry.state is State.ACTIVE and entry.missed_at is None
        if run is None or not is_there:
            return looked
        try:
            await self._service.cancel_run(run.id)
        except (ConflictError, NotFoundError):  # it has ended, or cannot be cancelled yet
            return Acted(action=action, entry=entry, is_answered=False, was_seen=True)
        except CallError as error:
            self._cancel_failed(entry, error)
            return Acted(action=action, entry=entry, is_answered=False, was_seen=True)
        return Acted(
            action=action, entry=await self._outcomes.record(entry, Recalled(at=self._clock.utcnow()))
        )

    def _cancel_failed(self, entry: Entry, error: CallError) -> None:
        log.warning("cancel_failed", batch=entry.batch, id=entry.id, code=error.code, message=error.message)
        if isinstance(error, AccessDeniedError) and self._limits.mode is Mode.CANCEL:
            raise not_permitted("CancelRun", error) from error

    async def _look(self, entry: Entry) -> Entry | None:
        """Return the entry as it is after a look; None where there was no answer."""
        if entry.run is None:
            raise InvariantError(f"entry '{entry.id}' is watched but has no run")
        event, is_answered = None, False
        with self._waits.of(Wait.LOOK):  # skipping a look costs nothing
            try:
                event = await self._seen(entry, entry.run)
                is_answered = True
            except CallError as error:
                self.unanswered[entry.id] = entry.run, error
                self._observer.look_failed(entry, error)
                if isinstance(error, AccessDeniedError) and self._denials.denied(entry) is not Extent.ENTRY:
                    raise not_permitted("GetRun", error) from error
        if not is_answered:
            return None
        self.unanswered.pop(entry.id, None)
        return entry if event is None else await self._outcomes.record(entry, event)

    async def _seen(self, entry: Entry, run: Run) -> Event | None:
        """Call GetRun, and return the event that the answer means; None where nothing is new."""
        found = None
        try:
            found = (await self._service.get_run(run.id)).run
        except NotFoundError as error:
            event: Seen | None = after_missing(error, self._clock.utcnow())
        else:
            self._denials.passed(entry)
            points.reached(Point.SEEN)
            self._recognition.met(run, found)
            event = after_look(entry, found, self._clock.utcnow())
        return await self._absences.outcome(entry, run, event, found) if isinstance(event, Missed) else event


@dataclass(frozen=True, slots=True, kw_only=True)
class _Shown:
    """What the last listing of a run batch showed."""

    at: float  #: loop time
    by_status: Mapping[str, int]  #: its counts, read before the listing
    listed: Mapping[str, Listed]


class Sweeper:
    """Sweeps, one at a time."""

    def __init__(self, link: LaneLink, clock: Clock) -> None:
        self._service = link.service
        self._waits = link.waits
        self._clock = clock
        self._shown: dict[str, _Shown] = {}
        self._may_count = True

    async def sweep(self, sweep: Sweep) -> Swept | SweepFailed:
        """List runs, and return them; a sweep that is cancelled or takes too long has failed.

        Raises:
            ServiceUnusableError: The service cannot be used.
        """
        try:
            with self._waits.of(Wait.SWEEP) as scope:
                scope.deadline = self._clock.monotonic() + sweep.seconds
                return await self._swept(sweep)
        except CallError as error:
            return _failed(sweep, error)
        return SweepFailed(sweep=sweep)

    async def _swept(self, sweep: Sweep) -> Swept:
        if not sweep.run_batches:
            found, calls = await self._listed(sweep)
            return Swept(sweep=sweep, listed=found, calls=calls)
        self._shown = {id_: shown for id_, shown in self._shown.items() if id_ in sweep.run_batches}
        found, calls = {}, 0
        for batch_id in sweep.run_batches:
            listed, asked = await self._listed_of(batch_id, sweep)
            found.update(listed)
            calls += asked
        return Swept(sweep=sweep, listed=found, calls=calls)

    async def _listed(self, sweep: Sweep, batch_id: str | None = None) -> tuple[dict[str, Listed], int]:
        found: dict[str, Listed] = {}
        calls = 0
        async with aclosing(self._service.going_runs(sweep.run_group, batch_id)) as pages:
            async for page in pages:
                calls += 1
                found.update((run.id, run) for run in page if run.id in sweep.run_ids)
        return found, calls

    async def _listed_of(self, batch_id: str, sweep: Sweep) -> tuple[Mapping[str, Listed], int]:
        """Return a run batch's listing, the last one while its counts are the same, and the calls it took."""
        by_status = await self._counts(batch_id)
        shown = self._shown.get(batch_id)
        if shown and shown.by_status == by_status and self._clock.monotonic() < shown.at + _STANDS:
            return shown.listed, 1
        begun = self._clock.monotonic()
        listed, calls = await self._listed(sweep, batch_id)
        if by_status:
            self._shown[batch_id] = _Shown(at=begun, by_status=by_status, listed=listed)
        return listed, calls + 1

    async def _counts(self, batch_id: str) -> Mapping[str, int]:
        """Return how many runs of a batch are in which state; empty where that is unknown."""
        if not self._may_count:
            return {}
        try:
            return (await self._service.run_batches.get(batch_id)).by_status
        except AccessDeniedError:
            self._may_count = False
        except CallError as error:
            log.info("run_batch_not_counted", run_batch=batch_id, code=error.code, message=error.message)
        return {}


def _failed(sweep: Sweep, error: CallError) -> SweepFailed:
    is_denied = isinstance(error, AccessDeniedError)
    write = log.warning if is_denied else log.info  # one that fails now and then costs a few calls
    cure = ", which costs more calls; allow omics:ListRuns" if is_denied else ""
    write("sweep_failed", code=error.code, message=error.message, instead=f"looking at each run{cure}")
    return SweepFailed(sweep=sweep, is_denied=is_denied)
