"""The planner: what is due, within which limits; and the laws, over random worlds."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from batchrun.errors import InvariantError
from batchrun.model.actions import (
    Action,
    Cancel,
    Conclude,
    EntryAction,
    Follow,
    HoldBack,
    Look,
    Note,
    ReadCancellations,
    ReadChoices,
    ReadDue,
    ReadInFlight,
    Replay,
    Settle,
    Submit,
    SubmitTogether,
    Survey,
    Sweep,
    Withdraw,
)
from batchrun.model.cancelling import Cancellation, Scope
from batchrun.model.entry import Entry
from batchrun.model.events import (
    Accepted,
    Deferred,
    Doubted,
    Event,
    Intended,
    Recalled,
    Refused,
    Revised,
    Withdrawn,
    seen,
)
from batchrun.model.grouping import Choice, Engine, shape_of
from batchrun.model.limits import LaneLimits, Limits, Mode, StopAfter
from batchrun.model.listing import Listed
from batchrun.model.planner import Planner
from batchrun.model.policies import WatchPolicy
from batchrun.model.states import ENDED, GOING_STATUSES, OPEN, State
from batchrun.model.stimuli import (
    Acted,
    CancellationsRead,
    ChoicesRead,
    DueRead,
    Followed,
    InFlightRead,
    IntentRecorded,
    LanePaused,
    LaneResumed,
    LaneStopped,
    LedgerChanged,
    RatesLearned,
    RunsAnnounced,
    Stimulus,
    SubmissionResumed,
    SubmissionStopped,
    SubmittedTogether,
    SurveyConcluded,
    Surveyed,
    SurveyFailed,
    SweepFailed,
    Swept,
    Withdrew,
)
from batchrun.model.submission import OpenSubmission, Stage, Submission
from batchrun.model.sweeps import Way
from batchrun.model.transitions import apply
from batchrun.model.verdicts import QUOTA_FULL
from tests import builders
from tests.builders import active, at, ended, run
from tests.model.driving import Driven, loaded, moment

if TYPE_CHECKING:
    from collections.abc import Sequence

planned = partial(builders.planned, proven_at=at())

LANES = (LaneLimits(name="east", max_active=3), LaneLimits(name="west"), LaneLimits(name="north"))
ACCEPTED = Accepted(at=at(0), run=run())


def submitting(entry: Entry | None = None) -> Entry:
    return builders.submitting(entry or planned())


def doubtful(now: float = 0.0, **limits) -> Driven:
    """A planner of one entry whose answer was lost in this launch, not in one before."""
    made = loaded(planned(), now=now, **limits)
    (submit,) = made.plan(now)
    made.done(submit, submitting(), now=now, failed=True)
    return made


def test_what_is_ready_is_submitted_in_order_up_to_the_concurrency():
    made = loaded(*(planned(str(n)) for n in range(3)), concurrency=2)
    assert [action.entry.id for action in made.plan()] == ["0", "1"]
    assert made.plan() == []


def test_an_answer_makes_room_for_the_next():
    made = loaded(planned("a"), planned("b"), concurrency=1)
    (first,) = made.plan()
    made.done(first, apply(submitting(planned("a")), ACCEPTED), now=1)
    assert [action.entry.id for action in made.plan(1)] == ["b"]


def test_one_pass_does_not_wait_for_what_it_sends():
    made = loaded(planned("a"), mode=Mode.ONCE)
    (submit,) = made.plan()
    made.done(submit, apply(submitting(planned("a")), ACCEPTED), now=1)
    assert made.is_over


def test_the_cap_counts_what_may_become_active():
    made = loaded(active(planned("a")), submitting(planned("b")), max_active=3)
    assert made.slots == 2
    made.add(planned("c"), planned("d"))
    assert [action.entry.id for action in made.plan() if isinstance(action, Submit)] == ["c"]
    assert made.slots == 3


def test_an_end_frees_its_slot_and_a_deferral_too():
    made = loaded(active(planned("a")), planned("b"), max_active=2)
    submit, look = made.plan()
    made.done(look, replace(ended(), id="a"), now=1)
    assert made.slots == 1
    deferred = apply(submitting(planned("b")), Deferred(at=at(0), due=at(60), code="402", message=""))
    made.done(submit, deferred, now=1)
    assert made.slots == 0


def test_a_young_unknown_outcome_is_replayed_and_an_old_one_is_looked_for_first():
    # The proof holds for --replay-window less --listing-lag.
    assert isinstance(doubtful().plan(3539)[0], Replay)
    assert isinstance(doubtful().plan(3540)[0], Settle)
    from_the_future = doubtful().plan(60, latest=-60)
    assert isinstance(from_the_future[0], Settle)


def test_what_an_earlier_launch_left_in_doubt_is_looked_for_first_whatever_the_clock_says():
    (action,) = loaded(submitting()).plan(1)
    assert isinstance(action, Settle)
    assert (action.is_proof, action.may_send) == (False, True)
    made = loaded(submitting())
    (action,) = made.plan()
    made.done(action, submitting(), now=0, failed=False)
    assert isinstance(made.plan(made.wake_at or 0)[0], Replay)


def test_an_answer_that_never_comes_is_looked_for():
    made, kinds = doubtful(), ["Submit"]
    now = made.wake_at or 0.0
    for _ in range(4):
        (action,) = made.plan(now)
        kinds.append(type(action).__name__)
        made.done(action, submitting(), now=now, failed=True)
        now = made.wake_at or now
    assert kinds == ["Submit", "Replay", "Replay", "Settle", "Settle"]


def test_a_conflict_is_settled_by_looking():
    conflict = Doubted(at=at(0), code="ConflictException", message="")
    assert isinstance(loaded(apply(submitting(), conflict)).plan()[0], Settle)


def test_not_listed_yet_is_not_the_same_as_not_there():
    made = loaded(submitting(), now=7200, replay_window=1.0)
    may_send, now = [], 7200.0
    for _ in range(5):
        (action,) = made.plan(now)
        assert isinstance(action, Settle)
        assert action.may_send is action.is_proof
        may_send.append((action.is_proof, now - 7200 >= 60))
        made.done(action, submitting(), now=now, failed=True)
        now = made.wake_at or now
    assert all(may == has_lagged for may, has_lagged in may_send[:-1])
    assert {may for may, _ in may_send} == {True, False}


def test_what_only_a_person_can_settle_is_left_alone_until_the_next_launch():
    held = apply(submitting(), Doubted(at=at(0), code="AmbiguousRuns", message=""))
    made = loaded(held)
    (action,) = made.plan()
    assert isinstance(action, Settle)
    made.done(action, held, now=0, failed=True)
    assert made.is_over


def test_an_unknown_outcome_is_settled_again_after_a_wait_that_grows():
    made = loaded(submitting())
    waits, now = [], 0.0
    for _ in range(3):
        (action,) = made.plan(now)
        made.done(action, submitting(), now=now, failed=True)
        assert made.wake_at is not None
        assert made.plan(made.wake_at - 0.1) == []
        waits.append(made.wake_at - now)
        now = made.wake_at
    assert waits == sorted(waits)
    assert waits[0] > 4


def test_looks_come_at_intervals_that_grow_with_age():
    made = loaded(active(), watch=WatchPolicy(share_of_few=0.5))
    gaps, now = [], 0.0
    for _ in range(12):
        (look,) = made.plan(now)
        assert isinstance(look, Look)
        made.done(look, active(), now=now)
        assert made.wake_at is not None
        gaps.append(made.wake_at - now)
        now = made.wake_at
    assert gaps[0] < 3
    assert 50 < gaps[-1] < 67


def test_a_failed_look_changes_nothing_but_the_next_ones_time():
    calm, troubled = loaded(active()), loaded(active())
    for made, failed in ((calm, False), (troubled, True)):
        (look,) = made.plan()
        made.done(look, active(), now=0, failed=failed)
    assert calm.wake_at is not None
    assert troubled.wake_at is not None
    assert troubled.wake_at > calm.wake_at


def test_age_is_the_runs_not_the_processs():
    made = loaded(active(), now=86400)
    (look,) = made.plan(86400)
    made.done(look, active(), now=86400)
    assert made.wake_at is not None
    assert made.wake_at - 86400 > 50


def test_an_active_entry_of_unknown_age_is_watched_from_now():
    made = loaded(replace(active(), accepted_at=None))
    assert isinstance(made.plan()[0], Look)


def test_once_looks_at_each_run_once_and_does_not_wait():
    made = loaded(active(planned("a")), submitting(planned("b")), planned("c"), mode=Mode.ONCE)
    for action in made.plan():
        outcome = active(planned(action.entry.id)) if isinstance(action, Submit) else action.entry
        made.done(action, outcome, now=0, failed=True)
    assert made.is_over
    assert made.wake_at is None


def test_detach_looks_at_nothing():
    made = loaded(active(planned("a")), planned("b"), mode=Mode.DETACH)
    (submit,) = made.plan()
    made.done(submit, active(planned("b")), now=0)
    assert made.is_over
    assert made.slots == 2


def test_draining_plans_nothing_and_waits_for_what_is_in_the_air():
    made = loaded(planned("a"), active(planned("c")), active(planned("d")), concurrency=1)
    actions = made.plan()
    made.drain()
    reads = len(made.reads)
    assert (made.plan(), made.is_over, made.planner.in_air) == ([], False, 2)
    assert made.wake_at is None
    for action in actions:
        made.done(action, action.entry, now=0)
    assert made.is_over
    assert len(made.reads) == reads


def test_holding_back_submits_nothing_more_and_goes_on_with_the_rest():
    made = Driven()
    made.keep(planned("a"), submitting(planned("b")), active(planned("c")))
    made.hold_back()
    assert {type(action) for action in made.plan()} == {Settle, Look}
    assert not made.reads
    made.go_on()
    assert [type(action) for action in made.plan()] == [Submit]


def test_what_waits_for_its_turn_comes_back_when_submission_stops_and_is_read_again_when_it_goes_on():
    made = loaded(planned("a"))
    (submit,) = made.plan()
    made.hold_back()
    assert made.actions() == [HoldBack()]
    made.done(submit, submit.entry, now=0)
    assert made.is_over
    made.due.append(planned("a"))
    made.go_on()
    assert [type(action) for action in made.plan()] == [Submit]


@pytest.mark.parametrize(
    ("limit", "failed", "is_reached"),
    [
        (StopAfter(), 99, False),
        (StopAfter(count=3), 2, False),
        (StopAfter(count=3), 3, True),
        (StopAfter(percent=20), 19, False),
        (StopAfter(percent=20), 20, True),
        (StopAfter(percent=0.1), 0, False),
    ],
)
def test_when_failures_are_too_many(limit, failed, is_reached):
    assert limit.is_reached(failed, 100) is is_reached
    assert limit.is_set is (limit != StopAfter())


def test_what_was_let_go_of_before_it_was_sent_is_ready_again():
    made = loaded(planned("a"), planned("b"), concurrency=1)
    (action,) = made.plan()
    made.done(action, action.entry, now=0)
    assert [action.entry.id for action in made.plan()] == ["a"]


def full(entry: Entry, due: float) -> Entry:
    """The entry as it is after the service said that the quota is full."""
    return apply(submitting(entry), Deferred(at=at(0), due=at(due), code=QUOTA_FULL, message="full"))


def test_a_full_quota_is_probed_with_one_until_one_is_accepted():
    made = loaded(*(planned(id) for id in "abc"))
    first, second, third = made.plan()
    made.done(first, full(first.entry, due=60), now=0)
    (held,) = made.actions()
    assert isinstance(held, HoldBack)
    assert held.quota_message == "full"
    made.done(second, full(second.entry, due=60), now=1)  # sent before the first was answered: the same pause
    made.done(third, third.entry, now=1)
    assert made.actions(held.seconds - 0.1) == []
    assert made.wake_at == held.seconds
    (probe,) = made.plan(held.seconds)
    assert isinstance(probe, Submit)
    made.add(planned("d"), now=held.seconds)
    assert made.plan(held.seconds) == []
    made.done(probe, apply(submitting(probe.entry), ACCEPTED), now=held.seconds)
    assert [action.entry.id for action in made.plan(held.seconds) if isinstance(action, Submit)] == ["d"]


def test_each_probe_that_finds_the_quota_full_waits_longer():
    made, waits, now = Driven(), [], 0.0
    for number in range(4):
        made.add(planned(str(number)), now=now)
        (probe,) = made.plan(now)
        made.done(probe, full(probe.entry, due=now + 10_000), now=now)
        (held,) = (action for action in made.actions(now) if isinstance(action, HoldBack))
        waits.append(held.seconds)
        now += held.seconds
    assert waits == sorted(waits)
    assert waits[-1] > 4 * waits[0]


def test_what_waits_for_slots_that_nothing_will_free_is_not_waited_for():
    held = apply(submitting(planned("a")), Doubted(at=at(0), code="AmbiguousRuns", message=""))
    made = loaded(held, planned("b"), max_active=1)
    (action,) = made.plan()
    assert not made.is_over
    made.done(action, held, now=0, failed=True)
    assert made.is_over


def test_what_is_due_later_is_waited_for_and_read_when_it_is_due():
    made = loaded(planned("a"))
    (submit,) = made.plan()
    made.done(submit, full(submit.entry, due=90), now=0)
    assert not made.is_over
    assert made.wake_at == 90
    made.due.append(full(submit.entry, due=90))
    assert [type(action) for action in made.plan(90)] == [Submit]


def test_one_pass_does_not_wait_for_what_is_due_later():
    made = loaded(planned("a"), mode=Mode.ONCE)
    (submit,) = made.plan()
    made.done(submit, full(submit.entry, due=90), now=0)
    assert made.is_over


def test_a_due_time_that_a_clock_was_ahead_to_set_has_come():
    made = Driven()
    made.next_due = at(5_000)
    made.tell()
    assert made.is_over  # beyond what anything waits: the ledger was asked for it, and had none
    made = loaded(planned("a"))
    (submit,) = made.plan()
    throttled = Deferred(at=at(0), due=at(500_000), code="ThrottlingException", message="")
    made.due.append(apply(submitting(), throttled))
    made.done(submit, made.due[0], now=0)
    assert [type(action) for action in made.plan()] == [Submit]


def test_what_has_ended_is_not_in_flight():
    made = Driven()
    read = ReadInFlight(state=State.ACTIVE, after=-1)
    with pytest.raises(InvariantError, match="it is not in flight; the planner was told: InFlightRead at"):
        made.tell(InFlightRead(read=read, entries=[ended()]))


def test_a_defect_tells_the_story_of_its_entry():
    made = loaded(planned("a"), planned("b"))
    first, second = made.plan()
    made.done(second, apply(submitting(second.entry), ACCEPTED), now=1)
    made.done(first, submitting(first.entry), now=2, failed=True)
    told = r"Submit came to submitting at 2.0 s, Look came to active at 3.0 s"
    with pytest.raises(InvariantError, match=told) as raised:
        made.done(Look(entry=active(planned("a"))), active(planned("a")), now=3)
    assert "at 1.0 s" not in str(raised.value)  # that was the other


def test_what_nobody_asked_for_is_a_defect():
    made = loaded(planned("a"))
    with pytest.raises(InvariantError, match="nobody asked for it"):
        made.done(Submit(entry=planned("b")), planned("b"), now=0)


def test_what_is_here_already_is_not_read_again():
    made = loaded(planned("a"), planned("b"), active(planned("c")), concurrency=1)
    made.plan()
    made.tell(LedgerChanged())
    assert len(made.reads) == 2
    made = loaded(planned("a"), planned("b"), concurrency=4)
    made.plan()
    made.tell(LedgerChanged())
    assert made.reads[-1].besides == {"a", "b"}


def test_what_was_read_before_a_survey_found_runs_is_not_used():
    made = Driven()
    (cancellations,) = made.planner.handle(moment=moment())
    assert isinstance(cancellations, ReadCancellations)
    reads = made.planner.handle(CancellationsRead(read=cancellations, page=[]), moment=moment())
    for _ in range(2):
        (in_flight,) = reads
        assert isinstance(in_flight, ReadInFlight)
        reads = made.planner.handle(InFlightRead(read=in_flight, entries=[]), moment=moment())
    (due,) = reads
    assert isinstance(due, ReadDue)
    survey = Survey(begun=0)
    (conclude,) = made.planner.handle(Surveyed(survey=survey, named=["a"]), moment=moment())
    assert conclude == Conclude(survey=survey, entry_ids={"a"})
    (again,) = made.planner.handle(DueRead(read=due, entries=[planned("a")]), moment=moment())
    assert isinstance(again, ReadDue)
    assert again.besides == {"a"}


def test_validation_finds_what_contradicts_itself():
    made = loaded(planned("a"), active(planned("b")), submitting(planned("c")))
    made.planner.validate()
    sending, queues = made.planner._lanes.of(None).sending, made.planner._queues
    for entry_id in ("b", "c"):
        sending.slots.free(entry_id)
        with pytest.raises(InvariantError, match=f"in flight without a slot: .'{entry_id}'"):
            made.planner.validate()
        sending.slots.take(entry_id)
    queues.put_back(planned("b"))
    with pytest.raises(InvariantError, match="in two places"):
        made.planner.validate()
    made = doubtful()
    made.planner._lanes.of(None).sending._waiting.add("nobody")
    with pytest.raises(InvariantError, match="waits, and is not in the air"):
        made.planner.validate()
    made = doubtful()
    made.planner._lanes.of(None).sending._doubts.clear()
    with pytest.raises(InvariantError, match="without a doubt"):
        made.planner.validate()


class World:
    """A service that answers as it likes, a ledger that keeps each step, people who change their minds."""

    def __init__(self, data: st.DataObject, rows: int, limits: Limits, lanes: Sequence[LaneLimits]) -> None:
        self.data = data
        self.limits = limits
        self.lanes = lanes
        self.usable = {lane.name for lane in lanes}  #: that did not stop
        self.silent: set[str] = set()
        self.planner = Planner(limits, lanes, home=lanes[0].name)
        self.entries = {str(n): self.row(n) for n in range(rows)}
        self.wishes: set[str] = set()
        self.sent: dict[str, set[str]] = {}
        self.exists: set[str] = set()
        self.adopted: set[str] = set()
        self.submissions: dict[str, Submission] = {}
        self.submitted: dict[str, str] = {}  #: submission by row that is SUBMITTING
        self.under_way: list[Action] = []
        self.now = 0.0

    def row(self, number: int) -> Entry:
        entry = builders.planned(str(number), number)
        if self.lanes[0].name is None:
            return entry
        names = self.data.draw(st.sampled_from([["east"], ["west"], ["east", "west"], ["west", "north"]]))
        return replace(entry, offers=builders.offers(*names, name=f"cohort-{number}"))

    def step(self) -> None:
        """Let some of what is under way end, in any order, and sometimes something else happen."""
        order = self.data.draw(st.permutations(self.under_way))
        ended = order[: self.data.draw(st.integers(min(1, len(order)), len(order)))]
        self.under_way = [action for action in self.under_way if not any(action is one for one in ended)]
        stimuli = [outcome for action in ended for outcome in self.outcomes(action)]
        for action in self.planner.handle(*stimuli, *self.happen(), moment=moment(self.now)):
            if isinstance(action, Submit):
                assert action.lane not in self.silent, "sent to a lane that cannot be used"
                is_proven = self.limits.trust.holds(action.entry, at(self.now))
                assert is_proven or self.silent.isdisjoint(action.entry.may_take), "it may have a run there"
            if isinstance(action, Note):
                self.carry_out(action)  # begun first, it is in line before whatever is seen later
            else:
                self.under_way.append(action)
        self.planner.validate()
        self.check_slots()
        if not self.under_way and self.planner.wake_at is not None:
            self.now = max(self.now + 0.5, min(self.planner.wake_at, self.now + 600))

    def outcomes(self, action: Action) -> list[Stimulus]:
        if (
            isinstance(action, Submit)
            and action.lane is not None
            and self.data.draw(st.integers(0, 20)) == 20
        ):
            return self.stopped_in_between(action, action.lane)
        outcome = self.carry_out(action)
        if outcome is None:
            return []
        intents: list[Stimulus] = []
        if isinstance(action, Submit) and action.lane is not None and isinstance(outcome, Acted):
            is_sent = outcome.entry is not action.entry
            intents = [IntentRecorded(entry_id=action.entry.id, lane=action.lane)] if is_sent else []
        return [*intents, outcome]

    def stopped_in_between(self, action: Submit, lane: str) -> list[Stimulus]:
        """The lane turns out to be of no use when the intent is on disk and nothing was sent."""
        request = action.entry.as_in(lane).request
        intended = Intended(at=at(self.now), proven_at=at(self.now), lane=lane, request=request)
        self.entries[action.entry.id] = apply(self.entries[action.entry.id], intended)
        recorded = IntentRecorded(entry_id=action.entry.id, lane=lane)
        self.usable.discard(lane)
        self.silent.add(lane)
        unsent = Acted(action=action, entry=action.entry, is_answered=False)
        return [recorded, LaneStopped(lane=lane), unsent]

    def happen(self) -> list[Stimulus]:
        kinds = [
            "cancel",
            "change",
            "stop",
            "rates",
            "announced",
            *(["lane"] * 3 if len(self.lanes) > 1 else []),
        ]
        match self.data.draw(st.sampled_from(["nothing"] * 12 + kinds)):
            case "lane":
                return self.lane_happens(self.data.draw(st.sampled_from([lane.name for lane in self.lanes])))
            case "cancel":
                self.wishes.add(self.data.draw(st.sampled_from(sorted(self.entries))))
                return [LedgerChanged()]
            case "change":
                return [LedgerChanged(has_new_active=True)]
            case "stop":
                return [SubmissionStopped(), SubmissionResumed()]
            case "rates":
                lane = self.data.draw(st.sampled_from(self.lanes)).name
                get, start = (self.data.draw(st.sampled_from([0.1, 10.0])) for _ in range(2))
                return [RatesLearned(get=get, list=10, start=start, lane=lane)]
            case "announced":  # truly, too early, twice, or of nobody's run
                uuids = [entry.run.uuid for entry in self.entries.values() if entry.run] or ["nobody's"]
                said = self.data.draw(st.lists(st.sampled_from(uuids), max_size=3))
                return [RunsAnnounced(uuids=said, is_alive=self.data.draw(st.booleans()))]
            case _:
                return []

    def lane_happens(self, lane: str | None) -> list[Stimulus]:
        if lane is None or lane not in self.usable:
            return []
        match self.data.draw(st.sampled_from(["pause", "resume", "stop"])):
            case "pause":
                self.silent.add(lane)
                return [LanePaused(lane=lane)]
            case "resume":
                self.silent.discard(lane)
                return [LaneResumed(lane=lane)]
            case _:
                self.usable.discard(lane)
                self.silent.add(lane)
                return [LaneStopped(lane=lane)]

    def carry_out(self, action: Action) -> Stimulus | None:  # noqa: C901, PLR0911, PLR0912 (one for each)
        match action:
            case Submit() | Replay() | Settle() | Look() | Cancel():
                return self.act(action)
            case Sweep():
                return self.sweep(action)
            case Survey():
                return self.survey(action)
            case Conclude():
                return self.conclude(action)
            case ReadChoices():
                return ChoicesRead(choices=self.choices())
            case SubmitTogether():
                return self.submit_together(action)
            case Follow():
                return self.follow(action)
            case ReadDue():
                return self.read_due(action)
            case ReadInFlight(state=state, after=after):
                there = [one for one in self.entries.values() if one.state is state and one.position > after]
                is_first = state is State.SUBMITTING and after < 0
                return InFlightRead(
                    read=action, entries=there[:2], submissions=self.open_submissions() if is_first else ()
                )
            case ReadCancellations(after=after):
                wished = [self.entries[id] for id in self.wishes if self.entries[id].state in OPEN]
                page = sorted((one for one in wished if one.position > after), key=lambda one: one.position)
                wishes = [Cancellation(entry=entry, scope=Scope.RUN) for entry in page[:2]]
                return CancellationsRead(read=action, page=wishes)
            case Withdraw(entries=entries):
                for entry in entries:
                    now = self.entries[entry.id]
                    assert now == replace(entry, proven_at=now.proven_at), "it was decided otherwise"
                    self.entries[entry.id] = apply(now, Withdrawn(at=at(self.now), message=""))
                return Withdrew(withdraw=action)
            case Note(news=news):
                for before, event in news:
                    assert self.entries[before.id] == before
                    self.entries[before.id] = apply(before, event)
                return None
            case HoldBack():
                return None

    def read_due(self, read: ReadDue) -> DueRead:
        unsent = [
            one
            for one in self.unsent()
            if one.id not in {*read.besides, *self.wishes}
            and read.lanes in {None, one.may_take}
            and read.shape in {None, self.shape(one)}
        ]
        due = [entry for entry in unsent if entry.due is None or entry.due <= read.at][: read.limit]
        later = min((entry.due for entry in unsent if entry.due and entry.due > read.at), default=None)
        return DueRead(read=read, entries=due, next_due=later if len(due) < read.limit else None)

    def shape(self, entry: Entry) -> str:
        return shape_of(entry.id, entry.asked)

    def choices(self) -> list[Choice]:
        if self.limits.engine is Engine.STARTRUN:
            return [Choice(lanes=lanes) for lanes in {one.may_take for one in self.unsent()}]
        counts = Counter((one.may_take, self.shape(one)) for one in self.unsent())
        return [Choice(lanes=lanes, shape=shape, rows=rows) for (lanes, shape), rows in counts.items()]

    def open_submissions(self) -> list[OpenSubmission]:
        return [
            OpenSubmission(
                submission=one, ids=[id for id, of in self.submitted.items() if of == one.request_id]
            )
            for one in self.submissions.values()
        ]

    def submit_together(self, action: SubmitTogether) -> SubmittedTogether:
        """Submit, let go of, or lose a submission; sometimes a row of it could not be looked for."""
        assert len({(one.may_take, self.shape(one)) for one in action.entries}) == 1, "rows are not alike"
        assert all(
            replace(self.entries[one.id], proven_at=None) == replace(one, proven_at=None)
            for one in action.entries
        )
        kind = self.data.draw(st.sampled_from(["known", "unknown", "let go", "refused"]))
        if kind == "let go":
            unproven = self.data.draw(st.sets(st.sampled_from([one.id for one in action.entries])))
            return SubmittedTogether(action=action, entries=action.entries, unproven=unproven)
        request_id = f"submission-{len(self.submissions)}"
        for one in action.entries:
            intended = Intended(
                at=at(self.now),
                proven_at=at(self.now),
                lane=action.lane,
                request=one.as_in(action.lane).request,
            )
            self.entries[one.id] = apply(one, intended)
            self.sent.setdefault(one.id, set()).add(self.entries[one.id].request_id)
            self.submitted[one.id] = request_id
        if kind == "refused":
            refused = Deferred(at=at(self.now), due=at(self.now + 30), code=QUOTA_FULL, message="")
            for one in action.entries:
                self.settle(apply(self.entries[one.id], refused))
        else:
            self.submissions[request_id] = builders.submission(request_id, lane=action.lane)
        entries = [self.entries[one.id] for one in action.entries]
        return SubmittedTogether(
            action=action, entries=entries, request_id=request_id, is_known=kind == "known"
        )

    def settle(self, entry: Entry) -> Entry:
        self.entries[entry.id] = entry
        self.submitted.pop(entry.id, None)
        return entry

    def follow(self, action: Follow) -> Followed:
        """Settle what the data say: rows with a run, and those that have none once that is a proof."""
        assert action.ids == {id for id, of in self.submitted.items() if of == action.request_id}
        settled = []
        for id in sorted(action.ids):
            entry = self.entries[id]
            kinds = ["wait", "run", *(["none"] if action.is_proof and id not in self.exists else [])]
            match self.data.draw(st.sampled_from(kinds)):
                case "run":
                    self.exists.add(id)
                    settled.append(self.settle(apply(entry, Accepted(at=at(self.now), run=self.run(entry)))))
                case "none":
                    none = Deferred(at=at(self.now), due=at(self.now + 1), code="BatchFailed", message="")
                    settled.append(self.settle(apply(entry, none)))
                case _:
                    pass
        return Followed(
            action=action,
            stage=self.data.draw(st.sampled_from([None, *Stage])),
            settled=settled,
            was_sent=self.data.draw(st.booleans()),
            is_answered=self.data.draw(st.booleans()),
            is_held=self.data.draw(st.sampled_from([False] * 9 + [True])),
        )

    def unsent(self) -> list[Entry]:
        return [one for one in self.entries.values() if one.state in {State.PLANNED, State.BACKOFF}]

    def sweep(self, sweep: Sweep) -> Swept | SweepFailed:
        """List what the data say: some of what is there, in any state of going, or nothing at all."""
        if self.data.draw(st.booleans()):
            return SweepFailed(sweep=sweep, is_denied=self.data.draw(st.booleans()))
        going = [entry for entry in self.entries.values() if entry.run and self.data.draw(st.booleans())]
        found = {
            entry.run.id: Listed(id=entry.run.id, status=self.data.draw(st.sampled_from(GOING_STATUSES)))
            for entry in going
            if entry.run
        }
        return Swept(sweep=sweep, listed=found, calls=4)

    def survey(self, survey: Survey) -> Stimulus:
        kind = self.data.draw(st.sampled_from(["few", "named", "nothing", "failed"]))
        if kind == "failed":
            return SurveyFailed(survey=survey)
        named = self.data.draw(st.sets(st.sampled_from(sorted(self.entries)))) if kind == "named" else ()
        return Surveyed(survey=survey, named=named, are_few=kind == "few")

    def conclude(self, conclude: Conclude) -> SurveyConcluded:
        """Another ledger had started some of them; all others are proven to have no run."""
        adopted = []
        for id, entry in self.entries.items():
            if entry.state in {State.PLANNED, State.BACKOFF} and id not in self.exists:
                if id in conclude.entry_ids and self.data.draw(st.booleans()):
                    self.exists.add(id)
                    self.adopted.add(id)
                    lane = next(iter(entry.may_take), None)
                    intended = apply(
                        entry, Intended(at=at(self.now), lane=lane, request=entry.as_in(lane).request)
                    )
                    adopted.append(apply(intended, Accepted(at=at(self.now), run=self.run(entry))))
                    self.entries[id] = adopted[-1]
                else:
                    self.entries[id] = replace(entry, proven_at=at(conclude.survey.begun))
        return SurveyConcluded(survey=conclude.survey, adopted=adopted)

    def act(self, action: EntryAction) -> Acted:
        before = self.entries[action.entry.id]
        assert replace(before, proven_at=None) == replace(action.entry, proven_at=None), (
            "acted on what is past"
        )
        if isinstance(action, Submit) and self.data.draw(st.sampled_from([True, *[False] * 9])):
            return Acted(action=action, entry=action.entry, is_answered=self.data.draw(st.booleans()))
        after = self.acted(action)
        self.entries[after.id] = after
        return Acted(action=action, entry=after, is_answered=after.state is not State.SUBMITTING)

    def acted(self, action: EntryAction) -> Entry:
        match action:
            case Submit(entry=entry, lane=lane):
                assert lane in (entry.may_take or (None,)), "sent to where it may not go"
                request = entry.as_in(lane).request
                intended = Intended(at=at(self.now), proven_at=at(self.now), lane=lane, request=request)
                return self.answer(apply(entry, intended))
            case Settle(entry=entry) if entry.id in self.exists:
                return apply(entry, Accepted(at=at(self.now), run=self.run(entry), was_found=True))
            case Settle(entry=entry, is_proof=False):
                return entry
            case Replay(entry=entry) | Settle(entry=entry):
                return self.answer(entry)
            case Look(entry=entry):
                status = self.data.draw(st.sampled_from(["RUNNING", "COMPLETED", "FAILED", "NEW_WORD"]))
                return apply(entry, seen(self.run(entry, status), at(self.now)))
            case Cancel(entry=entry):
                return apply(entry, Recalled(at=at(self.now)))

    def answer(self, entry: Entry) -> Entry:
        self.sent.setdefault(entry.id, set()).add(entry.request_id)
        kind = self.data.draw(st.sampled_from(["accept", "lose", "drop", "defer", "full", "refuse"]))
        if kind in {"accept", "lose"} or entry.id in self.exists:
            self.exists.add(entry.id)
        moment = at(self.now)
        answers: dict[str, Event] = {
            "accept": Accepted(at=moment, run=self.run(entry)),
            "lose": Doubted(at=moment, code="ReadTimeoutError", message=""),
            "drop": Doubted(at=moment, code="EndpointConnectionError", message=""),
            "defer": Deferred(at=moment, due=at(self.now + 30), code="ThrottlingException", message=""),
            "full": Deferred(at=moment, due=at(self.now + 60), code=QUOTA_FULL, message=""),
            "refuse": Refused(at=moment, code="ValidationException", message=""),
        }
        if entry.id in self.exists and kind in {"defer", "full", "refuse"}:
            kind = "accept"  # the service remembers the requestId
        return apply(entry, answers[kind])

    def run(self, entry: Entry, status: str = "PENDING"):
        return run(status, id=entry.id, uuid=f"u-{entry.id}")

    def check_slots(self) -> None:
        if self.limits.max_active is not None:
            started = self.exists - self.adopted  # what others started nobody could hold back
            active_at_service = sum(1 for id in started if self.entries[id].state not in ENDED)
            assert active_at_service <= self.limits.max_active
        for lane in self.lanes:
            own = [
                self.entries[id] for id in self.exists - self.adopted if self.entries[id].lane == lane.name
            ]
            active_there = sum(1 for entry in own if entry.state not in ENDED)
            assert lane.max_active is None or active_there <= lane.max_active


@settings(max_examples=60, deadline=None)
@given(
    st.data(),
    st.integers(1, 8),
    st.integers(1, 4),
    st.none() | st.integers(1, 4),
    st.sampled_from(Mode),
    st.sampled_from([(LaneLimits(),), LANES]),
    st.sampled_from([Engine.STARTRUN, Engine.BATCH]),
)
def test_the_laws_hold_in_any_world(data, rows, concurrency, max_active, mode, lanes, engine):
    limits = Limits(
        concurrency=concurrency, max_active=max_active, mode=mode, engine=engine, batch_rows=concurrency
    )
    world = World(data, rows, limits, lanes)
    for _ in range(80):
        world.step()
        # One run per attempt: whatever was lost, an attempt is sent under one requestId only.
        assert all(len(ids) == 1 for ids in world.sent.values())
        # Nothing accepted is forgotten.
        assert all(world.entries[id].state is not State.PLANNED for id in world.exists)
        if world.planner.is_over and not world.under_way:
            break
    settled = [entry for entry in world.entries.values() if entry.state in ENDED]
    assert all(
        entry.run is not None for entry in settled if entry.state not in {State.REFUSED, State.CANCELLED}
    )
    if world.planner.is_over and not world.under_way and mode is Mode.WATCH:
        left = [entry for entry in world.entries.values() if entry.state in OPEN]
        if world.usable >= {lane.name for lane in lanes}:
            assert not left or (max_active is not None and len(left) >= max_active), left
        else:  # it lies in lanes that stopped, or might have a run there
            stopped = {lane.name for lane in lanes} - world.usable
            assert all(not stopped.isdisjoint(entry.may_take) for entry in left) or max_active, left


def test_a_sweep_that_shows_none_of_the_runs_says_nothing_of_the_batch():
    made = Driven(way=Way.LIST)
    made.keep(active(planned("a")))
    (sweep,) = made.actions(10)
    assert isinstance(sweep, Sweep)
    made.tell(Swept(sweep=sweep, listed={}, calls=4), now=11)
    assert not [action for action in made.actions(11) if isinstance(action, Note)]


def test_what_is_deferred_without_a_time_is_read_again():
    made = loaded(planned("a"))
    (submit,) = made.plan()
    reads = len(made.reads)
    made.done(submit, apply(planned("a"), Revised(at=at(0), request=builders.request(priority=2))), now=0)
    assert len(made.reads) == reads + 1
    assert made.is_over


def test_runs_are_read_once_more_when_others_changed_the_ledger_while_they_were_read():
    made = Driven()
    (cancellations,) = made.planner.handle(moment=moment())
    assert isinstance(cancellations, ReadCancellations)
    (first,) = made.planner.handle(CancellationsRead(read=cancellations, page=[]), moment=moment())
    assert isinstance(first, ReadInFlight)
    assert not made.planner.is_over
    (again,) = made.planner.handle(LedgerChanged(has_new_active=True), moment=moment())
    assert isinstance(again, ReadCancellations)
    states = []
    actions = made.planner.handle(
        InFlightRead(read=first, entries=[]), CancellationsRead(read=again, page=[]), moment=moment()
    )
    while isinstance(actions[0], ReadInFlight):
        states.append(actions[0].state)
        actions = made.planner.handle(InFlightRead(read=actions[0], entries=[]), moment=moment())
    assert states == [State.ACTIVE, State.SUBMITTING, State.ACTIVE]


def test_what_drains_keeps_what_a_sweep_showed_and_reads_nothing_more():
    made = Driven(way=Way.LIST)
    made.keep(active(planned("a")))
    (sweep,) = made.actions(10)
    assert isinstance(sweep, Sweep)
    made.drain(10)
    shown = {"1000001": Listed(id="1000001", status="RUNNING", name="cohort-a")}
    made.tell(Swept(sweep=sweep, listed=shown, calls=4), now=11)
    (note,) = made.actions(11)
    assert isinstance(note, Note)
    assert note.news[0][0].id == "a"
    assert made.is_over


def test_a_failed_sweep_is_followed_by_looks():
    made = Driven(way=Way.LIST)
    made.keep(active(planned("a")))
    (sweep,) = made.actions(10)
    assert isinstance(sweep, Sweep)
    made.tell(SweepFailed(sweep=sweep), now=11)
    assert [type(action) for action in made.plan(60)] == [Look]


def test_a_run_that_was_taken_over_and_read_already_is_watched_once():
    made = loaded()
    made.tell(Surveyed(survey=Survey(begun=0), named=["a"]))
    conclude = made.conclusion()
    made.keep(active(planned("a")))
    made.planner._in_flight.again()
    made.tell()
    made.concluded(conclude, active(planned("a")), now=0)
    assert [type(action) for action in made.plan()] == [Look]


def test_nothing_is_planned_while_a_page_of_what_is_in_flight_is_read():
    planner = Planner(Limits())
    (cancellations,) = planner.handle(moment=moment())
    assert isinstance(cancellations, ReadCancellations)
    (page,) = planner.handle(CancellationsRead(read=cancellations, page=[]), moment=moment())
    assert isinstance(page, ReadInFlight)
    assert planner.handle(moment=moment()) == []
