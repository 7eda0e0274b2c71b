"""
Carrying out one action: the calls it takes, and the events that its outcome makes.

Belongs here: the order of turn, intent, call and record. Does not: what an outcome means
(``model.verdicts``), when an action is due (``model.planner``).
"""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Final

import anyio
import structlog

from batchrun import points
from batchrun.engine.absence import Absences
from batchrun.engine.denied import not_permitted, not_provable
from batchrun.engine.prover import UNSENT, released_by
from batchrun.errors import (
    AccessDeniedError,
    CallError,
    ConflictError,
    InvariantError,
    NotFoundError,
    OutcomeUnknownError,
    RefusedError,
)
from batchrun.model.actions import Action, Cancel, Look, Replay, Settle, Submit
from batchrun.model.denials import Denials
from batchrun.model.duplicating import is_duplicate, replaced, source_of, unknown
from batchrun.model.events import (
    Accepted,
    Deferred,
    Doubted,
    Event,
    Failed,
    Intended,
    Missed,
    Recalled,
    Revised,
    Seen,
)
from batchrun.model.limits import Mode
from batchrun.model.request import start_run_request
from batchrun.model.states import State
from batchrun.model.transitions import apply
from batchrun.model.verdicts import (
    after_failure,
    after_look,
    after_missing,
    held_for_permission,
    held_for_rivals,
    search,
)
from batchrun.points import Point

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from batchrun.clock import Clock
    from batchrun.engine.observer import Observer
    from batchrun.engine.prover import Prover
    from batchrun.engine.recognition import Recognition
    from batchrun.engine.recorder import Recorder
    from batchrun.engine.retries import Retries
    from batchrun.model.entry import Entry, Run
    from batchrun.model.limits import Limits
    from batchrun.ports.service import HealthOmics

log = structlog.get_logger(__name__)
_NO_UUID: Final = OutcomeUnknownError(
    "the run was found, but not what identifies it", operation="GetRun", code="UnparsableAnswer"
)


