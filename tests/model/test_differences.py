"""What changed between two requests of a row, in the words of its manifest."""

from __future__ import annotations

import json
from typing import Any

import pytest

from batchrun.model.differences import differences


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
