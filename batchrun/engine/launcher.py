"""The launch of one batch: holds it, counts it, records what happens, and decides when to stop.

Does not belong here: what is done in an account and region (``lanes.runner``), decisions about rows
(``model``).
"""

from __future__ import annotations

import enum
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

import anyio
import structlog

from batchrun.engine.lanes.runner import Runner
from batchrun.engine.launch_errors import lanes_unusable, looks_unanswered, outcome_unknown, runs_unanswered
from batchrun.engine.lease import LeaseKeeper
from batchrun.engine.parts import LaunchParts, Observer
from batchrun.engine.recorder import Recorder
from batchrun.errors import BatchrunError, InputError, OutcomeUnknownError, ServiceUnusableError
from batchrun.model.entries.entry import Entry
from batchrun.model.entries.events import Accepted, Event, Failed, Intended
from batchrun.model.entries.states import State, is_known_status
from batchrun.model.paces.quotas import Quotas
from batchrun.model.planning import stimuli
from batchrun.model.planning.limits import Mode
from batchrun.model.planning.verdicts import HELD
from batchrun.model.tally import TakenOver, Tally
from batchrun.ports.service import CallCounts, Troubles

#: Entries in a page.
_PAGE: Final = 500
log = structlog.get_logger(__name__)


class Stop(enum.Enum):
    """Why a launch ended."""

    FINISHED = "finished"  #: nothing is left to do, or this pass is over
    SIGNAL = "signal"
    DEADLINE = "deadline"
    FAILURES = "failures"  #: so many entries failed that no more were submitted


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """Timeouts and intervals of a launch, in seconds where nothing else is said."""

    lease: timedelta  #: how long a lease lasts; it is renewed after a third of that
    deadline: float | None = None  #: drain after this long
    drain: float = 15.0  #: after draining began, calls in flight are abandoned
    tasks: float = 15.0  #: at the end, to ask for the failed tasks that are still missing
    notice: float = 2.0  #: between two checks for writes of others to the ledger


