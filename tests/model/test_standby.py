"""When whoever stands by looks again."""

from __future__ import annotations

import pytest

from batchrun.model.entries.policies import next_look


@pytest.mark.parametrize(
    ("left", "seconds"), [(30.0, 2.0), (2.0, 2.0), (1.3, 1.3), (0.0, 0.25), (-9.0, 0.25)]
)
def test_a_lease_is_looked_at_every_so_often_and_when_it_should_be_over(left, seconds):
    assert next_look(left) == seconds
