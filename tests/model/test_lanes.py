"""What a row asks for in several lanes, and where its next attempt may go."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest

from batchrun.errors import InvariantError
from batchrun.model.actions import HoldBack, Submit, Survey
from batchrun.model.duplicating import copy_of
from batchrun.model.entry import Entry, Sighting
from batchrun.model.events import Accepted, Deferred, Failed, Intended, Moved, Retried
from batchrun.model.lanes import first_request, lanes_of, offers_of, request_in
from batchrun.model.limits import LaneLimits, Mode
from batchrun.model.recovery import Evidence, Match, story
from batchrun.model.retrying import NO_CAPACITY, RetryPolicy, RetryRule, changed, moved
from batchrun.model.spec import request_id
from batchrun.model.states import State
from batchrun.model.stimuli import (
    IntentRecorded,
    LanePaused,
    LaneResumed,
    LaneStopped,
    RatesLearned,
    RunsAnnounced,
    SurveyConcluded,
    Surveyed,
)
from batchrun.model.transitions import apply
from batchrun.model.verdicts import QUOTA_FULL
from tests.builders import active, at, offers, planned, request, run
from tests.model.driving import Driven

BOTH = offers("east", "west", name="cohort-a")


def free(**fields) -> Entry:
    return replace(planned("a"), **{"offers": BOTH, **fields})


def sent(lane: str = "east", entry: Entry | None = None) -> Entry:
    entry = entry or free()
    request = entry.as_in(lane).request
    return apply(entry, Intended(at=at(), lane=lane, request=request))


def failed(entry: Entry, reason: str = NO_CAPACITY) -> Entry:
    going = apply(entry, Accepted(at=at(), run=run()))
    return apply(going, Failed(at=at(1), run=run("FAILED", failure_reason=reason)))


def next_of(entry: Entry, policy: RetryPolicy | None = None, tried: tuple[str, ...] = ()) -> Entry:
    retried = (policy or RetryPolicy()).after_failure(entry, [], at(2), tried=tried)
    assert retried is not None
    return apply(entry, retried)


def test_a_content_without_lanes_is_a_request():
    alone = request()
    assert (offers_of(alone), lanes_of(alone), first_request(alone)) == ((), (), alone)
    assert request_in(alone, None) == alone
    assert request_in(alone, "east") is None


def test_a_closed_offer_has_a_request_and_is_not_taken():
    content = offers("east", closed=["west"])
    assert lanes_of(content) == ("east",)
    assert request_in(content, "west") == request()
    assert request_in(content, "north") is None


def test_an_entry_may_take_what_is_open_until_its_intent_and_its_own_lane_after_it():
    assert free().may_take == ("east", "west")
    assert sent("west").may_take == ("west",)
    assert sent("west").may_be_in == ("west", "east")
    assert planned("a").may_take == planned("a").may_be_in == ()
    with pytest.raises(InvariantError, match="may not be sent to lane 'north'"):
        free().as_in("north")


def test_the_lane_is_part_of_the_requestid_and_without_lanes_nothing_is():
    one = sent("east")
    assert one.request_id == request_id("cohort", "a", 1, one.request, "east")
    assert one.request_id != sent("west").request_id
    assert planned("a").request_id == request_id("cohort", "a", 1, planned("a").request)


def test_no_capacity_moves_a_row_to_the_next_of_its_lanes_and_back_again():
    second = next_of(failed(sent("east")))
    assert second.may_take == ("west",)
    assert second.content == BOTH
    third = next_of(failed(sent("west", second)), tried=("east",))
    assert third.may_take == ("east",)


def test_no_capacity_leaves_a_row_of_one_lane_where_it_is():
    alone = replace(planned("a"), offers=offers("east", closed=["west"], name="cohort-a"))
    again = next_of(failed(sent("east", alone)))
    assert again.may_take == ("east",)
    assert again.manifest_request is None


def test_other_reasons_leave_the_choice_open():
    assert next_of(failed(sent("east"), "SERVICE_ERROR")).may_take == ("east", "west")


def test_a_rule_may_name_a_lane_that_is_closed_and_change_what_is_asked_for():
    content = offers("east", closed=["west"], name="cohort-a")
    rule = RetryRule(reason="*", times=1, change='{"lane":"west","storageType":"STATIC"}')
    assert (rule.lanes, rule.changed_fields) == (("west",), ("storageType",))
    entry = failed(sent("east", replace(planned("a"), offers=content)), "X")
    retried = RetryPolicy(rules=(rule,)).after_failure(entry, [], at(2))
    assert retried is not None
    assert retried.why == "*, retry 1 of 1, with storageType changed, in lane west"
    again = apply(entry, retried)
    assert again.may_take == ("west",)
    assert '"storageType":"STATIC"' in again.as_in("west").request


def test_a_rule_that_names_no_offered_lane_moves_nothing():
    assert moved(BOTH, ["north"], []) == BOTH


def test_of_several_lanes_the_one_that_was_tried_least_is_next():
    content = offers("east", "west", "north")
    assert lanes_of(moved(content, ["north", "west"], ["east", "north"])) == ("west",)
    assert lanes_of(moved(content, ["north", "west"], ["north", "west"])) == ("north",)


def test_a_change_changes_the_request_of_each_lane():
    content = changed(BOTH, '{"storageType":"STATIC"}')
    assert all('"storageType":"STATIC"' in offer.request for offer in offers_of(content))


def test_a_copy_stays_where_its_source_is():
    assert lanes_of(copy_of(BOTH, "42", "west")) == ("west",)
    assert copy_of(BOTH, "42", "north") == BOTH
    assert copy_of(request(), "42", None).startswith('{"')


# -- runs that are found


def found(entry: Entry, lane: str, *, id: str | None = None, home: str | None = None, number: int = 1):
    """What is judged of *entry* where *lane* has a run that bears the requestId *id*."""
    gathered = Evidence("cohort", home=home)
    gathered.expect(entry.id, entry.asked)
    own = {"batchrun:batch": "cohort", "batchrun:id": "a", "batchrun:attempt": str(number)}
    tags = own | {"batchrun:request-id": id or sent(lane).request_id}
    gathered.add(Sighting(run=run("RUNNING"), name="cohort-a", tags=tags), lane)
    return gathered.judge(entry, tagged=True)


def test_a_run_is_a_rows_in_the_lane_that_its_requestid_names():
    judgement = found(free(), "west")
    assert judgement.match is Match.FOUND
    entry = free()
    for event in story(entry, judgement.attempts, at(), again=False):
        entry = apply(entry, event)
    assert (entry.lane, entry.state, entry.request_id) == ("west", State.ACTIVE, sent("west").request_id)


def test_a_requestid_of_another_lane_than_the_run_is_in_is_other_content():
    assert found(free(), "west", id=sent("east").request_id).match is Match.CHANGED


def test_a_run_from_before_the_batch_had_lanes_is_known_at_home_alone():
    before = replace(sent("east"), lane=None).request_id
    assert found(free(), "east", id=before, home="east").match is Match.FOUND
    assert found(free(), "west", id=before, home="east").match is Match.CHANGED


def test_an_attempt_that_two_ledgers_sent_to_two_lanes_is_for_people():
    deferred = apply(sent("east"), Deferred(at=at(), due=at(9), code="402", message=""))
    judgement = found(deferred, "west")
    assert judgement.match is Match.AMBIGUOUS
    assert "this ledger tried lane east" in judgement.why


def test_a_copy_of_a_failed_run_is_known_in_its_lane():
    first = failed(sent("east"))
    copied = apply(first, Retried(at=at(), due=at(), why="", request=copy_of(BOTH, "1000001", "east")))
    copy_id = sent("east", copied).request_id
    assert found(first, "east", id=copy_id, number=2).match is Match.FOUND


def untagged(entry: Entry, lane: str):
    gathered = Evidence("cohort", counts_namesakes=True)
    gathered.expect(entry.id, entry.asked)
    output = "s3://lab-results/x/"
    sighting = Sighting(run=run(), name="cohort-a", workflow_id="1234567", output_uri=output)
    gathered.add(sighting, lane)
    return gathered.judge(entry, tagged=False)


def test_a_run_without_tags_is_told_by_what_it_was_asked_for_in_its_lane():
    judgement = untagged(free(), "west")
    assert (judgement.match, judgement.attempts[0].lane) == (Match.FOUND, "west")
    assert untagged(free(), "north").match is Match.MISSING


# -- planning


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
    assert submits(made) == [("0", "east"), ("1", "west")]
    made.tell(IntentRecorded(entry_id="0", lane="east"))
    assert submits(made) == [("2", "east")]


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
