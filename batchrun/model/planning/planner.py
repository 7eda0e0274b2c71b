"""The planner decides which actions are due, within the limits; the engine carries them out.

Theory of operation. :meth:`Planner.handle` is the only way in: it takes *stimuli* (what happened) and returns
*actions* (what to do now). The engine runs each action in a task of its own, which answers with one stimulus;
so a race can be tested as a list of stimuli. An open entry is in one place at a time:

- in a queue (:mod:`queues`), *ready* to be sent;
- in a lane, *in the air* (in a call) or *unsettled* (its outcome is unknown: :mod:`sending`);
- in a lane, a row of an open submission (:mod:`batching`);
- in a lane, *watched*, while its run is active (:mod:`watch`).

Ended entries are dropped, so memory grows with the runs in flight. The planner keeps what concerns the whole
batch (queues, proofs, cancellations), :class:`LanePlan` what concerns one lane. Open entries are read from
the ledger as needed (:mod:`reading`). While cancellations or entries in flight are being read nothing else is
planned, or an entry could be sent that the page just read shows as unsent.

Belongs here: which part takes which stimulus, and the order of the parts. Does not: what an outcome means
(``verdicts``), which state an event leads to (``entries.transitions``).
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain
from typing import Final

from batchrun.errors import InvariantError
from batchrun.model.entries.entry import Entry
from batchrun.model.entries.states import HOLDS_SLOT, UNSENT, State
from batchrun.model.planning import denials, stimuli
from batchrun.model.planning.actions import Action, Cancel, Conclude, HoldBack, Look, Note, Submit
from batchrun.model.planning.cancelling import Cancelling
from batchrun.model.planning.lane_plans import LanePlan, LanePlans
from batchrun.model.planning.limits import LaneLimits, Limits, Mode
from batchrun.model.planning.proving import Proving
from batchrun.model.planning.queues import Queues
from batchrun.model.planning.reading import CancellationReads, InFlightReads
from batchrun.model.planning.sending import Slots, WholeLaunch
from batchrun.model.planning.stimuli import Moment

_ONE_LANE: Final = (LaneLimits(),)


class Planner:
    """What is in flight in one launch, and what is due."""

    def __init__(
        self, limits: Limits, lanes: Sequence[LaneLimits] = _ONE_LANE, *, home: str | None = None
    ) -> None:
        """Begin with nothing in flight.

        *lanes* are those that it may use, a single one without a name where the batch has none; *home* is the
        lane of entries that were sent before the batch had lanes.
        """
        self._limits = limits
        self._proving = Proving(limits)
        self._queues = Queues(limits, has_lanes=lanes[0].name is not None, home=home)
        self._slots = Slots(limits.max_active)
        self._cancelling = Cancelling()
        launch = WholeLaunch(
            limits=limits,
            queues=self._queues,
            proving=self._proving,
            slots=self._slots,
            cancelling=self._cancelling,
        )
        self._lanes = LanePlans(launch, lanes, home=home)
        self._cancellations = CancellationReads()
        self._in_flight = InFlightReads()
        self._conclusions: list[Conclude] = []  #: of a finished survey, still to be returned
        self._is_concluding = False
        self._is_holding_back = limits.mode is Mode.CANCEL
        self._is_draining = False
        self._moment: Moment | None = None
        self._log = stimuli.StimulusLog()

    def handle(self, *happened: stimuli.Stimulus, moment: Moment) -> list[Action]:
        """Take in what *happened*, in this order, and return the actions that are due.

        An action is in the air until a stimulus reports its outcome. The engine starts them in the order
        returned, so that what a sweep showed is recorded before what is seen later.

        Raises:
            InvariantError: A defect; the message lists the latest stimuli.
        """
        self._moment = moment
        actions: list[Action] = []
        for stimulus in happened:
            self._log.add(stimulus, moment.now)
            try:
                actions += self._take(stimulus, moment)
            except InvariantError as error:
                story = self._log.story(stimulus)
                raise InvariantError(f"{error}; the planner was told: {story}") from error
        if self._is_draining:
            # What was seen is still recorded.
            return [action for action in actions if isinstance(action, Note)]
        return [*actions, *self._plan(moment)]

    # -- how it stands

    @property
    def wake_at(self) -> float | None:
        """When something becomes due without a stimulus, in loop time; None if nothing does."""
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
        """Calls for entries under way, and sweeps whose result is still needed."""
        return self._lanes.in_air

    @property
    def slots(self) -> int:
        """How many runs are, or may become, active."""
        return len(self._slots)

    @property
    def is_over(self) -> bool:
        """Whether nothing is under way, and nothing is to come that the mode waits for."""
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
        is_stuck = self._queues.have_ready  # waiting for slots that no run of this launch will free
        return is_stuck or (self._queues.is_over and not self._queues.is_waiting)

    @property
    def barred(self) -> list[str | None]:
        """Lanes that may start nothing: all that could be sent to them was denied."""
        if self._is_reading_first or self._proving.aside:
            return []
        return [lane.name for lane in self._lanes.live if lane.may_start_nothing]

    def validate(self) -> None:
        """Raise InvariantError where the state is inconsistent; for tests, after each step."""
        for lane in self._lanes:
            lane.validate()
        ids = [*self._queues.ids, *(one for lane in self._lanes for one in lane.ids)]
        if len(ids) != len(set(ids)):
            raise InvariantError(f"an entry is in two places: {sorted(ids)}")

    # -- stimuli

    def _take(self, stimulus: stimuli.Stimulus, moment: Moment) -> Sequence[Action]:  # noqa: C901, PLR0912 (the door)
        match stimulus:
            case stimuli.Acted():
                return self._acted(stimulus, moment)
            case stimuli.SubmittedTogether():
                return self._submitted_together(stimulus, moment)
            case stimuli.Followed(action=action):
                lane = self._lanes.of(action.lane)
                lane.batching.followed(stimulus, moment.now)
                for entry in stimulus.settled:
                    self._settled(entry, lane, moment)
                if stimulus.run_batch is not None:
                    lane.watch.in_run_batch(stimulus.settled, stimulus.run_batch)
            case stimuli.Surveyed():
                self._surveyed(stimulus, moment)
            case stimuli.SurveyConcluded():
                self._concluded(stimulus, moment)
            case stimuli.SurveyFailed():
                self._survey_failed(stimulus, moment)
            case stimuli.ChoicesRead():
                for name in chain.from_iterable(choice.lanes for choice in stimulus.choices):
                    self._lanes.of(name)  # registers lanes that the launch was not given
                self._queues.choices_read(stimulus.choices)
            case stimuli.DueRead():
                self._queues.read(stimulus)
            case stimuli.InFlightRead():
                self._file_in_flight(stimulus, moment)
            case stimuli.CancellationsRead():
                return self._cancel(stimulus)
            case stimuli.Withdrew():
                return [self._cancellations.withdrew(self._lanes.in_air_ids)]
            case stimuli.LedgerChanged():
                self._ledger_changed(stimulus)
            case stimuli.SubmissionStopped():
                return self._hold_back()
            case stimuli.SubmissionResumed():
                self._go_on()
            case stimuli.Drained():
                self._is_draining = True
            case _:
                return self._lanes.take(stimulus, moment)
        return []

    def _acted(self, acted: stimuli.Acted, moment: Moment) -> Sequence[Action]:
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
            if entry.state is State.ACTIVE:
                self._lanes.of_run(entry, lane).accepted(entry, moment.now)
        if entry is not action.entry and entry.state in UNSENT:
            self._again(entry, lane)
        return holds

    def _again(self, entry: Entry, lane: LanePlan) -> None:
        """Queue an entry that is to be sent again, by another lane if *lane* denied it and there is one."""
        if len(entry.may_take) > 1 and entry.code in denials.CODES:
            self._queues.denied(entry, lane.name)
        else:
            self._queues.comes(entry)
        self._cancellations.again()

    def _submitted_together(self, outcome: stimuli.SubmittedTogether, moment: Moment) -> Sequence[Action]:
        """Take what was sent together, and queue what was released unsent."""
        lane = self._lanes.of(outcome.action.lane)
        lane.batching.submitted(outcome, moment.now)
        before = {entry.id: entry for entry in outcome.action.entries}
        if outcome.is_lost:
            for entry_id in before:
                lane.sending.slots.free(entry_id)
            self._queues.look_again()
        released: list[Entry] = []
        for entry in outcome.entries:
            self._cancellations.back(entry.id)
            if entry is not before[entry.id]:
                self._settled(entry, lane, moment)
                continue
            lane.sending.slots.free(entry.id)
            if entry.id in outcome.unproven:
                self._proving.could_not_look(entry.id)
            else:
                released.append(entry)
        if not self._is_holding_back:
            self._queues.put_back(*released)
        return lane.put_off(outcome.entries, moment.now)

    def _settled(self, entry: Entry, lane: LanePlan, moment: Moment) -> None:
        """Take an entry after its submission was made, or followed."""
        if entry.state not in HOLDS_SLOT:
            lane.sending.slots.free(entry.id)
            self._cancelling.over(entry.id)
        if entry.state is State.ACTIVE:
            self._lanes.of_run(entry, lane).settled(entry, moment.now)
        elif entry.state in UNSENT:
            self._again(entry, lane)

    def _surveyed(self, surveyed: stimuli.Surveyed, moment: Moment) -> None:
        """Set aside the entries whose name a run has, until these runs are adopted or ruled out."""
        survey = surveyed.survey
        if surveyed.are_few:
            self._proving.concluded(survey, moment.now, are_few=True)
            self._reload()
            return
        ids = frozenset(surveyed.named) - self._lanes.in_air_ids
        self._proving.set_aside(ids)
        self._queues.withdraw(ids)
        self._queues.changed()
        self._conclusions.append(Conclude(survey=survey, entry_ids=ids))

    def _concluded(self, concluded: stimuli.SurveyConcluded, moment: Moment) -> None:
        for entry in concluded.adopted:
            if entry.state is State.PLANNED:  # its run had failed, and a retry rule has begun another attempt
                self._queues.comes(entry)
            elif self._limits.mode is Mode.WATCH and entry.state is State.ACTIVE:
                self._file(entry, moment)
        self._is_concluding = False
        self._proving.concluded(
            concluded.survey, moment.now, is_partial=concluded.is_partial, again_at=concluded.again_at
        )
        self._reload()

    def _survey_failed(self, failed: stimuli.SurveyFailed, moment: Moment) -> None:
        self._is_concluding = False
        self._proving.failed(failed.survey, moment.now, has_stopped=self._lanes.has_stopped)
        self._reload()

    def _reload(self) -> None:
        """Read what is to be sent again, with its new proofs."""
        self._queues.clear()
        self._queues.changed()

    def _file_in_flight(self, outcome: stimuli.InFlightRead, moment: Moment) -> None:
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

    def _cancel(self, outcome: stimuli.CancellationsRead) -> Sequence[Action]:
        """Cancel runs, now or as soon as they exist; withdraw what was not sent."""
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
                actions += self._lanes.release()
        return actions

    def _ledger_changed(self, changed: stimuli.LedgerChanged) -> None:
        if changed.has_new_active and self._limits.mode is Mode.WATCH:
            self._in_flight.again()  # a user gave entries back runs that were taken for removed
        self._queues.look_again()
        self._cancellations.again()

    def _hold_back(self) -> Sequence[HoldBack]:
        """Send nothing more; what was sent is still settled."""
        self._is_holding_back = True
        for lane in self._lanes:
            lane.sending.hold_back()
        self._reload()
        return self._lanes.release()

    def _go_on(self) -> None:
        self._is_holding_back = False
        for lane in self._lanes:
            lane.sending.go_on()
        self._queues.look_again()

    # -- actions

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
        """Return the conclusions of surveys to draw now, if any.

        Runs are not adopted while entries are withdrawn, or an entry that was read as unsent could be
        withdrawn although its run was adopted meanwhile.
        """
        due, self._conclusions = self._conclusions, []
        self._is_concluding = self._is_concluding or bool(due)
        return due

    @property
    def _is_reading_first(self) -> bool:
        """Whether cancellations or entries in flight must be read before anything is planned."""
        return self._cancellations.is_due or self._in_flight.is_due

    @property
    def _room(self) -> int:
        """How many entries each queue may hold."""
        return 0 if self._is_holding_back else self._limits.concurrency

    def _held(self) -> frozenset[str]:
        """Return the ids of unsent entries that must not be read again."""
        return self._lanes.in_air_ids | self._proving.aside
