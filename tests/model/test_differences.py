"""What changed between two requests of a row, in the words of its manifest."""

from __future__ import annotations

import json
from typing import Any

import pytest

from batchrun.model.entries.contents import differences, lane_cure, row_differences
from batchrun.model.entries.entry import Entry
from batchrun.model.entries.events import Intended
from batchrun.model.entries.transitions import apply
from tests.builders import at


@pytest.mark.parametrize(
    ("was", "now", "said"),
    [
        ({"a": 1}, {"a": 1}, []),
        ({"p": {"x": "16"}}, {"p": {"x": 16}}, ['p.x is 16, was "16"']),
        ({"p": {"x": 1}}, {"p": {"x": True}}, ["p.x is true, was 1"]),
        ({"p": {"x": 1}}, {"p": {"x": 1.0}}, ["p.x is 1.0, was 1"]),
        ({"p": {"r": ["a"]}}, {"p": {"r": ["a", "b"]}}, ["p.r is a list of 2, was a list of 1"]),
        (
            {"p": {"r": [{"r1": "a"}, {"r1": "b"}]}},
            {"p": {"r": [{"r1": "a"}, {"r1": "c"}]}},
            ['p.r[1].r1 is "c", was "b"'],
        ),
        (
            {"b": 1, "t": {}},
            {"a": None, "t": []},
            ["a is new: null", "b is gone, was 1", "t is a list of 0, was a table"],
        ),
        ({"x": "é" * 70}, {}, [f'x is gone, was "{"é" * 59}...']),
    ],
)
def test_each_place_that_differs_is_told(was: dict[str, Any], now: dict[str, Any], said: list[str]):
    assert [str(one) for one in differences(json.dumps(was), json.dumps(now))] == said


ROW = Entry(batch="b", id="x", position=0, request='{"a":1}')
FREE = Entry(batch="b", id="x", position=0, request='{"a":1}', offers='[["east",{"a":1}],["west",{"a":2}]]')
SENT = apply(FREE, Intended(at=at(0), lane="west", request='{"a":2}'))


@pytest.mark.parametrize(
    ("entry", "content", "home", "said"),
    [
        (ROW, '{"a":2}', None, ["a is 2, was 1"]),
        (ROW, '[["west",{"a":1}]]', None, ["lane is new: west"]),
        (apply(ROW, Intended(at=at(0))), '[["west",{"a":1}],["east",{"a":3}]]', "east", ["a is 3, was 1"]),
        (FREE, FREE.content, None, []),
        (FREE, '[["west",{"a":1}],["east",{"a":1}]]', None, ["lane is west|east, was east|west"]),
        (FREE, '{"a":1}', None, ["lane is gone, was east|west"]),
        (SENT, '[["east",{"a":1}],["west",{"a":3}]]', None, ["a is 3, was 2"]),
        (SENT, '[["east",{"a":2}]]', None, ["lane is east, was west"]),
    ],
)
def test_a_row_differs_in_its_lane_or_in_the_lane_itself(entry, content, home, said):
    assert [str(one) for one in row_differences(entry, content, home)] == said


GONE = row_differences(SENT, '{"a":2}')
EAST = row_differences(SENT, '[["east",{"a":2}]]')
OTHER = row_differences(SENT, '[["west",{"a":3}]]')


@pytest.mark.parametrize(
    ("changes", "lanes", "cure"),
    [
        ([GONE], [], "give the lanes again (--lanes FILE, or lanes: in the manifest)"),
        ([EAST, EAST], ["east"], "put back what was named 'west' in the table of lanes"),
        ([EAST], ["east", "west"], "put back the rows' lane (west)"),
        (
            [row_differences(FREE, '{"a":1}')],
            ["west"],
            "put back what was named 'east' in the table of lanes",
        ),
        ([EAST, OTHER], ["east"], None),
        ([row_differences(ROW, '[["west",{"a":1}]]')], ["west"], None),
        ([[]], ["east"], None),
        ([], [], None),
    ],
)
def test_rows_that_changed_in_their_lane_alone_are_told_how_to_have_it_again(changes, lanes, cure):
    assert lane_cure(changes, lanes) == cure
