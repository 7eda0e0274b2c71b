"""``batchrun cancel`` and ``batchrun delete`` as people type them."""

from __future__ import annotations

import json
import shutil
import signal
from typing import Any

import pytest

from tests.cli.conftest import Shell, Simulated, assert_agreement, end, until

FAST = ("--rate", "unlimited", "--read-rate", "unlimited", "--poll-interval", "0.2s")


def statuses(simulated: Simulated) -> set[str]:
    return {run["status"] for run in simulated.state()["runs"]}


def begun(shell: Shell, simulated: Simulated, rows: int = 60, *options: str) -> tuple[str, ...]:
    """Start runs that take their time, and return the command that did."""
    command = ("run", *shell.cohort(rows), "--endpoint-url", simulated.url, *FAST, *options)
    assert shell.run(*command, "--detach").returncode == 3
    return command


@pytest.mark.long
def test_a_signal_cancels_nothing_and_cancel_cancels_all(shell: Shell, simulate):
    simulated = simulate("--time-scale", "1")
    command = ("run", *shell.cohort(60), "--endpoint-url", simulated.url, "--rate", "15")
    launcher = shell.start(*command)
    simulated.wait_for_runs(20)
    code, _ = end(launcher, signal.SIGINT)
    assert code == 3
    assert "CancelRun" not in simulated.state()["calls"]
    at = ("--yes", "--endpoint-url", simulated.url, "--read-rate", "unlimited")
    shutil.copy(shell.folder / "batchrun.db", shell.folder / "copy.db")
    done = shell.run("cancel", "cohort", "--pending", "--ledger", "copy.db", *at)
    assert "warning: the ledger may be a copy, or was put back" in done.stderr
    assert "'batchrun ledger rebuild MANIFEST --ledger NEW.db' finds them" in done.stderr
    done = shell.run("cancel", "cohort", *at)
    assert done.returncode == 0, done.stderr
    assert "may be a copy" not in done.stderr
    assert "60 entries to cancel" in done.stdout
    assert statuses(simulated) == {"CANCELLED"}
    runs = len(simulated.state()["runs"])
    assert [row["status"] for row in shell.results()] == ["CANCELLED"] * 60
    assert sum(bool(row["uuid"]) for row in shell.results()) == runs
    again = shell.run(*command)
    assert again.returncode == 1
    assert len(simulated.state()["runs"]) == runs


@pytest.mark.long
def test_a_launcher_that_is_running_carries_it_out_and_cancel_waits_for_it(shell: Shell, simulate):
    simulated = simulate("--time-scale", "1")
    command = ("run", *shell.cohort(40), "--endpoint-url", simulated.url, "--rate", "5")
    launcher = shell.start(*command)
    simulated.wait_for_runs(10)
    done = shell.run("cancel", "--yes", "--endpoint-url", simulated.url)
    assert done.returncode == 0, done.stderr
    assert "which is asked to carry this out; waiting for it, or for its end" in done.stderr
    assert done.stderr.endswith("carried out by the launcher\n")
    code, said = end(launcher)
    assert code == 1, said
    assert statuses(simulated) == {"CANCELLED"}
    assert len(simulated.state()["runs"]) < 40
    assert {row["status"] for row in shell.results()} == {"CANCELLED"}


@pytest.mark.long
def test_pending_alone_leaves_runs_alone(shell: Shell, simulate):
    simulated = simulate("--time-scale", "1")
    command = ("run", *shell.cohort(30), "--endpoint-url", simulated.url, "--rate", "10")
    launcher = shell.start(*command)
    simulated.wait_for_runs(5)
    end(launcher, signal.SIGTERM)
    done = shell.run("cancel", "--pending", "--yes", "--endpoint-url", simulated.url)
    assert done.returncode == 0, done.stderr
    assert "before they are started" in done.stdout
    assert "CancelRun" not in simulated.state()["calls"]
    runs = len(simulated.state()["runs"])
    assert sum(row["status"] == "CANCELLED" for row in shell.results()) == 30 - runs
    assert shell.run(*command, "--once").returncode == 3
    assert len(simulated.state()["runs"]) == runs


@pytest.mark.long
def test_what_was_cancelled_gets_another_attempt_by_retry_alone(shell: Shell, simulate):
    simulated = simulate("--time-scale", "1")
    command = begun(shell, simulated, 4)
    options = ("--yes", "--endpoint-url", simulated.url, "--read-rate", "unlimited")
    assert shell.run("cancel", "--ids", "s000,s001", *options).returncode == 0
    assert sum(run["status"] == "CANCELLED" for run in simulated.state()["runs"]) == 2
    assert "  2 in all did not succeed; " in shell.run(*command, "--detach").stdout
    assert len(simulated.state()["runs"]) == 4
    assert "2 entries to retry" in shell.run("retry", "--yes").stdout
    shell.run(*command, "--detach")
    assert len(simulated.state()["runs"]) == 6


