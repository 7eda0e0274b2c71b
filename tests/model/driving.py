"""A planner with a ledger that answers at once, for tests that are about the rest."""

from __future__ import annotations

from collections import Counter
from datetime import datetime

from batchrun.model.entries.entry import Entry
from batchrun.model.entries.states import HOLDS_SLOT, State
from batchrun.model.planning.actions import (
    Action,
    Conclude,
    EntryAction,
    ReadCancellations,
    ReadChoices,
    ReadDue,
    ReadInFlight,
    Survey,
    Withdraw,
)
from batchrun.model.planning.cancelling import Cancellation, Scope
from batchrun.model.planning.limits import LaneLimits, Limits
from batchrun.model.planning.planner import Planner
from batchrun.model.planning.stimuli import (
    Acted,
    CancellationsRead,
    ChoicesRead,
    Drained,
    DueRead,
    InFlightRead,
    LedgerChanged,
    Moment,
    Stimulus,
    SubmissionResumed,
    SubmissionStopped,
    SurveyConcluded,
    Surveyed,
    SurveyFailed,
    Withdrew,
)
from batchrun.model.submissions.grouping import Choice, Engine, shape_of
from batchrun.model.submissions.submission import OpenSubmission
from tests.builders import active, at, planned


def moment(now: float = 0.0, latest: float | None = None) -> Moment:
    return Moment(now=now, at=at(now), latest=at(now if latest is None else latest))


def shape_in(entry: Entry) -> str:
    return shape_of(entry.id, entry.asked)


class Driven:
    """The planner, its ledger, and the actions that nobody has taken yet; validated after each step."""

    def __init__(self, *lanes: LaneLimits, home: str | None = None, **limits) -> None:
        self.planner = Planner(Limits(**limits), lanes or [LaneLimits()], home=home)
        self.has_shapes = limits.get("engine", Engine.STARTRUN) is not Engine.STARTRUN
        self.in_flight: list[Entry] = []
        self.open: list[OpenSubmission] = []
        self.due: list[Entry] = []
        self.wishes: list[Cancellation] = []
        self.withdrawn: list[str] = []
        self.waiting: list[Action] = []
        self.reads: list[ReadDue] = []
        self.next_due: datetime | None = None

    @property
    def is_over(self) -> bool:
        return self.planner.is_over

    @property
    def wake_at(self) -> float | None:
        return self.planner.wake_at

    @property
    def slots(self) -> int:
        return self.planner.slots

    def tell(self, *stimuli: Stimulus, now: float = 0.0, latest: float | None = None) -> None:
        """Tell the planner, answer what it reads, and keep what else it asks for."""
        actions = self.planner.handle(*stimuli, moment=moment(now, latest))
        self.planner.validate()
        for action in actions:
            answer = self._answer(action)
            if answer is None:
                self.waiting.append(action)
            else:
                self.tell(answer, now=now, latest=latest)

    def _answer(self, action: Action) -> Stimulus | None:
        match action:
            case ReadDue():
                self.reads.append(action)
                meant = [
                    entry
                    for entry in self.due
                    if action.lanes in {None, entry.may_take}
                    and (action.shape is None or action.shape == shape_in(entry))
                ]
                chosen = [entry for entry in meant if entry.id not in action.besides][: action.limit]
                read = set(map(id, chosen))
                self.due = [entry for entry in self.due if id(entry) not in read]
                return DueRead(read=action, entries=chosen, next_due=self.next_due)
            case ReadChoices():
                alike = Counter(
                    (entry.may_take, shape_in(entry) if self.has_shapes else None) for entry in self.due
                )
                return ChoicesRead(
                    choices=[Choice(lanes=key[0], shape=key[1], rows=rows) for key, rows in alike.items()]
                )
            case ReadInFlight():
                page = [entry for entry in self.in_flight if entry.state is action.state]
                self.in_flight = [entry for entry in self.in_flight if entry.state is not action.state]
                is_first = action.state is State.SUBMITTING and action.after < 0
                return InFlightRead(read=action, entries=page, submissions=self.open if is_first else ())
            case ReadCancellations():
                wishes, self.wishes = self.wishes, []
                return CancellationsRead(read=action, page=wishes)
            case Withdraw():
                self.withdrawn += [entry.id for entry in action.entries]
                return Withdrew(withdraw=action)
            case _:
                return None

    # -- the ledger's side

    def add(self, *entries: Entry, now: float = 0.0) -> None:
        """Let the ledger have these, and the planner read them."""
        self.keep(*entries)
        self.tell(LedgerChanged(has_new_active=True), now=now)

    def keep(self, *entries: Entry) -> None:
        for entry in entries:
            (self.in_flight if entry.state in HOLDS_SLOT else self.due).append(entry)

    def cancel(self, *entries: Entry | str, now: float = 0.0) -> None:
        """Let somebody ask for these to be cancelled; an id alone is of one that has a run."""
        for one in entries:
            entry = active(planned(one)) if isinstance(one, str) else one
            self.wishes.append(Cancellation(entry=entry, scope=Scope.RUN))
        self.tell(LedgerChanged(), now=now)

    # -- the engine's side

    def plan(self, now: float = 0.0, latest: float | None = None) -> list[EntryAction]:
        """What is to be done for single entries by *now*; the rest stays."""
        return [action for action in self.actions(now, latest) if isinstance(action, EntryAction)]

    def actions(self, now: float = 0.0, latest: float | None = None) -> list[Action]:
        """Everything that is to be done by *now*."""
        self.tell(now=now, latest=latest)
        actions, self.waiting = self.waiting, []
        return actions

    def done(self, action: Action, entry: Entry, *, now: float, failed: bool = False) -> None:
        assert isinstance(action, EntryAction)
        self.tell(Acted(action=action, entry=entry, is_answered=not failed), now=now)

    def drain(self, now: float = 0.0) -> None:
        self.tell(Drained(), now=now)

    def hold_back(self, now: float = 0.0) -> None:
        self.tell(SubmissionStopped(), now=now)

    def go_on(self, now: float = 0.0) -> None:
        self.tell(SubmissionResumed(), now=now)

    def surveyed(self, survey: Survey, *, now: float, failed: bool = False, are_few: bool = False) -> None:
        """Let a survey end that found nothing."""
        if failed:
            self.tell(SurveyFailed(survey=survey), now=now)
            return
        self.tell(Surveyed(survey=survey, are_few=are_few), now=now)
        if not are_few:
            self.concluded(self.conclusion(), now=now)

    def conclusion(self) -> Conclude:
        (conclude,) = [action for action in self.waiting if isinstance(action, Conclude)]
        self.waiting.remove(conclude)
        return conclude

    def concluded(
        self, conclude: Conclude, *adopted: Entry, now: float, again_at: float | None = None
    ) -> None:
        self.tell(SurveyConcluded(survey=conclude.survey, adopted=adopted, again_at=again_at), now=now)


def loaded(*entries: Entry, now: float = 0.0, **limits) -> Driven:
    """A planner that has read these at *now*, and nothing else."""
    made = Driven(**limits)
    made.keep(*entries)
    made.tell(now=now)
    return made
