"""How it stands: at once, and watched."""

from __future__ import annotations

import json
import os
import pty
import re
import shutil
import signal
from pathlib import Path

import pytest

from batchrun.cli.showing.failed import FailedRow
from batchrun.model.tasks import FailedTask, FailedTasks
from tests.builders import planned
from tests.cli.conftest import Shell, end, read_terminal, until
from tests.cli.ledgers import make
from tests.ledger.test_kept import KEPT
from tests.nursery import PATIENCE, Born

COUNTS = "1 planned, 1 queued, 1 running, 2 succeeded, 3 failed, 1 deleted, 1 refused (of 10)"


@pytest.fixture
def cohort(shell: Shell) -> Shell:
    make(shell.folder)
    return shell


def test_without_a_batch_each_is_a_line(shell: Shell):
    make(shell.folder, "first", "second")
    assert shell.run("status").stdout == f"second: {COUNTS}\nfirst: {COUNTS}\n"
    told = [json.loads(line) for line in shell.run("status", "--json").stdout.splitlines()]
    assert [(one["batch"], one["queued"], one["running"]) for one in told] == [
        ("second", 1, 1),
        ("first", 1, 1),
    ]


def test_after_an_upgrade_it_is_told_though_a_launcher_of_before_may_go_on(shell: Shell):
    before = Path(shutil.copy(KEPT / "batchrun.db", shell.folder)).read_bytes()
    done = shell.run("status")
    assert done.stdout.startswith("cohort: 5 planned, 5 succeeded, 1 failed, 2 cancelled (of 13)")
    watched = shell.run("status", "--watch")
    assert (watched.returncode, "'batchrun ledger init'" in watched.stderr) == (2, True)
    assert (shell.folder / "batchrun.db").read_bytes() == before


def test_a_batch_is_told_at_length(cohort: Shell):
    done = cohort.run("status", "cohort")
    assert done.returncode == 0, done.stderr
    first, *others = done.stdout.splitlines()
    assert first == f"cohort: {COUNTS}"
    labels = [line[:12].strip() for line in others]
    assert others[0] == "  account   123456789012, us-east-1"
    assert labels == [
        "account",
        "launcher",
        "starts",
        "left",
        "slots",
        "oldest",
        "",
        "failed",
        "",
        "",
        "",
        "",
    ]
    assert "2 in use" in done.stdout
    failures = [line[12:].split()[1] for line in others[7:]]
    assert failures == ["task2", "task", "memory", "gone", "refused"]


def test_a_row_that_waits_to_be_sent_again_is_told_from_those_that_are_new(shell: Shell, simulate):
    simulated = simulate("--faults", "StartRun:ServiceQuotaExceededException=1x")
    shell.run("run", *shell.cohort(1), "--endpoint-url", simulated.url, "--once")
    assert (
        shell.run("status").stdout == "cohort: 1 planned (of 1); 1 of those planned waits to be sent again\n"
    )


def test_a_batch_in_json(cohort: Shell):
    told = json.loads(cohort.run("status", "cohort", "--json").stdout)
    assert (told["message_type"], told["batch"], told["account"], told["slots"], told["holder"]) == (
        "status",
        "cohort",
        "123456789012",
        2,
        None,
    )
    assert [row["id"] for row in told["oldest"]] == ["queued", "running"]
    assert [row["id"] for row in told["failures"]] == ["task2", "task", "memory", "gone", "refused"]


def test_the_launcher_at_work_is_named(shell: Shell, simulate):
    simulated = simulate("--time-scale", "1")
    launcher = shell.start("run", *shell.cohort(3), "--endpoint-url", simulated.url)
    simulated.wait_for_runs(3)
    until(lambda: json.loads(shell.run("status", "cohort", "--json").stdout)["queued"] == 3)
    told = json.loads(shell.run("status", "cohort", "--json").stdout)
    assert told["holder"].endswith(f":{launcher.pid}")
    assert told["starts_per_second"] > 0
    end(launcher, signal.SIGKILL)
    assert "launcher  none at the moment" in shell.run("status", "cohort").stdout


