"""Planning where some rows use what may not be used: others go on."""

from __future__ import annotations

from dataclasses import replace

import pytest

from batchrun.model.entries.entry import Entry
from batchrun.model.entries.events import Deferred, Intended, Moved
from batchrun.model.entries.transitions import apply
from batchrun.model.planning import queues
from batchrun.model.planning.actions import Follow, HoldBack, ReadChoices, Submit, Survey
from batchrun.model.planning.denials import resources_of
from batchrun.model.planning.limits import LaneLimits, Limits, Mode
from batchrun.model.planning.stimuli import (
    Followed,
    LaneClosed,
    LanePaused,
    LaneResumed,
    LaneStopped,
    LedgerChanged,
    ResourcesDenied,
    SurveyConcluded,
    Surveyed,
)
from batchrun.model.submissions.grouping import Engine
from batchrun.model.submissions.submission import OpenSubmission, Stage
from tests.builders import active, at, offers, planned, request, submission, submitting
from tests.model.driving import Driven


def using(id: str, role: str) -> Entry:
    return replace(planned(id), request=request(name=f"cohort-{id}", roleArn=role), proven_at=at())


def denied(role: str) -> ResourcesDenied:
    return ResourcesDenied(lane=None, resources=resources_of(using("x", role)))


def submits(made: Driven, now: float = 0.0) -> list[Submit]:
    return [one for one in made.plan(now) if isinstance(one, Submit)]


def names(made: Driven, now: float = 0.0) -> list[str]:
    return [one.entry.id for one in submits(made, now)]


def test_what_waits_for_its_turn_and_may_not_be_started_is_let_go_and_does_not_come_again():
    made = Driven(concurrency=2)
    made.add(*(using(id, "bad") for id in "abcd"), using("e", "good"))
    a, b = submits(made)
    made.tell(denied("bad"))
    assert [one for one in made.actions() if isinstance(one, HoldBack)] == [HoldBack(lane=None)]
    deferred = Deferred(at=at(), due=at(), code="AccessDeniedException", message="")
    again = apply(apply(a.entry, Intended(at=at(), request=a.entry.request)), deferred)
    made.keep(again)
    made.done(a, again, now=0)
    made.done(b, b.entry, now=0)
    assert names(made) == ["e"]
    made.tell(LedgerChanged())
    assert names(made) == []


@pytest.mark.parametrize("mode", Mode)
def test_a_launch_is_over_where_all_that_is_left_may_not_be_started(mode):
    made = Driven(concurrency=1, mode=mode)
    made.add(*(using(id, "bad") for id in "abc"))
    made.tell(denied("bad"))
    for submit in submits(made):
        assert made.planner.barred == [], "its answer is still to come"
        made.done(submit, submit.entry, now=0)
    assert submits(made) == []
    assert made.planner.barred == ([] if mode is Mode.CANCEL else [None])
    assert made.is_over


def test_a_lane_where_something_was_started_is_not_barred():
    made = Driven(concurrency=1)
    made.add(using("a", "good"), *(using(id, "bad") for id in "bc"))
    (submit,) = submits(made)
    made.tell(denied("bad"))
    made.done(submit, active(submit.entry), now=0)
    assert (submits(made), made.planner.barred, made.is_over) == ([], [], False)


def test_very_many_rows_that_may_not_be_started_are_not_read_on_and_on(monkeypatch):
    monkeypatch.setattr(queues, "_MOST_WITHHELD", 1000)
    made = Driven(concurrency=1000)
    made.tell(denied("bad"))
    made.add(*(using(f"{number}", "bad") for number in range(1100)))
    assert (submits(made), len(made.due), made.is_over) == ([], 100, True)
    assert made.planner.barred == [None]


def test_many_rows_that_may_not_be_started_hold_up_no_others():
    """Seen: after ten thousand of them nothing more was read, and each read passed over a few."""
    made = Driven(concurrency=32)
    made.tell(denied("bad"))
    made.add(*(using(f"{number}", "bad") for number in range(11_000)), using("good", "good"))
    assert names(made) == ["good"]
    assert len(made.reads) < 30


def test_rows_that_may_have_a_run_are_waited_for_before_a_launch_may_start_nothing():
    made = Driven()
    made.add(*(replace(using(id, "bad"), proven_at=None) for id in "abc"))
    (survey,) = [one for one in made.actions() if isinstance(one, Survey)]
    made.tell(denied("bad"), Surveyed(survey=survey, named=["c"]), now=1)
    assert made.planner.barred == []
    made.tell(SurveyConcluded(survey=survey, adopted=[]), now=2)
    assert made.planner.barred == [None]


