"""Planning over several lanes: who takes which row, and what a lane that stops or is silent holds up."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest

from batchrun.model.entries.entry import Entry
from batchrun.model.entries.events import Accepted, Completed, Deferred, Moved
from batchrun.model.entries.states import State
from batchrun.model.entries.transitions import apply
from batchrun.model.planning.actions import HoldBack, Look, Submit, SubmitTogether, Survey
from batchrun.model.planning.limits import LaneLimits, Mode
from batchrun.model.planning.stimuli import (
    IntentRecorded,
    LaneClosed,
    LanePaused,
    LaneResumed,
    LaneStopped,
    RatesLearned,
    RunsAnnounced,
    SubmittedTogether,
    SurveyConcluded,
    Surveyed,
)
from batchrun.model.planning.verdicts import QUOTA_FULL
from batchrun.model.submissions.grouping import Engine
from tests.builders import active, at, offers, planned, run
from tests.model.driving import Driven
from tests.model.test_lanes import sent

EAST, WEST = LaneLimits(name="east"), LaneLimits(name="west")


def in_lanes(*entries: Entry, **limits) -> Driven:
    """A planner of two lanes that has read these."""
    made = Driven(EAST, WEST, home="east", **limits)
    made.keep(*entries)
    made.tell()
    return made


def submits(made: Driven, now: float = 0.0) -> list[tuple[str, str | None]]:
    return [(one.entry.id, one.lane) for one in made.plan(now) if isinstance(one, Submit)]


def named(id: str, *lanes: str, **fields) -> Entry:
    entry = replace(planned(id), proven_at=at())
    return replace(entry, **{"offers": offers(*lanes, name=f"cohort-{id}"), **fields})


def test_rows_go_to_their_own_lanes_and_free_ones_to_the_lane_whose_turn_comes_first():
    made = in_lanes()
    made.tell(
        *(RatesLearned(get=9, list=9, start=rate, lane=one.name) for one, rate in ((EAST, 8), (WEST, 25)))
    )
    made.add(named("e", "east"), *(named(f"{number}", "east", "west") for number in range(9)))
    where = submits(made)
    assert ("e", "east") in where
    assert [lane for id, lane in where if id != "e"].count("west") == 7, "0.25 s of its pace, and one"
    assert len(where) <= 10


def test_a_row_that_has_left_makes_room_for_the_next_free_one():
    made = in_lanes()
    made.tell(*(RatesLearned(get=9, list=9, start=1, lane=one.name) for one in (EAST, WEST)))
    made.add(*(named(f"{number}", "east", "west") for number in range(3)))
    assert submits(made) == [("2", "east"), ("0", "west")]
    made.tell(IntentRecorded(entry_id="2", lane="east"))
    assert submits(made) == [("1", "east")]


@pytest.mark.parametrize(
    ("paused", "east", "west"),
    [
        ((), ["4", "5", "6", "7"], ["0", "1", "2", "3"]),
        (("west",), ["4", "5", "6", "7", "3", "2", "1", "0"], []),
        (("east",), [], ["0", "1", "2", "3", "7", "6", "5", "4"]),
    ],
)
def test_each_lane_takes_the_same_rows_first_and_then_those_that_another_comes_to_last(paused, east, west):
    made = in_lanes()
    made.tell(*(LanePaused(lane=lane) for lane in paused))
    made.add(*(named(f"{number}", "east", "west") for number in range(8)))
    sent = submits(made)
    assert [[row for row, lane in sent if lane == one] for one in ("east", "west")] == [east, west]


@pytest.mark.parametrize(("now", "next_one"), [(59, "6"), (60, "0")])
def test_once_runs_of_the_launch_are_listed_no_row_waits_for_its_usual_lane(now, next_one):
    """Seen: the first rows of a manifest were sent last where one of their lanes had no room for days."""
    made = in_lanes(listing_lag=60.0)
    made.tell(LanePaused(lane="west"), RatesLearned(get=9, list=9, start=1, lane="east"))
    made.add(*(named(f"{number}", "east", "west") for number in range(8)))
    (first,) = sending(made)
    assert isinstance(first, Submit)
    assert first.entry.id == "4"
    made.done(first, apply(sent("east", first.entry), Accepted(at=at(), run=run())), now=0)
    assert submits(made) == [("5", "east")]
    made.tell(IntentRecorded(entry_id="5", lane="east"), now=now)
    assert submits(made, now) == [(next_one, "east")]


@pytest.mark.parametrize(("seconds_ago", "first"), [(59, "4"), (60, "0")])
def test_a_pass_after_the_first_minute_leaves_no_row_to_its_usual_lane(seconds_ago, first):
    going = apply(sent("east", named("going", "east")), Accepted(at=at(-seconds_ago), run=run()))
    made = in_lanes(going, listing_lag=60.0, mode=Mode.ONCE)
    made.tell(LanePaused(lane="west"))
    made.add(*(named(f"{number}", "east", "west") for number in range(8)))
    assert submits(made)[0] == (first, "east")


def test_a_lane_takes_no_more_than_it_may_have_active():
    made = Driven(LaneLimits(name="east", max_active=1), WEST)
    made.add(named("a", "east"), named("b", "east"), named("c", "west"))
    assert sorted(submits(made)) == [("a", "east"), ("c", "west")]


def test_the_batch_takes_no_more_than_it_may_have_active_in_all_lanes_together():
    made = in_lanes(max_active=2)
    made.add(named("a", "east"), named("b", "west"), named("c", "west"))
    assert len(submits(made)) == 2


def test_an_entry_from_before_the_batch_had_lanes_is_at_home():
    made = in_lanes(replace(active(replace(planned("a"))), offers=None))
    (look,) = made.plan(10)
    made.done(look, look.entry, now=10)
    assert made.slots == 1


@pytest.mark.parametrize("engine", [Engine.STARTRUN, Engine.BATCH])
def test_a_run_that_was_found_in_another_lane_is_watched_there_and_has_its_slot_there(engine):
    made = Driven(*(replace(one, max_active=1) for one in (EAST, WEST)), engine=engine)
    made.add(named("a", "east", "west"))
    (going,) = sending(made)
    away = {"east": "west", "west": "east"}[str(going.lane)]
    found = apply(sent(away, named("a", "east", "west")), Accepted(at=at(), run=run(), was_found=True))
    if isinstance(going, SubmitTogether):
        made.tell(SubmittedTogether(action=going, entries=(found,)), now=1)
    else:
        made.done(going, found, now=1)
    made.add(named("b", str(going.lane)), named("c", away), now=1)
    assert [one.lane for one in sending(made, 20)] == [going.lane]
    (look,) = (one for one in made.plan(600) if isinstance(one, Look))
    made.done(look, apply(found, Completed(at=at(), run=run("COMPLETED"))), now=600)
    assert [one.lane for one in sending(made, 700)] == [away]


def sending(made: Driven, now: float = 0.0) -> list[Submit | SubmitTogether]:
    actions = made.actions(now)
    made.waiting += [one for one in actions if not isinstance(one, Submit | SubmitTogether)]
    return [one for one in actions if isinstance(one, Submit | SubmitTogether)]


def test_an_entry_in_a_lane_that_the_launch_does_not_have_is_left():
    made = Driven(WEST)
    made.keep(apply(sent("east"), Accepted(at=at(), run=run())))
    made.tell()
    assert (made.slots, made.plan(9999), made.is_over) == (1, [], True)


def test_what_was_let_go_of_in_a_silent_lane_goes_to_the_other():
    made = in_lanes(named("a", "east", "west"), named("b", "east"))
    made.tell(RatesLearned(get=9, list=9, start=0.1, lane="west"))
    waiting = [one for one in made.plan() if isinstance(one, Submit)]
    assert {(one.entry.id, one.lane) for one in waiting} == {("a", "east"), ("b", "east")}
    made.tell(LanePaused(lane="east"))
    assert [action.lane for action in made.actions() if isinstance(action, HoldBack)] == ["east"]
    for one in waiting:
        made.done(one, one.entry, now=0)
    assert submits(made) == [("a", "west")]
    assert not made.is_over
    made.tell(LaneResumed(lane="east"))
    assert submits(made) == [("b", "east")]


def test_what_may_have_a_run_in_a_silent_lane_waits_until_it_is_back():
    made = in_lanes()
    made.tell(LanePaused(lane="east"))
    made.add(named("a", "east", "west", proven_at=None))
    assert (submits(made), made.is_over) == ([], False)
    made.keep(named("a", "east", "west"))
    made.tell(LaneResumed(lane="east"))
    assert submits(made) == [("a", "east")]


def test_a_lane_that_is_closed_sends_nothing_more_and_its_runs_are_watched():
    made = in_lanes(named("a", "east", "west"), named("b", "east"), active(named("c", "east")))
    begun = made.plan()
    assert {one.entry.id for one in begun} == {"a", "b", "c"}
    made.tell(LaneClosed(lane="east"))
    for one in begun:
        made.done(one, one.entry, now=0)
    assert submits(made) == [("a", "west")]
    made.tell(LanePaused(lane="east"), LaneResumed(lane="east"))
    assert (submits(made), made.is_over) == ([], False)
    assert [one.entry.id for one in made.plan(9999) if isinstance(one, Look)] == ["c"]


def test_a_lane_that_is_closed_is_asked_for_runs_of_rows_that_others_take():
    made = in_lanes()
    made.tell(LaneClosed(lane="east"))
    made.add(named("a", "east", "west", proven_at=None))
    (survey,) = [action for action in made.actions() if isinstance(action, Survey)]
    made.keep(named("a", "east", "west"))
    made.surveyed(survey, now=0.1)
    assert submits(made) == [("a", "west")]


def test_a_closed_lane_that_is_silent_is_waited_for_where_rows_of_others_may_have_a_run_in_it():
    """Seen: the launch ended in the middle of an outage, and rows that another lane takes waited on."""
    made = in_lanes()
    made.tell(LaneClosed(lane="east"), LanePaused(lane="east"))
    made.add(named("a", "east", "west", proven_at=None))
    assert (submits(made), made.is_over) == ([], False)
    made.keep(named("a", "east", "west"))
    made.tell(LaneResumed(lane="east"))
    assert submits(made) == [("a", "west")]


def test_a_launch_of_one_pass_is_over_once_its_closed_lane_has_no_more_to_look_at():
    made = Driven(LaneLimits(), mode=Mode.ONCE)
    made.add(replace(planned("a"), proven_at=at()))
    (submit,) = made.plan()
    made.tell(LaneClosed(lane=None))
    made.done(submit, submit.entry, now=0)
    assert (submits(made), made.is_over) == ([], True)


@pytest.mark.no_cover
def test_very_many_rows_that_wait_for_a_lane_are_not_read_on_and_on():
    made = in_lanes(concurrency=400)
    made.tell(LaneStopped(lane="east"))
    made.add(*(named(f"{number}", "east", "west", proven_at=None) for number in range(2000)))
    assert submits(made) == []
    assert len(made.due) == 800
    assert made.is_over


def test_what_lies_in_a_lane_that_stopped_holds_up_nothing():
    made = in_lanes(named("a", "east"), sent("east", named("b", "east")))
    (settle, submit) = made.plan()
    made.tell(LaneStopped(lane="east"))
    for action in (settle, submit):
        made.done(action, action.entry, now=1, failed=True)
    assert made.is_over
    assert submits(made, 9999) == []


def test_what_a_lane_was_about_to_send_when_it_stopped_goes_to_no_other():
    made = in_lanes(named("a", "east", "west"))
    (submit,) = made.plan()
    made.tell(IntentRecorded(entry_id="a", lane="east"))
    made.tell(LaneStopped(lane="east"))
    made.done(submit, submit.entry, now=1, failed=True)
    assert (submits(made, 9), made.is_over) == ([], True)


def test_nothing_is_left_to_do_where_every_lane_has_stopped():
    made = in_lanes(named("a", "east", "west"))
    made.actions()
    made = in_lanes()
    made.tell(LaneStopped(lane="east"), LaneStopped(lane="west"))
    made.add(named("a", "east", "west"))
    assert (submits(made), made.is_over) == ([], True)


def test_a_survey_that_did_not_reach_a_lane_is_made_again_later():
    made = in_lanes(named("a", "east", "west", proven_at=None))
    (survey,) = [action for action in made.actions() if isinstance(action, Survey)]
    made.tell(Surveyed(survey=survey, named=[]), now=0.5)
    made.keep(named("a", "east", "west", proven_at=None))
    made.tell(SurveyConcluded(survey=made.conclusion().survey, adopted=[], is_partial=True), now=0.5)
    assert not [action for action in made.actions(3) if isinstance(action, Survey)]
    assert [action for action in made.actions(8) if isinstance(action, Survey)]


def test_a_row_that_one_lane_put_off_goes_to_another_which_the_full_one_waits_beside():
    made = in_lanes(named("a", "east", "west"))
    made.tell(RatesLearned(get=9, list=9, start=0.1, lane="west"))
    (submit,) = made.plan()
    assert isinstance(submit, Submit)
    assert submit.lane == "east"
    put_off = Deferred(at=at(1), due=at(90), code=QUOTA_FULL, message="full")
    moved_on = apply(apply(sent("east", named("a", "east", "west")), put_off), Moved(at=at(1)))
    assert (moved_on.attempt, moved_on.state, moved_on.may_take) == (2, State.PLANNED, ("east", "west"))
    made.keep(replace(moved_on, proven_at=at()))
    made.done(submit, moved_on, now=1)
    (hold, again) = made.actions(1)
    assert isinstance(hold, HoldBack)
    assert (hold.lane, hold.quota_message) == ("east", "full")
    assert isinstance(again, Submit)
    assert again.lane == "west"


def test_what_comes_back_from_a_lane_that_stopped_ends_no_other():
    made = in_lanes(named("e", "east"), named("w", "west"))
    sending = {one.entry.id: one for one in made.plan() if isinstance(one, Submit)}
    made.next_due = at(60)
    put_off = Deferred(at=at(), due=at(60), code="ConflictException", message="later")
    made.done(sending["w"], apply(sent("west", named("w", "west")), put_off), now=0)
    made.tell(LaneStopped(lane="east"), now=1)
    made.done(sending["e"], sending["e"].entry, now=1, failed=True)
    assert (made.wake_at, made.is_over) == (60, False)


def test_a_row_that_no_survey_will_ever_prove_holds_up_nothing():
    unproven = named("a", "east", "west", proven_at=None)
    made = Driven(EAST, WEST, LaneLimits(name="north"), home="east")
    made.add(unproven)
    (survey,) = [action for action in made.actions() if isinstance(action, Survey)]
    made.keep(unproven)
    made.surveyed(survey, now=0.1, are_few=True)
    (submit,) = made.plan(0.1)
    assert isinstance(submit, Submit)
    assert submit.lane == "east"
    made.tell(LaneStopped(lane="west"), now=1)
    made.done(submit, submit.entry, now=1, failed=True)
    made.tell(LaneStopped(lane="east"), now=1)
    (again,) = [action for action in made.actions(1) if isinstance(action, Survey)]
    assert not made.is_over
    made.surveyed(again, now=2, failed=True)
    assert made.is_over


def test_rows_aside_hold_up_nothing_once_every_lane_has_stopped():
    unproven = [named(id, "east", "west", proven_at=None) for id in "ab"]
    made = in_lanes(*unproven)
    (survey,) = [action for action in made.actions() if isinstance(action, Survey)]
    made.keep(*unproven)
    made.surveyed(survey, now=0.1, are_few=True)
    submit, other = made.plan(0.1)
    made.done(submit, submit.entry, now=1, failed=True)
    made.tell(LaneStopped(lane="east"), LaneStopped(lane="west"), now=1)
    made.done(other, other.entry, now=1, failed=True)
    assert made.is_over


def test_a_row_whose_proof_is_awaited_holds_up_none_that_may_take_other_lanes():
    first = named("a", "east", "west", proven_at=None)
    second = named("b", "north", "west", proven_at=None)
    made = Driven(EAST, WEST, LaneLimits(name="north", max_active=0), home="east")
    made.add(first)
    made.add(second)
    (survey,) = [action for action in made.actions() if isinstance(action, Survey)]
    made.tell(Surveyed(survey=survey, named=[]), now=0.5)
    made.keep(first, replace(second, proven_at=at()))
    made.tell(SurveyConcluded(survey=made.conclusion().survey, adopted=[], is_partial=True), now=0.5)
    assert submits(made, 0.6) == [("b", "west")]


def test_looks_by_name_in_a_lane_that_is_slow_to_answer_leave_room_for_those_in_another():
    made = in_lanes()
    rows = [replace(named(f"{lane}{n}", lane), proven_at=None) for lane in ("east", "west") for n in range(9)]
    made.add(*rows)
    made.actions(0)
    assert Counter(lane for _, lane in submits(made, 1)) == {"east": 4, "west": 4}


def test_rows_of_a_lane_that_the_launch_could_not_connect_to_end_no_other_lane():
    made = Driven(WEST, home="east")
    made.add(named("e", "east"), named("w", "west"), named("free", "east", "west", proven_at=None))
    (submit,) = [one for one in made.plan() if isinstance(one, Submit)]
    made.next_due = at(60)
    put_off = Deferred(at=at(), due=at(60), code="ConflictException", message="later")
    made.done(submit, apply(sent("west", named("w", "west")), put_off), now=0)
    assert (made.wake_at, made.is_over) == (60, False)
    assert not [action for action in made.actions(1) if isinstance(action, Survey)]


def test_nothing_is_let_go_of_in_a_lane_that_the_launch_does_not_have():
    made = Driven(WEST)
    made.keep(apply(sent("east"), Accepted(at=at(), run=run())), named("e", "east"))
    made.tell()
    made.hold_back()
    assert [action.lane for action in made.actions() if isinstance(action, HoldBack)] == ["west"]


def test_one_pass_makes_no_second_survey_of_a_lane_that_was_not_reached():
    made = in_lanes(named("a", "east", "west", proven_at=None), mode=Mode.ONCE)
    (survey,) = [action for action in made.actions() if isinstance(action, Survey)]
    made.tell(Surveyed(survey=survey, named=[]), now=0.5)
    made.keep(named("a", "east", "west", proven_at=None))
    made.tell(SurveyConcluded(survey=made.conclusion().survey, adopted=[], is_partial=True), now=0.5)
    assert not [action for action in made.actions(9999) if isinstance(action, Survey)]


def test_a_queue_that_falls_silent_takes_its_own_lanes_alone_back_to_the_usual_pace():
    made = in_lanes()
    heard = {name: made.planner._lanes.of(name).watch._announcements for name in ("east", "west")}
    for one in heard.values():
        one.told("u-1")
        one.looked("u-1", now=0, has_ended=True)
    made.tell(RunsAnnounced(is_alive=False, lanes={"west"}))
    assert {name: one.is_relied_on for name, one in heard.items()} == {"east": True, "west": False}
    made.tell(RunsAnnounced(is_alive=False))
    assert not heard["east"].is_relied_on


def test_a_full_quota_whose_pause_is_over_wakes_nobody_while_its_lane_cannot_be_used():
    made = in_lanes()
    made.add(named("a", "east"), named("b", "east"))
    first, second = made.plan()
    full = Deferred(at=at(0), due=at(10_000), code=QUOTA_FULL, message="full")
    made.done(first, apply(sent("east", first.entry), full), now=0)
    (held,) = (action for action in made.actions() if isinstance(action, HoldBack))
    made.done(second, apply(sent("east", second.entry), full), now=0)
    made.tell(LanePaused(lane="east"), now=1)
    made.add(named("c", "east"), now=1)
    assert submits(made, held.seconds + 1) == []
    assert made.wake_at is None or made.wake_at > held.seconds + 1
