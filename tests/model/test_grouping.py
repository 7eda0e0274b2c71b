"""Which rows may go to the service together, and the request that they make."""

import json
from dataclasses import replace

import pytest

from batchrun.model.entries.events import Intended
from batchrun.model.entries.transitions import apply
from batchrun.model.submissions.grouping import (
    ALONE,
    Engine,
    batch_name,
    batch_request,
    file_name,
    goes_together,
    names_begin,
    settings_of,
    shape_of,
    submission_id,
    why_alone,
)
from tests import builders
from tests.builders import at, request


def sent(id: str, position: int = 0, **fields):
    entry = builders.planned(id, position)
    if fields:
        entry = replace(entry, request=request(name=f"cohort-{id}", **fields))
    return apply(entry, Intended(at=at(0)))


def test_rows_are_alike_by_what_they_share_and_not_by_what_is_their_own():
    first = shape_of("a", request(name="x", outputUri="s3://one/", parameters={"in": 1}, priority=3))
    assert first == shape_of("b", request(name="y", outputUri="s3://two/", tags={"k": "v"}))
    assert len(first) == 32
    assert first != shape_of("a", request(name="x", workflowVersionName="v2"))
    assert first != shape_of("a", request(name="x", runGroupId="77"))


def test_rows_of_lanes_are_alike_where_they_share_in_each():
    both = builders.offers("east", "west")
    assert shape_of("a", both) == shape_of("b", builders.offers("east", "west", name="other"))
    assert shape_of("a", both) != shape_of("a", builders.offers("east"))


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({"runId": "1234567"}, "it copies a run"),
        ({"workflowType": "READY2RUN"}, "Ready2Run"),
        (
            {"outputUriPrefixMode": "NONE", "parametersUri": "s3://x/y"},
            "outputUriPrefixMode, parametersUri",
        ),
        ({"roleArn": None, "workflowId": ""}, "no workflowId and no roleArn"),
    ],
)
def test_a_row_that_cannot_be_expressed_says_why(fields, why):
    assert why in (why_alone("a", request(**fields)) or "")
    assert shape_of("a", request(**fields)) == ALONE


def test_an_id_that_is_too_long_for_a_setting_is_left_to_startrun():
    assert "longer than 128" in (why_alone("a" * 129, request()) or "")
    assert why_alone("a" * 128, request()) is None


def test_auto_takes_a_hundred_and_more():
    assert goes_together(Engine.AUTO, "shape", 100)
    assert not goes_together(Engine.AUTO, "shape", 99)
    assert goes_together(Engine.BATCH, "shape", 1)
    assert not goes_together(Engine.BATCH, ALONE, 100)
    assert not goes_together(Engine.STARTRUN, "shape", 100)
    assert not goes_together(Engine.BATCH, None, 100)


def test_rows_go_out_whole_with_the_tags_that_their_runs_would_have():
    entry = sent("a", parameters={"in": {"deep": 1}}, priority=2, tags={"lab": "x"})
    (setting,) = json.loads(settings_of([entry]))
    assert setting == {
        "runSettingId": "a",
        "name": "cohort-a",
        "outputUri": "s3://lab-results/x/",
        "parameters": {"in": {"deep": 1}},
        "priority": 2,
        "runTags": {
            "lab": "x",
            "batchrun:batch": "cohort",
            "batchrun:id": "a",
            "batchrun:attempt": "1",
            "batchrun:request-id": entry.request_id,
        },
    }


def test_the_request_has_what_is_shared_once_and_says_whose_it_is():
    entries = [sent("a"), sent("b", 1)]
    settings, request_id = settings_of(entries), submission_id(entries, 0)
    made = json.loads(batch_request(entries, request_id=request_id, settings=settings, settings_uri=None))
    assert made == {
        "batchName": batch_name("cohort", request_id),
        "requestId": request_id,
        "tags": {"batchrun:batch": "cohort", "batchrun:request-id": request_id},
        "defaultRunSetting": {
            "workflowId": "1234567",
            "roleArn": "arn:aws:iam::123456789012:role/omics",
        },
        "batchRunSettings": {"inlineSettings": json.loads(settings)},
    }
    uri = f"s3://lab/settings/{file_name(settings)}"
    large = json.loads(batch_request(entries, request_id=request_id, settings=settings, settings_uri=uri))
    assert large["batchRunSettings"] == {"s3UriSettings": uri}


def test_a_submission_is_told_from_any_other():
    entries = [sent("a"), sent("b", 1)]
    assert submission_id(entries, 0) == submission_id(entries, 0)
    assert len(submission_id(entries, 0)) == 64
    assert len({submission_id(entries, 0), submission_id(entries, 1), submission_id(entries[:1], 0)}) == 3


def test_a_name_is_short_enough_and_begins_as_those_of_its_batch_alone():
    long = "b" * 120
    assert len(batch_name(long, "0" * 64)) <= 64
    assert batch_name(long, "0" * 64).startswith(names_begin(long))
    assert names_begin(long) != names_begin(long + "b")
    assert file_name("[]") != file_name("[1]")
