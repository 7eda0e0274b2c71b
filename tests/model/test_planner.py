"""The planner: what is due, within which limits; and the laws, over random worlds."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from functools import partial

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from batchrun.errors import InvariantError
from batchrun.model.actions import Action, Cancel, Look, Replay, Settle, Submit, Survey, Sweep
from batchrun.model.entry import Entry
from batchrun.model.events import Accepted, Deferred, Doubted, Event, Intended, Refused, seen
from batchrun.model.limits import Limits, Mode, StopAfter
from batchrun.model.listing import Listed
from batchrun.model.planner import Planner
from batchrun.model.policies import WatchPolicy
from batchrun.model.states import ENDED, GOING_STATUSES, OPEN, State
from batchrun.model.transitions import apply
from tests import builders
from tests.builders import active, at, ended, run

planned = partial(builders.planned, proven_at=at())

ACCEPTED = Accepted(at=at(0), run=run())


def planner(**limits) -> Planner:
    return Planner(Limits(**limits))


def loaded(*entries: Entry, now: float = 0.0, **limits) -> Planner:
    made = planner(**limits)
    for entry in entries:
        made.add(entry, now=now, at=at(now))
    return made


def submitting(entry: Entry | None = None) -> Entry:
    return builders.submitting(entry or planned())


def doubtful(now: float = 0.0, **limits) -> Planner:
    """A planner of one entry whose answer was lost in this launch, not in one before."""
    made = loaded(planned(), now=now, **limits)
    (submit,) = plan(made, now)
    made.done(submit, submitting(), now=now, failed=True)
    return made


def single(actions: Iterable[Action | Sweep | Survey]) -> list[Action]:
    return [action for action in actions if not isinstance(action, Sweep | Survey)]


def plan(made: Planner, now: float = 0.0) -> list[Action]:
    """What is due for single entries; sweeps are the watch's, and tested there."""
    return single(made.plan(now=now, at=at(now)))


def test_what_is_ready_is_submitted_in_order_up_to_the_concurrency():
    made = loaded(*(planned(str(n)) for n in range(3)), concurrency=2)
    assert [action.entry.id for action in plan(made)] == ["0", "1"]
    assert plan(made) == []
    assert made.room() == 1


def test_an_answer_makes_room_for_the_next():
    made = loaded(planned("a"), planned("b"), concurrency=1)
    (first,) = plan(made)
    made.done(first, apply(submitting(planned("a")), ACCEPTED), now=1)
    assert [action.entry.id for action in plan(made, 1)] == ["b"]


def test_one_pass_does_not_wait_for_what_it_sends():
    made = loaded(planned("a"), mode=Mode.ONCE)
    (submit,) = plan(made)
    made.done(submit, apply(submitting(planned("a")), ACCEPTED), now=1)
    assert made.is_idle


def test_the_cap_counts_what_may_become_active():
    made = loaded(active(planned("a")), submitting(planned("b")), max_active=3)
    assert made.slots == 2
    for id in "cd":
        made.add(planned(id), now=0, at=at(0))
    assert [action.entry.id for action in plan(made) if isinstance(action, Submit)] == ["c"]
    assert made.slots == 3


def test_an_end_frees_its_slot_and_a_deferral_too():
    made = loaded(active(planned("a")), planned("b"), max_active=2)
    submit, look = plan(made)
    made.done(look, replace(ended(), id="a"), now=1)
    assert made.slots == 1
    deferred = apply(submitting(planned("b")), Deferred(at=at(0), due=at(60), code="402", message=""))
    made.done(submit, deferred, now=1)
    assert made.slots == 0


def test_a_young_unknown_outcome_is_replayed_and_an_old_one_is_looked_for_first():
    # The proof holds for --replay-window less --listing-lag.
    assert isinstance(plan(doubtful(), 3539)[0], Replay)
    assert isinstance(plan(doubtful(), 3540)[0], Settle)
    from_the_future = single(doubtful().plan(now=60, at=at(-60)))
    assert isinstance(from_the_future[0], Settle)


def test_what_an_earlier_launch_left_in_doubt_is_looked_for_first_whatever_the_clock_says():
    (action,) = plan(loaded(submitting()), 1)
    assert isinstance(action, Settle)
    assert (action.is_proof, action.may_send) == (False, True)
    made = loaded(submitting())
    (action,) = plan(made)
    made.done(action, submitting(), now=0, failed=False)
    assert isinstance(plan(made, made.wake_at or 0)[0], Replay)


def test_an_answer_that_never_comes_is_looked_for():
    made, kinds = doubtful(), ["Submit"]
    now = made.wake_at or 0.0
    for _ in range(4):
        (action,) = plan(made, now)
        kinds.append(type(action).__name__)
        made.done(action, submitting(), now=now, failed=True)
        now = made.wake_at or now
    assert kinds == ["Submit", "Replay", "Replay", "Settle", "Settle"]


def test_a_conflict_is_settled_by_looking():
    conflict = Doubted(at=at(0), code="ConflictException", message="")
    assert isinstance(plan(loaded(apply(submitting(), conflict)))[0], Settle)