class Launcher:
    """One launch: call :meth:`run` once; :meth:`drain` and :meth:`abandon` may be called meanwhile."""

    def __init__(self, parts: LaunchParts, *, timing: Timing, observer: Observer) -> None:
        """Prepare a launch; *observer* is told of every step."""
        self._held = parts.held
        self._batch = parts.held.name
        self._links = parts.links
        self._limits = parts.limits
        self._timing = timing
        self._clock = parts.clock
        self._observer = observer
        self._keeper = LeaseKeeper(parts.held, ttl=timing.lease, clock=parts.clock)
        self._recorder = Recorder(parts.held, self.recorded)
        self._runner = Runner(parts, recorder=self._recorder, observer=observer, fail=self._fail)
        self.tally = Tally({}, {})  #: the batch in numbers, live
        self._draining = anyio.Event()
        self._stop = Stop.FINISHED
        self._failure: BatchrunError | None = None
        self._unknown: set[str] = set()  #: unknown statuses that were warned of
        self._has_started = False  #: whether this launch started a run

    @property
    def troubles(self) -> Troubles:
        """Calls that failed so far, and what holds up sending now."""
        in_the_way = Troubles(others=self._runner.in_the_way, lanes=self._runner.held_up)
        return sum((link.service.troubles for link in self._links), start=in_the_way)

    @property
    def calls_by_lane(self) -> Mapping[str | None, Mapping[str, CallCounts]]:
        """Calls so far by lane and operation; the lane is None in a batch without lanes."""
        return {link.name: link.service.calls for link in self._links}

    async def quotas(self) -> Quotas:
        """Return the account's quotas as far as they may be read; none where the batch has several lanes."""
        return await self._links[0].service.quotas() if len(self._links) == 1 else Quotas()

    @property
    def taken_over(self) -> TakenOver:
        """Rows whose runs another ledger had started already."""
        return self._runner.taken_over

    async def run(self) -> Stop:
        """Launch and watch until nothing is left to do or something stops it; return why it ended.

        Raises:
            ServiceUnusableError: The service cannot be used.
            LeaseLostError: Another launcher took over the batch.
            LedgerError: The ledger cannot be written any more.
        """
        await self._count()
        may_start = self._limits.mode is not Mode.CANCEL
        await self._runner.begin(will_start=may_start and self.tally.waiting > 0)
        self._check_stop_after()
        tasks = self._runner.tasks
        keepers = (self._recorder.run, self._keeper.run, self._notice, *self._runner.keepers)
        self._guard(self._keeper.assure)
        try:
            async with anyio.create_task_group() as background:
                for keep in keepers:
                    background.start_soon(self._guarded, keep)
                background.start_soon(self._limit_time)
                await self._runner.run()
                stop = self._stop
                if self._limits.mode is not Mode.WATCH:
                    tasks.hurry()
                await tasks.settle(self._timing.tasks)
                await self._runner.tidy()
                background.cancel_scope.cancel()
        finally:
            self._guard(None)
        if self._failure is not None:
            raise self._explained(self._failure)
        await self._runner.keep_paces()
        if self.tally.waiting:
            await self._count()  # rows that left the manifest meanwhile are not sent any more
        if stop is Stop.FINISHED and self.tally.open:
            left = await self._lanes_unusable() or await self._outcomes_unknown() or self._looks_unanswered()
            if left is not None:
                raise left
        return stop

    def _guard(self, check: Callable[[], Awaitable[None]] | None) -> None:
        for link in self._links:
            link.service.guard(check)

    async def _lanes_unusable(self) -> ServiceUnusableError | None:
        """Return the error to raise for lanes that hold up open rows, or None."""
        suspected = {} if self._has_started else self._runner.suspected
        closed = self._runner.withheld | suspected | self._runner.closed
        stopped = self._runner.stopped
        if None in closed:  # the only one
            has_others = self.tally.open > self.tally.by_state[State.ACTIVE]
            return closed[None] if has_others else None  # else what waited was cancelled meanwhile
        counts = await self._recorder.counts()
        why = {lane: error for lane, error in (closed | stopped).items() if lane is not None}
        usable = [link.name for link in self._links if link.name and link.name not in why]
        if self._limits.mode is not Mode.WATCH and any(counts.open_in(lane)[0] for lane in usable):
            return None  # a pass leaves runs that have not ended in lanes that can be used
        own = {
            lane: counts.open_in(lane)[0] if lane in stopped else counts.without_run_in(lane) for lane in why
        }
        free = counts.open_in("")[0]
        held_up = {lane: (error, own[lane]) for lane, error in why.items() if own[lane] or free}
        return lanes_unusable(held_up, free, may_send=bool(usable)) if held_up else None

    async def _outcomes_unknown(self) -> ServiceUnusableError | None:
        """Return the error to raise for rows whose outcome is still unknown, or None."""
        if self._limits.mode is not Mode.WATCH:
            return None  # a single pass leaves the rest to the next
        doubts: list[Entry] = []
        after = -1
        while page := await self._recorder.in_state(State.SUBMITTING, limit=_PAGE, after=after):
            after = page[-1].position
            doubts += [entry for entry in page if entry.code not in HELD]
        submissions = await self._recorder.open_submissions() if doubts else ()
        return outcome_unknown(doubts, submissions) if doubts else None

    def _looks_unanswered(self) -> ServiceUnusableError | None:
        """Return the error to raise for runs whose last look got no answer, or None."""
        unanswered, is_asked = self._runner.unanswered, self._limits.mode in {Mode.WATCH, Mode.CANCEL}
        return looks_unanswered(unanswered) if unanswered and is_asked else None

    def drain(self, stop: Stop = Stop.SIGNAL) -> None:
        """Start nothing more; end once calls in flight are answered and recorded."""
        if not self._draining.is_set():
            # A launch that stopped for failures keeps that reason.
            self._stop = self._stop if self._stop is Stop.FAILURES else stop
            self._runner.hurry()
            self._draining.set()

    def abandon(self) -> None:
        """End at once; the next launch settles calls that were not answered."""
        self.drain()
        self._runner.abandon()

    def recorded(self, before: Entry, event: Event, after: Entry) -> None:
        """Count a step before the observer sees it, so that its numbers are right."""
        self.tally.move(before, after)
        match event:
            case Accepted(was_found=was_found):
                self._has_started = self._has_started or not was_found
            case Intended() if after.lane is not None:
                self._runner.post(stimuli.IntentRecorded(entry_id=after.id, lane=after.lane))
            case Failed():
                self._runner.tasks.noticed()
            case _:
                self._warn_of_unknown(after)
        if self._limits.stop_after.is_set:
            self._check_stop_after()
        self._observer.recorded(before, event, after)

    def _warn_of_unknown(self, entry: Entry) -> None:
        """Warn once of each unknown status, which counts as "not ended"."""
        status = entry.run.status if entry.run else ""
        if status and not is_known_status(status) and status not in self._unknown:
            self._unknown.add(status)
            log.warning("unknown_status", batch=entry.batch, id=entry.id, status=status, taken_as="not ended")

    # -- what others do to the batch meanwhile

    async def _count(self) -> None:
        counts = await self._recorder.counts()
        self.tally.reset(counts.by_state, counts.by_status, counts.by_lane)

    async def _notice(self) -> None:
        """Look at intervals for what users asked of the batch meanwhile: retries and cancellations."""
        while True:
            await self._clock.sleep(self._timing.notice)
            if await self._held.was_changed():
                active = self.tally.by_state[State.ACTIVE]
                await self._count()
                is_new = self.tally.by_state[State.ACTIVE] > active
                self._check_stop_after()
                self._runner.post(stimuli.LedgerChanged(has_new_active=is_new))

    # -- how it stops

    def _check_stop_after(self) -> None:
        """Stop submitting once too many entries have failed, and resume once enough of them are retried.

        Runs are left alone and still watched.
        """
        is_too_many = self._limits.stop_after.is_reached(self.tally.failed, self.tally.total)
        if is_too_many and self._stop is Stop.FINISHED and self.tally.waiting:
            self._stop = Stop.FAILURES
            self._runner.post(stimuli.SubmissionStopped())
            cure = "retry what failed, or raise --stop-after"
            log.warning("submission_stopped", batch=self._batch, failed=self.tally.failed, cure=cure)
        elif not is_too_many and self._stop is Stop.FAILURES and not self._draining.is_set():
            self._stop = Stop.FINISHED
            self._runner.post(stimuli.SubmissionResumed())
            log.info("submission_resumed", batch=self._batch, failed=self.tally.failed)

    async def _guarded(self, keep: Callable[[], Awaitable[None]]) -> None:
        try:
            await keep()
        except BatchrunError as error:
            self._fail(error)

    def _fail(self, error: BatchrunError) -> None:
        """Keep the first error that ends the launch; drain if the user can fix it, else end at once."""
        is_gentle = isinstance(error, ServiceUnusableError | InputError)
        if is_gentle and self._draining.is_set():
            return  # it is ending for another reason
        self._failure = self._failure or error
        if is_gentle:
            self.drain()
        else:
            self.abandon()

    def _explained(self, error: BatchrunError) -> BatchrunError:
        """Return *error* with the runs that got no answer, or with the news that runs were started."""
        unanswered = self._runner.unanswered
        is_silence = isinstance(error.__cause__, OutcomeUnknownError)  # else listings may have shown them
        if isinstance(error, ServiceUnusableError) and is_silence and unanswered:
            return ServiceUnusableError(f"{error}; {runs_unanswered(unanswered)}")
        if isinstance(error, InputError) and self._has_started:
            return ServiceUnusableError(f"{error}; runs started meanwhile continue")
        return error

    async def _limit_time(self) -> None:
        """Drain at the deadline, and end at once where draining takes too long."""
        with anyio.move_on_after(self._timing.deadline):
            await self._draining.wait()
        self.drain(Stop.DEADLINE)
        await self._clock.sleep(self._timing.drain)
        self.abandon()
