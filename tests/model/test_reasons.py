"""Whose job a failure is."""

from __future__ import annotations

import pytest

from batchrun.model.entries.reasons import ADVICE, TASK_ADVICE, Owner, advice_for, task_advice
from batchrun.model.entries.states import State


def test_passing_trouble_is_aws_s_and_nobody_else_s():
    assert {reason for reason, one in ADVICE.items() if one.owner is Owner.AWS} == {
        "SERVICE_ERROR",
        "INSTANCE_RESERVATION_FAILED",
    }


@pytest.mark.parametrize("reason", [None, "", "SOMETHING_NEW"])
def test_a_reason_that_nobody_knows_says_where_to_look(reason):
    found = advice_for(State.FAILED, reason)
    assert found.owner is Owner.UNKNOWN
    assert "batchrun logs ID" in found.action
    assert str(found) == f"for whoever looks first: {found.action}"
    assert found.facts == {"owner": "whoever looks first", "action": found.action}


def test_each_action_is_an_instruction_of_one_line():
    for one in (*ADVICE.values(), *TASK_ADVICE.values()):
        assert one.action
        assert "\n" not in one.action
        assert one.action[0].islower()
        assert not one.action.endswith(".")


def test_only_a_run_that_failed_has_a_reason_of_its_own():
    assert advice_for(State.FAILED, "SERVICE_ERROR") == ADVICE["SERVICE_ERROR"]
    # A corrected row has changed since it was sent; one that was right needs another attempt.
    refused = advice_for(State.REFUSED, "ValidationException").action
    assert "--changed resubmit" in refused
    assert "batchrun retry" in refused
    assert {advice_for(state, None).owner for state in (State.CANCELLED, State.DELETED)} == {Owner.YOU}


def test_a_task_s_reason_says_more_than_the_run_s():
    assert task_advice("OUT_OF_MEMORY_ERROR") == ADVICE["OUT_OF_MEMORY_ERROR"]
    assert task_advice("ALL_PROFILES_INSTANCE_RESERVATION_FAILED") in TASK_ADVICE.values()


@pytest.mark.parametrize("reason", [None, "", "SOMETHING_NEW", "RUN_TASK_FAILED", "WORKFLOW_RUN_FAILED"])
def test_a_task_s_reason_that_says_no_more_gives_no_advice(reason):
    assert task_advice(reason) is None
