"""Which failed runs get another attempt."""

from __future__ import annotations

from dataclasses import replace

import pytest

from batchrun.model.entries.entry import Run
from batchrun.model.entries.reasons import Owner, advice_for
from batchrun.model.entries.retrying import DEFAULT_RULES, RetryPolicy, RetryRule, changed
from batchrun.model.entries.states import State
from batchrun.model.spec import canonical
from tests.builders import at, ended, planned, request, run


def failed(reason: str | None = "SERVICE_ERROR", message: str = "") -> Run:
    return run("FAILED", failure_reason=reason, status_message=message)


def after(reason: str | None, earlier: list[Run | None], policy: RetryPolicy | None = None):
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


LARGER = RetryRule(
    reason=("OUT_OF_MEMORY*", "FILE_SYSTEM_*"),
    times=2,
    change=canonical({"storageCapacity": 4800, "parameters": {"mem": 64}, "priority": None}),
)


def test_a_rule_may_have_several_reasons_which_count_together():
    policy = RetryPolicy(rules=(LARGER,))
    assert policy.rule_for(failed("FILE_SYSTEM_OUT_OF_SPACE")) is LARGER
    earlier: list[Run | None] = [failed("FILE_SYSTEM_OUT_OF_SPACE")]
    retried = after("OUT_OF_MEMORY_ERROR", earlier, policy)
    assert retried is not None
    assert retried.why == (
        "OUT_OF_MEMORY* or FILE_SYSTEM_*, retry 2 of 2, with parameters, priority, storageCapacity changed"
    )
    assert after("OUT_OF_MEMORY_ERROR", earlier * 2, policy) is None


def test_a_change_is_laid_over_what_the_last_attempt_asked_for():
    before = request(storageCapacity=1200, priority=5, parameters={"reads": "r", "mem": 8})
    entry = replace(ended("FAILED"), request=before, run=failed("OUT_OF_MEMORY_ERROR"))
    retried = RetryPolicy(rules=(LARGER,)).after_failure(entry, [], at(0))
    assert retried is not None
    assert retried.request == request(storageCapacity=4800, parameters={"reads": "r", "mem": 64})


def test_changes_add_up():
    once = changed(request(), canonical({"parameters": {"a": 1}}))
    assert changed(once, canonical({"parameters": {"b": 2}})) == request(parameters={"a": 1, "b": 2})


def test_a_file_of_parameters_stands_in_their_place():
    with_some = request(parameters={"a": 1})
    uri = canonical({"parametersUri": "s3://lab/p.json"})
    assert changed(with_some, uri) == request(parametersUri="s3://lab/p.json")
    assert changed(with_some, canonical({"parametersUri": None})) == with_some


def test_what_the_service_says_of_wrong_parameters_is_not_tried_again():
    assert RetryPolicy().rule_for(failed("INVALID_RUN_PARAMETERS")) is None
    assert advice_for(State.FAILED, "INVALID_RUN_PARAMETERS").owner is Owner.YOU


def test_a_change_that_changes_nothing_is_none():
    policy = RetryPolicy(rules=(replace(LARGER, change=canonical({"workflowId": "1234567"})),))
    retried = after("OUT_OF_MEMORY_ERROR", [], policy)
    assert retried is not None
    assert (retried.request, retried.why) == (None, "OUT_OF_MEMORY* or FILE_SYSTEM_*, retry 1 of 2")


def test_what_the_launch_was_given_comes_before_the_manifest_and_the_manifest_before_the_default():
    mine, theirs = RetryRule(reason="A", times=1), RetryRule(reason="B", times=1)
    given = RetryPolicy(rules=(mine, *DEFAULT_RULES))
    manifest = RetryPolicy(rules=(theirs, *DEFAULT_RULES), wait=300)
    assert given.over(manifest).rules == (mine, theirs, *DEFAULT_RULES)
    assert given.over(manifest).wait == 300
    assert RetryPolicy(wait=5).over(manifest).wait == 5
    assert given.over(RetryPolicy(rules=())).rules == (mine,)
    assert RetryPolicy().over(RetryPolicy()) == RetryPolicy()


def test_a_launch_that_is_given_other_rules_alone_takes_none_of_the_manifest():
    manifest = RetryPolicy(rules=(LARGER, *DEFAULT_RULES))
    assert RetryPolicy(rules=()).over(manifest).rules == ()
    mine = RetryRule(reason="A", times=1)
    assert RetryPolicy(rules=(mine,)).over(manifest).rules == (mine,)


def test_the_changes_of_a_policy_and_the_fields_of_a_rule():
    assert RetryPolicy(rules=(LARGER, *DEFAULT_RULES)).changes == (LARGER.change,)
    assert LARGER.changed_fields == ("parameters", "priority", "storageCapacity")
    assert DEFAULT_RULES[0].changed_fields == ()
