"""A shortened soak: 150 rows, some kills at random, every fault at once; ``scripts/soak`` has more."""

from __future__ import annotations

import pytest

from tests.crash.soak import soak


@pytest.mark.long
def test_a_hundred_and_fifty_rows_killed_at_random_under_every_fault(monkeypatch):
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "x")
    kills, faults, runs = soak(15, seed=11, rows=150)
    assert runs == 150
    assert kills >= 4
    assert faults >= 25
