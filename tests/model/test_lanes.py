"""What a row asks for in several lanes, and where its next attempt may go."""

from __future__ import annotations

from dataclasses import replace

import pytest

from batchrun.errors import InvariantError
from batchrun.model.entries.duplicating import copy_of
from batchrun.model.entries.entry import Entry, Sighting
from batchrun.model.entries.events import Accepted, Deferred, Failed, Intended, Retried
from batchrun.model.entries.recovery import Evidence, Match, story
from batchrun.model.entries.retrying import NO_CAPACITY, RetryPolicy, RetryRule, changed, moved
from batchrun.model.entries.states import State
from batchrun.model.entries.transitions import apply
from batchrun.model.lanes import Lane, first_request, lanes_of, offers_of, request_in
from batchrun.model.spec import request_id
from tests.builders import at, offers, planned, request, run

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


def test_the_owner_of_a_lane_is_its_account_or_that_of_its_role():
    role = "arn:aws:iam::123456789012:role/launcher"
    lanes = [Lane(name="a"), Lane(name="b", account="210987654321"), Lane(name="c", role=role)]
    assert [lane.owner for lane in lanes] == [None, "210987654321", "123456789012"]


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


def test_a_lane_is_in_the_account_that_it_names_or_its_role_does():
    assert Lane(name="east").owner is None
    assert Lane(name="east", account="111111111111").owner == "111111111111"
    role = "arn:aws:iam::222222222222:role/launcher"
    assert Lane(name="east", role=role).owner == "222222222222"
