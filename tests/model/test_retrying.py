"""Which failed runs get another attempt."""

from __future__ import annotations

import pytest

from batchrun.model.entry import Run
from batchrun.model.retrying import DEFAULT_RULES, RetryPolicy, RetryRule
from tests.builders import at, ended, planned, run


def failed(reason: str | None = "SERVICE_ERROR", message: str = "") -> Run:
    return run("FAILED", failure_reason=reason, status_message=message)


def after(reason: str | None, earlier: list[Run | None], policy: RetryPolicy | None = None):
    from dataclasses import replace  # noqa: PLC0415

    entry = replace(ended("FAILED"), run=failed(reason))
    return (policy or RetryPolicy()).after_failure(entry, earlier, at(0))


@pytest.mark.parametrize("reason", ["SERVICE_ERROR", "INSTANCE_RESERVATION_FAILED"])
def test_what_passes_by_itself_is_tried_twice_more(reason):
    assert after(reason, []) is not None
    assert after(reason, [failed(reason)]) is not None
    assert after(reason, [failed(reason)] * 2) is None


@pytest.mark.parametrize("reason", ["WORKFLOW_RUN_FAILED", "OUT_OF_MEMORY_ERROR", "", None])
def test_everything_else_is_for_people(reason):
    assert after(reason, []) is None


def test_each_rule_counts_for_itself():
    earlier = [failed("INSTANCE_RESERVATION_FAILED"), failed("SERVICE_ERROR"), None]
    retried = after("SERVICE_ERROR", earlier)
    assert retried is not None
    assert retried.why == "SERVICE_ERROR, retry 2 of 2"


def test_waits_double_and_end():
    policy = RetryPolicy(rules=(RetryRule(reason="*", times=99),), wait=60, longest=3600)
    waits = []
    for count in range(10):
        retried = after("X", [failed("X")] * count, policy)
        assert retried is not None
        waits.append((retried.due - at(0)).total_seconds())
    assert 54 <= waits[0] <= 66
    assert waits == sorted(waits)
    assert waits[-1] <= 3960


def test_the_first_rule_that_matches_decides():
    never = RetryRule(reason="SERVICE_*", message="*quota*", times=0)
    policy = RetryPolicy(rules=(never, *DEFAULT_RULES))
    assert policy.rule_for(failed("SERVICE_ERROR", "over the quota")) is never
    assert policy.rule_for(failed("SERVICE_ERROR", "try again")) is DEFAULT_RULES[0]
    assert policy.rule_for(failed("OTHER")) is None


def test_a_rule_may_wait_longer():
    policy = RetryPolicy(rules=(RetryRule(reason="X", times=1, wait=600.0),))
    retried = after("X", [], policy)
    assert retried is not None
    assert 540 <= (retried.due - at(0)).total_seconds() <= 660


def test_what_has_no_run_is_not_retried():
    assert RetryPolicy().after_failure(planned(), [], at(0)) is None