def test_a_row_whose_outcome_is_unknown_is_settled_before_a_launch_may_start_nothing():
    made = Driven()
    made.keep(submitting(using("a", "good")))
    made.tell(denied("bad"))
    made.add(*(using(id, "bad") for id in "bc"))
    (settle,) = made.plan()
    made.done(settle, settle.entry, now=1, failed=True)
    assert (made.plan(1), made.planner.barred, made.is_over) == ([], [], False)


@pytest.mark.parametrize(("role", "barred"), [("good", []), ("bad", [None])])
def test_runs_of_an_earlier_launch_that_use_something_else_are_watched_to_their_end(role, barred):
    """Seen: killed and run again, a launch ended at once, and runs that go on were not watched."""
    made = Driven()
    made.keep(active(using("a", role)))
    made.tell(denied("bad"))
    made.add(*(using(id, "bad") for id in "bc"))
    assert (submits(made), made.planner.barred, made.is_over) == ([], barred, False)


def test_a_lane_is_not_given_up_while_rows_wait_for_another_that_cannot_be_asked():
    made = Driven(LaneLimits(name="east"), LaneLimits(name="west"))
    made.tell(LanePaused(lane="west"))
    made.add(replace(planned("a"), offers=offers("east", "west", name="cohort-a", roleArn="good")))
    bad = replace(planned("b"), offers=offers("east", roleArn="bad"), request=request(roleArn="bad"))
    made.tell(ResourcesDenied(lane="east", resources=resources_of(bad)))
    made.add(replace(bad, proven_at=at()))
    assert (submits(made), made.planner.barred) == ([], [])
    made.tell(LaneStopped(lane="west"))
    assert (submits(made), made.planner.barred) == ([], [])


def test_runs_that_this_launch_started_are_watched_where_no_more_may_be_started():
    made = Driven(concurrency=1)
    made.add(*(using(id, "bad") for id in "abc"))
    (submit,) = submits(made)
    made.done(submit, active(submit.entry), now=0)
    for waiting in submits(made):
        made.tell(denied("bad"))
        made.done(waiting, waiting.entry, now=0)
    assert (submits(made), made.planner.barred, made.is_over) == ([], [], False)


def test_rows_of_an_open_run_batch_are_settled_before_a_launch_may_start_nothing():
    made = Driven(engine=Engine.BATCH)
    sent = submitting(using("a", "good"))
    made.keep(sent)
    made.open.append(OpenSubmission(submission=submission(), ids=["a"]))
    made.tell(denied("bad"))
    made.add(*(using(id, "bad") for id in "bc"))
    (follow,) = [one for one in made.actions() if isinstance(one, Follow)]
    made.tell(Followed(action=follow, stage=Stage.GOING), now=1)
    assert (submits(made, 1), made.planner.barred, made.is_over) == ([], [], False)


def test_nothing_is_known_to_be_spent_before_it_is_known_what_there_is():
    of_shapes = queues.Queues(Limits(engine=Engine.BATCH))
    assert not of_shapes.is_spent(None)
    assert of_shapes.plan(1, tuple, at()) == [ReadChoices()]
    assert not of_shapes.is_spent(None)
    of_shapes.choices_read([])
    assert of_shapes.is_spent(None)


def test_a_row_that_may_go_to_another_lane_is_not_withheld_in_one():
    made = Driven(LaneLimits(name="east"), LaneLimits(name="west"), trusts_ledger=True)
    role = {"name": "cohort-a", "roleArn": "bad"}
    row = replace(planned("a"), offers=offers("east", "west", **role), request=request(**role))
    made.tell(ResourcesDenied(lane="east", resources=resources_of(row.as_in("east"))))
    made.add(row)
    assert names(made) == ["a"]


def of_both(id: str, role: str) -> Entry:
    fields = {"name": f"cohort-{id}", "roleArn": role}
    return replace(planned(id), offers=offers("east", "west", **fields), request=request(**fields))


def denied_in(lane: str, role: str) -> ResourcesDenied:
    return ResourcesDenied(lane=lane, resources=resources_of(of_both("x", role).as_in(lane)))


def two_lanes(**limits) -> Driven:
    return Driven(LaneLimits(name="east"), LaneLimits(name="west"), trusts_ledger=True, **limits)


def places(made: Driven) -> dict[str, str | None]:
    return {one.entry.id: one.lane for one in submits(made)}


def test_rows_that_one_lane_may_not_start_go_to_the_other_and_hold_up_none():
    made = two_lanes(concurrency=2)
    made.tell(denied_in("east", "bad"))
    made.add(*(of_both(id, "bad") for id in "abcd"), *(of_both(id, "good") for id in "ef"))
    found = places(made)
    assert {id: lane for id, lane in found.items() if id in "abcd"} == {"a": "west", "b": "west"}
    assert {lane for id, lane in found.items() if id in "ef"} == {"east"}


