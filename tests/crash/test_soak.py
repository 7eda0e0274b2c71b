"""A shortened soak: 300 rows, a dozen kills at random, every fault at once."""

from __future__ import annotations

import pytest

from tests.crash.soak import soak


@pytest.mark.long
@pytest.mark.timeout(180)
def test_three_hundred_rows_killed_at_random_under_every_fault(monkeypatch):
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "x")
    kills, faults, runs = soak(30, seed=11)
    assert runs == 300
    assert kills >= 8
    assert faults >= 50
