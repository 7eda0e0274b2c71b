"""Waits."""

from __future__ import annotations

from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from batchrun.model.entries.policies import DeferPolicy, WatchPolicy, spread
from batchrun.model.entries.retrying import RetryPolicy, RetryRule
from batchrun.model.entries.states import State
from batchrun.model.planning.limits import Limits
from batchrun.model.tally import Tally
from tests.builders import active, ended, planned, submitting

AGES = st.floats(0, 1e7)


@given(AGES, AGES, st.integers(0, 50))
def test_the_wait_for_a_look_grows_with_age_within_its_bounds(a, b, failures):
    policy = WatchPolicy()
    younger, older = policy.wait(min(a, b), "k", failures), policy.wait(max(a, b), "k", failures)
    assert 0.9 * policy.shortest <= younger <= older <= 1.1 * policy.longest


def test_failed_looks_are_repeated_ever_later():
    policy = WatchPolicy()
    waits = [policy.wait(4, "k", failures) for failures in range(4)]
    assert waits == sorted(waits)
    assert waits[3] > 7 * waits[0]


@given(st.text())
def test_the_spread_is_within_bounds_and_always_the_same(key):
    assert 0 <= spread(key) < 1
    assert spread(key) == spread(key)


def test_runs_of_the_same_age_are_not_looked_at_all_at_once():
    assert len({WatchPolicy().wait(100, f"run-{n}") for n in range(100)}) > 90


def test_an_unknown_outcome_is_settled_soon_and_then_ever_later():
    policy = DeferPolicy()
    waits = [policy.unknown_wait(doubts, "a") for doubts in range(10)]
    assert 4.5 <= waits[0] <= 5.5
    assert 108 <= waits[-1] <= 132


def test_the_tally_counts_entries_where_they_are():
    tally = Tally({State.PLANNED: 3}, {})
    tally.move(planned(), submitting())
    tally.move(submitting(), active())
    assert (tally.total, tally.open, tally.waiting) == (3, 3, 2)
    assert tally.by_status == {"PENDING": 1}
    tally.move(active(), ended())
    assert (tally.open, tally.by_state[State.SUCCEEDED], tally.has_only_succeeded) == (2, 1, False)
    assert tally.by_status["PENDING"] == 0
    tally.move(submitting(), ended("FAILED"))
    assert tally.failed == 1
    assert Tally({State.SUCCEEDED: 2}, {}).has_only_succeeded


def test_nothing_waits_longer_than_the_longest_wait():
    assert Limits().longest_wait == timedelta(seconds=3600 * 1.1)
    patient = RetryPolicy(rules=(RetryRule(reason="*", times=1, wait=7200),))
    assert Limits(retry=patient).longest_wait == timedelta(hours=2.2)
    assert Limits(retry=RetryPolicy(wait=10_000)).longest_wait == timedelta(seconds=11_000)
