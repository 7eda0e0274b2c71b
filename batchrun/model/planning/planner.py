"""
The planner: which action is due, within the limits. It holds what is in flight and decides; the engine acts.

Theory of operation. There is one door, :meth:`Planner.handle`: stimuli go in, actions come out, and nothing
else changes the planner. The engine carries each action out in a task of its own, and that task answers with
one stimulus; so a race is a list of stimuli in a test. An entry is in one place at a time: *ready* to be sent
(:mod:`queues`), or in the lane that it was sent to, *unsettled* or *in the air* (:mod:`sending`) or *watched*
(:mod:`watch`). Ended entries are not held, so memory grows with the runs in flight.

What belongs to the batch as a whole is here, once: what is to be cancelled, proofs, queues. What happens in
one of its lanes is passed on to them (:mod:`lane_plans`).

What is open is read from the ledger as it is needed (:mod:`reading`). While it is read what people asked to
be cancelled, or what is in flight, nothing else is planned: else an entry could be sent that a page has shown
as not sent.

Belongs here: which part takes which stimulus, and the order of the parts. Does not: what an outcome means
(``verdicts``), where an event leads (``entries.transitions``), and doing anything.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain
from typing import Final

from batchrun.errors import InvariantError
from batchrun.model.entries.entry import Entry
from batchrun.model.entries.states import HOLDS_SLOT, State
from batchrun.model.planning.actions import Action, Cancel, Conclude, HoldBack, Look, Note, Submit
from batchrun.model.planning.cancelling import Cancelling
from batchrun.model.planning.lane_plans import LanePlan, LanePlans
from batchrun.model.planning.limits import LaneLimits, Limits, Mode
from batchrun.model.planning.proving import Proving
from batchrun.model.planning.queues import Queues
from batchrun.model.planning.reading import CancellationReads, InFlightReads
from batchrun.model.planning.sending import Slots
from batchrun.model.planning.stimuli import (
    Acted,
    CancellationsRead,
    ChoicesRead,
    Drained,
    DueRead,
    Followed,
    InFlightRead,
    LedgerChanged,
    Moment,
    Stimulus,
    SubmissionResumed,
    SubmissionStopped,
    SubmittedTogether,
    SurveyConcluded,
    Surveyed,
    SurveyFailed,
    Told,
    Withdrew,
)

_ONE_LANE: Final = (LaneLimits(),)


class Planner:
    """What is in flight, and what is due."""

    def __init__(
        self, limits: Limits, lanes: Sequence[LaneLimits] = _ONE_LANE, *, home: str | None = None
    ) -> None:
        """
        Begin with nothing in flight.

        *lanes* are those that it may use, one without a name where the batch has none; *home* is that of
        entries which were sent before the batch had lanes.
        """
        self._limits = limits
        self._proving = Proving(limits)
        self._queues = Queues(limits, has_lanes=lanes[0].name is not None, home=home)
        self._slots = Slots(limits.max_active)
        self._cancelling = Cancelling()
        self._lanes = LanePlans(
            limits,
            lanes,
            home=home,
            queues=self._queues,
            proving=self._proving,
            slots=self._slots,
            cancelling=self._cancelling,
        )
        self._cancellations = CancellationReads()
        self._in_flight = InFlightReads()
        self._conclusions: list[Conclude] = []  #: of a survey that is over, to be drawn
        self._is_concluding = False
        self._is_holding_back = limits.mode is Mode.CANCEL
        self._is_draining = False
        self._moment: Moment | None = None
        self._told = Told()

    def handle(self, *stimuli: Stimulus, moment: Moment) -> list[Action]:
        """
        Take in what happened, in this order, and return what is to be done now.

        Each action is in the air until a stimulus says what came of it. The engine begins them in the order
        in which they are returned, so that what a sweep showed is recorded before what is seen later.

        Raises:
            InvariantError: A defect; the message lists the stimuli before.
        """
        self._moment = moment
        actions: list[Action] = []
        for stimulus in stimuli:
            self._told.add(stimulus, moment.now)
            try:
                actions += self._take(stimulus, moment)
            except InvariantError as error:
                story = self._told.story(stimulus)
                raise InvariantError(f"{error}; the planner was told: {story}") from error
        if self._is_draining:
            return [action for action in actions if isinstance(action, Note)]  # it was seen: it is kept
        return [*actions, *self._plan(moment)]

    # -- how it stands

    @property
    def wake_at(self) -> float | None:
        """When something becomes due by time alone, in loop time; None if nothing does."""
        if self._is_draining or self._moment is None or self._is_reading_first:
            return None
        dues = [
            self._proving.wake_at,
            self._queues.wake_at(self._moment, self._room),
            *(lane.wake_at for lane in self._lanes.live),
        ]
        return min((due for due in dues if due is not None), default=None)

    @property
    def in_air(self) -> int:
        """Calls for entries under way, and sweeps that have something left to show."""
        return self._lanes.in_air

    @property
    def slots(self) -> int:
        """Runs that are, or may come to be, active."""
        return len(self._slots)

    @property
    def is_over(self) -> bool:
        """Whether nothing is under way, and nothing will come that the mode waits for."""
        if self._is_draining:
            return self.in_air == 0
        if self._is_reading_first or self._queues.is_reading:
            return False
        if not self._lanes.is_idle:
            return False
        if not self._lanes.live:
            return True
        if self._proving.is_waited_for and not self._is_holding_back:
            return False
        if self._limits.mode is not Mode.WATCH or self._is_holding_back:
            return True
        is_stuck = self._queues.have_ready  # it waits for slots that nothing here will free
        return is_stuck or (self._queues.is_over and not self._queues.is_waiting)

    def validate(self) -> None:
        """Raise InvariantError where the planner contradicts itself; for tests, after each step."""
        for lane in self._lanes:
            lane.validate()
        ids = [*self._queues.ids, *(one for lane in self._lanes for one in lane.ids)]
        if len(ids) != len(set(ids)):
            raise InvariantError(f"an entry is in two places: {sorted(ids)}")

    # -- stimuli

    def _take(self, stimulus: Stimulus, moment: Moment) -> Sequence[Action]:  # noqa: C901, PLR0912 (the door)
        match stimulus:
            case Acted():
                return self._acted(stimulus, moment)
            case SubmittedTogether():
                return self._submitted_together(stimulus, moment)
            case Followed(action=action):
                lane = self._lanes.of(action.lane)
                lane.batching.followed(stimulus, moment.now)
                for entry in stimulus.settled:
                    self._settled(entry, lane, moment)
                if stimulus.run_batch is not None:
                    lane.watch.in_run_batch(stimulus.settled, stimulus.run_batch)
            case Surveyed():
                self._surveyed(stimulus, moment)
            case SurveyConcluded():
                self._concluded(stimulus, moment)
            case SurveyFailed():
                self._survey_failed(stimulus, moment)
            case ChoicesRead():
                for name in chain.from_iterable(choice.lanes for choice in stimulus.choices):
                    self._lanes.of(name)  # so that one which the launch was not given is known as such
                self._queues.choices_read(stimulus.choices)
            case DueRead():
                self._queues.read(stimulus)
            case InFlightRead():
                self._file_in_flight(stimulus, moment)
            case CancellationsRead():
                return self._cancel(stimulus)
            case Withdrew():
                return [self._cancellations.withdrew(self._lanes.in_air_ids)]
            case LedgerChanged():
                self._ledger_changed(stimulus)
            case SubmissionStopped():
                return self._hold_back()
            case SubmissionResumed():
                self._go_on()
            case Drained():
                self._is_draining = True
            case _:
                return self._lanes.take(stimulus, moment)
        return []

    def _acted(self, acted: Acted, moment: Moment) -> Sequence[Action]:
        action, entry = acted.action, acted.entry
        lane = (
            self._lanes.of(action.lane) if isinstance(action, Submit) else self._lanes.of_entry(action.entry)
        )
        if entry.state not in HOLDS_SLOT:
            lane.sending.slots.free(entry.id)
            self._cancelling.over(entry.id)
        holds = lane.acted(acted, moment.now)
        if not isinstance(action, Look | Cancel):
            self._cancellations.back(entry.id)
        if entry is not action.entry and entry.state in {State.PLANNED, State.BACKOFF}:
            self._queues.comes(entry)
            self._cancellations.again()
        return holds

    def _submitted_together(self, outcome: SubmittedTogether, moment: Moment) -> Sequence[Action]:
        """File what was sent together, and have what was let go of be sent another time."""
        lane = self._lanes.of(outcome.action.lane)
        lane.batching.submitted(outcome, moment.now)
        before = {entry.id: entry for entry in outcome.action.entries}
        if outcome.is_lost:
            for entry_id in before:
                lane.sending.slots.free(entry_id)
            self._queues.look_again()
        let_go: list[Entry] = []
        for entry in outcome.entries:
            self._cancellations.back(entry.id)
            if entry is not before[entry.id]:
                self._settled(entry, lane, moment)
                continue
            lane.sending.slots.free(entry.id)
            if entry.id in outcome.unproven:
                self._proving.could_not_look(entry.id)
            else:
                let_go.append(entry)
        if not self._is_holding_back:
            self._queues.put_back(*let_go)
        return lane.put_off(outcome.entries, moment.now)

    def _settled(self, entry: Entry, lane: LanePlan, moment: Moment) -> None:
        """File an entry as it is after its submission was made, or asked about."""
        if entry.state not in HOLDS_SLOT:
            lane.sending.slots.free(entry.id)
            self._cancelling.over(entry.id)
        if entry.state is State.ACTIVE:
            lane.settled(entry, moment.now)
        elif entry.state in {State.PLANNED, State.BACKOFF}:
            self._queues.comes(entry)
            self._cancellations.again()

    def _surveyed(self, surveyed: Surveyed, moment: Moment) -> None:
        """Keep what has a run aside until it is taken over; nothing of it is sent that is not already."""
        survey = surveyed.survey
        if surveyed.are_few:
            self._proving.concluded(survey, moment.now, are_few=True)
            self._load_anew()
            return
        ids = frozenset(surveyed.named) - self._lanes.in_air_ids
        self._proving.set_aside(ids)
        self._queues.withdraw(ids)
        self._queues.changed()
        self._conclusions.append(Conclude(survey=survey, entry_ids=ids))

    def _concluded(self, concluded: SurveyConcluded, moment: Moment) -> None:
        for entry in concluded.adopted:
            if entry.state is State.PLANNED:  # it had failed: its next attempt may go another way
                self._queues.comes(entry)
            elif self._limits.mode is Mode.WATCH and entry.state is State.ACTIVE:
                self._file(entry, moment)
        self._is_concluding = False
        self._proving.concluded(concluded.survey, moment.now, is_partial=concluded.is_partial)
        self._load_anew()

    def _survey_failed(self, failed: SurveyFailed, moment: Moment) -> None:
        self._is_concluding = False
        self._proving.failed(failed.survey, moment.now, has_stopped=self._lanes.has_stopped)
        self._load_anew()

    def _load_anew(self) -> None:
        """Read what is to be sent once more, with its proofs."""
        self._queues.clear()
        self._queues.changed()

    def _file_in_flight(self, outcome: InFlightRead, moment: Moment) -> None:
        self._in_flight.read(outcome)
        for one in outcome.submissions:
            self._lanes.of_submission(one.submission).batching.add(one, moment.now)
        for entry in outcome.entries:
            is_meant = self._limits.mode is not Mode.CANCEL or entry.id in self._cancelling
            if is_meant:
                self._file(entry, moment)

    def _file(self, entry: Entry, moment: Moment) -> None:
        if entry.id not in self._slots:
            self._lanes.of_entry(entry).file(entry, moment)

    def _cancel(self, outcome: CancellationsRead) -> Sequence[Action]:
        """Have runs cancelled, now or as soon as they are there; withdraw what was not sent."""
        ids = [one.entry.id for one in outcome.page if one.entry.state in HOLDS_SLOT]
        self._cancelling.want(ids)
        self._lanes.hasten(ids)
        actions: list[Action] = [*self._cancellations.read(outcome)]
        if outcome.page:
            self._queues.withdraw({one.entry.id for one in outcome.page})
            self._queues.changed()
        else:
            if self._limits.mode is Mode.CANCEL:
                self._in_flight.again()  # more may have been asked for meanwhile
            if self._cancellations.is_awaiting:
                actions += self._lanes.let_go()  # what still waits for its turn comes back at once
        return actions

    def _ledger_changed(self, changed: LedgerChanged) -> None:
        if changed.has_new_active and self._limits.mode is Mode.WATCH:
            self._in_flight.again()  # somebody gave entries their runs back that were taken for removed
        self._queues.look_again()
        self._cancellations.again()

    def _hold_back(self) -> Sequence[HoldBack]:
        """Send nothing more; what was sent is settled as ever."""
        self._is_holding_back = True
        for lane in self._lanes:
            lane.sending.hold_back()
        self._queues.clear()
        self._queues.changed()
        return self._lanes.let_go()

    def _go_on(self) -> None:
        self._is_holding_back = False
        for lane in self._lanes:
            lane.sending.go_on()
        self._queues.look_again()

    # -- what the planner asks for

    def _plan(self, moment: Moment) -> list[Action]:
        if self._cancellations.is_due:
            return [*self._cancellations.plan(self._lanes.in_air_ids)] if not self._is_concluding else []
        if self._in_flight.is_due:
            return [*self._in_flight.plan()]
        looks = self._lanes.looks(moment.now)
        sending = [*self._lanes.together(moment), *self._lanes.sending(moment)]
        reads = self._queues.plan(self._room, self._held, moment.at)
        surveys = self._proving.plan(moment.now)
        return [*reads, *self._concluding(), *surveys, *sending, *looks]

    def _concluding(self) -> list[Conclude]:
        """
        Return the conclusion to draw now, if any.

        Taking runs over and withdrawing entries exclude each other: else what was read as not sent could be
        withdrawn although its run was taken over meanwhile.
        """
        due, self._conclusions = self._conclusions, []
        self._is_concluding = self._is_concluding or bool(due)
        return due

    # -- where things are

    @property
    def _is_reading_first(self) -> bool:
        """Whether something is to be read, or is being read, before anything is planned."""
        return self._cancellations.is_due or self._in_flight.is_due

    @property
    def _room(self) -> int:
        """How many entries that are to be sent each queue may hold."""
        return 0 if self._is_holding_back else self._limits.concurrency

    def _held(self) -> frozenset[str]:
        """Return the ids of entries that are to be sent, and are not to be read again."""
        return self._lanes.in_air_ids | self._proving.aside
