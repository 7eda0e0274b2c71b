"""What messages say of runs, and how far they are relied on."""

from __future__ import annotations

import json
from typing import Any

import pytest

from batchrun.model.planning.announcing import (
    RARER,
    Announcements,
    is_of_service,
    least_pause,
    read_announcement,
)


def event(**detail: Any) -> str:
    return json.dumps({"source": "aws.omics", "detail-type": "Run Status Change", "detail": detail})


@pytest.mark.parametrize(
    ("body", "run"),
    [
        (event(uuid="u-1", runId="7", status="COMPLETED"), "u-1"),
        (event(runId="7", status="FAILED"), "7"),
        (event(uuid="u-1"), "u-1"),
        (event(uuid="u-1", status="SOMETHING_NEW"), "u-1"),
        (event(uuid="u-1", status=["x"]), "u-1"),
        (json.dumps({"Type": "Notification", "Message": event(uuid="u-1", status="DELETED")}), "u-1"),
        (event(uuid="u-1", status="RUNNING"), None),
        (event(uuid=7, runId={}), None),
        (event(uuid="u" * 65), None),
        (event(uuid="a b"), None),
        (event(), None),
        (json.dumps({"source": "aws.omics", "detail-type": "Task Status Change", "detail": {}}), None),
        (json.dumps({"source": "x", "detail-type": "Run Status Change", "detail": {"uuid": "u-1"}}), None),
        (json.dumps({"source": "aws.omics", "detail-type": "Run Status Change", "detail": "u-1"}), None),
        (json.dumps({"Type": "Notification", "Message": 7}), None),
        ("[1]", None),
        ("{", None),
        ("[" * 100_000, None),
        (event(uuid="u-1", more="x" * 300_000), None),
    ],
)
def test_a_message_is_read_leniently_and_names_a_run_or_nothing(body: str, run: str | None):
    said = read_announcement(body)
    assert (said and said.run) == run


def test_events_of_the_service_and_our_own_trials_are_told_from_messages_of_others():
    assert is_of_service(event(uuid="u-1", status="RUNNING"))
    assert is_of_service(json.dumps({"Type": "Notification", "Message": event(uuid="u-1")}))
    assert is_of_service(json.dumps({"source": "batchrun", "detail-type": "Test"}))
    assert not is_of_service(json.dumps({"source": "shop", "detail-type": "Run Status Change"}))
    assert not is_of_service("{")


def test_they_are_relied_on_once_an_end_was_announced_and_until_one_was_not():
    it = Announcements()
    assert it.rarer == 1
    it.looked("a", now=0, has_ended=True)  # nobody had announced anything before
    assert not it.is_lost(1000)
    it.told("b")
    assert it.is_told("b")
    it.looked("b", now=1, has_ended=False)
    assert (it.is_told("b"), it.rarer) == (False, 1)
    it.told("b")
    it.looked("b", now=2, has_ended=True)
    assert it.rarer == RARER
    it.looked("c", now=3, has_ended=True)
    assert not it.is_lost(32)
    it.told("c")  # in time
    assert not it.is_lost(1000)
    it.looked("d", now=1001, has_ended=True)
    assert it.is_lost(1031)
    assert (it.rarer, it.is_lost(2000), it.lose()) == (1, False, False)


@pytest.mark.parametrize(
    ("useless", "is_empty", "seconds"),
    [(0, False, 0.0), (1, False, 0.01), (10, False, 0.1), (1000, False, 0.25), (1, True, 1.0)],
)
def test_a_queue_of_other_messages_is_asked_less_often(useless, is_empty, seconds):
    assert least_pause(useless, is_empty=is_empty) == pytest.approx(seconds)