def test_not_listed_yet_is_not_the_same_as_not_there():
    made = loaded(submitting(), now=7200, replay_window=1.0)
    may_send, now = [], 7200.0
    for _ in range(5):
        (action,) = plan(made, now)
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
    (action,) = plan(made)
    assert isinstance(action, Settle)
    made.done(action, held, now=0, failed=True)
    assert made.is_idle


def test_an_unknown_outcome_is_settled_again_after_a_wait_that_grows():
    made = loaded(submitting())
    waits, now = [], 0.0
    for _ in range(3):
        (action,) = plan(made, now)
        made.done(action, submitting(), now=now, failed=True)
        assert made.wake_at is not None
        assert plan(made, made.wake_at - 0.1) == []
        waits.append(made.wake_at - now)
        now = made.wake_at
    assert waits == sorted(waits)
    assert waits[0] > 4


def test_looks_come_at_intervals_that_grow_with_age():
    made = loaded(active(), watch=WatchPolicy(share_of_few=0.5))
    gaps, now = [], 0.0
    for _ in range(12):
        (look,) = plan(made, now)
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
        (look,) = plan(made)
        made.done(look, active(), now=0, failed=failed)
    assert calm.wake_at is not None
    assert troubled.wake_at is not None
    assert troubled.wake_at > calm.wake_at


def test_age_is_the_runs_not_the_processs():
    made = loaded(active(), now=86400)
    (look,) = plan(made, 86400)
    made.done(look, active(), now=86400)
    assert made.wake_at is not None
    assert made.wake_at - 86400 > 50


def test_an_active_entry_of_unknown_age_is_watched_from_now():
    made = loaded(replace(active(), accepted_at=None))
    assert isinstance(plan(made)[0], Look)


def test_once_looks_at_each_run_once_and_does_not_wait():
    made = loaded(active(planned("a")), submitting(planned("b")), planned("c"), mode=Mode.ONCE)
    for action in plan(made):
        outcome = active(planned(action.entry.id)) if isinstance(action, Submit) else action.entry
        made.done(action, outcome, now=0, failed=True)
    assert made.is_idle
    assert made.wake_at is None


def test_detach_looks_at_nothing():
    made = loaded(active(planned("a")), planned("b"), mode=Mode.DETACH)
    (submit,) = plan(made)
    made.done(submit, active(planned("b")), now=0)
    assert made.is_idle
    assert made.slots == 2


def test_draining_plans_nothing_and_waits_for_what_is_in_the_air():
    made = loaded(planned("a"), active(planned("c")), active(planned("d")), concurrency=1)
    actions = plan(made)
    made.drain()
    assert (plan(made), made.room(), made.is_idle, made.in_air) == ([], 0, False, 2)
    assert made.wake_at is None
    for action in actions:
        made.done(action, action.entry, now=0)
    assert made.is_idle


def test_holding_back_submits_nothing_more_and_goes_on_with_the_rest():
    made = loaded(planned("a"), submitting(planned("b")), active(planned("c")))
    made.hold_back()
    assert {type(action) for action in plan(made)} == {Settle, Look}
    assert made.room() == 0
    made.go_on()
    made.add(planned("a"), now=0, at=at(0))
    assert [type(action) for action in plan(made)] == [Submit]


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


def test_what_was_let_go_of_before_it_was_sent_is_ready_again():
    made = loaded(planned("a"), planned("b"), concurrency=1)
    (action,) = plan(made)
    made.done(action, action.entry, now=0)
    assert [action.entry.id for action in plan(made)] == ["a"]


def test_a_pause_ends_with_one_probe_until_one_is_accepted():
    made = loaded(*(planned(id) for id in "abc"))
    made.pause(until=60)
    assert made.is_paused
    assert plan(made, 59) == []
    assert made.wake_at == 60
    (probe,) = plan(made, 60)
    assert made.wake_at is None
    assert plan(made, 61) == []
    made.done(probe, apply(submitting(probe.entry), ACCEPTED), now=62)
    made.resume()
    assert len([action for action in plan(made, 62) if isinstance(action, Submit)]) == 2


def test_what_waits_for_slots_that_nothing_will_free_is_stuck():
    held = apply(submitting(planned("a")), Doubted(at=at(0), code="AmbiguousRuns", message=""))
    made = loaded(held, planned("b"), max_active=1)
    (action,) = plan(made)
    assert not made.is_stuck
    made.done(action, held, now=0, failed=True)
    assert made.is_stuck


def test_what_has_ended_is_not_planned():
    with pytest.raises(InvariantError, match="there is nothing to plan"):
        loaded(ended())


def test_held_names_what_must_not_be_loaded_twice():
    made = loaded(planned("a"), planned("b"), active(planned("c")), concurrency=1)
    plan(made)
    assert made.held == {"a", "b"}


