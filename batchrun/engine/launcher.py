"""
The launch of one batch: loads what is open, keeps the planner's actions in the air, and ends in good order.

Belongs here: the loop, and how it stops. Does not: any single action (``actor``), any decision (``model``).
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import anyio
import structlog

from batchrun.engine.actor import Actor
from batchrun.engine.canceller import Canceller
from batchrun.engine.due import DueEntries
from batchrun.engine.lease import LeaseKeeper
from batchrun.engine.paces import PaceKeeper
from batchrun.engine.prover import Prover
from batchrun.engine.recognition import Recognition
from batchrun.engine.recorder import Recorder
from batchrun.engine.retries import Retries
from batchrun.engine.surveyor import Surveyor
from batchrun.engine.sweeper import Sweeper
from batchrun.engine.tasks import TaskFinder
from batchrun.errors import BatchrunError, CallError, InputError, ServiceUnusableError
from batchrun.model.actions import Survey, Sweep
from batchrun.model.events import Accepted, Deferred, Failed, Retried, Revised
from batchrun.model.limits import Mode
from batchrun.model.planner import Planner
from batchrun.model.states import State, is_known_status
from batchrun.model.tally import Tally
from batchrun.model.verdicts import QUOTA_FULL
from batchrun.model.watch import ReadRates

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping
    from datetime import timedelta

    from anyio.abc import TaskGroup

    from batchrun.clock import Clock
    from batchrun.engine.observer import Observer
    from batchrun.model.actions import Action
    from batchrun.model.entry import Entry
    from batchrun.model.events import Event
    from batchrun.model.limits import Limits
    from batchrun.model.proofs import TakenOver
    from batchrun.model.quotas import Quotas
    from batchrun.model.tasks import FailedTasks
    from batchrun.ports.lease import Lease
    from batchrun.ports.ledger import Ledger
    from batchrun.ports.service import CallCounts, HealthOmics, Troubles

log = structlog.get_logger(__name__)
#: Entries read from the ledger at a time when a launch begins.
_PAGE: Final = 500


class Stop(enum.Enum):
    """Why a launch ended."""

    FINISHED = "finished"  #: nothing is left to do, or this pass is over
    SIGNAL = "signal"
    DEADLINE = "deadline"
    FAILURES = "failures"  #: so many entries failed that no more were submitted


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """How long a launch takes for what is not the service's business, in seconds."""

    lease: timedelta  #: how long a lease lasts; renewed at a third of it
    deadline: float | None = None  #: drain after this long
    drain: float = 15.0  #: after draining began, calls in the air are given up
    tasks: float = 15.0  #: at the end, for what is still to be asked of runs that failed
    notice: float = 2.0  #: between two looks at whether others have written to the ledger