def test_failures_are_told_by_reason_with_whose_job_it_is(cohort: Shell):
    lines = cohort.run("status", "--failed").stdout.splitlines()
    assert lines[1].startswith(
        "  FAILED RUN_TASK_FAILED: 2 rows; for whoever looks first: read the failed task's log"
    )
    assert lines[2:4] == ["    task (run 0000005) it broke", "    task2 (run 0000006) it broke"]
    assert any(line.startswith("  DELETED: 1 row; for you: find out who deletes runs") for line in lines)
    assert any(
        line.startswith("  REFUSED ValidationException: 1 row; for you: correct the row as the message says")
        for line in lines
    )


@pytest.fixture
def failed(shell: Shell, simulate) -> Shell:
    """A batch that really ran, of which each run failed by a task."""
    simulated = simulate("--time-scale", "0.0002", "--failures", "RUN_TASK_FAILED=1")
    shell.run("run", *shell.cohort(3), "--endpoint-url", simulated.url, "--rate", "unlimited")
    assert simulated.calls("GetRunTask") == 3
    return shell


def test_failed_tasks_are_told_with_what_to_do_and_their_logs(failed: Shell):
    lines = failed.run("status", "--failed").stdout.splitlines()
    to_do = "for the workflow's author: give the failed task more memory"
    assert lines[2] == f"    tasks: OUT_OF_MEMORY_ERROR in 3 rows (step_2); {to_do}"
    run = failed.results()[0]["runId"]
    (told,) = [line for line in lines if f"(run {run})" in line]
    assert told.endswith(f" (run {run}) task step_2 OUT_OF_MEMORY_ERROR: The task's container exited with 1")
    assert len(lines) == 7
    assert lines[-1] == "  logs: batchrun logs ID --batch cohort"
    told = failed.run("status", "cohort").stdout
    assert told.count("RUN_TASK_FAILED: task step_2 OUT_OF_MEMORY_ERROR: The task's container exited") == 3


def test_failed_tasks_in_json(failed: Shell):
    told = [json.loads(line) for line in failed.run("status", "--failed", "--json").stdout.splitlines()]
    (why,) = told[1]["tasks"]
    assert (why["failureReason"], why["rows"], why["name"], why["owner"]) == (
        "OUT_OF_MEMORY_ERROR",
        3,
        "step_2",
        "the workflow's author",
    )
    for entry in told[2:]:
        (task,) = entry["failedTasks"]
        assert task["logStream"].endswith(f"run/{entry['runId']}/task/{task['taskId']}")
        assert entry["logStreams"] == [f"run/{entry['runId']}/engine", f"run/{entry['runId']}"]


def test_a_batch_that_has_ended_is_told_again_without_a_call(failed: Shell):
    done = failed.run("run", *failed.cohort(3), "--endpoint-url", "http://127.0.0.1:9")
    assert done.returncode == 1, done.stderr


def test_a_launch_without_failures_asks_for_no_tasks(shell: Shell, simulate):
    simulated = simulate("--time-scale", "0.0002")
    shell.run("run", *shell.cohort(3), "--endpoint-url", simulated.url, "--rate", "unlimited")
    assert simulated.state()["calls"].keys() <= {"GetCallerIdentity", "StartRun", "GetRun", "ListRuns"}


@pytest.mark.long
def test_a_launch_ends_though_tasks_are_never_told(shell: Shell, simulate):
    options = ("--failures", "RUN_TASK_FAILED=1", "--faults", "ListRunTasks:hang_before")
    simulated = simulate("--time-scale", "0.0002", *options)
    command = ("run", *shell.cohort(3), "--endpoint-url", simulated.url, "--rate", "unlimited")
    assert {shell.run(*command, "--once").returncode, shell.run(*command, "--once").returncode} <= {1, 3}
    assert "failed task" not in shell.run("status", "--failed").stdout.replace("the failed task's log", "")


def test_failures_in_json_are_groups_then_entries(cohort: Shell):
    told = [
        json.loads(line) for line in cohort.run("status", "cohort", "--failed", "--json").stdout.splitlines()
    ]
    kinds = [one["message_type"] for one in told]
    assert kinds == ["status"] + ["failures"] * 4 + ["entry"] * 5
    assert (told[1]["failureReason"], told[1]["count"], told[1]["ids"]) == (
        "RUN_TASK_FAILED",
        2,
        ["task", "task2"],
    )
    assert {"owner", "action"} <= told[1].keys()


