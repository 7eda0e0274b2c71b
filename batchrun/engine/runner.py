"""
What a launch does in one account and region: carries out what the planner says, and tells it what came of it.

Belongs here: the loop, with all that sends calls to one service. Does not: any single action (``submitter``,
``looker``, ``sweeper``, ``prover``, ``desk``), any decision (``model``), what belongs to the batch as a whole
(``launcher``).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import anyio
import structlog

from batchrun.engine.desk import Desk
from batchrun.engine.looker import Looker
from batchrun.engine.outcomes import Outcomes
from batchrun.engine.paces import PaceKeeper
from batchrun.engine.prover import Prover
from batchrun.engine.submitter import StartRunSubmitter
from batchrun.engine.sweeper import Sweeper
from batchrun.engine.tasks import TaskFinder
from batchrun.engine.waits import Wait, Waits
from batchrun.errors import BatchrunError, InvariantError
from batchrun.model.actions import (
    Cancel,
    Conclude,
    HoldBack,
    Look,
    Note,
    ReadCancellations,
    ReadDue,
    ReadInFlight,
    Replay,
    Settle,
    Submit,
    Survey,
    Sweep,
    Withdraw,
)
from batchrun.model.moment import Moment
from batchrun.model.planner import Planner
from batchrun.model.stimuli import Acted, Drained, RatesLearned, SweepFailed

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from anyio.abc import TaskGroup

    from batchrun.clock import Clock
    from batchrun.engine.observer import Observer
    from batchrun.engine.recognition import Recognition
    from batchrun.engine.recorder import Recorder
    from batchrun.model.actions import Action
    from batchrun.model.limits import Limits
    from batchrun.model.proofs import TakenOver
    from batchrun.model.stimuli import Stimulus
    from batchrun.ports.batch import HeldBatch
    from batchrun.ports.ledger import Ledger
    from batchrun.ports.service import HealthOmics
    from batchrun.ports.submitter import Submitter

log = structlog.get_logger(__name__)


class Runner:
    """One account and region's part of a launch: call :meth:`run` once; the rest may be called meanwhile."""

    def __init__(  # noqa: PLR0913 (what it is made of, each by its name)
        self,
        *,
        ledger: Ledger,
        held: HeldBatch,
        service: HealthOmics,
        recorder: Recorder,
        recognition: Recognition,
        limits: Limits,
        clock: Clock,
        observer: Observer,
        prepare: Callable[[str], Awaitable[None]] | None,
        fail: Callable[[BatchrunError], None],
    ) -> None:
        """Take what it is made of; *fail* is told what ends the launch, and says how."""
        self._service = service
        self._clock = clock
        self._fail = fail
        self._batch = held.name
        self._waits = Waits()
        self._planner = Planner(limits)
        outcomes = Outcomes(limits.retry, recorder)
        self._prover = Prover(
            held=held,
            service=service,
            recorder=recorder,
            outcomes=outcomes,
            recognition=recognition,
            waits=self._waits,
            limits=limits,
            clock=clock,
        )
        self._submitter: Submitter = StartRunSubmitter(
            service=service,
            recorder=recorder,
            outcomes=outcomes,
            prover=self._prover,
            recognition=recognition,
            waits=self._waits,
            limits=limits,
            clock=clock,
            prepare=prepare,
        )
        self._looker = Looker(
            service=service,
            outcomes=outcomes,
            recognition=recognition,
            waits=self._waits,
            observer=observer,
            limits=limits,
            clock=clock,
        )
        self._sweeper = Sweeper(service, self._waits, clock)
        self._desk = Desk(held, recorder, recognition, clock)
        self.paces = PaceKeeper(ledger, service, clock)
        self.tasks = TaskFinder(held, service, observer, clock)
        self._stimuli: list[Stimulus] = []
        self._woken = anyio.Event()
        self._actions: TaskGroup | None = None
        self._rates: RatesLearned | None = None

    @property
    def taken_over(self) -> TakenOver:
        """Rows whose runs were there already, started by another ledger."""
        return self._prover.taken_over

    async def begin(self, *, will_start: bool) -> None:
        """See which proofs and paces of earlier launches count; before :meth:`run`."""
        await self._prover.bind()
        await self.paces.recall(will_start=will_start)

    async def run(self) -> None:
        """
        Do what is due until nothing is left, or what is left is to be left.

        What ends the launch before is told to whoever made this, not raised.
        """
        async with anyio.create_task_group() as self._actions:
            await self._conduct(self._actions)

    def tell(self, *stimuli: Stimulus) -> None:
        """Tell the planner what happened; it is handled in this order."""
        self._stimuli += stimuli
        self._woken.set()

    def hurry(self) -> None:
        """Let go of what waits, give up repeating calls, and end when what is in the air is answered."""
        self.tell(Drained())
        self._waits.hurry()
        self._service.hurry()
        self.tasks.hurry()

    def abandon(self) -> None:
        """End at once. What was sent and not answered is settled by the next launch."""
        self.tasks.hurry(0)
        if self._actions is not None:
            self._actions.cancel_scope.cancel()

    # -- the loop

    async def _conduct(self, actions: TaskGroup) -> None:
        while True:
            self._woken = anyio.Event()
            self._learn_rates()
            stimuli, self._stimuli = self._stimuli, []
            try:
                planned = self._planner.handle(*stimuli, moment=_read(self._clock))
            except InvariantError as error:
                self._fail(error)
                return
            for action in planned:
                actions.start_soon(self._carry_out, action)
            if self._planner.is_over:
                self._waits.let_go(Wait.SWEEP, Wait.SURVEY)  # they have nothing left to show
                return
            await self._rest()

    def _learn_rates(self) -> None:
        rates = RatesLearned(
            get=self._service.known_rate("GetRun"), list=self._service.known_rate("ListRuns")
        )
        if rates != self._rates:
            self._rates = rates
            self._stimuli.append(rates)

    async def _rest(self) -> None:
        """Wait until something happened or becomes due."""
        until = self._planner.wake_at
        with anyio.move_on_after(None if until is None else max(0.0, until - self._clock.monotonic())):
            await self._woken.wait()

    def _hold_back(self, action: HoldBack) -> None:
        self._waits.let_go(Wait.UNSENT)
        if action.quota_message is not None:
            wait = round(action.seconds)
            log.info("quota_full", batch=self._batch, message=action.quota_message, next_try_in_seconds=wait)

    # -- carrying out

    async def _carry_out(self, action: Action) -> None:
        # Invariant: nothing waits between the end of an action and this, so outcomes are told in their order.
        try:
            outcome = await self._outcome(action)
        except BatchrunError as error:
            self._fail(error)
            outcome = _unanswered(action)
        if outcome is not None:
            self.tell(outcome)

    async def _outcome(self, action: Action) -> Stimulus | None:  # noqa: C901, PLR0911 (one line for each)
        match action:
            case Submit() | Replay() | Settle():
                return await self._submitter.submit(action)
            case Look():
                return await self._looker.look(action)
            case Cancel():
                return await self._looker.cancel(action)
            case Sweep():
                return await self._sweeper.sweep(action)
            case Survey():
                return await self._prover.survey(action)
            case Conclude():
                return await self._prover.conclude(action)
            case ReadDue():
                return await self._desk.due(action)
            case ReadInFlight():
                return await self._desk.in_flight(action)
            case ReadCancellations():
                return await self._desk.cancellations(action)
            case Withdraw():
                return await self._desk.withdraw(action)
            case Note():
                await self._desk.note(action)
            case HoldBack():
                self._hold_back(action)
        return None


def _read(clock: Clock) -> Moment:
    return Moment(now=clock.monotonic(), at=clock.utcnow(), latest=clock.latest())


def _unanswered(action: Action) -> Stimulus | None:
    """Return what the planner is told of an action that ended the launch."""
    match action:
        case Submit() | Replay() | Settle() | Look() | Cancel():
            return Acted(action=action, entry=action.entry, is_answered=False)
        case Sweep():
            return SweepFailed(sweep=action)
        case _:
            return None
