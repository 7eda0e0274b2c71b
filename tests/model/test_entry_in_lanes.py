"""An entry in a batch with lanes: where it may go, what it is sent as there, what its row asks for."""

from __future__ import annotations

from dataclasses import replace

import pytest

from batchrun.errors import InvariantError
from batchrun.model.entries.entry import Entry, sent_to
from batchrun.model.entries.events import Intended
from batchrun.model.entries.states import State
from batchrun.model.entries.transitions import apply
from batchrun.model.lanes import names_of
from batchrun.model.spec import request_id
from tests.builders import at

BOTH = '[["east",{"a":1}],["west",{"a":2}]]'
FREE = Entry(batch="b", id="x", position=0, request='{"a":1}', offers=BOTH)
WEST = apply(FREE, Intended(at=at(0), lane="west", request='{"a":2}'))
OLD = apply(replace(FREE, offers=None), Intended(at=at(0)))


@pytest.mark.parametrize(
    ("entry", "may_take", "only"),
    [
        (FREE, ("east", "west"), None),
        (replace(FREE, offers='[["west",{"a":2}],["east",{"a":1},0]]'), ("west",), "west"),
        (WEST, ("west",), "west"),
        (OLD, (), None),
        (replace(OLD, offers=BOTH), (), None),
    ],
)
def test_it_may_take_the_lane_that_is_chosen_or_those_that_are_offered(entry, may_take, only):
    assert (entry.may_take, entry.only_lane) == (may_take, only)


def test_it_is_sent_as_the_lane_asks_with_the_lane_in_its_request_id():
    there = FREE.as_in("west")
    assert (there.lane, there.request) == ("west", '{"a":2}')
    assert there.request_id == WEST.request_id == request_id("b", "x", 1, '{"a":2}', "west")
    assert there.request_id != replace(there, lane="east").request_id
    assert WEST.as_in("west") is WEST
    assert OLD.as_in(None) is OLD


@pytest.mark.parametrize("entry", [WEST, OLD, FREE])
def test_it_is_sent_nowhere_else(entry):
    with pytest.raises(InvariantError, match="may not be sent to lane 'north'"):
        entry.as_in("north")


@pytest.mark.parametrize(
    ("entry", "request_"),
    [
        (FREE, '{"a":1}'),
        (WEST, '{"a":2}'),
        (replace(WEST, manifest_request='[["east",{"a":3}],["west",{"a":4}]]'), '{"a":4}'),
        (replace(WEST, manifest_request='[["east",{"a":3}]]'), '{"a":3}'),
        (replace(OLD, offers='[["west",{"a":2}],["east",{"a":1}]]'), '{"a":1}'),
        (replace(OLD, state=State.SUBMITTING, next_request='{"a":9}'), '{"a":9}'),
    ],
)
def test_its_row_asks_for_what_its_lane_or_the_first_is_offered(entry, request_):
    assert entry.row_request == request_


@pytest.mark.parametrize(
    ("content", "names"),
    [
        ('[["east",{"name":"e"}],["west",{"name":"w"},0],["north",{"a":1}]]', {"e", "w", None}),
        ('{"name":"alone"}', {"alone"}),
    ],
)
def test_a_content_names_its_runs_lane_by_lane(content, names):
    assert names_of(content) == names


def test_only_what_is_free_takes_the_lane_that_it_is_sent_to():
    assert sent_to(FREE, "west").request == '{"a":2}'
    assert sent_to(WEST, "west") is WEST
    assert sent_to(OLD, "east") is OLD
    assert sent_to(replace(FREE, offers=None), None) == replace(FREE, offers=None)
