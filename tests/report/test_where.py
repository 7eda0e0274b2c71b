from __future__ import annotations

import pytest

from batchrun.errors import UsageError
from batchrun.model.spec import Json
from batchrun.report.columns import COLUMNS, Condition, failed_of, read_columns, read_condition

ROW: dict[str, Json] = {
    "id": "NA12878",
    "status": "FAILED",
    "failureReason": None,
    "attempt": 2,
    "statusMessage": "a=b\nc",
    "taskReason": "OUT_OF_MEMORY_ERROR; TASK_TIMED_OUT",
    "parameters.threads": 16,
    "parameters.wf.paired": True,
    "parameters.reads": ["s3://x"],
    "tags.batch": None,
    "storageType": "DYNAMIC",
}


@pytest.mark.parametrize(
    ("text", "matches"),
    [
        ("id=NA12878", True),
        ("id=NA12*", True),
        ("id=na12*", False),
        ("id=NA1287[89]", True),
        ("id=NA128", False),
        ("id!=NA128", True),
        ("id!=NA*", False),
        ("attempt=2", True),
        ("attempt=?", True),
        ("failureReason=", True),
        ("failureReason!=", False),
        ("failureReason=*", True),
        ("statusMessage=a=b*", True),
        (" status = FAILED ", True),
        ("status != FAILED", False),
        ("status=failed", True),
        ("status=Fail*", True),
        ("status!=faileD", False),
        ("taskReason=OUT_OF_MEMORY_ERROR", True),
        ("taskReason=TASK*", True),
        ("taskReason=*_memory_*", True),
        ("taskReason=OUT*OUT", False),
        ("taskReason!=TASK*", False),
        ("taskReason=", False),
        ("parameters.threads=16", True),
        ("parameters.wf.paired=true", True),
        ("parameters.reads=*s3://x*", True),
        ("tags.batch=x", False),
        ("tags.batch=", True),
        ("storageType=DYN*", True),
    ],
)
def test_a_condition_matches_as_a_shell_would(text, matches):
    assert read_condition(text).matches(ROW) is matches


def test_a_reason_is_the_runs_or_one_of_its_tasks():
    assert failed_of("OUT_OF_MEMORY*").matches(ROW)
    assert failed_of("*memory*").matches(ROW)
    assert failed_of("RUN*").matches({"failureReason": "RUN_TASK_FAILED", "taskReason": None})
    assert not failed_of("RUN*").matches(ROW)


def test_a_condition_is_its_parts():
    assert read_condition("status!=FAILED") == Condition(columns=("status",), glob="FAILED", is_wanted=False)


@pytest.mark.parametrize("text", ["", "status", "=x", "!=x", "!", "Status=x", "state=FAILED"])
def test_what_is_no_condition_is_refused(text):
    with pytest.raises(UsageError):
        read_condition(text)


def test_columns_are_names_with_commas():
    assert read_columns("uuid, id") == ("uuid", "id")
    assert read_columns("tags.family,all,taskReason") == ("tags.family", *COLUMNS, "taskReason")
    for text in ("", "id,", "id,uuid,id", "ID", "all,id", "parameters.", "tag.family", "taskreason"):
        with pytest.raises(UsageError):
            read_columns(text)
