"""What lanes allow, counted at their services: a launch uses all of it, and never more."""

from __future__ import annotations

import random

import pytest

from batchrun.engine.launcher import Stop
from batchrun.model.entries.states import State
from batchrun.model.lanes import lanes_of
from tests.engine.lanes import PLACES, lane_bench, row, rows
from tests.world import simulated


@pytest.mark.long
async def test_a_launch_takes_hardly_longer_than_the_paces_of_both_lanes_allow(tmp_path):
    # 40 rows for east alone at 8/s take 5 s, 100 for west at 25/s take 4 s; all 297 at 33/s take 9 s.
    specs = [
        *rows(40, "east", prefix="e"),
        *rows(100, "west", start=40, prefix="w"),
        *rows(157, "east", "west", start=140, prefix="free"),
    ]
    async with lane_bench(tmp_path, east={"rate": 8}, west={"rate": 25}) as it:
        await it.launch(specs)
        found = await it.assert_agreement()
        begun = {lane: one.state().accepted_at for lane, one in it.simulators.items()}
    took = max(map(max, begun.values())) - min(map(min, begun.values()))
    for lane, rate in (("east", 8), ("west", 25)):
        assert len(begun[lane]) - 1 <= (max(begun[lane]) - min(begun[lane])) * rate * 1.01, "above its pace"
    assert 297 / 33 - 1.5 <= took <= 297 / 33 * 1.05
    assert len(found["west"]) == pytest.approx(297 * 25 / 33, abs=6)
    assert {id[0] for id in found["east"]} == {"e", "f"}
    assert {id[0] for id in found["west"]} == {"w", "f"}


@pytest.mark.parametrize("seed", range(2))
async def test_whatever_goes_wrong_a_lane_keeps_its_pace_and_its_places_and_no_free_row_is_starved(
    tmp_path, seed
):
    rng = random.Random(seed)
    faults = "StartRun:throttle=0.05,StartRun:drop_after=0.05,GetRun:error_before=0.1"
    rates = {lane: rng.choice([2, 8, 25]) for lane in PLACES}
    most = {lane: rng.choice([1, 4, 9]) for lane in PLACES}
    specs = [
        row(
            f"row-{number:02}",
            number,
            *rng.choice([("east",), ("west",), ("east", "west"), ("west", "east")]),
        )
        for number in range(40)
    ]
    lanes = {lane: {"rate": rate, "settings": simulated(faults)} for lane, rate in rates.items()}
    async with lane_bench(tmp_path, **lanes) as it:
        stop, launcher = await it.launch(specs, max_active=most)
        found = await it.assert_agreement()
        served = {lane: one.state() for lane, one in it.simulators.items()}
    assert (stop, launcher.tally.by_state[State.SUCCEEDED]) == (Stop.FINISHED, 40)
    for lane, seen in served.items():
        assert seen.peak_unfinished <= most[lane]
        at = seen.accepted_at
        assert all(
            last - first <= (at[last] - at[first]) * rates[lane] * 1.01 + 1
            for last in range(len(at))
            for first in range(last)
        )
    may_take = {spec.id: lanes_of(spec.content) for spec in specs}
    assert all(lane in may_take[id] for lane, ids in found.items() for id in ids)
