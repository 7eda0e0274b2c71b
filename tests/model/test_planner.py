"""The planner: what is due, within which limits."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

import pytest

from batchrun.errors import InvariantError
from batchrun.model.entries.entry import Entry
from batchrun.model.entries.events import (
    Accepted,
    Deferred,
    Doubted,
)
from batchrun.model.entries.policies import WatchPolicy
from batchrun.model.entries.transitions import apply
from batchrun.model.planning.actions import (
    HoldBack,
    Look,
    Note,
    Resend,
    Settle,
    Submit,
    Sweep,
)
from batchrun.model.planning.limits import Mode, StopAfter
from batchrun.model.planning.listing import Listed
from batchrun.model.planning.stimuli import (
    SweepFailed,
    Swept,
)
from batchrun.model.planning.sweeps import Way
from batchrun.model.planning.verdicts import QUOTA_FULL
from tests import builders
from tests.builders import active, at, ended, run
from tests.model.driving import Driven, loaded

if TYPE_CHECKING:
    pass

planned = partial(builders.planned, proven_at=at())

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
    assert isinstance(doubtful().plan(3539)[0], Resend)
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
    assert isinstance(made.plan(made.wake_at or 0)[0], Resend)


def test_an_answer_that_never_comes_is_looked_for():
    made, kinds = doubtful(), ["Submit"]
    now = made.wake_at or 0.0
    for _ in range(4):
        (action,) = made.plan(now)
        kinds.append(type(action).__name__)
        made.done(action, submitting(), now=now, failed=True)
        now = made.wake_at or now
    assert kinds == ["Submit", "Resend", "Resend", "Settle", "Settle"]


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


def test_a_run_that_ends_leaves_its_place_to_one_row_while_a_full_quota_is_waited_for():
    """Ten places stood empty for a minute, later for a quarter of an hour, after runs of seconds."""
    made = loaded(*(planned(id) for id in "abcde"))
    first, second, *others = made.plan()
    made.done(first, full(first.entry, due=600), now=0)
    (held,) = made.actions()
    assert isinstance(held, HoldBack)
    for other in others:
        made.done(other, other.entry, now=0)  # let go of
    made.done(second, apply(submitting(second.entry), ACCEPTED), now=1)
    (look,) = made.plan(held.seconds - 5)
    made.done(look, replace(ended(), id=look.entry.id), now=held.seconds - 5)
    (next_,) = made.plan(held.seconds - 5)
    assert isinstance(next_, Submit)
    made.done(next_, full(next_.entry, due=600), now=held.seconds - 4)  # somebody else took it
    assert made.plan(held.seconds - 1) == []
    assert made.wake_at is not None
    assert made.wake_at >= held.seconds


@pytest.mark.parametrize("mode", [Mode.WATCH, Mode.ONCE])
def test_what_was_sent_before_a_quota_was_full_and_is_accepted_after_it_leaves_nobody_waiting(mode):
    """A pass made no call any more and never ended, while each that came after it ended with 4."""
    made = loaded(*(planned(id) for id in "abc"), mode=mode)
    first, second, third = made.plan()
    made.done(first, full(first.entry, due=600), now=0)
    (held,) = made.actions()
    assert isinstance(held, HoldBack)
    made.done(third, third.entry, now=1)
    made.done(second, apply(submitting(second.entry), ACCEPTED), now=1)
    for look in made.plan(held.seconds - 1):
        made.done(look, replace(ended(), id=look.entry.id), now=held.seconds - 1)
    assert made.is_over is (mode is Mode.ONCE)
    # A run ended, so that there is a place.
    assert [one.entry.id for one in made.plan(held.seconds - 1)] == ([] if mode is Mode.ONCE else ["c"])


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


def test_a_sweep_that_shows_none_of_the_runs_says_nothing_of_the_batch():
    made = Driven(way=Way.LIST)
    made.keep(active(planned("a")))
    (sweep,) = made.actions(10)
    assert isinstance(sweep, Sweep)
    made.tell(Swept(sweep=sweep, listed={}, calls=4), now=11)
    assert not [action for action in made.actions(11) if isinstance(action, Note)]


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
