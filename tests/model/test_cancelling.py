"""Cancelling: whose run is cancelled when, and how the plan changes."""

from __future__ import annotations

from batchrun.model.actions import Cancel, Look, Submit
from batchrun.model.cancelling import Cancelling
from batchrun.model.events import Accepted, Deferred, Recalled, seen
from batchrun.model.limits import Limits, Mode
from batchrun.model.listing import Listed
from batchrun.model.planner import Planner
from batchrun.model.policies import WatchPolicy
from batchrun.model.states import State
from batchrun.model.transitions import apply
from batchrun.model.watch import ReadRates
from tests.builders import active, at, run, submitting
from tests.model.test_planner import loaded, plan, planned


def test_the_service_is_asked_at_once_and_again_after_a_minute():
    cancelling = Cancelling()
    assert not cancelling.is_due("a", 0)
    cancelling.want(["a"])
    assert cancelling.is_due("a", 0)
    cancelling.asked("a", 5)
    cancelling.want(["a"])  # heard of once more
    assert [cancelling.is_due("a", now) for now in (5, 64, 65)] == [False, False, True]
    cancelling.over("a")
    cancelling.over("a")
    assert "a" not in cancelling


def test_a_watched_run_is_cancelled_at_once_and_then_watched_closely_to_its_end():
    made = loaded(active(planned("a")), now=7200)
    (look,) = plan(made, 7200)
    made.done(look, look.entry, now=7200)
    made.cancel(["a", "of another launch"])
    assert made.wake_at == float("-inf")
    (cancel,) = plan(made, 7201)
    assert isinstance(cancel, Cancel)
    made.done(cancel, apply(cancel.entry, Recalled(at=at(7201))), now=7201)
    due = made.wake_at
    assert due is not None
    assert 0 < due - 7201 < 30  # a run of two hours is else looked at once a minute
    (look,) = plan(made, due)
    assert isinstance(look, Look)
    made.done(look, apply(look.entry, seen(run("CANCELLED"), at(due))), now=due)
    assert made.is_idle
    assert not made.is_cancelling("a")


def test_a_cancel_without_an_answer_is_tried_again_at_the_next_look():
    made = loaded(active(planned("a")))
    made.cancel(["a"])
    (cancel,) = plan(made)
    made.done(cancel, cancel.entry, now=1, failed=True)
    assert isinstance(plan(made, made.wake_at or 0)[0], Cancel)


def test_a_run_in_the_air_is_cancelled_when_it_is_back():
    made = loaded(active(planned("a")))
    (look,) = plan(made)
    made.cancel(["a"])
    made.done(look, look.entry, now=1)
    (cancel,) = plan(made, 1)
    assert isinstance(cancel, Cancel)


def test_one_pass_cancels_and_does_not_wait_for_the_end():
    made = loaded(active(planned("a")), mode=Mode.ONCE)
    made.cancel(["a"])
    (cancel,) = plan(made)
    made.done(cancel, apply(cancel.entry, Recalled(at=at(1))), now=1)
    assert made.is_idle


def test_what_is_on_its_way_is_cancelled_as_soon_as_it_has_a_run():
    made = loaded(planned("a"), submitting(planned("b")))
    actions = plan(made)
    made.cancel(["a", "b"])
    for action in actions:
        sent = submitting(planned("a")) if isinstance(action, Submit) else action.entry
        made.done(action, apply(sent, Accepted(at=at(1), run=run())), now=1)
    assert [type(action) for action in plan(made, 1)] == [Cancel, Cancel]


def test_what_turns_out_to_have_no_run_has_nothing_to_cancel():
    made = loaded(submitting(planned("a")))
    made.cancel(["a"])
    (action,) = plan(made)
    made.done(action, apply(action.entry, Deferred(at=at(1), due=at(60), code="402", message="")), now=1)
    assert not made.is_cancelling("a")


def test_what_is_withdrawn_is_not_sent():
    made = loaded(planned("a"), planned("b"), concurrency=1)
    (sent,) = plan(made)
    assert made.sending == {"a"}
    made.withdraw({"b"})
    made.done(sent, apply(submitting(planned("a")), Accepted(at=at(1), run=run())), now=1)
    assert not [action for action in plan(made, 1) if isinstance(action, Submit)]


def test_a_launch_that_only_cancels_submits_nothing():
    made = loaded(planned("a"), mode=Mode.CANCEL)
    assert made.room() == 0
    made = Planner(Limits(mode=Mode.CANCEL))
    made.cancel(["b"])
    made.add(active(planned("b")), now=0, at=at(0))
    (cancel,) = plan(made)
    assert isinstance(cancel, Cancel)


def test_runs_that_were_to_be_cancelled_before_they_were_loaded_wait_for_no_listing():
    made = Planner(Limits(mode=Mode.CANCEL))
    made.watch.rates = ReadRates(get=1, list=10)
    made.cancel([str(n) for n in range(200)])
    for n in range(200):
        made.add(active(planned(str(n)), id=str(n)), now=0, at=at(0))
    cancelled: set[str] = set()
    for now in range(8):
        for action in plan(made, now):
            if isinstance(action, Cancel):
                assert action.entry.id not in cancelled  # again only after a minute
                cancelled.add(action.entry.id)
            made.done(action, apply(action.entry, Recalled(at=at(now))), now=now)
    assert len(cancelled) == 200


def test_a_run_that_listings_show_is_cancelled_all_the_same():
    made = loaded(*(active(planned(str(n)), id=str(n)) for n in range(200)))
    made.watch.rates = ReadRates(get=1, list=10)
    (sweep,) = made.plan(now=0, at=at(0))
    shown = {str(n): Listed(id=str(n), status="RUNNING") for n in range(200)}
    made.watch.swept(sweep, shown, 5, now=1, at=at(1))  # type: ignore[arg-type]
    assert plan(made, 1) == []
    made.cancel(["7"])
    (cancel,) = plan(made, 1)
    assert (type(cancel), cancel.entry.id, cancel.entry.state) == (Cancel, "7", State.ACTIVE)


def test_a_cancel_that_failed_does_not_wait_as_long_as_an_old_run_may():
    made = loaded(active(planned("a")), now=100_000, watch=WatchPolicy(longest=3600))
    made.cancel(["a"])
    (cancel,) = plan(made, 100_000)
    assert isinstance(cancel, Cancel)
    made.done(cancel, cancel.entry, now=100_000, failed=True)
    due = made.wake_at
    assert due is not None
    assert 0 < due - 100_000 < 30
    assert isinstance(plan(made, due)[0], Cancel)


def test_what_is_in_flight_has_a_slot_until_it_has_ended():
    made = loaded(active(planned("a")))
    assert [made.has_slot(entry_id) for entry_id in ("a", "b")] == [True, False]
    (look,) = plan(made)
    made.done(look, apply(look.entry, seen(run("COMPLETED"), at(1))), now=1)
    assert not made.has_slot("a")
