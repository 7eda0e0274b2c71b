"""
Killed at a point under a fault, started again: one run per row, and results that agree.

Here each point without a fault and with one, so that each fault has two points; over two lanes the points at
which a lane is chosen or sent to, each under one fault. ``scripts/crashes`` attacks at every point under
every fault, with lanes and without.
"""

from __future__ import annotations

from itertools import cycle

import pytest

from batchrun.points import Point
from tests.crash.harness import FAULTS, ROWS, attack
from tests.crash.lanes import attack_lanes

_NOTHING, *_REST = FAULTS
SAMPLE = [*((point, _NOTHING) for point in Point), *zip(Point, cycle(_REST), strict=False)]


@pytest.mark.parametrize(
    ("point", "fault"), SAMPLE, ids=lambda one: one.name.lower() if isinstance(one, Point) else one
)
def test_killed_at_a_point_under_a_fault(tmp_path, point, fault):
    aftermath = attack(tmp_path, point, fault)
    assert aftermath.runs == ROWS
    if fault == "nothing" and point is not Point.RENEWING:  # a quick launch may end before its first renewal
        assert aftermath.kills >= 1, "the point was never passed"


@pytest.mark.parametrize(
    ("point", "fault"),
    [
        (Point.SYNCED, "nothing"),
        (Point.TURN_TAKEN, "east throttles"),
        (Point.INTENDED, "an old ledger, and forgets requestIds"),
        (Point.ANSWERED, "lost answers"),
        (Point.RECORDED, "garbled and dropped in west"),
    ],
    ids=lambda one: one.name.lower() if isinstance(one, Point) else one,
)
def test_killed_over_two_lanes(tmp_path, point, fault):
    aftermath = attack_lanes(tmp_path, point, fault)
    assert aftermath.runs == ROWS + 1, "one row is tried again in the other lane"
    assert aftermath.kills >= 1
