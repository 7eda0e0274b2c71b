from __future__ import annotations

import pytest

from batchrun.errors import UsageError
from batchrun.report.where import Condition, columns, parse

ROW = {"id": "NA12878", "status": "FAILED", "failureReason": None, "attempt": 2, "statusMessage": "a=b\nc"}


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
    ],
)
def test_a_condition_matches_as_a_shell_would(text, matches):
    assert parse(text).matches(ROW) is matches


def test_a_condition_is_its_parts():
    assert parse("status!=FAILED") == Condition(column="status", glob="FAILED", is_wanted=False)


@pytest.mark.parametrize("text", ["", "status", "=x", "!=x", "!", "Status=x", "state=FAILED"])
def test_what_is_no_condition_is_refused(text):
    with pytest.raises(UsageError):
        parse(text)


def test_columns_are_names_with_commas():
    assert columns("uuid, id") == ("uuid", "id")
    for text in ("", "id,", "id,uuid,id", "ID"):
        with pytest.raises(UsageError):
            columns(text)
