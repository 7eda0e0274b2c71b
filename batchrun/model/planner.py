"""
The planner: which action is due, within the limits. It holds what is in flight and decides; the engine acts.

Theory of operation. There is one door, :meth:`Planner.handle`: stimuli go in, actions come out, and nothing
else changes the planner. The engine carries each action out in a task of its own, and that task answers with
one stimulus; so a race is a list of stimuli in a test. An entry is in one place at a time: *ready*,
*unsettled* or *in the air* (:mod:`sending`), or *watched* (:mod:`watch`). Ended entries are not held, so
memory grows with the runs in flight.

What is open is read from the ledger as it is needed (:mod:`reading`). While it is read what people asked to
be cancelled, or what is in flight, nothing else is planned: else an entry could be sent that a page has shown
as not sent.

Belongs here: which part is told what, and the order of the parts. Does not: what an outcome means
(``verdicts``), where an event leads (``transitions``), and doing anything.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Final, TypeAlias, assert_never

from batchrun.errors import InvariantError
from batchrun.model.actions import Cancel, Conclude, HoldBack, Look, Note
from batchrun.model.cancelling import Cancelling
from batchrun.model.limits import Mode
from batchrun.model.proving import Proving
from batchrun.model.reading import CancellationReads, DueReads, InFlightReads
from batchrun.model.sending import Sending, is_quota_full
from batchrun.model.states import HOLDS_SLOT, State
from batchrun.model.stimuli import (
    Acted,
    CancellationsRead,
    Drained,
    DueRead,
    InFlightRead,
    LedgerChanged,
    RatesLearned,
    SubmissionResumed,
    SubmissionStopped,
    SurveyConcluded,
    Surveyed,
    SurveyFailed,
    SweepFailed,
    Swept,
    Withdrew,
)
from batchrun.model.watch import Watch

if TYPE_CHECKING:
    from collections.abc import Sequence

    from batchrun.model.actions import Action, Sweep
    from batchrun.model.entry import Entry
    from batchrun.model.limits import Limits
    from batchrun.model.moment import Moment
    from batchrun.model.stimuli import Stimulus

#: Stimuli that are kept to tell the story of a defect.
_STORY: Final = 200


class Planner:
    """What is in flight, and what is due."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._proving = Proving(limits)
        self._sending = Sending(limits, self._proving)
        self._watch = Watch(
            limits.watch, limits.way, listing_lag=limits.listing_lag, is_once=limits.mode is Mode.ONCE
        )
        self._cancelling = Cancelling()
        self._cancellations = CancellationReads()
        self._in_flight = InFlightReads()
        self._due = DueReads(limits.longest_wait)
        self._conclusions: list[Conclude] = []  #: of a survey that is over, to be drawn
        self._is_concluding = False
        self._is_draining = False
        self._moment: Moment | None = None
        self._told: deque[tuple[float, _Gist]] = deque(maxlen=_STORY)

    def handle(self, *stimuli: Stimulus, moment: Moment) -> list[Action]:
        """
        Take in what happened, in this order, and return what is to be done now.

        Each action is in the air until a stimulus says what came of it. The engine begins them in the order
        in which they are returned, so that what a sweep showed is recorded before what is seen later.

        Raises:
            InvariantError: A defect; the message tells what the planner was told before.
        """
        self._moment = moment
        actions: list[Action] = []
        for stimulus in stimuli:
            if not isinstance(stimulus, RatesLearned):  # as often as calls are answered, and of no entry
                self._told.append((moment.now, _gist(stimulus)))
            try:
                actions += self._take(stimulus, moment)
            except InvariantError as error:
                raise InvariantError(f"{error}; the planner was told: {self._story(stimulus)}") from error
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
            self._watch.wake_at(self._limits.concurrency),
            self._sending.wake_at,
            self._proving.wake_at,
            self._due.wake_at(self._moment) if self._room() > 0 else None,
        ]
        return min((due for due in dues if due is not None), default=None)

    @property
    def in_air(self) -> int:
        """Calls for entries under way, and sweeps that have something left to show."""
        return self._sending.in_air_count + self._watch.in_air

    @property
    def slots(self) -> int:
        """Runs that are, or may come to be, active."""
        return self._sending.slots

    @property
    def is_over(self) -> bool:
        """Whether nothing is under way, and nothing will come that the mode waits for."""
        if self._is_draining:
            return self.in_air == 0
        is_reading = self._is_reading_first or self._due.is_reading
        if is_reading or self._watch or not self._sending.is_idle:
            return False
        waits = self._limits.mode is Mode.WATCH and not self._sending.is_holding_back
        return not waits or self._due.is_over or self._sending.is_stuck

    def validate(self) -> None:
        """Raise InvariantError where the planner contradicts itself; for tests, after each step."""
        self._sending.validate()
        watched = self._watch.ids
        for entry_id in watched:
            if not self._sending.has_slot(entry_id):
                raise InvariantError(f"entry '{entry_id}' is watched without a slot")
        if both := watched.intersection(self._sending.ids):
            raise InvariantError(f"watched, and to be sent or settled: {sorted(both)}")

    # -- what the planner is told

    def _take(self, stimulus: Stimulus, moment: Moment) -> Sequence[Action]:  # noqa: C901, PLR0912 (the door)
        match stimulus:
            case Acted():
                return self._acted(stimulus, moment)
            case Swept():
                news = self._watch.swept(stimulus, now=moment.now, at=moment.at)
                return [Note(news=news)] if self._watch.was_listed else []
            case SweepFailed():
                self._watch.sweep_failed(stimulus, now=moment.now)
            case Surveyed():
                self._surveyed(stimulus, moment)
            case SurveyConcluded():
                self._concluded(stimulus, moment)
            case SurveyFailed():
                self._is_concluding = False
                self._proving.failed(stimulus.survey, moment.now)
                self._load_anew()
            case DueRead():
                for entry in self._due.read(stimulus):
                    self._sending.add_ready(entry)
            case InFlightRead():
                self._file_in_flight(stimulus, moment)
            case CancellationsRead():
                return self._cancel(stimulus)
            case Withdrew():
                return [self._cancellations.withdrew(self._sending.in_air)]
            case LedgerChanged():
                self._ledger_changed(stimulus)
            case RatesLearned():
                self._watch.rates_learned(stimulus)
            case SubmissionStopped():
                self._sending.hold_back()
                self._due.changed()
                return [HoldBack()]
            case SubmissionResumed():
                self._sending.go_on()
                self._due.look_again()
            case Drained():
                self._is_draining = True
            case _:  # pragma: no cover
                assert_never(stimulus)
        return []

    def _acted(self, acted: Acted, moment: Moment) -> Sequence[Action]:
        action, entry = acted.action, acted.entry
        if entry.state not in HOLDS_SLOT:
            self._sending.free_slot(entry.id)
            self._cancelling.over(entry.id)
        if isinstance(action, Look | Cancel):
            self._looked(acted, action, moment.now)
        else:
            self._sending.acted(acted, moment.now)
            self._cancellations.back(entry.id)
            if entry.state is State.ACTIVE:
                self._sending.accepted()
                if self._limits.mode not in {Mode.ONCE, Mode.DETACH}:
                    self._watch_run(entry, since=moment.now)
        if entry is not action.entry and entry.state in {State.PLANNED, State.BACKOFF}:
            self._comes_back(entry)
        return self._sending.quota_full(entry, moment.now) if is_quota_full(entry) else []

    def _comes_back(self, entry: Entry) -> None:
        """File an entry that is to be sent once more: it is read from the ledger when it is due."""
        if entry.due is None:
            self._due.look_again()
        else:
            self._due.comes(entry.due)
        self._cancellations.again()

    def _looked(self, acted: Acted, action: Look | Cancel, now: float) -> None:
        entry, failed = acted.entry, not acted.is_answered
        is_going = entry.state is State.ACTIVE
        self._watch.looked(entry, now=now, failed=failed, is_going=is_going)
        if not is_going or entry.id not in self._cancelling:
            return
        if isinstance(action, Cancel) and not failed:
            self._cancelling.asked(entry.id, now)
        if isinstance(action, Cancel) or failed:
            self._watch.quicken(entry.id, now)  # an old run's next look may be an hour away
        elif self._cancelling.is_due(entry.id, now):
            self._watch.hasten(entry.id)  # it was asked for while this look was in the air

    def _surveyed(self, surveyed: Surveyed, moment: Moment) -> None:
        """Keep what has a run aside until it is taken over; nothing of it is sent that is not already."""
        survey = surveyed.survey
        if surveyed.are_few:
            self._proving.concluded(survey, moment.now, are_few=True)
            self._load_anew()
            return
        ids = frozenset(surveyed.named) - self._sending.in_air
        self._proving.set_aside(ids)
        self._sending.withdraw(ids)
        self._due.changed()
        self._conclusions.append(Conclude(survey=survey, entry_ids=ids))

    def _concluded(self, concluded: SurveyConcluded, moment: Moment) -> None:
        if self._limits.mode is Mode.WATCH:
            for entry in concluded.adopted:
                if entry.state is State.ACTIVE and not self._sending.has_slot(entry.id):
                    self._file(entry, moment)
        self._is_concluding = False
        self._proving.concluded(concluded.survey, moment.now)
        self._load_anew()

    def _load_anew(self) -> None:
        """Read what is to be sent once more, with its proofs."""
        self._sending.load_anew()
        self._due.changed()

    def _file_in_flight(self, outcome: InFlightRead, moment: Moment) -> None:
        self._in_flight.read(outcome)
        for entry in outcome.entries:
            is_meant = self._limits.mode is not Mode.CANCEL or entry.id in self._cancelling
            if is_meant and not self._sending.has_slot(entry.id):
                self._file(entry, moment)

    def _file(self, entry: Entry, moment: Moment) -> None:
        """File an entry in flight that was read from the ledger."""
        self._sending.take_slot(entry.id)
        match entry.state:
            case State.SUBMITTING:
                self._sending.add_unsettled(entry, moment.now)
            case State.ACTIVE:
                age = (moment.at - entry.accepted_at).total_seconds() if entry.accepted_at else 0.0
                if self._limits.mode is not Mode.DETACH:
                    self._watch_run(entry, since=moment.now - max(0.0, age), due=moment.now)
            case _:
                raise InvariantError(f"entry '{entry.id}' is {entry.state.value}: it is not in flight")

    def _cancel(self, outcome: CancellationsRead) -> Sequence[Action]:
        """Have runs cancelled, now or as soon as they are there; withdraw what was not sent."""
        ids = [one.entry.id for one in outcome.page if one.entry.state in HOLDS_SLOT]
        self._cancelling.want(ids)
        for entry_id in ids:
            self._watch.hasten(entry_id)
        actions: list[Action] = [*self._cancellations.read(outcome)]
        if outcome.page:
            self._sending.withdraw({one.entry.id for one in outcome.page})
            self._due.changed()
        else:
            if self._limits.mode is Mode.CANCEL:
                self._in_flight.again()  # more may have been asked for meanwhile
            if self._cancellations.is_awaiting:
                actions.append(HoldBack())  # what still waits for its turn comes back at once
        return actions

    def _ledger_changed(self, changed: LedgerChanged) -> None:
        if changed.has_new_active and self._limits.mode is Mode.WATCH:
            self._in_flight.again()  # somebody gave entries their runs back that were taken for removed
        self._due.look_again()
        self._cancellations.again()

    # -- what the planner asks for

    def _plan(self, moment: Moment) -> list[Action]:
        if self._cancellations.is_due:
            return [*self._cancellations.plan(self._sending.in_air)] if not self._is_concluding else []
        if self._in_flight.is_due:
            return [*self._in_flight.plan()]
        room = self._room()
        is_worth_reading = room > 0 and self._due.is_due(moment.at)
        reads = [self._due.plan(room, self._sending.held, moment.at)] if is_worth_reading else []
        looks = self._watch.plan(now=moment.now, room=self._limits.concurrency)
        sending = self._sending.plan(moment)
        surveys = self._proving.plan(moment.now)
        looks_and_cancels = (self._look_or_cancel(look, moment.now) for look in looks)
        return [*reads, *self._concluding(), *surveys, *sending, *looks_and_cancels]

    def _concluding(self) -> list[Conclude]:
        """
        Return the conclusion to draw now, if any.

        Taking runs over and withdrawing entries exclude each other: else what was read as not sent could be
        withdrawn although its run was taken over meanwhile.
        """
        due, self._conclusions = self._conclusions, []
        self._is_concluding = self._is_concluding or bool(due)
        return due

    def _look_or_cancel(self, look: Look | Sweep, now: float) -> Look | Cancel | Sweep:
        if isinstance(look, Look) and self._cancelling.is_due(look.entry.id, now):
            return Cancel(entry=look.entry)
        return look

    def _watch_run(self, entry: Entry, *, since: float, due: float | None = None) -> None:
        self._watch.add(entry, since=since, due=due)
        if entry.id in self._cancelling:
            self._watch.hasten(entry.id)

    @property
    def _is_reading_first(self) -> bool:
        """Whether something is to be read, or is being read, before anything is planned."""
        return self._cancellations.is_due or self._in_flight.is_due

    def _room(self) -> int:
        """Return how many entries are worth reading; 0 where so few are hardly worth a query."""
        room = self._sending.room()
        return room if room >= max(1, self._limits.concurrency // 2) else 0

    def _story(self, stimulus: Stimulus) -> str:
        """Return what the planner was told of the stimulus's entry, and of none in particular."""
        subject = _gist(stimulus)[0]
        return ", ".join(
            f"{_word(gist)} at {now:.1f} s" for now, gist in self._told if gist[0] in {subject, None}
        )


#: What is kept of a stimulus: the entry's id, the stimulus or action, and the entry's state; no entry itself.
_Gist: TypeAlias = tuple[str | None, type, State | None]


def _gist(stimulus: Stimulus) -> _Gist:
    if isinstance(stimulus, Acted):
        return stimulus.entry.id, type(stimulus.action), stimulus.entry.state
    return None, type(stimulus), None


def _word(gist: _Gist) -> str:
    _, kind, state = gist
    return kind.__name__ if state is None else f"{kind.__name__} came to {state.value}"
