"""The metrics, read by a strict reader of Prometheus' text format."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batchrun.model.entries.states import State
from batchrun.ports.service import CallCounts, LaneTrouble
from batchrun.ports.stored import Counts, Lease
from batchrun.report.metrics import Reading, exposition
from batchrun.report.overview import LaneCounts
from tests.ledger.samples import AT, later

_NAME = r"[a-zA-Z_:][a-zA-Z0-9_:]*"
_LABEL = r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\\\|\\"|\\n)*)"'
_SAMPLE = re.compile(rf"({_NAME})\{{({_LABEL}(?:,{_LABEL})*)\}} (-?\d+(?:\.\d+)?)")
_UNESCAPED = {r"\\": "\\", r"\"": '"', r"\n": "\n"}

COUNTS = Counts(
    by_state={State.PLANNED: 3, State.ACTIVE: 5, State.SUCCEEDED: 4, State.FAILED: 1},
    by_status={"PENDING": 2},
)
CALLS = {"StartRun": CallCounts(sent=9, throttled=2), "GetRun": CallCounts(sent=7, unanswered=1)}


def reading(**facts: Any) -> Reading:
    known: dict[str, Any] = {
        "batch": "cohort",
        "at": later(seconds=90),
        "started_at": AT,
        "counts": COUNTS,
        "starts_per_second": 1.25,
        "calls": {None: CALLS},
    }
    return Reading(**(known | facts))


def read(text: str) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    """Read metrics as strictly as promtool does: form, order, HELP and TYPE, names, no sample twice."""
    assert text.endswith("\n")
    found: dict[tuple[str, frozenset[tuple[str, str]]], float] = {}
    family, seen, kind = "", set[str](), ""
    lines = iter(text.removesuffix("\n").split("\n"))
    for line in lines:
        if line.startswith("# HELP "):
            _, _, family, help_ = line.split(" ", 3)
            assert family not in seen, "a metric must be told in one go"
            assert help_
            seen.add(family)
            _, word, same, kind = next(lines).split(" ")
            assert (word, same) == ("TYPE", family)
            assert kind in {"gauge", "counter"}
            assert (kind == "counter") == family.endswith("_total")
            assert family == family.lower()
            assert not re.search(r"(milli|minutes|hours|percent|gauge|counter)", family)
            continue
        match = _SAMPLE.fullmatch(line)
        assert match, f"not a sample: {line!r}"
        assert match[1] == family
        pairs = re.findall(_LABEL, match[2])
        labels = frozenset((name, re.sub(r"\\.", lambda m: _UNESCAPED[m[0]], text)) for name, text in pairs)
        assert len(labels) == len(pairs)
        assert (family, labels) not in found
        value = float(match[match.lastindex or 0])
        assert kind == "gauge" or value >= 0
        found[family, labels] = value
    return found


def values(text: str) -> dict[str, float]:
    """Return the values by name and, where there is one, the label beside the batch."""
    found = {}
    for (name, labels), value in read(text).items():
        others = [worth for label, worth in labels if label != "batch"]
        found[" ".join([name.removeprefix("batchrun_"), *others])] = value
    return found


def test_a_launch_that_goes_on():
    found = values(exposition(reading(seconds_left=12.5, oldest_active=AT, last_success=later(seconds=3))))
    states = {name.split()[1]: value for name, value in found.items() if name.startswith("entries ")}
    assert {state: number for state, number in states.items() if number} == {
        "planned": 3,
        "queued": 2,
        "running": 3,
        "succeeded": 4,
        "failed": 1,
    }
    assert (found["calls_total StartRun"], found["calls_throttled_total StartRun"]) == (9, 2)
    assert (found["calls_unanswered_total GetRun"], found["calls_throttled_total GetRun"]) == (1, 0)
    assert (found["starts_per_second"], found["remaining_seconds"]) == (1.25, 12.5)
    assert found["oldest_active_run_timestamp_seconds"] == found["launch_start_timestamp_seconds"]
    assert found["last_success_timestamp_seconds"] == AT.timestamp() + 3
    assert found["update_timestamp_seconds"] == AT.timestamp() + 90
    assert found["launcher_running"] == 1
    assert "last_exit_code" not in found


def test_a_launch_that_has_ended():
    found = values(exposition(reading(exit_code=1)))
    assert (found["launcher_running"], found["last_exit_code"]) == (0, 1)
    unknown = {"remaining_seconds", "oldest_active_run_timestamp_seconds", "lease_expiry_timestamp_seconds"}
    assert not unknown & found.keys()


def test_the_lease_says_when_it_runs_out():
    held = Lease(batch="cohort", holder="host:1", fence=1, expires_at=later(seconds=30))
    assert values(exposition(reading(lease=held)))["lease_expiry_timestamp_seconds"] == AT.timestamp() + 30


@pytest.mark.parametrize("batch", ['a"b', "a\\b", "a\nb", "a\\nb", 'x"} 1\nevil{y="', "ü # HELP"])
def test_every_sample_names_its_batch_whatever_that_is_called(batch):
    found = read(exposition(replace(reading(), batch=batch)))
    assert {dict(labels)["batch"] for _, labels in found} == {batch}


@given(batch=st.text(st.characters(exclude_categories=["Cs"])), operation=st.text(max_size=5))
def test_whatever_a_label_holds_it_is_read_as_it_was(batch, operation):
    calls = {None: {operation: CallCounts(sent=1)}}
    found = read(exposition(reading(batch=batch, calls=calls)))
    assert found["batchrun_calls_total", frozenset({("batch", batch), ("operation", operation)})] == 1


def test_lanes_are_told_apart_where_there_are_some():
    lanes = [
        LaneCounts(name="east", place=None, by_state={State.ACTIVE: 5, State.SUCCEEDED: 4}),
        LaneCounts(name=None, place=None, by_state={State.PLANNED: 3}),
    ]
    told = read(exposition(reading(lanes=lanes)))
    by_lane = {
        (labels["lane"], labels["state"]): value
        for (name, pairs), value in told.items()
        if name == "batchrun_lane_entries" and (labels := dict(pairs))
    }
    assert by_lane["east", "active"] == 5
    assert by_lane["east", "succeeded"] == 4
    assert by_lane["", "planned"] == 3
    assert len(by_lane) == 16


def test_calls_and_whether_it_can_be_used_are_told_of_each_lane():
    troubles = {"east": LaneTrouble.WAITS, "north": LaneTrouble.STOPPED, "west": LaneTrouble.FULL}
    calls = {"east": CALLS, "west": {"StartRun": CallCounts(sent=4)}}
    told = read(exposition(reading(calls=calls, troubles=troubles)))
    found = {
        (name.removeprefix("batchrun_"), labels["lane"], labels.get("operation")): value
        for (name, pairs), value in told.items()
        if "lane" in (labels := dict(pairs))
    }
    assert found["calls_total", "east", "StartRun"] == 9
    assert found["calls_total", "west", "StartRun"] == 4
    assert found["calls_throttled_total", "east", "StartRun"] == 2
    assert found["calls_unanswered_total", "east", "GetRun"] == 1
    usable = {lane: value for (name, lane, _), value in found.items() if name == "lane_usable"}
    assert usable == {"east": 0, "north": 0, "west": 1}


def test_without_lanes_nothing_is_told_of_them():
    assert "lane" not in exposition(reading())
