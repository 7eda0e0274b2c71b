"""One row's story."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import anyio
import pytest

from batchrun.ledger import open_ledger
from batchrun.model.entries.events import Refused
from batchrun.model.submissions.submission import Standing, Submission
from tests.cli.conftest import Shell
from tests.cli.ledgers import make
from tests.cli.test_json import hold
from tests.ledger.samples import AT, filled, intended, move
from tests.ledger.submitting import taken, together


@pytest.fixture
def cohort(shell: Shell) -> Shell:
    make(shell.folder)
    return shell


def test_it_tells_run_attempts_events_and_request(cohort: Shell):
    done = cohort.run("show", "twice")
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0] == "twice of cohort: COMPLETED"
    assert "  uuid       uuid-10" in lines
    assert any(line.startswith("  1  FAILED  run 0000009  uuid-9  SERVICE_ERROR  it broke") for line in lines)
    begun, ended = lines.index("events:"), lines.index("request:")
    kinds = [line.split()[5] for line in lines[begun + 1 : ended]]
    assert kinds == ["intended", "accepted", "failed", "retried", "intended", "accepted", "completed"]
    request = json.loads("\n".join(lines[ended + 1 :]))
    assert request["tags"]["batchrun:attempt"] == "2"


@pytest.mark.parametrize("run", ["uuid-9", "0000009", "uuid-10"])
def test_a_row_goes_by_its_runs_too_of_earlier_attempts_as_well(cohort: Shell, run: str):
    done = cohort.run("show", run)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("twice of cohort: COMPLETED")


def test_it_says_why_a_run_failed_and_what_to_do(cohort: Shell):
    said = cohort.run("show", "memory").stdout
    assert "reason     OUT_OF_MEMORY_ERROR: it broke" in said
    assert "to do      for the workflow's author: give the failed task more memory" in said


@pytest.mark.usefixtures("looks_often")
def test_each_attempt_has_its_failed_tasks_and_log_streams(shell: Shell, simulate):
    simulated = simulate("--time-scale", "0.0002", "--failures", "SERVICE_ERROR=1", "--seed", "1")
    shell.run("run", *shell.cohort(1), "--endpoint-url", simulated.url, "--retry-wait", "0.1s")
    ids = [run["id"] for run in simulated.state()["runs"]]
    assert len(ids) == 3
    lines = [line.strip() for line in shell.run("show", "s000").stdout.splitlines()]
    for number, run in enumerate(ids, start=1):
        assert f"log stream run/{run}/task/10000{number:02}01" in lines
        assert f"logs       run/{run}/engine, run/{run} in /aws/omics/WorkflowLog" in lines
    told = json.loads(shell.run("show", "s000", "--json").stdout)
    attempts = [*told["attempts"], told]
    assert [one["failedTasks"][0]["failureReason"] for one in attempts] == ["SERVICE_ERROR"] * 3
    assert [one["logStreams"][1] for one in attempts] == [f"run/{run}" for run in ids]


def test_a_row_that_was_never_sent_has_no_events(cohort: Shell):
    done = cohort.run("show", "planned")
    assert done.returncode == 0
    assert "events: none yet" in done.stdout


def test_in_json(cohort: Shell):
    told = json.loads(cohort.run("show", "twice", "--json").stdout)
    assert (told["message_type"], told["id"], told["uuid"], told["state"]) == (
        "entry",
        "twice",
        "uuid-10",
        "succeeded",
    )
    assert [(one["attempt"], one["uuid"]) for one in told["attempts"]] == [(1, "uuid-9")]
    assert told["events"][2]["run"]["failure_reason"] == "SERVICE_ERROR"
    assert told["request"]["requestId"] == told["requestId"]


@pytest.mark.parametrize(
    ("typed", "meant"),
    [("memry", "memory"), ("MEMORY", "memory"), ("tasks", "task, task2"), ("refuse", "refused")],
)
def test_an_id_that_is_nearly_right_is_suggested(cohort: Shell, typed, meant):
    done = cohort.run("show", typed)
    assert (done.returncode, done.stdout) == (2, "")
    assert f"no row '{typed}'; did you mean {meant}" in done.stderr


def test_an_id_that_is_like_none_is_not_guessed_at(cohort: Shell):
    assert cohort.run("show", "cohort").stderr.startswith("batchrun: 'cohort' is a batch, and not a row; ")
    assert cohort.run("show", "xyzzy").stderr == "batchrun: batch 'cohort' has no row 'xyzzy'\n"


def test_an_id_that_several_batches_have_is_suggested_once(shell: Shell):
    make(shell.folder, "first", "second")
    assert "did you mean done, " in shell.run("show", "don").stderr
    assert "did you mean done, done" not in shell.run("show", "don").stderr


def test_an_id_without_its_zeros_is_suggested_first(shell: Shell):
    async def fill() -> None:
        async with await open_ledger(shell.folder / "batchrun.db") as ledger:
            await (await filled(ledger, *(f"S{number:04}" for number in range(1200)))).release()

    anyio.run(fill)
    assert "did you mean S0011" in shell.run("show", "S11").stderr
    assert "did you mean S0011" in shell.run("show", "S00000011").stderr


def test_an_id_in_several_batches_needs_its_batch(shell: Shell):
    make(shell.folder, "first", "second")
    done = shell.run("show", "done")
    assert (done.returncode, "second, first; say which with --batch" in done.stderr) == (2, True)
    assert shell.run("show", "done", "--batch", "first").stdout.startswith("done of first: COMPLETED\n")
    assert "it has: second, first" in shell.run("show", "done", "--batch", "third").stderr


async def submitted(folder: Path, *rows: str) -> Submission:
    """Make a ledger of which *rows* went to the service together, the first of them in vain."""
    async with await open_ledger(folder / "batchrun.db") as ledger:
        held = await filled(ledger, *rows, "alone")
        made = await together(held, 1, "".join(rows))
        await held.submissions.keep(taken(made, "PROCESSED"))
        await move(held, rows[0], Refused(at=AT, code="ValidationException", message="no such role"))
        await held.requests.retry([rows[0]], at=AT, why="asked for")
        await move(held, "alone", intended())
        await held.release()
    return made


async def test_it_tells_how_attempts_went_together(shell: Shell):
    made = await submitted(shell.folder, "a", "b")
    lines = shell.run("show", "b").stdout.splitlines()
    assert f"  submission cohort-1 of 2 rows, requestId {made.request_id}" in lines
    assert "  run batch  7, last seen as PROCESSED" in lines
    told = json.loads(shell.run("show", "b", "--json").stdout)
    assert list(told)[list(told).index("events") + 1] == "submission"
    hold("entry", told)
    assert told["submission"] == {
        "requestId": made.request_id,
        "name": "cohort-1",
        "rows": 2,
        "standing": "taken",
        "batchId": "7",
        "uuid": "u7",
        "status": "PROCESSED",
        "code": None,
        "message": None,
    }


async def test_of_an_attempt_by_itself_nothing_is_told_beside_one_that_was_not(shell: Shell):
    made = await submitted(shell.folder, "a", "b")
    for id_ in ("a", "alone"):
        assert not [
            line for line in shell.run("show", id_).stdout.splitlines() if line.startswith("  submission")
        ]
        assert "submission" not in json.loads(shell.run("show", id_, "--json").stdout)
    assert (
        f"     submission cohort-1 of 2 rows, requestId {made.request_id}"
        in shell.run("show", "a").stdout.splitlines()
    )
    told = json.loads(shell.run("show", "a", "--json").stdout)
    assert [one["submission"]["batchId"] for one in told["attempts"]] == ["7"]
    hold("entry", told)


@pytest.mark.parametrize(
    ("said", "line"),
    [
        ({}, "  run batch  none is known yet"),
        (
            {"code": "TimeoutError", "message": "no answer"},
            "  run batch  none is known; TimeoutError: no answer",
        ),
        ({"standing": Standing.TAKEN, "batch_id": "7"}, "  run batch  7, not looked at yet"),
    ],
)
async def test_what_is_not_known_of_a_submission_is_said(shell: Shell, said, line):
    async with await open_ledger(shell.folder / "batchrun.db") as ledger:
        held = await filled(ledger, "a")
        made = await together(held, 1, "a")
        await held.submissions.keep(replace(made, **said))
    assert line in shell.run("show", "a").stdout.splitlines()
