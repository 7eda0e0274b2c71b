"""What it means that a batch did not start a row."""

from dataclasses import replace
from datetime import timedelta

import pytest

from batchrun.errors import (
    AccessDeniedError,
    CallError,
    OutcomeUnknownError,
    QuotaExceededError,
    RefusedError,
    ThrottledError,
)
from batchrun.model.entries.events import Deferred, Refused
from batchrun.model.planning.limits import Limits
from batchrun.model.planning.verdicts import (
    CANCELLED_WITH_ITS_BATCH,
    FAILED_WITH_ITS_BATCH,
    NOT_STARTED,
    after_batch,
    after_rejection,
    is_certain,
)
from tests.builders import at, planned, submitting


def failed(kind: type[CallError], code: str = "X") -> CallError:
    return kind("no", operation="StartRun", code=code)


@pytest.mark.parametrize(
    ("kind", "event"),
    [
        (RefusedError, Refused),
        (QuotaExceededError, Deferred),
        (AccessDeniedError, Deferred),
        (OutcomeUnknownError, Deferred),  # it was looked for, and is not there
    ],
)
def test_a_row_that_failed_is_judged_as_the_answer_to_startrun(kind, event):
    made = after_rejection(submitting(planned()), failed(kind), at(0), Limits())
    assert isinstance(made, event)
    assert made.code == "X"


def test_what_is_not_started_may_be_sent_anew_and_a_batch_that_always_fails_is_refused():
    entry, limits = submitting(planned()), Limits()
    for status, code in [
        ("PROCESSED", NOT_STARTED),
        ("GONE", NOT_STARTED),
        ("FAILED", FAILED_WITH_ITS_BATCH),
        ("CANCELLED", CANCELLED_WITH_ITS_BATCH),
    ]:
        made = after_batch(entry, status, "why", at(0), limits, is_fruitless=True)
        assert isinstance(made, Deferred)
        assert (made.code, made.message) == (code, "why")
        assert made.due - at(0) < timedelta(seconds=2)
    often = replace(entry, code=FAILED_WITH_ITS_BATCH, deferrals=2)
    refused = after_batch(often, "FAILED", "why", at(0), limits, is_fruitless=True)
    assert isinstance(refused, Refused)
    assert "'batchrun retry' sends it" in (refused.message or "")
    for status, is_fruitless in [("PROCESSED", True), ("FAILED", False)]:
        made = after_batch(often, status, "why", at(0), limits, is_fruitless=is_fruitless)
        assert isinstance(made, Deferred)
        assert made.code == NOT_STARTED


def test_what_may_have_a_run_after_all_is_no_certain_rejection():
    assert not is_certain(failed(OutcomeUnknownError))
    assert is_certain(failed(ThrottledError))
