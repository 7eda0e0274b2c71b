"""Cancelling: whose run is cancelled when, and how the plan changes."""

from __future__ import annotations

from batchrun.model.entries.events import Accepted, Deferred, Recalled, seen
from batchrun.model.entries.policies import WatchPolicy
from batchrun.model.entries.states import State
from batchrun.model.entries.transitions import apply
from batchrun.model.planning.actions import (
    Cancel,
    Conclude,
    HoldBack,
    Look,
    Note,
    ReadCancellations,
    Submit,
    Survey,
    Sweep,
)
from batchrun.model.planning.cancelling import Cancellation, Cancelling, Scope
from batchrun.model.planning.limits import Mode
from batchrun.model.planning.listing import Listed
from batchrun.model.planning.stimuli import (
    Acted,
    CancellationsRead,
    LedgerChanged,
    RatesLearned,
    SurveyConcluded,
    Surveyed,
    Swept,
)
from tests.builders import active, at, run, submitting
from tests.model.driving import Driven, loaded, moment
from tests.model.test_planner import planned


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
    (look,) = made.plan(7200)
    made.done(look, look.entry, now=7200)
    made.cancel("a", "of another launch", now=7201)
    (cancel,) = made.plan(7201)
    assert isinstance(cancel, Cancel)
    made.done(cancel, apply(cancel.entry, Recalled(at=at(7201))), now=7201)
    due = made.wake_at
    assert due is not None
    assert 0 < due - 7201 < 30  # a run of two hours is else looked at once a minute
    (look,) = made.plan(due)
    assert isinstance(look, Look)
    made.done(look, apply(look.entry, seen(run("CANCELLED"), at(due))), now=due)
    assert made.is_over


def test_a_cancel_without_an_answer_is_tried_again_at_the_next_look():
    made = Driven()
    made.keep(active(planned("a")))
    made.cancel("a")
    (cancel,) = made.plan()
    assert isinstance(cancel, Cancel)
    made.done(cancel, cancel.entry, now=1, failed=True)
    assert isinstance(made.plan(made.wake_at or 0)[0], Cancel)


def test_a_run_in_the_air_is_cancelled_when_it_is_back():
    made = loaded(active(planned("a")))
    (look,) = made.plan()
    made.cancel("a")
    made.done(look, look.entry, now=1)
    (cancel,) = made.plan(1)
    assert isinstance(cancel, Cancel)


def test_one_pass_cancels_and_does_not_wait_for_the_end():
    made = Driven(mode=Mode.ONCE)
    made.keep(active(planned("a")))
    made.cancel("a")
    (cancel,) = made.plan()
    assert isinstance(cancel, Cancel)
    made.done(cancel, apply(cancel.entry, Recalled(at=at(1))), now=1)
    assert made.is_over


def test_what_is_on_its_way_is_cancelled_as_soon_as_it_has_a_run():
    made = loaded(planned("a"), submitting(planned("b")))
    actions = made.plan()
    made.cancel("a", "b")
    for action in actions:
        sent = submitting(planned("a")) if isinstance(action, Submit) else action.entry
        made.done(action, apply(sent, Accepted(at=at(1), run=run())), now=1)
    assert [type(action) for action in made.plan(1)] == [Cancel, Cancel]


def test_what_turns_out_to_have_no_run_is_withdrawn():
    made = loaded(submitting(planned("a")))
    made.cancel("a")
    (action,) = made.plan()
    deferred = apply(action.entry, Deferred(at=at(1), due=at(60), code="Throttling", message=""))
    made.wishes.append(Cancellation(entry=deferred, scope=Scope.RUN))
    made.done(action, deferred, now=1)
    assert made.withdrawn == ["a"]


def test_what_is_withdrawn_is_not_sent():
    made = loaded(planned("a"), planned("b"), planned("c"), concurrency=2)
    sent, let_go = made.plan()
    made.cancel(planned("b"), planned("c"))
    assert made.withdrawn == ["c"]
    assert made.actions() == [HoldBack()]  # b waits for its turn: it comes back at once
    made.wishes.append(Cancellation(entry=planned("b"), scope=Scope.RUN))
    made.done(let_go, let_go.entry, now=1)
    assert made.withdrawn == ["c", "b"]
    made.done(sent, apply(submitting(planned("a")), Accepted(at=at(1), run=run())), now=1)
    assert not [action for action in made.plan(1) if isinstance(action, Submit)]


def test_what_is_asked_for_while_it_is_read_is_read_again():
    made = Driven()
    (first,) = made.planner.handle(moment=moment())
    assert isinstance(first, ReadCancellations)
    made.planner.handle(LedgerChanged(), moment=moment())
    (again,) = made.planner.handle(CancellationsRead(read=first, page=[]), moment=moment())
    assert isinstance(again, ReadCancellations)


