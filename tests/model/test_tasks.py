"""Whose task it is, and where its log is."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from batchrun.model.entries.states import State
from batchrun.model.tasks import is_of, log_streams, may_be_asked, stream_name, task_stream
from tests.builders import active, at, ended, planned, run

OURS = run("FAILED", creation_time=at(0), start_time=at(20), stop_time=at(100))


@pytest.mark.parametrize(
    ("seconds", "is_ours"), [(-5, False), (-0.5, True), (0, True), (50, True), (100.5, True), (105, False)]
)
def test_a_task_from_within_the_run_s_time_is_the_run_s(seconds, is_ours):
    assert is_of(OURS, at(seconds)) is is_ours


def test_what_has_no_time_is_nobody_s():
    assert not is_of(OURS, None)
    assert not is_of(replace(OURS, stop_time=None), at(50))


def test_a_run_that_does_not_say_when_it_was_made_began_at_its_start_at_the_latest():
    uncreated = replace(OURS, creation_time=None)
    assert not is_of(uncreated, at(10))
    assert is_of(uncreated, at(30))
    assert is_of(replace(uncreated, start_time=None), at(0) - timedelta(days=9))


def test_a_run_that_failed_and_says_when_it_ended_may_be_asked():
    failed = replace(ended("FAILED"), run=OURS)
    assert failed.state is State.FAILED
    assert may_be_asked(failed)
    assert not may_be_asked(replace(failed, run=replace(OURS, stop_time=None)))
    assert not any(may_be_asked(entry) for entry in (planned(), active(), replace(ended(), run=OURS)))


def test_log_streams_have_documented_names():
    assert log_streams(OURS, {}) == (f"run/{OURS.id}/engine", f"run/{OURS.id}")
    assert log_streams(OURS, {"logLevel": "ALL"}) == log_streams(OURS, {})
    assert log_streams(OURS, {"logLevel": "OFF"}) == ()


def test_a_stream_has_its_name_at_the_end_of_its_arn():
    arn = "arn:aws:logs:us-east-1:123456789012:log-group:/aws/omics/WorkflowLog:log-stream:run/1/task/2"
    assert stream_name(arn) == stream_name("run/1/task/2") == "run/1/task/2"


def test_a_task_s_stream_has_its_documented_name():
    assert task_stream(OURS, "7") == f"run/{OURS.id}/task/7"
