"""What other lanes in a manifest mean for rows that were sent."""

from __future__ import annotations

from dataclasses import replace

import pytest

from batchrun.model.entries.contents import asks_otherwise, with_content
from batchrun.model.entries.entry import Entry
from batchrun.model.entries.events import Accepted, Failed, Intended, Retried, Revised, Withdrawn
from batchrun.model.entries.transitions import apply
from batchrun.model.lanes import Offer, offers_text
from tests.builders import at, run

A, B = '{"a":1}', '{"b":1}'


def content(**requests: str) -> str:
    """Return an open offer for each lane."""
    return offers_text([Offer(lane=lane, request=request) for lane, request in requests.items()])


def entry(offers: str | None = None, request: str = A) -> Entry:
    return Entry(batch="b", id="x", position=0, request=request, offers=offers)


def sent(before: Entry, lane: str | None) -> Entry:
    chosen = before.as_in(lane)
    return apply(before, Intended(at=at(0), lane=lane, request=chosen.request if lane else None))


OLD = sent(entry(), None)  # before its manifest had lanes
EAST = sent(entry(content(east=A, west=B)), "east")


@pytest.mark.parametrize(
    ("before", "now", "home", "is_other"),
    [
        (OLD, content(east=A, west=B), "east", False),
        (OLD, content(west=B, east=A), "east", False),
        (OLD, content(east=A, west=B), "west", True),
        (OLD, content(east=A, west=B), "north", True),
        (OLD, content(east=A), None, True),
        (OLD, B, None, True),
        (EAST, content(east=A), None, False),
        (EAST, content(north=B, east=A), "north", False),
        (EAST, content(east=B, west=B), "east", True),
        (EAST, content(west=A), "west", True),
        (EAST, A, None, True),
    ],
)
def test_a_row_asks_otherwise_where_its_own_lane_does(before, now, home, is_other):
    assert asks_otherwise(before, now, home) is is_other


def test_a_lane_that_only_a_retry_can_lead_to_is_offered():
    closed = offers_text([Offer(lane="west", request=B), Offer(lane="east", request=A, is_open=False)])
    assert not asks_otherwise(EAST, closed, None)


def test_rows_from_before_know_what_they_asked_for_by_whatever_name_their_home_goes():
    taken = with_content(OLD, content(east=A, west=B))
    assert (taken.content, taken.request, taken.lane) == (content(east=A, west=B), A, None)
    assert not asks_otherwise(taken, content(us=A), "us")
    assert not asks_otherwise(taken, A, None)
    assert with_content(taken, A) == OLD


def test_what_was_withdrawn_unsent_counts_in_the_lanes_that_are_offered_still():
    withdrawn = apply(entry(content(east=A, west=B)), Withdrawn(at=at(1), message="x"))
    assert not asks_otherwise(withdrawn, content(north=A, west=B), None)
    assert asks_otherwise(withdrawn, content(east=A, west=A), None)
    assert asks_otherwise(withdrawn, content(north=A), None)
    taken = with_content(withdrawn, content(north=B, west=B))
    assert (taken.request, taken.may_take) == (B, ("north", "west"))


def departed() -> Entry:
    """Return an entry in west, by a rule, whose row asks for other content."""
    failed = apply(apply(EAST, Accepted(at=at(1), run=run())), Failed(at=at(2), run=run(status="FAILED")))
    again = apply(failed, Retried(at=at(3), due=at(3), why="x", request=content(west=A)))
    return sent(again, "west")


def test_an_attempt_that_departs_is_held_against_its_row():
    before = departed()
    assert before.content == content(east=A, west=B)
    assert not asks_otherwise(before, content(west=B, north=A), None)
    assert asks_otherwise(before, content(west=A, north=A), None)
    taken = with_content(before, content(west=B))
    assert (taken.manifest_request, taken.asked) == (content(west=B), content(west=A))
    assert with_content(before, content(west=A)).manifest_request is None


def test_content_that_waits_for_the_call_in_the_air_is_taken_over_in_its_place():
    waiting = apply(EAST, Revised(at=at(1), request=content(east=B)))
    assert not asks_otherwise(waiting, content(east=B, west=B), None)
    assert with_content(waiting, content(east=B, west=B)).next_request == content(east=B, west=B)
    assert with_content(waiting, content(east=A, west=B)).next_request is None


def test_a_row_from_before_that_departs_is_held_against_its_row():
    before = replace(OLD, request=B, manifest_request=A)
    assert not asks_otherwise(before, content(east=A), "east")
    taken = with_content(before, content(east=A))
    assert (taken.request, taken.manifest_request) == (B, content(east=A))
    assert not asks_otherwise(taken, content(east=A, west=B), "east")