def test_what_comes_back_unsent_while_it_is_read_what_is_to_be_cancelled_is_read_about_again():
    made = loaded(planned("a"))
    (submit,) = made.plan()
    (read,) = made.planner.handle(LedgerChanged(), moment=moment())
    assert isinstance(read, ReadCancellations)
    assert read.sending == {"a"}
    back = Acted(action=submit, entry=submit.entry, is_answered=False)
    assert made.planner.handle(back, moment=moment()) == []
    wish = Cancellation(entry=planned("a"), scope=Scope.RUN)  # read before it was back
    (following,) = made.planner.handle(CancellationsRead(read=read, page=[wish]), moment=moment())
    assert isinstance(following, ReadCancellations)
    made.wishes.append(wish)
    made.tell(CancellationsRead(read=following, page=[]))
    assert made.withdrawn == ["a"]


def test_nothing_is_withdrawn_while_the_runs_that_a_survey_found_are_taken_over():
    made = loaded()
    survey = Survey(begun=0)
    _, conclude = made.planner.handle(Surveyed(survey=survey, named=["a"]), moment=moment())
    assert isinstance(conclude, Conclude)
    assert made.planner.handle(LedgerChanged(), moment=moment()) == []
    concluded = SurveyConcluded(survey=survey, adopted=[active(planned("a"))])
    (read,) = made.planner.handle(concluded, moment=moment())
    assert isinstance(read, ReadCancellations)


def test_no_run_is_taken_over_while_entries_are_withdrawn():
    made = loaded()
    (read,) = made.planner.handle(LedgerChanged(), moment=moment())
    assert isinstance(read, ReadCancellations)
    survey = Survey(begun=0)
    assert made.planner.handle(Surveyed(survey=survey, named=["a"]), moment=moment()) == []
    actions = made.planner.handle(CancellationsRead(read=read, page=[]), moment=moment())
    assert Conclude(survey=survey, entry_ids={"a"}) in actions


def test_a_launch_that_only_cancels_submits_nothing_and_watches_what_it_cancels():
    made = Driven(mode=Mode.CANCEL)
    made.keep(planned("a"), active(planned("b")), active(planned("c")))
    made.wishes.append(Cancellation(entry=active(planned("b")), scope=Scope.RUN))
    (cancel,) = made.plan()
    assert isinstance(cancel, Cancel)
    assert cancel.entry.id == "b"
    assert not made.reads
    made.keep(active(planned("d")))
    made.cancel("d")
    assert [action.entry.id for action in made.plan()] == ["d"]


def test_runs_that_were_to_be_cancelled_before_they_were_loaded_wait_for_no_listing():
    made = Driven(mode=Mode.CANCEL)
    entries = [active(planned(str(n), n), id=str(n)) for n in range(200)]
    made.keep(*entries)
    made.wishes += [Cancellation(entry=entry, scope=Scope.RUN) for entry in entries]
    made.tell(RatesLearned(get=1, list=10))
    cancelled: set[str] = set()
    for now in range(8):
        for action in made.plan(now):
            if isinstance(action, Cancel):
                assert action.entry.id not in cancelled  # again only after a minute
                cancelled.add(action.entry.id)
            made.done(action, apply(action.entry, Recalled(at=at(now))), now=now)
    assert len(cancelled) == 200


def test_a_run_that_listings_show_is_cancelled_all_the_same():
    made = Driven()
    made.keep(*(active(planned(str(n), n), id=str(n)) for n in range(200)))
    made.tell(RatesLearned(get=1, list=10), now=10)
    (sweep,) = made.actions(10)
    assert isinstance(sweep, Sweep)
    shown = {n: Listed(id=n, status="RUNNING", name=f"cohort-{n}") for n in map(str, range(200))}
    made.tell(Swept(sweep=sweep, listed=shown, calls=5), now=11)
    (note,) = made.actions(11)
    assert isinstance(note, Note)
    assert len(note.news) == 200
    made.cancel("7", now=11)
    (cancel,) = made.plan(11)
    assert (type(cancel), cancel.entry.id, cancel.entry.state) == (Cancel, "7", State.ACTIVE)


def test_a_cancel_that_failed_does_not_wait_as_long_as_an_old_run_may():
    made = Driven(watch=WatchPolicy(longest=3600))
    made.keep(active(planned("a")))
    made.cancel("a", now=100_000)
    (cancel,) = made.plan(100_000)
    assert isinstance(cancel, Cancel)
    made.done(cancel, cancel.entry, now=100_000, failed=True)
    due = made.wake_at
    assert due is not None
    assert 0 < due - 100_000 < 30
    assert isinstance(made.plan(due)[0], Cancel)


def test_what_is_in_flight_has_a_slot_until_it_has_ended():
    made = loaded(active(planned("a")))
    assert made.slots == 1
    (look,) = made.plan()
    made.done(look, apply(look.entry, seen(run("COMPLETED"), at(1))), now=1)
    assert made.slots == 0
