from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from batchrun.model.entries.events import Deferred, Refused, Removed
from batchrun.model.entries.transitions import apply
from batchrun.ports.stored import Outcome, PastAttempt
from batchrun.report.gathering import RowStanding, row_of
from tests import builders
from tests.report.samples import at, attempt


def standing(entry) -> RowStanding:
    return row_of(Outcome(entry=entry)).standing


def test_queued_is_not_running():
    assert standing(builders.active(status="PENDING")) is RowStanding.QUEUED
    assert standing(builders.active(status="RUNNING")) is RowStanding.RUNNING
    assert standing(builders.active(status="A_NEW_WORD")) is RowStanding.RUNNING


def test_each_end_has_its_standing():
    assert standing(builders.ended("COMPLETED")) is RowStanding.SUCCEEDED
    assert standing(builders.ended("FAILED")) is RowStanding.FAILED
    assert standing(builders.ended("CANCELLED")) is RowStanding.CANCELLED
    removed = apply(builders.active(), Removed(at=builders.at(9), message="GetRun: 404"))
    shown = row_of(Outcome(entry=removed)).current
    assert (shown.standing, shown.status, shown.message) == (RowStanding.DELETED, "DELETED", "GetRun: 404")


def test_what_was_not_sent_or_is_put_off_is_planned():
    put_off = Deferred(at=builders.at(), due=builders.at(9), code="ConflictException", message="later")
    assert standing(builders.planned()) is RowStanding.PLANNED
    assert standing(apply(builders.submitting(), put_off)) is RowStanding.PLANNED
    assert standing(builders.submitting()) is RowStanding.SUBMITTING


def test_a_refused_row_tells_the_code_and_the_message():
    refused = Refused(at=builders.at(), code="ValidationException", message="roleArn")
    shown = row_of(Outcome(entry=apply(builders.submitting(), refused))).current
    assert (shown.standing, shown.reason, shown.message, shown.uuid) == (
        RowStanding.REFUSED,
        "ValidationException",
        "roleArn",
        None,
    )


def test_until_it_is_looked_at_a_run_counts_from_its_acceptance():
    entry = builders.active(seconds=7)
    assert row_of(Outcome(entry=entry)).current.created == builders.at(7)
    assert entry.run is not None
    seen = replace(entry, run=replace(entry.run, creation_time=builders.at(6)))
    assert row_of(Outcome(entry=seen)).current.created == builders.at(6)


def test_earlier_attempts_are_told_with_and_without_a_run():
    failed = PastAttempt(attempt=1, request_id="r1", run=builders.run("FAILED", failure_reason="X"))
    refused = PastAttempt(attempt=2, request_id="r2", code="ValidationException", message="no")
    left = PastAttempt(attempt=3, request_id="r3", run=builders.run("RUNNING"))
    earlier = row_of(Outcome(entry=builders.planned(attempt=4), earlier=(failed, refused, left))).earlier
    assert [(one.number, one.standing, one.reason) for one in earlier] == [
        (1, RowStanding.FAILED, "X"),
        (2, RowStanding.REFUSED, "ValidationException"),
        (3, RowStanding.DELETED, None),
    ]


@pytest.mark.parametrize(
    ("facts", "queued", "ran"),
    [
        ({"standing": RowStanding.SUCCEEDED, "created": at(0), "started": at(5), "stopped": at(8)}, 5, 3),
        ({"standing": RowStanding.FAILED, "created": at(0), "stopped": at(8)}, 8, None),
        ({"standing": RowStanding.RUNNING, "created": at(0), "started": at(5)}, 5, 55),
        ({"standing": RowStanding.QUEUED, "created": at(0)}, 60, None),
        ({"standing": RowStanding.DELETED, "created": at(0), "started": at(5)}, 5, None),
        ({"standing": RowStanding.DELETED, "created": at(0)}, None, None),
        ({"standing": RowStanding.PLANNED}, None, None),
    ],
)
def test_time_in_the_queue_is_apart_from_running_time(facts, queued, ran):
    one = attempt(**facts)
    minutes = [
        None if span is None else span / timedelta(minutes=1)
        for span in (one.queued(at(60)), one.ran(at(60)))
    ]
    assert minutes == [queued, ran]
