"""Attempts that copy a run."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from batchrun.model.entries.duplicating import (
    NOT_THERE,
    after_asking,
    can_duplicate,
    duplicate,
    is_duplicate,
    replaced,
    source_of,
    unknown,
)
from batchrun.model.entries.events import Deferred, Intended, Refused, Retried
from batchrun.model.entries.states import State
from batchrun.model.entries.transitions import apply
from batchrun.model.lanes import Offer, offers_text
from tests.builders import at, ended, planned, request, run, submitting


def test_a_copy_names_the_run_and_keeps_what_makes_it_its_row_s():
    asked = request(tags={"a": "b"}, parameters={"x": 1}, storageCapacity=1200, workflowType="PRIVATE")
    assert json.loads(duplicate(asked, "77")) == {
        "runId": "77",
        "roleArn": "arn:aws:iam::123456789012:role/omics",
        "outputUri": "s3://lab-results/x/",
        "name": "cohort-a",
        "tags": {"a": "b"},
    }


@pytest.mark.parametrize(
    ("entry", "can"),
    [
        (ended("FAILED"), True),
        (ended("CANCELLED"), True),
        (ended("DELETED"), False),
        (replace(planned(), state=State.REFUSED), False),
    ],
)
def test_only_a_run_that_is_there_can_be_copied(entry, can):
    assert can_duplicate(entry) is can


def test_after_a_copy_people_get_the_manifests_content_again():
    failed = ended("FAILED")
    assert after_asking(failed, duplicates=False) is None
    copy = after_asking(failed, duplicates=True)
    assert copy == duplicate(failed.request, "1000001")
    copied = apply(failed, Retried(at=at(1), due=at(1), why="asked for", request=copy))
    assert (copied.request, copied.content, copied.attempt) == (copy, failed.request, 2)
    assert after_asking(copied, duplicates=False) == failed.request


def test_a_copy_stays_in_the_lane_of_its_source():
    both = offers_text([Offer(lane="east", request=request()), Offer(lane="west", request=request(name="w"))])
    failed = replace(ended("FAILED"), lane="west", request=request(name="w"), offers=both)
    copy = after_asking(failed, duplicates=True)
    assert copy == f'[["west",{duplicate(failed.request, "1000001")}]]'
    copied = apply(failed, Retried(at=at(1), due=at(1), why="asked for", request=copy))
    assert (copied.may_take, copied.content, is_duplicate(copied)) == (("west",), both, True)
    assert after_asking(replace(copied, state=State.FAILED), duplicates=False) == both


def test_a_changed_attempt_goes_on_as_it_is():
    larger = replace(ended("FAILED"), request=request(storageCapacity=4800), manifest_request=request())
    assert after_asking(larger, duplicates=False) is None


def test_a_row_that_asks_for_a_copy_itself_goes_on_asking():
    assert after_asking(replace(ended("FAILED"), request=request(runId="5")), duplicates=False) is None


def test_what_has_no_run_cannot_be_copied():
    assert after_asking(planned(), duplicates=True) is None


def test_the_source_is_the_newest_run_of_that_id():
    copy = replace(planned(), request=duplicate(request(), "7"), manifest_request=request())
    assert is_duplicate(copy)
    old, new = run(id="7", uuid="old"), run(id="7", uuid="new")
    assert source_of(copy, [old, new, None, run(id="8")]) is new
    assert source_of(copy, [None]) is None


def test_a_run_to_be_copied_is_gone_when_it_was_said_twice():
    entry = submitting()
    first = replaced(entry, run(id="7", uuid="u-7"), at(1), 60)
    assert isinstance(first, Deferred)
    assert (first.code, first.due) == (NOT_THERE, at(61))
    again = apply(apply(entry, first), Intended(at=at(61)))
    refused = replaced(again, run(id="7", uuid="u-7"), at(61), 60)
    assert isinstance(refused, Refused)
    assert refused.code == NOT_THERE
    assert "u-7" in refused.message


def test_a_run_that_the_ledger_does_not_know_is_said_to_be():
    refused = unknown(
        replace(planned(), request=duplicate(request(), "7"), manifest_request=request()), at(1)
    )
    assert refused.code == NOT_THERE
    assert "whether 7 is" in refused.message
