"""A shortened soak: some kills at random, every fault at once; ``scripts/soak`` has more."""

from __future__ import annotations

import pytest

from tests.crash.soak import soak

pytestmark = pytest.mark.long


@pytest.fixture(autouse=True)
def keys(monkeypatch):
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "x")


def test_a_hundred_and_fifty_rows_killed_at_random_under_every_fault():
    kills, faults, runs = soak(15, seed=11, rows=150, has_lanes=False, least=4)
    assert runs == 150
    assert kills >= 4
    assert faults >= 25


def test_fifty_rows_over_two_lanes_of_which_one_after_the_other_is_down():
    kills, faults, runs = soak(6, seed=5, rows=50, has_lanes=True, least=2)
    assert runs == 51, "one row fails in east, and is led to west"
    assert kills >= 2
    assert faults >= 15
