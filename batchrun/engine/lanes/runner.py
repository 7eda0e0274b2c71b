"""The loop of a launch: carries out the planner's actions, and passes their outcomes back to it.

Belongs here: the loop, which lane or part carries out an action, and lanes that cannot be used. Does not:
what is done in one lane (``lane_runner``), decisions (``model``), the batch as a whole (``launcher``).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from itertools import chain
from typing import Final

import anyio
import structlog

from batchrun.clock import Clock
from batchrun.engine.in_lane import Common
from batchrun.engine.lanes.commons import OtherBatches
from batchrun.engine.lanes.lane_runner import LaneRunner
from batchrun.engine.lanes.waker import Waker
from batchrun.engine.ledger_actions import LedgerActions
from batchrun.engine.parts import LaneLink, LaunchParts, Observer, Wait
from batchrun.engine.proof.prover import Prover
from batchrun.engine.recorder import Outcomes, Recorder
from batchrun.engine.tasks import TaskFinder
from batchrun.errors import (
    BatchrunError,
    CallError,
    InvariantError,
    LedgerError,
    MayNotStartError,
    ServiceUnusableError,
)
from batchrun.model.entries.entry import Run
from batchrun.model.lanes import or_home
from batchrun.model.planning import actions, stimuli
from batchrun.model.planning.denials import Resources
from batchrun.model.planning.limits import Mode
from batchrun.model.planning.planner import Planner
from batchrun.model.tally import TakenOver
from batchrun.ports.service import HealthOmics, LaneTrouble
from batchrun.side_by_side import in_groups

#: Seconds for deleting messages at the end.
_TIDYING: Final = 5.0
#: Lanes whose quotas are asked for at once: each needs a client, and its answer takes seconds.
_RECALLED: Final = 8
log = structlog.get_logger(__name__)


class Runner:
    """Runs the loop of a launch: call :meth:`run` once; the rest may be called meanwhile."""

    def __init__(
        self,
        parts: LaunchParts,
        *,
        recorder: Recorder,
        observer: Observer,
        fail: Callable[[BatchrunError], None],
    ) -> None:
        """Prepare the loop; *fail* is called with an error that ends the launch."""
        self._clock, self._held, self._home = parts.clock, parts.held, parts.home
        self._mode = parts.limits.mode
        self._fail = fail
        self._planner = Planner(parts.limits, [link.limits for link in parts.links], home=parts.home)
        outcomes = Outcomes(parts.limits.retry, parts.held, recorder)
        self._prover = Prover(parts, recorder=recorder, outcomes=outcomes, give_up=self._give_up)
        common = Common(
            parts=parts,
            recorder=recorder,
            outcomes=outcomes,
            prover=self._prover,
            observer=observer,
            close=self._close,
            withhold=self._withhold,
            suspect=self._suspect,
        )
        self._lanes = {link.name: LaneRunner(link, common) for link in parts.links}
        self._others = [OtherBatches(link, common, self.post) for link in parts.links]
        self._ledger_actions = LedgerActions(parts.held, recorder, parts.clock, parts.limits)
        self.tasks = TaskFinder(parts.held, self._service_of, observer, parts.clock)
        self._wakers = [Waker(link, parts.held, parts.clock, self.post) for link in parts.wakes]
        self.stopped = dict(parts.stopped)  #: lanes that cannot be used, and why
        self.closed: dict[str | None, ServiceUnusableError] = {}  #: lanes that take no more rows, and why
        #: Lanes that may not use resources of some rows, and why.
        self.withheld: dict[str | None, ServiceUnusableError] = {}
        self._denied: set[tuple[str | None, Resources]] = set()  #: what may not be used, by lane
        self._suspected: dict[str | None, ServiceUnusableError] = {}
        self._paused: set[str] = set()
        self._is_hurried = False
        self._stimuli: list[stimuli.Stimulus] = []
        self._woken = anyio.Event()
        self._actions: anyio.abc.TaskGroup | None = None

    @property
    def taken_over(self) -> TakenOver:
        """Rows whose runs another ledger had started already."""
        return self._prover.taken_over

    @property
    def in_the_way(self) -> int:
        """Runs of other batches in accounts that have as many as were allowed."""
        return sum(others.in_the_way for others in self._others)

    @property
    def held_up(self) -> Mapping[str, LaneTrouble]:
        """Lanes to which nothing is sent now, and why."""
        full = {name: LaneTrouble.FULL for name, lane in self._lanes.items() if name and lane.is_full}
        waiting = dict.fromkeys(self._paused, LaneTrouble.WAITS)
        closed = dict.fromkeys(filter(None, self.closed), LaneTrouble.STOPPED)
        return full | waiting | closed | dict.fromkeys(self.stopped, LaneTrouble.STOPPED)

    @property
    def suspected(self) -> dict[str | None, ServiceUnusableError]:
        """Lanes where rows are denied pass after pass, and nothing else is answered, and why."""
        return {name: why for name, why in self._suspected.items() if not self._lanes[name].is_full}

    @property
    def unanswered(self) -> Mapping[str, tuple[Run, CallError]]:
        """Runs whose last look got no answer, and why, by entry."""
        return dict(chain.from_iterable(lane.looker.unanswered.items() for lane in self._lanes.values()))

    async def begin(self, *, will_start: bool) -> None:
        """Take up proofs and paces of earlier launches, and count others' runs; before :meth:`run`."""
        await self._prover.begin()
        for others in self._others:
            await others.count()

        async def recall(lane: LaneRunner) -> None:
            try:
                await lane.paces.recall(will_start=will_start)
            except ServiceUnusableError as error:
                self._give_up(lane.link, error)

        await in_groups(recall, list(self._lanes.values()), at_once=_RECALLED)

    @property
    def keepers(self) -> Sequence[Callable[[], Awaitable[None]]]:
        """What has to run beside :meth:`run`."""
        wakers = (keep for waker in self._wakers for keep in (waker.run, waker.tidy))
        lanes = (lane.paces.run for lane in self._lanes.values())
        return [self.tasks.run, *lanes, *(others.run for others in self._others), *wakers]

    async def tidy(self) -> None:
        """Delete messages that are no longer needed, at the end."""
        with anyio.move_on_after(_TIDYING):
            for waker in self._wakers:
                await waker.delete_done()

    async def keep_paces(self) -> None:
        """Store what was learned of the paces."""
        for lane in self._lanes.values():
            await lane.paces.keep()

    async def run(self) -> None:
        """Do what is due until the planner says that the launch is over.

        An error that ends the launch is passed to *fail*, and not raised.
        """
        async with anyio.create_task_group() as self._actions:
            for stopped, error in self.stopped.items():  # from before there was a task to log it
                self._actions.start_soon(self._warn, "lane_stopped", stopped, str(error))
            for name, lane in self._lanes.items():
                if name is not None:
                    lane.link.service.on_wait(partial(self._pause_or_resume, name))
            await self._conduct(self._actions)

    def post(self, *happened: stimuli.Stimulus) -> None:
        """Queue what *happened* for the planner, which handles it in this order."""
        self._stimuli += happened
        self._woken.set()

    def hurry(self) -> None:
        """Cancel all waits, stop retrying calls, and end once calls in flight are answered."""
        self._is_hurried = True
        self.post(stimuli.Drained())
        for lane in self._lanes.values():
            lane.hurry()
        self.tasks.hurry()

    def abandon(self) -> None:
        """End at once; the next launch settles calls that were not answered."""
        self.tasks.hurry(0)
        if self._actions is not None:
            self._actions.cancel_scope.cancel()

    # -- the loop

    async def _conduct(self, group: anyio.abc.TaskGroup) -> None:
        while True:
            self._woken = anyio.Event()
            self._stimuli += [rates for lane in self._lanes.values() if (rates := lane.rates())]
            happened, self._stimuli = self._stimuli, []
            try:
                planned = self._planner.handle(*happened, moment=_read(self._clock))
            except InvariantError as error:
                self._fail(error)
                return
            for action in planned:
                group.start_soon(self._carry_out, action)
            for barred in self._planner.barred:
                self._close(self._lanes[barred].link, self.withheld[barred])
            if self._planner.is_over:
                for lane in self._lanes.values():
                    lane.link.waits.cancel(Wait.SWEEP, Wait.SURVEY)  # nobody needs them any more
                return
            await self._rest()

    async def _rest(self) -> None:
        """Wait until something happens or becomes due."""
        until = self._planner.wake_at
        with anyio.move_on_after(None if until is None else max(0.0, until - self._clock.monotonic())):
            await self._woken.wait()

    # -- carrying out

    async def _carry_out(self, action: actions.Action) -> None:
        # Invariant: nothing is awaited between the end of an action and post, so outcomes keep their order.
        try:
            outcome = await self._outcome(action)
        except ServiceUnusableError as error:
            self._give_up(self._lane_of(action).link, error)
            outcome = _unanswered(action)
        except BatchrunError as error:
            self._fail(error)
            outcome = _unanswered(action)
        if isinstance(outcome, stimuli.Acted):
            for waker in self._wakers:
                waker.looked(outcome.action.entry, outcome.entry)
        if outcome is not None:
            self.post(outcome)

    def _outcome(self, action: actions.Action) -> Awaitable[stimuli.Stimulus | None]:
        match action:
            case actions.Survey():
                return self._prover.survey(action)
            case actions.Conclude():
                return self._prover.conclude(action)
            case actions.ReadChoices():
                return self._ledger_actions.choices()
            case actions.ReadDue():
                return self._ledger_actions.due(action)
            case actions.ReadInFlight():
                return self._ledger_actions.in_flight(action)
            case actions.ReadCancellations():
                return self._ledger_actions.cancellations(action)
            case actions.Withdraw():
                return self._ledger_actions.withdraw(action)
            case actions.Note():
                self._lane_of(action).link.recognition.shown()
                return self._ledger_actions.note(action)
            case actions.HoldBack():
                return self._lane_of(action).hold_back(action)
            case _:
                return self._lane_of(action).outcome(action)

    def _lane_of(self, action: actions.Action) -> LaneRunner:
        match action:
            case (
                actions.Submit()
                | actions.SubmitTogether()
                | actions.Follow()
                | actions.Sweep()
                | actions.Note()
                | actions.HoldBack()
            ):
                return self._lanes[action.lane]
            case actions.Resend() | actions.Settle() | actions.Look() | actions.Cancel():
                return self._lanes[or_home(action.entry.lane, self._home)]
            case _:
                return next(iter(self._lanes.values()))

    def _service_of(self, lane: str | None) -> HealthOmics | None:
        found = self._lanes.get(or_home(lane, self._home))
        return None if found is None or found.link.name in self.stopped else found.link.service

    # -- lanes that cannot be used

    def _pause_or_resume(self, lane: str, why: str | None) -> None:
        """Pause a lane whose calls wait for its service or login, and resume it where *why* is None."""
        if lane in self.stopped or (why is None) is (lane not in self._paused):
            return
        if self._planner.is_over:  # only looks for failed tasks may still call
            return
        if why is None:
            self._paused.discard(lane)
            self._lanes[lane].link.waits.unblock()
            log.info("lane_back", batch=self._held.name, lane=lane)
            self.post(stimuli.LaneResumed(lane=lane))
            return
        self._paused.add(lane)
        self._lanes[lane].pause()
        self.post(stimuli.LanePaused(lane=lane))
        if self._actions is not None:
            self._actions.start_soon(self._await_lane, lane, why)

    async def _await_lane(self, lane: str, why: str) -> None:
        await self._warn("lane_waits", lane, why)
        try:
            is_back = await self._lanes[lane].answers_again()
        except ServiceUnusableError as error:
            self._give_up(self._lanes[lane].link, error)
        else:
            if is_back:
                self._pause_or_resume(lane, None)

    def _give_up(self, link: LaneLink, error: ServiceUnusableError) -> None:
        """Stop using a lane; where it is the only one, the launch ends. A pass still looks at its runs."""
        if self._mode is Mode.ONCE and isinstance(error, MayNotStartError):
            self._close(link, error)
            if link.name is not None:  # rows of other lanes are not looked for there
                self._lanes[link.name].pause()
                self.post(stimuli.LanePaused(lane=link.name))
        elif link.name is None:
            self._fail(error)
        elif link.name not in self.stopped:
            self.stopped[link.name] = error
            self.post(stimuli.LaneStopped(lane=link.name))
            self._lanes[link.name].hurry()
            if self._actions is not None and not self._is_hurried:  # else the hurry ended it
                self._actions.start_soon(self._warn, "lane_stopped", link.name, str(error))
            self._end_if_none_is_left(error)

    def _close(self, link: LaneLink, error: ServiceUnusableError) -> None:
        """Send no more to a lane, whose runs go on."""
        if self._mode is Mode.CANCEL or link.name in self.closed or link.name in self.stopped:
            return
        self.closed[link.name] = error
        self.post(stimuli.LaneClosed(lane=link.name))
        if link.name is not None and self._actions is not None:
            self._actions.start_soon(self._warn, "lane_closed", link.name, str(error))
        self._end_if_none_is_left(error)

    def _end_if_none_is_left(self, error: ServiceUnusableError) -> None:
        """End a launch that watches where no lane may start what waits: somebody has to act."""
        is_none_left = self.closed.keys() | self.stopped.keys() >= self._lanes.keys()
        if self._mode is Mode.WATCH and self.closed and is_none_left:
            self._fail(error) if None in self.closed else self.hurry()

    def _withhold(self, link: LaneLink, resources: Resources, error: ServiceUnusableError) -> None:
        """Send no row to a lane that uses these resources there; others go on."""
        if self._mode is Mode.CANCEL:
            return
        is_known = (link.name, resources) in self._denied
        self._denied.add((link.name, resources))
        self.withheld[link.name] = error
        if is_known:  # by another row, whose call was under way at the same time
            return
        self.post(stimuli.ResourcesDenied(lane=link.name, resources=resources))
        where = ", and wait" if link.name is None else " in this lane, and wait if they may take no other"
        told = {"why": str(error), "note": f"rows that use these may not be started{where}; others go on"}
        log.warning("rows_withheld", batch=self._held.name, **link.logged, **dict(resources), **told)

    def _suspect(self, link: LaneLink, error: ServiceUnusableError) -> None:
        """Note that rows are denied again and again, and no other was started since: all may be."""
        self._suspected[link.name] = error

    async def _warn(self, event: str, lane: str, why: str) -> None:
        """Log what a lane that cannot be used holds up, and what it does not."""
        try:
            counts = await self._held.counts()
        except LedgerError as error:
            self._fail(error)
            return
        waiting, others = counts.open_in(lane)
        if event == "lane_closed":
            waiting = counts.without_run_in(lane)  # what it has goes on
        facts = {"rows_waiting": waiting, "rows_in_other_lanes": others}
        log.warning(event, batch=self._held.name, lane=lane, why=why, **facts)


def _read(clock: Clock) -> stimuli.Moment:
    return stimuli.Moment(now=clock.monotonic(), at=clock.utcnow(), latest=clock.latest())


def _unanswered(action: actions.Action) -> stimuli.Stimulus | None:
    """Return the stimulus for an action whose error ended the launch, or its lane."""
    match action:
        case actions.Submit() | actions.Resend() | actions.Settle() | actions.Look() | actions.Cancel():
            return stimuli.Acted(action=action, entry=action.entry, is_answered=False)
        case actions.SubmitTogether():
            return stimuli.SubmittedTogether(action=action, is_lost=True)
        case actions.Follow():
            return stimuli.Followed(action=action, is_answered=False)
        case actions.Sweep():
            return stimuli.SweepFailed(sweep=action)
        case _:
            return None
