"""
Killed at a point under a fault, started again: one run per row, and results that agree.

Here each point under one fault, or none, so that each fault has two points; over two lanes the points at
which a lane is chosen or sent to, each under one fault. ``scripts/crashes`` attacks at every point under
every fault, with lanes and without.
"""

from __future__ import annotations

from itertools import cycle

import pytest

from batchrun.points import Point
from tests.crash.batches import attack_auto, attack_batches, attack_lanes_of_batches
from tests.crash.harness import FAULTS, ROWS, attack_alone
from tests.crash.lanes import attack_lanes

pytestmark = pytest.mark.long

#: Those that every launch passes; but a quick one may end before its first renewal.
PASSED = [point for point in Point if point is not Point.TAKING_APART]
SAMPLE = list(zip(PASSED, cycle(FAULTS), strict=False))


@pytest.mark.parametrize(
    ("point", "fault"), SAMPLE, ids=lambda one: one.name.lower() if isinstance(one, Point) else one
)
def test_killed_at_a_point_under_a_fault(tmp_path, point, fault):
    aftermath = attack_alone(tmp_path, point, fault)
    assert aftermath.runs == ROWS
    if point is not Point.RENEWING:
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


@pytest.mark.parametrize(
    ("point", "fault"),
    [
        (Point.INTENDED, "an old ledger, and forgets requestIds"),
        (Point.ANSWERED, "batches fail after some rows"),
        (Point.TAKING_APART, "rows are missing"),
    ],
    ids=lambda one: one.name.lower() if isinstance(one, Point) else one,
)
def test_killed_while_the_service_goes_on_with_a_batch(tmp_path, point, fault):
    aftermath = attack_batches(tmp_path, point, fault)
    assert aftermath.runs == ROWS
    assert aftermath.kills >= 1


@pytest.mark.parametrize(
    ("point", "fault"),
    [(Point.RECORDED, "lost answers"), (Point.TURN_TAKEN, "batches fail after some rows")],
    ids=lambda one: one.name.lower() if isinstance(one, Point) else one,
)
def test_killed_while_some_rows_go_together_and_others_alone(tmp_path, point, fault):
    aftermath = attack_auto(tmp_path, point, fault)
    assert aftermath.runs == ROWS
    assert aftermath.kills >= 1


def test_killed_while_two_lanes_go_on_with_a_batch_each(tmp_path):
    aftermath = attack_lanes_of_batches(tmp_path, Point.ANSWERED, "rows are missing in east")
    assert aftermath.runs == ROWS + 1, "one row is tried again in the other lane"
    assert aftermath.kills >= 1