class Actor:
    """Acts on entries, one action at a time for each, many at once."""

    def __init__(  # noqa: PLR0913 (what it acts with, each by its name)
        self,
        *,
        service: HealthOmics,
        recorder: Recorder,
        limits: Limits,
        observer: Observer,
        clock: Clock,
        prover: Prover,
        retries: Retries,
        recognition: Recognition,
        prepare: Callable[[str], Awaitable[None]] | None = None,
    ) -> None:
        """Take what it acts with; *prepare*, if any, is awaited with a row's id before its intent."""
        self._service = service
        self._prepare = prepare
        self._recorder = recorder
        self._limits = limits
        self._prover = prover
        self._retries = retries
        self._recognition = recognition
        self._observer = observer
        self._clock = clock
        self._denials = {"StartRun": Denials(), "GetRun": Denials()}
        self._unsent: set[anyio.CancelScope] = set()  #: waits for a turn of what was never sent
        self._unsettled: set[anyio.CancelScope] = set()  #: waits for a turn of what may have been
        self._looks: set[anyio.CancelScope] = set()
        #: Two untagged rows that ask for the same must not both adopt one run.
        self._one_untagged_search = anyio.Lock()
        self._absences = Absences(service, recognition, clock, lag=limits.listing_lag)
        self._may_list = True  #: False once ListRuns was denied: not found is then no proof

    def hold_back(self) -> None:
        """Let go of what was never sent and still waits for its turn."""
        for scope in self._unsent:
            scope.cancel()

    def hurry(self) -> None:
        """Let go of what waits for a turn, and give up retrying what does not."""
        self.hold_back()
        for scope in (*self._unsettled, *self._looks):
            scope.cancel()
        self._service.hurry()

    async def carry_out(self, action: Action) -> tuple[Entry, bool]:
        """
        Do what *action* says.

        Returns:
            The entry as it is afterwards, durable, and whether the action got no usable answer.

        Raises:
            ServiceUnusableError: The launch as a whole lacks a permission, credentials or a service.
            LeaseLostError, LedgerError: Nothing more may or can be recorded.
        """
        match action:
            case Submit(entry=entry):
                return await self._submit(entry)
            case Replay(entry=entry):
                return await self._replay(entry)
            case Settle(entry=entry):
                return await self._settle(action)
            case Look(entry=entry):
                return await self._look(entry)
            case Cancel(entry=entry):
                return await self._cancel(entry)

    async def _submit(self, planned: Entry) -> tuple[Entry, bool]:
        entry = await self._proven(planned)
        if entry is None or entry.state not in UNSENT:
            return entry or planned, entry is None
        if not await self._prepared(entry):
            return planned, False
        turn = await self._turn(self._unsent)
        if turn is None:
            return planned, False
        points.reached(Point.TURN_TAKEN)
        entry = await self._proven(entry, is_last_look=True)  # the wait may have outlived the proof
        if entry is None or entry.state not in UNSENT:
            return entry or planned, entry is None
        # Before the intent is on disk: whoever finds one there may send it without having seen this.
        with released_by(self._unsent) as scope:
            spoilt = await self._without_source(entry)
        if scope.cancelled_caught:
            return planned, False
        proven_at = entry.proven_at if entry.proven_at != planned.proven_at else None
        intent = Intended(at=self._clock.utcnow(), tagged=self._limits.tag, proven_at=proven_at)
        entry = await self._recorder.record(entry, intent, *([] if spoilt is None else [spoilt]))
        points.reached(Point.INTENDED)
        if spoilt is not None:
            return entry, False
        return await self._send(entry, turn)

    async def _proven(self, entry: Entry, *, is_last_look: bool = False) -> Entry | None:
        return await self._prover.proven(entry, self._unsent, is_last_look=is_last_look)

    async def _prepared(self, entry: Entry) -> bool:
        """Have done what a run needs before it; False when the launcher lets go of it meanwhile."""
        if self._prepare is None:
            return True
        with released_by(self._unsent) as scope:
            await self._prepare(entry.id)
        return not scope.cancelled_caught

    async def _without_source(self, entry: Entry) -> Event | None:
        """
        Look whether the run that is to be copied is still the one of that id.

        None where it is, and for what copies none; else what that means where nothing was sent.
        """
        if not is_duplicate(entry):
            return None
        earlier = await self._recorder.earlier(entry)
        source = source_of(entry, [attempt.run for attempt in earlier])
        if source is None:
            return unknown(entry, self._clock.utcnow())
        try:
            found = await self._service.get_run(source.id)
        except NotFoundError:
            found = None
        except CallError as error:  # nothing was sent
            wait = timedelta(seconds=self._limits.defer.denied_wait(entry.deferrals, entry.id))
            now = self._clock.utcnow()
            return Deferred(at=now, due=now + wait, code=error.code, message=error.message)
        if found is not None and found.run.uuid == source.uuid:
            return None
        return replaced(entry, source, self._clock.utcnow(), self._limits.listing_lag)

    async def _replay(self, entry: Entry) -> tuple[Entry, bool]:
        turn = await self._turn(self._unsettled)
        if turn is None:
            return entry, True
        if await self._without_source(entry) is not None:
            # It would copy another run, unless it arrived before: then the copy is there to be found.
            found = await self._searched(entry)
            return (entry, True) if found is None else (found, found.state is State.SUBMITTING)
        return await self._send(entry, turn, is_repeat=True)

    async def _settle(self, action: Settle) -> tuple[Entry, bool]:
        entry, trust, begun = action.entry, self._limits.trust, self._clock.latest()
        found = await self._searched(entry)
        if found is not None:
            return found, found.state is State.SUBMITTING
        is_proof = action.is_proof and self._may_list
        if is_proof or (trust.is_seamless and self._may_list):
            entry = replace(entry, proven_at=begun)
        if not is_proof:
            is_trusted = trust.holds(entry, self._clock.latest())
            return await self._replay(entry) if is_trusted else (entry, True)
        turn = await self._turn(self._unsettled)
        if turn is None:
            return entry, True
        spoilt = await self._without_source(entry)
        if spoilt is not None:
            return await self._record(entry, spoilt), False
        # It is not there, so the requestId is as good as new.
        return await self._send(entry, turn)

    async def _turn(self, waiting: set[anyio.CancelScope]) -> float | None:
        """Wait for a turn to start a run; None when the launcher lets go of it before it comes."""
        with released_by(waiting):
            return await self._service.start_turn()
        return None

    async def _send(self, entry: Entry, turn: float, *, is_repeat: bool = False) -> tuple[Entry, bool]:
        request = start_run_request(entry)
        trusted_until = self._limits.trust.send_until(entry, self._clock.latest())
        try:
            run = await self._service.start_run(
                request, turn=turn, trusted_until=trusted_until, is_repeat=is_repeat
            )
        except CallError as error:
            is_ours_maybe = isinstance(error, ConflictError) or (
                isinstance(error, RefusedError) and error.is_doubtful
            )
            # The run may be there already: by a call still under way, or by one whose answer was lost.
            found = await self._searched(entry) if is_ours_maybe else None
            if found is not None:
                return found, found.state is State.SUBMITTING
            return await self._after_failure(entry, error)
        self._denials["StartRun"].passed()
        points.reached(Point.ANSWERED)
        entry = await self._record(entry, Accepted(at=self._clock.utcnow(), run=run))
        points.reached(Point.RECORDED)
        return entry, False

    async def _after_failure(self, entry: Entry, error: CallError) -> tuple[Entry, bool]:
        is_systemic = self._is_systemic("StartRun", entry, error)
        event = after_failure(entry, error, self._clock.utcnow(), self._limits, is_systemic=is_systemic)
        entry = await self._record(entry, event)
        if is_systemic:
            raise not_permitted("StartRun", error)
        return entry, entry.state is State.SUBMITTING

    async def _searched(self, entry: Entry) -> Entry | None:
        """
        Look for the entry's run and record what came of it; None where there is no such run.

        Where the ledger is trusted and ListRuns is denied, None too while the requestId is remembered:
        sending again settles it.
        """
        async with self._one_untagged_search if not entry.tagged else nullcontext():
            try:
                result = search(entry, await self._prover.candidates(entry))
            except AccessDeniedError as error:
                if not self._limits.trusts_ledger:
                    raise not_provable(error) from error
                self._may_list = False
                if self._limits.trust.holds(entry, self._clock.latest()):
                    return None
                return await self._record(entry, held_for_permission(error, self._clock.utcnow()))
            except CallError as error:
                return await self._doubt(entry, error)
            at = self._clock.utcnow()
            if result.rivals:
                return await self._record(entry, held_for_rivals(result.rivals, at))
            if result.run is None:
                return None
            if not result.run.uuid:
                return await self._doubt(entry, _NO_UUID)
            return await self._record(entry, Accepted(at=at, run=result.run, was_found=True))

    async def _doubt(self, entry: Entry, error: CallError) -> Entry:
        return await self._record(
            entry, Doubted(at=self._clock.utcnow(), code=error.code, message=error.message)
        )

    async def _look(self, entry: Entry) -> tuple[Entry, bool]:
        if entry.run is None:
            raise InvariantError(f"entry '{entry.id}' is watched but has no run")
        event, is_answered = None, False
        with released_by(self._looks):  # a look not taken costs nothing
            try:
                event = await self._seen(entry, entry.run)
                is_answered = True
            except CallError as error:
                self._observer.look_failed(entry, error)
                if self._is_systemic("GetRun", entry, error):
                    raise not_permitted("GetRun", error) from error
        if not is_answered:
            return entry, True
        return (entry, False) if event is None else (await self._record(entry, event), False)

    async def _cancel(self, entry: Entry) -> tuple[Entry, bool]:
        """Call CancelRun, but only right after GetRun has shown that the id is still our run's."""
        entry, failed = await self._look(entry)
        if failed or entry.state is not State.ACTIVE or entry.run is None or entry.missed_at is not None:
            return entry, failed
        try:
            await self._service.cancel_run(entry.run.id)
        except (ConflictError, NotFoundError):
            return entry, True  # it has ended by now, or is not to be cancelled yet: the next look comes soon
        except CallError as error:
            self._cancel_failed(entry, error)
            return entry, True
        return await self._record(entry, Recalled(at=self._clock.utcnow())), False

    def _cancel_failed(self, entry: Entry, error: CallError) -> None:
        log.warning("cancel_failed", batch=entry.batch, id=entry.id, code=error.code, message=error.message)
        if isinstance(error, AccessDeniedError) and self._limits.mode is Mode.CANCEL:
            raise not_permitted("CancelRun", error) from error

    async def _seen(self, entry: Entry, run: Run) -> Event | None:
        """Call GetRun, and say what the answer means; None where it is nothing new."""
        found = None
        try:
            found = (await self._service.get_run(run.id)).run
        except NotFoundError as error:
            event: Seen | None = after_missing(error, self._clock.utcnow())
        else:
            self._denials["GetRun"].passed()
            points.reached(Point.SEEN)
            self._recognition.met(run, found)
            event = after_look(entry, found, self._clock.utcnow())
        return await self._absences.outcome(entry, run, event, found) if isinstance(event, Missed) else event

    async def _record(self, entry: Entry, event: Event) -> Entry:
        events: list[Event] = [event]
        if entry.next_request is not None and not isinstance(event, Doubted):
            # The attempt is settled now, so the content that waited for it may start a new one.
            events.append(Revised(at=event.at, request=entry.next_request))
        elif isinstance(event, Failed):
            events.extend(await self._retries.after(apply(entry, event), event.at))
        return await self._recorder.record(entry, *events)

    def _is_systemic(self, operation: str, entry: Entry, error: CallError) -> bool:
        return isinstance(error, AccessDeniedError) and self._denials[operation].denied(entry.id)