def test_rows_that_no_lane_may_start_are_withheld_and_hold_up_none():
    """Seen: both lanes were closed, in each launch again, so that rows after them were never started."""
    made = two_lanes(concurrency=2)
    made.tell(LanePaused(lane="west"), denied_in("east", "bad"))
    made.add(*(of_both(id, "bad") for id in "abcd"))
    made.tell(denied_in("west", "bad"), LaneResumed(lane="west"))
    made.add(of_both("e", "good"))
    made.tell(LedgerChanged())
    assert [*places(made)] == ["e"]
    assert made.due == []


def test_rows_of_a_lane_that_is_closed_are_withheld_where_the_other_may_not_start_them():
    made = two_lanes(concurrency=2)
    made.tell(denied_in("east", "bad"), LaneClosed(lane="west"))
    made.add(*(of_both(id, "bad") for id in "abcd"), of_both("e", "good"))
    assert places(made) == {"e": "east"}


def test_rows_that_go_to_other_lanes_are_not_read_on_and_on(monkeypatch):
    monkeypatch.setattr(queues, "_MOST_AHEAD", 20)
    made = two_lanes(concurrency=2)
    made.tell(denied_in("east", "bad"), LanePaused(lane="west"))
    made.add(*(of_both(f"{number}", "bad") for number in range(90)))
    assert submits(made) == []
    assert [read.limit for read in made.reads] == [2, 4, 8, 16]
    assert len(made.due) == 60


def test_rows_that_are_left_in_the_queue_of_other_lanes_are_read_once_and_come_back():
    """They might have a run in the lane that they may not go to any more."""
    made = Driven(LaneLimits(name="east"), LaneLimits(name="west"))
    made.tell(denied_in("east", "bad"), LanePaused(lane="east"))
    made.add(*(of_both(id, "bad") for id in "abc"))
    assert submits(made) == []
    made.tell(LedgerChanged())
    count = len(made.reads)
    made.tell(LaneResumed(lane="east"))
    assert submits(made) == []
    assert len(made.reads) <= count + 4


def put_off(made: Driven, submit: Submit, code: str = "AccessDeniedException") -> None:
    """Answer that the row is denied, or another *code*: it is to be sent again."""
    sent = submit.entry.as_in(submit.lane)
    intended = Intended(at=at(), request=sent.request, lane=submit.lane)
    deferred = Deferred(at=at(), due=at(), code=code, message="")
    again = apply(apply(apply(submit.entry, intended), deferred), Moved(at=at()))
    made.keep(again)
    made.done(submit, again, now=0)


def test_a_row_that_one_lane_put_off_goes_to_each_other_before_it_comes_again():
    """Seen: the same lane tried it again and again, and it was refused, where the other would start it."""
    made = two_lanes()
    made.add(of_both("a", "good"))
    tried = []
    for _ in range(5):
        (submit,) = submits(made)
        tried.append(submit.lane)
        put_off(made, submit)
    first, second = tried[:2]
    assert {first, second} == {"east", "west"}
    assert tried[2] != tried[3]


def test_a_row_that_one_lane_denied_by_itself_comes_there_again_where_the_other_may_not_use_what_it_uses():
    """Seen: it was withheld from both for the rest of the launch, and both lanes were closed."""
    made = two_lanes(concurrency=4)
    made.tell(LanePaused(lane="west"))
    made.add(of_both("a", "good"))
    (submit,) = submits(made)
    put_off(made, submit)
    assert submits(made) == []
    made.keep(of_both("a", "good"))
    made.tell(denied_in("west", "good"), LaneResumed(lane="west"))
    made.tell(LedgerChanged())
    assert [one.lane for one in submits(made)] == ["east"]


@pytest.mark.parametrize(("code", "tried"), [("AccessDeniedException", []), ("BatchFailed", ["east"])])
def test_only_a_row_that_was_denied_waits_for_the_other_lane(code, tried):
    """Seen: one failed run batch sent all of its rows to the other lane, which was full for hours."""
    made = two_lanes(concurrency=4)
    made.tell(LanePaused(lane="west"))
    made.add(of_both("a", "good"))
    (submit,) = submits(made)
    put_off(made, submit, code)
    assert [one.lane for one in submits(made)] == tried


def test_a_row_that_one_lane_put_off_comes_again_where_the_other_is_closed():
    made = two_lanes()
    made.tell(LanePaused(lane="west"))
    made.add(of_both("a", "good"))
    (submit,) = submits(made)
    put_off(made, submit)
    assert submits(made) == []
    made.add(of_both("a", "good"))  # as the ledger still has it
    made.tell(LaneClosed(lane="west"))
    assert [one.lane for one in submits(made)] == ["east"]