def test_it_asks_first_and_can_only_look(shell: Shell, simulate):
    simulated = simulate("--time-scale", "1")
    begun(shell, simulated, 3)
    refused = shell.run("cancel", "--endpoint-url", simulated.url, stdin="")
    assert refused.returncode == 2
    assert "give --yes to go ahead" in refused.stderr
    looked = shell.run("cancel", "--dry-run", "--json", "--where", "id=s00[01]")
    assert looked.returncode == 0
    assert json.loads(looked.stdout) == {
        "message_type": "cancel",
        "batch": "cohort",
        "ids": ["s000", "s001"],
        "dry_run": True,
        "is_done": False,
        "dryRun": True,
        "isDone": False,
    }
    assert "CancelRun" not in simulated.state()["calls"]


def test_nothing_to_cancel_is_no_error_and_needs_no_service(shell: Shell, simulate):
    simulated = simulate("--time-scale", "0.0002")
    assert shell.run("run", *shell.cohort(2), "--endpoint-url", simulated.url, *FAST).returncode == 0
    done = shell.run("cancel", "cohort", "--endpoint-url", "http://127.0.0.1:9")
    assert (done.returncode, done.stdout) == (0, "cohort: 0 entries to cancel\n")
    wrong = shell.run("cancel", "cohort", "--ids", "nobody")
    assert wrong.returncode == 2
    assert "has no entry nobody" in wrong.stderr


def test_without_the_permission_it_says_what_to_allow(shell: Shell, simulate):
    simulated = simulate("--time-scale", "1", "--faults", "CancelRun:AccessDeniedException")
    begun(shell, simulated, 2)
    done = shell.run("cancel", "--yes", "--endpoint-url", simulated.url, "--read-rate", "unlimited")
    assert done.returncode == 5
    assert "allow omics:CancelRun" in done.stderr
    assert "Traceback" not in done.stderr


def told(shell: Shell, *options: str) -> dict[str, Any]:
    done = shell.run("delete", "--json", *options)
    assert done.returncode == 0, done.stderr
    said: dict[str, Any] = json.loads(done.stdout)
    return said


def test_ended_runs_are_deleted_and_the_ledger_keeps_all(shell: Shell, simulate):
    simulated = simulate("--time-scale", "0.0002", "--failures", "RUN_TASK_FAILED=0.5", "--seed", "3")
    command = ("run", *shell.cohort(12), "--endpoint-url", simulated.url, *FAST)
    assert shell.run(*command).returncode == 1
    before = shell.results()
    assert_agreement(before, simulated)
    failed = {row["runId"] for row in before if row["status"] == "FAILED"}
    assert 0 < len(failed) < 12
    assert shell.run("delete", stdin="").returncode == 2
    only = told(shell, "--where", "status=FAILED", "--yes", "--endpoint-url", simulated.url)
    assert set(only["runIds"]) == failed
    assert {run["id"] for run in simulated.state()["runs"] if run["status"] == "DELETED"} == failed
    rest = told(shell, "--yes", "--endpoint-url", simulated.url)
    assert (len(rest["runIds"]), rest["gone"], rest["kept"]) == (12 - len(failed), [], {})
    assert told(shell, "--yes")["runIds"] == []  # nothing left, and no service needed
    assert shell.run(*command).returncode == 1
    assert shell.results() == before
    assert shell.run("ledger", "verify").returncode == 0


def test_runs_that_go_on_are_not_deleted(shell: Shell, simulate):
    simulated = simulate("--time-scale", "1")
    begun(shell, simulated, 2)
    assert told(shell, "--yes", "--endpoint-url", simulated.url)["runIds"] == []
    assert "DeleteRun" not in simulated.state()["calls"]


def test_cancel_goes_on_where_it_was_interrupted(shell: Shell, simulate):
    simulated = simulate("--time-scale", "1", "--faults", "CancelRun:hang_before=1x")
    begun(shell, simulated, 1)
    cancel = ("cancel", "--yes", "--endpoint-url", simulated.url, "--read-rate", "unlimited")
    first = shell.start(*cancel)
    until(lambda: simulated.calls("CancelRun") == 1)
    first.send_signal(signal.SIGINT)
    assert first.stdout is not None
    while "stopping" not in first.stdout.readline():
        pass
    code, said = end(first, signal.SIGINT)  # the second leaves at once
    assert code == 3, said
    assert "cancel again" in said
    assert shell.run(*cancel).returncode == 0
    assert statuses(simulated) == {"CANCELLED"}
