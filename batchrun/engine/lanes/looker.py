"""
Looking at one run, and asking the service to cancel it: the calls, and the events that the answers make.

Belongs here: that. Does not: what an answer means (``model.planning.verdicts``, ``proof.absence``), when it
is due (``model.planning.watch``).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import structlog

from batchrun import points
from batchrun.engine.denied import not_permitted
from batchrun.engine.in_lane import Common, InLane
from batchrun.engine.proof.absence import Absences
from batchrun.engine.waits import Wait
from batchrun.errors import AccessDeniedError, CallError, ConflictError, InvariantError, NotFoundError
from batchrun.model.entries.entry import Entry, Run
from batchrun.model.entries.events import Event, Missed, Recalled, Seen
from batchrun.model.entries.states import State
from batchrun.model.planning.limits import Mode
from batchrun.model.planning.stimuli import Acted
from batchrun.model.planning.verdicts import Denials, after_look, after_missing
from batchrun.points import Point

if TYPE_CHECKING:
    from batchrun.engine.parts import LaneLink
    from batchrun.model.planning.actions import Cancel, Look

log = structlog.get_logger(__name__)


class Looker(InLane):
    """Looks at runs, many at once."""

    def __init__(self, link: LaneLink, common: Common) -> None:
        super().__init__(link, common)
        self._observer = common.observer
        self._denials = Denials()
        #: Runs that the last look told nothing of, and why, by entry.
        self.unheard: dict[str, tuple[Run, CallError]] = {}
        self._absences = Absences(link, self._limits, self._clock)

    async def look(self, action: Look | Cancel) -> Acted:
        """Call GetRun, and record what it says."""
        entry = await self._look(action.entry)
        return Acted(action=action, entry=entry or action.entry, is_answered=entry is not None)

    async def cancel(self, action: Cancel) -> Acted:
        """Call CancelRun, but only right after GetRun has shown that the id is still our run's."""
        looked = await self.look(action)
        entry, run = looked.entry, looked.entry.run
        is_there = looked.is_answered and entry.state is State.ACTIVE and entry.missed_at is None
        if run is None or not is_there:
            return looked
        try:
            await self._service.cancel_run(run.id)
        except (ConflictError, NotFoundError):  # it has ended by now, or is not to be cancelled yet
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
        with self._waits.of(Wait.LOOK):  # a look not taken costs nothing
            try:
                event = await self._seen(entry, entry.run)
                is_answered = True
            except CallError as error:
                self.unheard[entry.id] = entry.run, error
                self._observer.look_failed(entry, error)
                if isinstance(error, AccessDeniedError) and self._denials.denied(entry.id):
                    raise not_permitted("GetRun", error) from error
        if not is_answered:
            return None
        self.unheard.pop(entry.id, None)
        return entry if event is None else await self._outcomes.record(entry, event)

    async def _seen(self, entry: Entry, run: Run) -> Event | None:
        """Call GetRun, and say what the answer means; None where it is nothing new."""
        found = None
        try:
            found = (await self._service.get_run(run.id)).run
        except NotFoundError as error:
            event: Seen | None = after_missing(error, self._clock.utcnow())
        else:
            self._denials.passed()
            points.reached(Point.SEEN)
            self._recognition.met(run, found)
            event = after_look(entry, found, self._clock.utcnow())
        return await self._absences.outcome(entry, run, event, found) if isinstance(event, Missed) else event
