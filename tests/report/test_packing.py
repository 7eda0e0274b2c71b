from __future__ import annotations

import json
from typing import Any

import pytest

from batchrun.model.costs import PriceLists, Prices
from batchrun.model.tasks import LOG_GROUP, FailedTask, FailedTasks
from batchrun.ports.stored import EndedRun
from batchrun.report.bill import bill_of
from batchrun.report.gathering import RowStanding, ShownRow
from batchrun.report.packing import TEXT, packed, script_text, timeline
from tests.builders import run
from tests.report.samples import HOSTILE, at, attempt, report, row, rows

PRICES = Prices(currency="USD", region="us-east-1", instances={}, storage={})


def pack(*rows_, **facts) -> Any:
    return json.loads(text_of(list(rows_), **facts))


def text_of(of: list[ShownRow], hours: float = 1, **facts) -> str:
    made = report(of, hours=hours, **facts)
    return script_text(packed(made, timeline(of, made.at)))


def test_no_runs():
    found = pack()
    assert (found["ids"], found["runs"]["uuid"], found["timeline"]["at"]) == ([], [], [])


def test_words_are_kept_once_and_uris_from_where_they_differ():
    runs = pack(
        row("a", output_uri="s3://b/x/1", message="m"),
        row("b", RowStanding.FAILED, output_uri="s3://b/x/22", message="m"),
        row("c", RowStanding.PLANNED, uuid=None),
    )["runs"]
    assert runs["uri"] == {"start": "s3://b/x/", "rest": ["1", "22", None]}
    assert runs["message"] == {"words": ["m", None], "at": [0, 0, 1]}
    assert runs["standing"] == [0, 1, 8]


def test_times_are_seconds_since_the_first():
    past = attempt(RowStanding.FAILED, created=at(-1))
    found = pack(row("a", RowStanding.RUNNING, past, created=at(0), started=at(0.01)))
    assert found["base"] == at(-1).timestamp()
    assert (found["runs"]["created"], found["runs"]["started"], found["at"]) == ([60.0], [60.6], 3660.0)
    assert found["earlier"]["row"] == [0]


def test_script_text_is_ascii_and_holds_nothing_that_ends_a_script():
    text = script_text(list(HOSTILE))
    assert text.isascii()
    assert not set("<>&") & set(text)
    assert json.loads(text) == list(HOSTILE)


@pytest.mark.long
def test_long_texts_are_cut_and_many_long_messages_more_so():
    found = pack(row("x" * 10_000, message="y" * 10_000, reason="z" * 10_000))
    assert found["ids"] == ["x" * TEXT + "…"]
    assert found["runs"]["message"]["words"] == ["y" * TEXT + "…"]
    many = [row(str(place), RowStanding.FAILED, message=f"{place:05}" * 2_000) for place in range(20_000)]
    assert len(text_of(many)) < 6_000_000


@pytest.mark.long
def test_20_000_runs_take_little_room():
    assert len(text_of(rows(20_000), hours=10)) < 4_200_000


def test_failed_tasks_are_kept_with_their_run_and_a_usual_log_stream_once():
    def task(id_: str, stream: str | None, **facts: str) -> FailedTask:
        return FailedTask(id=id_, name="align", log_stream=stream, **facts)

    arn = "arn:aws:logs:us-east-1:1:log-group:/aws/omics/WorkflowLog:log-stream:run"
    one = FailedTasks(tasks=(task("7", f"{arn}/12/task/7"), task("8", None)), has_more=True)
    other = FailedTasks(tasks=(task("9", "run/13/task/9", failure_reason="OUT_OF_MEMORY_ERROR"),))
    past = attempt(RowStanding.FAILED, run_id="11", tasks=FailedTasks(tasks=(task("3", "elsewhere"),)))
    found = pack(
        row("a", has_logs=True),
        row("b", RowStanding.FAILED, past, run_id="12", tasks=one, has_logs=True),
        row("c", RowStanding.FAILED, run_id="13", tasks=other),
    )
    assert found["runs"]["tasks"] == {
        "run": [1, 1, 2],
        "id": ["7", "8", "9"],
        "name": {"words": ["align"], "at": [0, 0, 0]},
        "reason": {"words": [None, "OUT_OF_MEMORY_ERROR"], "at": [0, 0, 1]},
        "message": {"words": [None], "at": [0, 0, 0]},
        "stream": {"words": ["run/{run}/task/{task}", None], "at": [0, 1, 0]},
        "andMore": [1],
    }
    assert found["earlier"]["tasks"]["stream"]["words"] == ["elsewhere"]
    assert (found["runs"]["withoutLogs"], found["earlier"]["withoutLogs"]) == ([2], [0])
    assert (found["logGroup"], found["logStreams"]) == (LOG_GROUP, ["run/{run}/engine", "run/{run}"])


def test_of_very_many_failed_runs_fewer_tasks_are_kept_each_and_that_is_said():
    tasks = tuple(
        FailedTask(id=str(place), name="align", status_message=f"{place} no" * 90) for place in range(5)
    )
    for runs, each in ((10, 5), (20_000, 1)):
        many = [
            row(str(place), RowStanding.FAILED, run_id=str(place), tasks=FailedTasks(tasks=tasks))
            for place in range(runs)
        ]
        found = json.loads(text_of(many))["runs"]["tasks"]
        assert len(found["id"]) == runs * each
        assert len(found["andMore"]) == (0 if each == len(tasks) else runs)


def test_costs_are_kept_where_there_are_some():
    assert "cost" not in pack(row("a"))["runs"]
    spent = EndedRun(position=0, entry_id="a", attempt=1, run=run())
    bill = bill_of([spent], PriceLists(lists=(PRICES,)), None)
    runs = pack(row("a", charged=bill.runs[0]), row("b"))["runs"]
    assert runs["cost"] == [None, None]
    assert runs["unpriced"] == {"words": ["not known yet", None], "at": [0, 1]}