class World:
    """A service that answers as it likes, and a ledger that keeps every step."""

    def __init__(self, data: st.DataObject, rows: int, limits: Limits) -> None:
        self.data = data
        self.limits = limits
        self.planner = Planner(limits)
        self.entries = {str(n): planned(str(n), n) for n in range(rows)}
        self.sent: dict[str, set[str]] = {}
        self.exists: set[str] = set()
        self.now = 0.0

    def step(self) -> None:
        self.load()
        planned_now = self.planner.plan(now=self.now, at=at(self.now))
        actions = single(planned_now)
        assert len({action.entry.id for action in actions}) == len(actions)
        self.check_slots()
        for sweep in planned_now:
            if isinstance(sweep, Sweep):
                self.sweep(sweep)
        for action in self.data.draw(st.permutations(actions)):
            after = self.carry_out(action)
            self.entries[after.id] = after
            self.planner.done(action, after, now=self.now)
            self.check_slots()
        self.now = max(self.now + 0.5, min(self.planner.wake_at or self.now, self.now + 600))

    def load(self) -> None:
        due = [
            entry
            for entry in self.entries.values()
            if entry.state is State.PLANNED or (entry.due is not None and entry.due <= at(self.now))
        ]
        for entry in [entry for entry in due if entry.id not in self.planner.held][: self.planner.room()]:
            self.planner.add(entry, now=self.now, at=at(self.now))

    def sweep(self, sweep: Sweep) -> None:
        """List what the data say: some of what is there, in any state of going, or nothing at all."""
        if self.data.draw(st.booleans()):
            self.planner.watch.sweep_failed(sweep, now=self.now, is_denied=self.data.draw(st.booleans()))
            return
        going = [entry for entry in self.entries.values() if entry.run and self.data.draw(st.booleans())]
        found = {
            entry.run.id: Listed(id=entry.run.id, status=self.data.draw(st.sampled_from(GOING_STATUSES)))
            for entry in going
            if entry.run
        }
        for before, event in self.planner.watch.swept(sweep, found, 4, now=self.now, at=at(self.now)):
            assert self.entries[before.id] is before
            self.entries[before.id] = apply(before, event)

    def carry_out(self, action: Action) -> Entry:
        match action:
            case Submit(entry=entry):
                return self.answer(apply(entry, Intended(at=at(self.now))))
            case Replay(entry=entry):
                return self.answer(entry)
            case Settle(entry=entry) if entry.id in self.exists:
                return apply(entry, Accepted(at=at(self.now), run=self.run(entry), was_found=True))
            case Settle(entry=entry, is_proof=True):
                return self.answer(entry)
            case Settle(entry=entry):
                return entry
            case Look(entry=entry) | Cancel(entry=entry):
                status = self.data.draw(st.sampled_from(["RUNNING", "COMPLETED", "FAILED", "NEW_WORD"]))
                return apply(entry, seen(self.run(entry, status), at(self.now)))

    def answer(self, entry: Entry) -> Entry:
        self.sent.setdefault(entry.id, set()).add(entry.request_id)
        kind = self.data.draw(st.sampled_from(["accept", "lose", "drop", "defer", "refuse"]))
        if kind in {"accept", "lose"} or entry.id in self.exists:
            self.exists.add(entry.id)
        moment = at(self.now)
        answers: dict[str, Event] = {
            "accept": Accepted(at=moment, run=self.run(entry)),
            "lose": Doubted(at=moment, code="ReadTimeoutError", message=""),
            "drop": Doubted(at=moment, code="EndpointConnectionError", message=""),
            "defer": Deferred(at=moment, due=at(self.now + 30), code="402", message=""),
            "refuse": Refused(at=moment, code="ValidationException", message=""),
        }
        if entry.id in self.exists and kind in {"defer", "refuse"}:
            kind = "accept"  # the service remembers the requestId
        return apply(entry, answers[kind])

    def run(self, entry: Entry, status: str = "PENDING"):
        return run(status, id=entry.id, uuid=f"u-{entry.id}")

    def check_slots(self) -> None:
        if self.limits.max_active is not None:
            active_at_service = sum(1 for id in self.exists if self.entries[id].state not in ENDED)
            assert active_at_service <= self.limits.max_active
            assert self.planner.slots <= self.limits.max_active


@settings(max_examples=60, deadline=None)
@given(
    st.data(),
    st.integers(1, 8),
    st.integers(1, 4),
    st.none() | st.integers(1, 4),
)
def test_the_laws_hold_in_any_world(data, rows, concurrency, max_active):
    limits = Limits(concurrency=concurrency, max_active=max_active)
    world = World(data, rows, limits)
    for _ in range(60):
        world.step()
        # One run per attempt: whatever was lost, an attempt is sent under one requestId only.
        assert all(len(ids) == 1 for ids in world.sent.values())
        # Nothing accepted is forgotten.
        assert all(world.entries[id].state is not State.PLANNED for id in world.exists)
        if not any(entry.state in OPEN for entry in world.entries.values()):
            break
    settled = [entry for entry in world.entries.values() if entry.state in ENDED]
    assert all(entry.run is not None for entry in settled if entry.state is not State.REFUSED)