class Launcher:
    """One launch: call :meth:`run` once; :meth:`drain` and :meth:`abandon` may be called meanwhile."""

    def __init__(  # noqa: PLR0913 (what a launch is made of, each by its name)
        self,
        *,
        ledger: Ledger,
        service: HealthOmics,
        lease: Lease,
        limits: Limits,
        timing: Timing,
        clock: Clock,
        observer: Observer,
        prepare: Callable[[str], Awaitable[None]] | None = None,
        recognition: Recognition | None = None,
    ) -> None:
        self._ledger = ledger
        self._batch = lease.batch
        self._limits = limits
        self._timing = timing
        self._clock = clock
        self._observer = observer
        self._keeper = LeaseKeeper(ledger, lease, ttl=timing.lease, clock=clock)
        self._recorder = Recorder(ledger, self._keeper, self)
        self._service = service
        retries = Retries(limits.retry, self._recorder)
        self._prover = Prover(ledger, service, self._recorder, self._keeper, retries, limits, clock)
        self._recognition = recognition or Recognition(lease.batch, ledger, service)
        self._actor = Actor(
            service=service,
            recorder=self._recorder,
            limits=limits,
            observer=self,
            clock=clock,
            prover=self._prover,
            retries=retries,
            recognition=self._recognition,
            prepare=prepare,
        )
        self._planner = Planner(limits)
        self._canceller = Canceller(ledger, lease.batch, self._recorder, self._planner, self._actor, clock)
        self._due = DueEntries(ledger, lease.batch, self._planner, limits, clock)
        self._surveyor = Surveyor(self._prover, self._planner, self._due, limits, clock)
        self._sweeper = Sweeper(service, self._recorder, self._planner.watch, self._recognition, clock)
        self._paces = PaceKeeper(ledger, service, clock)
        self._tasks = TaskFinder(ledger, service, self._keeper, self, clock)
        self._tally = Tally({}, {})
        self._actions: TaskGroup | None = None
        self._woken = anyio.Event()
        self._draining = anyio.Event()
        self._stop = Stop.FINISHED
        self._failure: BatchrunError | None = None
        self._has_given_back = False  #: runs are going on that the planner does not have
        self._pauses = 0  #: for a full quota, since a submission was last accepted
        self._probe_at = float("-inf")
        self._unknown: set[str] = set()
        self._has_started = False  #: whether a run of this launch's was accepted

    @property
    def lease(self) -> Lease:
        """The lease as it was last renewed."""
        return self._keeper.current

    @property
    def troubles(self) -> Troubles:
        """Calls that went wrong so far."""
        return self._service.troubles

    @property
    def calls(self) -> Mapping[str, CallCounts]:
        """What was sent so far, by operation."""
        return self._service.calls

    async def quotas(self) -> Quotas:
        """Ask for the account's quotas, as far as they may be read."""
        return await self._service.quotas()

    @property
    def tally(self) -> Tally:
        """The batch in numbers, live."""
        return self._tally

    @property
    def taken_over(self) -> TakenOver:
        """Rows whose runs were there already, started by another ledger."""
        return self._prover.taken_over

    async def run(self) -> Stop:
        """
        Launch and watch, until there is nothing left to do or something stops it.

        Returns:
            Why it ended. What is recorded is durable.

        Raises:
            ServiceUnusableError: The service cannot be used.
            LeaseLostError: Another launcher took the batch over.
            LedgerError: The ledger cannot be written any more.
        """
        counts = await self._ledger.counts(self._batch)
        self._tally = Tally(counts.by_state, counts.by_status)
        await self._prover.bind()
        may_start = self._limits.mode is not Mode.CANCEL
        await self._paces.recall(will_start=may_start and self._tally.waiting > 0)
        self._service.guard(self._keeper.assure)
        try:
            async with anyio.create_task_group() as background:
                keepers = (self._recorder, self._keeper, self._paces, self._tasks)
                for forever in (*(keeper.run for keeper in keepers), self._notice):
                    background.start_soon(self._guarded, forever)
                background.start_soon(self._limit_time)
                await self._conduct()
                stop = self._stop
                if self._limits.mode is not Mode.WATCH:
                    self._tasks.hurry()
                await self._tasks.settle(self._timing.tasks)
                background.cancel_scope.cancel()
        finally:
            self._service.guard(None)
        if isinstance(self._failure, InputError) and self._has_started:
            raise ServiceUnusableError(f"{self._failure}; what was started meanwhile goes on")
        if self._failure is not None:
            raise self._failure
        await self._paces.keep()
        return stop

    def drain(self, stop: Stop = Stop.SIGNAL) -> None:
        """Start nothing more; end when what is in the air has been answered and recorded."""
        if not self._draining.is_set():
            # Whatever ends it now: what waits is not submitted by the same launch again.
            self._stop = self._stop if self._stop is Stop.FAILURES else stop
            self._planner.drain()
            self._actor.hurry()
            self._sweeper.hurry()
            self._prover.hurry()
            self._tasks.hurry()
            self._draining.set()
            self._woken.set()

    def abandon(self) -> None:
        """End at once. What was sent and not answered is settled by the next launch."""
        self.drain()
        self._tasks.hurry(0)
        if self._actions is not None:
            self._actions.cancel_scope.cancel()

    # -- what the observer is told goes through here, so that the numbers are always right

    def recorded(self, before: Entry, event: Event, after: Entry) -> None:
        """Count a step, then pass it on."""
        self._tally.move(before, after)
        match event:
            case Deferred(due=due) | Retried(due=due):
                self._due.comes(due)
                self._canceller.is_due = True
                if isinstance(event, Deferred) and event.code == QUOTA_FULL:
                    self._pause(event)
            case Accepted(was_found=was_found):
                self._has_started = self._has_started or not was_found
                self._recognition.shown()
                self._pauses = 0
                self._planner.resume()
            case Revised():
                self._due.look_again()
            case Failed():
                self._tasks.noticed()
            case _:
                self._warn_of_unknown(after)
        self._observer.recorded(before, event, after)

    def look_failed(self, entry: Entry, error: CallError) -> None:
        """Pass it on."""
        self._observer.look_failed(entry, error)

    def tasks_found(self, entry_id: str, attempt: int, found: FailedTasks) -> None:
        """Pass it on."""
        self._observer.tasks_found(entry_id, attempt, found)

    def _warn_of_unknown(self, entry: Entry) -> None:
        """Say once of each status that nobody knows that it is taken for "not ended"."""
        status = entry.run.status if entry.run else ""
        if status and not is_known_status(status) and status not in self._unknown:
            self._unknown.add(status)
            log.warning("unknown_status", batch=entry.batch, id=entry.id, status=status, taken_as="not ended")

    def _pause(self, event: Deferred) -> None:
        """Stop spending calls on a quota that is full: probe with one, ever more rarely."""
        if self._planner.is_paused and self._clock.monotonic() < self._probe_at:
            return
        wait = self._limits.defer.quota_wait(self._pauses, self._batch)
        self._pauses += 1
        self._probe_at = self._clock.monotonic() + wait
        self._planner.pause(self._probe_at)
        self._actor.hold_back()
        log.info("quota_full", batch=self._batch, message=event.message, next_try_in_seconds=round(wait))

    # -- the loop

    async def _conduct(self) -> None:
        async with anyio.create_task_group() as actions:
            self._actions = actions
            await self._take_up_cancellations()
            await self._load_in_flight()
            while True:
                self._woken = anyio.Event()
                self._heed_stop_after()
                await self._take_up_cancellations()
                await self._take_up_given_back()
                if await self._due.load() and self._tally.waiting:
                    # What left the manifest while it was on its way is not sent any more: it does not count.
                    counts = await self._recorder.counts(self._batch)
                    self._tally.reset(counts.by_state, counts.by_status)
                self._planner.watch.rates = ReadRates(
                    get=self._service.known_rate("GetRun"), list=self._service.known_rate("ListRuns")
                )
                now, at = self._clock.monotonic(), self._clock.latest()
                for action in self._planner.plan(now=now, at=at):
                    match action:
                        case Sweep():
                            actions.start_soon(self._sweep, action)
                        case Survey():
                            actions.start_soon(self._survey, action)
                        case _:
                            actions.start_soon(self._carry_out, action)
                if self._is_over():
                    self._sweeper.hurry()  # it has nothing left to show
                    self._prover.hurry()
                    return
                await self._rest()

    def _is_over(self) -> bool:
        if not self._planner.is_idle or self._due.is_waited_for:
            return False
        if self._canceller.is_due and not self._draining.is_set():
            return False
        is_watching = self._limits.mode is Mode.WATCH and self._stop is Stop.FINISHED
        return not is_watching or not self._tally.waiting or self._planner.is_stuck

    async def _take_up_cancellations(self) -> None:
        if self._canceller.is_due and not self._draining.is_set():
            await self._canceller.carry_out()
            if self._limits.mode is Mode.CANCEL:
                await self._load_in_flight()  # more may have been asked for meanwhile

    async def _take_up_given_back(self) -> None:
        """Watch runs that were taken for removed and are there: somebody gave them their entries back."""
        if self._has_given_back and not self._draining.is_set():
            self._has_given_back = False
            await self._load_in_flight()

    async def _rest(self) -> None:
        """Wait until an action is done or something becomes due."""
        wakes = [self._planner.wake_at, self._due.wake_at]
        until = min((wake for wake in wakes if wake is not None), default=None)
        with anyio.move_on_after(None if until is None else max(0.0, until - self._clock.monotonic())):
            await self._woken.wait()

    async def _load_in_flight(self) -> None:
        for state in (State.SUBMITTING, State.ACTIVE):
            after = -1
            while page := await self._recorder.in_state(state, limit=_PAGE, after=after):
                # Invariant: nothing waits between reading and this, so what has no slot is with nobody else.
                now, at = self._clock.monotonic(), self._clock.utcnow()
                for entry in page:
                    is_meant = self._limits.mode is not Mode.CANCEL or self._planner.is_cancelling(entry.id)
                    if is_meant and not self._planner.has_slot(entry.id):
                        self._planner.add(entry, now=now, at=at)
                after = page[-1].position

    async def _carry_out(self, action: Action) -> None:
        try:
            entry, failed = await self._actor.carry_out(action)
        except BatchrunError as error:
            self._fail(error)
            entry, failed = action.entry, True
        self._planner.done(action, entry, now=self._clock.monotonic(), failed=failed)
        self._woken.set()

    async def _sweep(self, sweep: Sweep) -> None:
        try:
            await self._sweeper.sweep(sweep)
        except BatchrunError as error:
            self._fail(error)
        self._woken.set()

    async def _survey(self, survey: Survey) -> None:
        try:
            await self._surveyor.survey(survey)
        except BatchrunError as error:
            self._fail(error)
        self._woken.set()

    async def _notice(self) -> None:
        """See, every so often, what people ask of the batch meanwhile: retries, and cancellations."""
        while True:
            await self._clock.sleep(self._timing.notice)
            if await self._ledger.was_changed(self._batch):
                counts = await self._recorder.counts(self._batch)
                if counts.by_state.get(State.ACTIVE, 0) > self._tally.by_state[State.ACTIVE]:
                    self._has_given_back = self._limits.mode is Mode.WATCH
                self._tally.reset(counts.by_state, counts.by_status)
                self._due.look_again()
                self._canceller.is_due = True
                self._woken.set()

    # -- how it stops

    def _heed_stop_after(self) -> None:
        """
        Submit no more once too many entries have failed, until somebody has some of them tried again.

        Runs are left alone and watched on.
        """
        is_too_many = self._limits.stop_after.is_reached(self._tally.failed, self._tally.total)
        if is_too_many and self._stop is Stop.FINISHED and self._tally.waiting:
            self._stop = Stop.FAILURES
            self._planner.hold_back()
            self._actor.hold_back()
            cure = "retry what failed, or raise --stop-after"
            log.warning("submission_stopped", batch=self._batch, failed=self._tally.failed, cure=cure)
        elif not is_too_many and self._stop is Stop.FAILURES and not self._draining.is_set():
            self._stop = Stop.FINISHED
            self._planner.go_on()
            self._due.look_again()
            log.info("submission_resumed", batch=self._batch, failed=self._tally.failed)

    async def _guarded(self, forever: object) -> None:
        try:
            await forever()  # type: ignore[operator]
        except BatchrunError as error:
            self._fail(error)

    def _fail(self, error: BatchrunError) -> None:
        """Remember the first error that ends the launch, and end it as the error's kind asks for."""
        is_gentle = isinstance(error, ServiceUnusableError | InputError)
        if is_gentle and self._draining.is_set():
            return  # it ends already, and for another reason
        self._failure = self._failure or error
        if is_gentle:
            self.drain()
        else:
            self.abandon()

    async def _limit_time(self) -> None:
        """Drain at the deadline, and give up on calls that draining waits for too long."""
        with anyio.move_on_after(self._timing.deadline):
            await self._draining.wait()
        self.drain(Stop.DEADLINE)
        await self._clock.sleep(self._timing.drain)
        self.abandon()