@pytest.mark.long
def test_what_is_told_of_many_failures_leads_to_the_rest(shell: Shell, simulate):
    simulated = simulate("--time-scale", "0.0002", "--failures", "RUN_TASK_FAILED=1")
    shell.run("run", *shell.cohort(12), "--endpoint-url", simulated.url, "--rate", "unlimited")
    said = shell.run("status", "--failed").stdout
    assert "... and 2 more: batchrun results cohort --where status=FAILED" in said
    command = said.rpartition("more: batchrun ")[2].strip()
    done = shell.type(f"batchrun {command}")
    assert len(done.stdout.splitlines()) == 13


def test_watching_ends_with_the_batch_and_its_exit_code(shell: Shell, simulate):
    simulated = simulate("--time-scale", "0.001", "--failures", "RUN_TASK_FAILED=1")
    launcher = shell.start(
        "run", *shell.cohort(4), "--endpoint-url", simulated.url, "--poll-interval", "0.2s"
    )
    simulated.wait_for_runs(1)
    watched = shell.run("status", "--watch")
    end(launcher)
    assert watched.returncode == 1, watched.stderr
    lines = watched.stdout.splitlines()
    assert lines[-1].endswith("Z cohort: 4 failed (of 4)")
    assert len(lines) == len({line.partition(" ")[2] for line in lines}), "a line told nothing new"


def test_a_batch_that_has_ended_well_is_not_watched_for_long(shell: Shell, simulate):
    simulated = simulate("--time-scale", "0.0002")
    shell.run("run", *shell.cohort(2), "--endpoint-url", simulated.url, "--rate", "unlimited")
    assert shell.run("status", "cohort", "--watch").returncode == 0
    told = json.loads(shell.run("status", "--watch", "--json").stdout)
    assert (told["succeeded"], told["oldest"]) == (2, [])


@pytest.mark.long
@pytest.mark.parametrize("options", [[], ["--json"]], ids=str)
def test_watching_ends_when_nobody_reads(cohort: Shell, options):
    command = " ".join(["batchrun status --watch", *options])
    piped = cohort.type(f"{{ {command}; echo $? >&2; }} | head -1")
    assert (piped.stdout.count("\n"), piped.stderr) == (1, "0\n")


@pytest.mark.long
def test_watching_without_a_stdout_still_tells_by_its_exit_code(shell: Shell, simulate):
    simulated = simulate("--time-scale", "0.0002")
    shell.run("run", *shell.cohort(2), "--endpoint-url", simulated.url, "--rate", "unlimited")
    done = shell.type("batchrun status --watch >&-")
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_watching_with_zero(cohort: Shell, number):
    watching = cohort.start("status", "--watch")
    assert watching.stdout is not None
    assert watching.stdout.readline().endswith(f"cohort: {COUNTS}\n")
    assert end(watching, number) == (0, "")


def test_on_a_terminal_watching_draws(cohort: Shell):
    ours, theirs = pty.openpty()
    environment = {**cohort.environment, "TERM": "xterm", "COLUMNS": "100"}
    watching = Born(["status", "--watch"], cwd=cohort.folder, env=environment, stdout=theirs, stderr=theirs)
    os.close(theirs)
    seen = b""
    while b"refused" not in seen or b"launcher" not in seen:
        seen += os.read(ours, 65536)
    watching.send_signal(signal.SIGINT)
    shown = seen.decode() + read_terminal(ours)
    assert watching.wait(PATIENCE) == 0
    assert COUNTS in re.sub(r"\x1b\[[\d;]*m", "", shown)
    assert "Traceback" not in shown


def test_watching_and_failures_do_not_go_together(cohort: Shell):
    done = cohort.run("status", "--watch", "--failed")
    assert (done.returncode, "cannot be combined" in done.stderr) == (2, True)


@pytest.mark.parametrize(
    ("count", "has_more", "said"),
    [
        (1, False, "task t0"),
        (3, False, "task t0 (and 2 more tasks)"),
        (3, True, "task t0 (and at least 3 more tasks)"),
        (1, True, "task t0 (and at least 1 more task)"),
        (0, False, ""),
    ],
)
def test_tasks_that_are_not_kept_are_counted_as_at_least_one(count: int, *, has_more: bool, said: str):
    tasks = tuple(FailedTask(id=str(at), name=f"t{at}") for at in range(count))
    failed = FailedRow(entry=planned("a"), found=FailedTasks(tasks=tasks, has_more=has_more))
    assert failed.said == said
