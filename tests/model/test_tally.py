"""How a launch counts its rows as they move."""

from __future__ import annotations

from dataclasses import replace

from batchrun.model.entries.states import State
from batchrun.model.tally import Tally
from tests.builders import active, ended


def test_active_runs_are_counted_in_their_lane():
    tally = Tally({State.ACTIVE: 1}, {"PENDING": 1}, {"east": {State.ACTIVE: 1}, "": {State.ACTIVE: 4}})
    assert tally.active_by_lane == {"east": 1}
    east, west = replace(active(), lane="east"), replace(active(), lane="west")
    tally.move(east, replace(ended(), lane="east"))
    tally.move(replace(ended(), lane="west"), west)
    assert +tally.active_by_lane == {"west": 1}


def test_without_lanes_none_are_counted():
    tally = Tally({State.ACTIVE: 1}, {"PENDING": 1})
    tally.move(active(), ended())
    assert tally.active_by_lane == {}
