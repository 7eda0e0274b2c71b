"""How long it takes to send rows to their lanes."""

from __future__ import annotations

import pytest

from batchrun.model.lanes import least_seconds


@pytest.mark.parametrize(
    ("choices", "seconds"),
    [
        ({}, 0.0),
        ({("east",): 80}, 10.0),
        ({("east",): 80, ("west",): 25}, 10.0),
        ({("east", "west"): 330}, 10.0),
        ({("west", "east"): 165, ("east", "west"): 165}, 10.0),
        ({("east",): 80, ("east", "west"): 250}, 10.0),
        ({("east",): 160, ("east", "west"): 10}, 20.0),
    ],
)
def test_what_may_choose_fills_up_what_others_leave(choices, seconds):
    assert least_seconds(choices, {"east": 8.0, "west": 25.0, "idle": 1.0}) == pytest.approx(seconds)
