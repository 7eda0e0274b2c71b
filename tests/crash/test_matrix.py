"""Every point times every fault: killed there, started again, one run per row and results that agree."""

from __future__ import annotations

import pytest

from batchrun.points import Point
from tests.crash.harness import FAULTS, ROWS, attack


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("point", Point, ids=lambda point: point.name.lower())
def test_killed_at_a_point_under_a_fault(tmp_path, point, fault):
    aftermath = attack(tmp_path, point, fault)
    assert aftermath.runs == ROWS
    if fault == "nothing" and point is not Point.RENEWING:  # a quick launch may end before its first renewal
        assert aftermath.kills >= 1, "the point was never passed"
