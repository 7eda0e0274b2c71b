"""Choosing rows, and columns of the results, by what rows ask for and by why their tasks failed."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import anyio
import pytest
from pyarrow import parquet

from batchrun.ledger import open_ledger
from batchrun.model.entries.events import Progressed
from batchrun.model.tasks import FailedTask, FailedTasks
from tests.cli.conftest import Shell
from tests.cli.ledgers import make
from tests.ledger.samples import AT, lease_on, move, run_of

#: Why tasks of these rows' runs failed; the run of the first says only RUN_TASK_FAILED.
TASKS = {"task": ["OUT_OF_MEMORY_ERROR", "TASK_TIMED_OUT"], "memory": ["OUT_OF_MEMORY_ERROR"]}


def keep_tasks(folder: Path) -> None:
    async def kept() -> None:
        async with await open_ledger(folder / "batchrun.db") as ledger:
            held = await lease_on(ledger)
            numbers = {run.id: run.number for run in await held.unasked(limit=99)}
            found = {numbers[id_]: FailedTasks(tasks=tuple(map(failed, whys))) for id_, whys in TASKS.items()}
            await held.keep_tasks(found, at=AT)
            await held.release()

    anyio.run(kept)


def failed(reason: str) -> FailedTask:
    return FailedTask(id=f"t-{reason}", name="align", failure_reason=reason)


@pytest.fixture
def cohort(shell: Shell) -> Shell:
    make(shell.folder)
    keep_tasks(shell.folder)
    return shell


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (["--reason", "*MEMORY*"], ["memory", "task"]),
        (["--reason", "TASK_TIMED_OUT"], ["task"]),
        (["--where", "taskReason=*MEMORY*"], ["memory", "task"]),
        (["--where", "taskReason=*MEMORY*", "--where", "failureReason=RUN*"], ["task"]),
        (["--where", "taskReason!=*MEMORY*", "--where", "status=failed"], ["task2"]),
        (["--where", "status=Refused"], ["refused"]),
        (["--where", "parameters.sample=task*"], ["task", "task2"]),
        (["--where", "tags.project!=cohort"], []),
    ],
    ids=str,
)
def test_what_failed_is_chosen_by_run_and_task_and_by_what_it_asked_for(cohort: Shell, options, expected):
    done = cohort.run("retry", "cohort", *options, "--dry-run", "--json")
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout)["ids"] == expected


def test_people_are_shown_why_the_tasks_failed_before_they_decide(cohort: Shell):
    done = cohort.run("retry", "cohort", "--reason", "*MEMORY*", "--dry-run")
    assert done.stdout.splitlines() == [
        "cohort: 2 entries to retry",
        "  OUT_OF_MEMORY_ERROR (tasks: OUT_OF_MEMORY_ERROR): memory",
        "  RUN_TASK_FAILED (tasks: OUT_OF_MEMORY_ERROR; TASK_TIMED_OUT): task",
    ]


@pytest.mark.long
@pytest.mark.parametrize("verb", ["retry", "cancel", "delete", "results"])
@pytest.mark.parametrize(
    ("condition", "message"),
    [
        ("status=FAILD", "there is no status 'FAILD'; did you mean FAILED? the statuses are: PLANNED, SUB"),
        ("status!=done", "the statuses are: PLANNED, SUBMITTING, REFUSED, DELETED, PENDING, STARTING, RUN"),
        ("parameters.sampel=x", "no row of batch 'cohort' has parameters.sampel; did you mean parameters.sa"),
        ("tags.family=x", "no row of batch 'cohort' has tags.family; its tags: tags.project"),
        ("taskreason=x", "the results have no column 'taskreason'; did you mean taskReason?"),
    ],
)
def test_what_no_row_can_have_is_an_error_and_not_an_empty_choice(cohort: Shell, verb, condition, message):
    done = cohort.run(verb, "cohort", "--where", condition)
    assert (done.returncode, done.stdout) == (2, "")
    assert message in done.stderr


def test_a_status_that_only_the_service_knows_can_be_chosen(cohort: Shell):
    asked = ("results", "cohort", "--columns", "id", "--where")
    assert cohort.run(*asked, "status=paus*").returncode == 2

    async def pause() -> None:
        async with await open_ledger(cohort.folder / "batchrun.db") as ledger:
            held = await lease_on(ledger)
            await move(held, "running", Progressed(at=AT, run=run_of(2, "PAUSED")))
            await held.release()

    anyio.run(pause)
    assert cohort.run(*asked, "status=paus*").stdout == "id\nrunning\n"


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        ("status=FAILED", [4, 5, 6, 9]),
        ("status=COMPLETED", [3, 10]),
        ("runId=0000009", [9]),
        ("attempt=2", [10]),
        ("id=twice", [9, 10]),
        ("taskReason=*MEMORY*", [4, 5]),
    ],
)
def test_what_is_deleted_is_chosen_run_by_run(cohort: Shell, condition, expected):
    """Run 9 failed, and run 10 of the same row succeeded: whoever deletes the one means not the other."""
    done = cohort.run("delete", "cohort", "--where", condition, "--dry-run", "--json")
    assert json.loads(done.stdout)["runIds"] == [f"{number:07}" for number in expected]


OWN = "id,parameters.sample,parameters.list,parameters.flag,parameters.none,tags.project,roleArn,taskReason"
TASK: dict[str, object] = {
    "id": "task",
    "parameters.sample": "task",
    "parameters.list": ["x", 1],
    "parameters.flag": True,
    "parameters.none": None,
    "tags.project": "cohort",
    "roleArn": "arn:aws:iam::123456789012:role/omics",
    "taskReason": "OUT_OF_MEMORY_ERROR; TASK_TIMED_OUT",
}
TEXT = TASK | {"parameters.list": '["x",1]', "parameters.flag": "true"}


def test_results_carry_the_rows_own_columns_in_every_format(cohort: Shell):
    asked = ("results", "cohort", "--where", "id=task", "--columns", OWN)
    (row,) = csv.DictReader(io.StringIO(cohort.run(*asked).stdout))
    assert row == TEXT | {"parameters.none": ""}
    assert json.loads(cohort.run(*asked, "--format", "json").stdout) == [TASK]
    assert json.loads(cohort.run(*asked, "--format", "jsonl").stdout) == TASK
    assert cohort.run(*asked, "-o", "own.parquet").returncode == 0
    assert parquet.read_table(cohort.folder / "own.parquet").to_pylist() == [TEXT]


def test_own_columns_stand_beside_the_usual_ones_and_in_earlier_attempts(cohort: Shell):
    whole = cohort.run("results", "--columns", "all", "-o", "-").stdout
    assert whole == cohort.run("results", "-o", "-").stdout
    asked = ("results", "--where", "id=twice", "--columns", "id,attempt,parameters.number", "--attempts")
    assert cohort.run(*asked).stdout == "id,attempt,parameters.number\ntwice,1,7\ntwice,2,7\n"
    (row,) = json.loads(cohort.run(*asked, "--format", "json").stdout)
    assert row["attempts"] == [{"attempt": 1, "parameters.number": 7}]


def test_a_cell_of_a_row_that_looks_like_a_formula_is_defused_on_request(shell: Shell, simulate):
    simulated = simulate("--time-scale", "1")
    shell.cohort(1)
    shell.write("evil.csv", "id,parameters.sample\na,=1+1\n")
    shell.run("run", "evil.csv", "--defaults", "defaults.yaml", "--endpoint-url", simulated.url, "--detach")
    asked = ("results", "--columns", "parameters.sample", "--safe-csv")
    assert shell.run(*asked).stdout == "parameters.sample\n'=1+1\n"


def test_rows_chosen_by_their_own_columns_become_a_manifest(cohort: Shell):
    chosen = ("--where", "taskReason=TASK*", "--failed-manifest", "again.jsonl")
    assert cohort.run("results", "cohort", *chosen).returncode == 0
    assert json.loads((cohort.folder / "again.jsonl").read_text(encoding="utf-8"))["id"] == "task"
