"""Launches that nobody watches: under cron, under systemd, to the end and again."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from collections import Counter
from pathlib import Path

import pytest

from batchrun.cli.exits import Exit
from tests.cli.conftest import BATCHRUN, ROOT, Shell, assert_agreement, end, until
from tests.cli.manual import PAGES, TOPIC, blocks

FAST = ("--rate", "unlimited", "--read-rate", "unlimited", "--poll-interval", "0.2s")
#: All that cron gives a job.
CRON = {"LOGNAME": "lab", "SHELL": "/bin/sh", "PATH": "/usr/bin:/bin", "LANG": "C"}
#: What this test adds: our code is found, and nobody asks a machine role for credentials.
HERE = {"PYTHONPATH": str(ROOT), "AWS_EC2_METADATA_DISABLED": "true"}


def ticks(shell: Shell, *command: str, most: int = 30) -> list[int]:
    """Make passes until one ends otherwise than with work left, and return the exit codes."""
    codes = [3]
    while codes[-1] == 3 and len(codes) <= most:
        codes.append(shell.run(*command).returncode)
    return codes[1:]


@pytest.mark.long
def test_a_cohort_of_which_a_fifth_fails_is_led_to_its_end_by_ticks(shell: Shell, simulate):
    """SERVICE_ERROR is retried by itself; WORKFLOW_RUN_FAILED is left, explained, and retried by people."""
    failing = "cohort-s00[0-7]=1:SERVICE_ERROR,cohort-s01[0-7]=1:WORKFLOW_RUN_FAILED"
    simulated = simulate("--time-scale", "0.0005", "--max-active", "100", "--fail-first", failing)
    command = ("run", *shell.cohort(80), "--endpoint-url", simulated.url, *FAST)
    tick = (*command, "--once", "-q", "--retry-wait", "0.2s")
    codes = ticks(shell, *tick)
    assert codes[:-1] == [3] * (len(codes) - 1)
    assert (len(codes) > 1, codes[-1]) == (True, 1)
    left = {f"s{number:03}" for number in range(10, 18)}
    by_id = {row["id"]: row for row in shell.results()}
    assert {id_ for id_, row in by_id.items() if row["status"] != "COMPLETED"} == left
    assert {id_ for id_, row in by_id.items() if row["attempt"] == "2"} == {f"s{n:03}" for n in range(8)}
    explained = shell.run("status", "cohort", "--failed").stdout
    assert "FAILED WORKFLOW_RUN_FAILED: 8 rows; for whoever looks first: read the engine's log" in explained
    assert "SERVICE_ERROR" not in explained
    assert shell.run("retry", "cohort", "--yes").returncode == 0
    assert shell.run(*command).returncode == 0
    assert {row["status"] for row in shell.results()} == {"COMPLETED"}
    assert attempts(shell) == {1: 64, 2: 16}
    assert simulated.calls("StartRun") == 96
    assert len({run["uuid"] for run in simulated.state()["runs"]}) == 96


def attempts(shell: Shell) -> dict[int, int]:
    """Say how many rows have how many attempts in the results, each with a run of its own."""
    assert shell.run("results", "cohort", "--format", "jsonl").returncode == 0
    lines = (shell.folder / "cohort.results.jsonl").read_text(encoding="utf-8").splitlines()
    rows = [json.loads(line) for line in lines]
    for row in rows:
        assert len({row["uuid"], *(one["uuid"] for one in row["attempts"])}) == len(row["attempts"]) + 1
    return Counter(len(row["attempts"]) + 1 for row in rows)


def under_cron(shell: Shell, line: str) -> subprocess.CompletedProcess[str]:
    """Run *line* as cron does: by the shell, at home, with hardly an environment, nothing to read."""
    environment = {**CRON, **HERE, "HOME": str(shell.folder)}
    return subprocess.run(
        ["/bin/sh", "-c", line],
        cwd="/",
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.long
def test_cron_has_nothing_to_mail_while_all_is_well(shell: Shell, simulate):
    simulated = simulate("--time-scale", "0.0005")
    command = " ".join(
        [*BATCHRUN, "run", *shell.cohort(4), "--endpoint-url", simulated.url, *FAST, "--once", "-q"]
    )
    line = f"cd {shell.folder} && {command}; code=$?; case $code in 0|3|4) ;; *) echo look;; esac; exit $code"
    first = under_cron(shell, line)
    until(lambda: all(run["status"] == "COMPLETED" for run in simulated.state()["runs"]))
    last, again = under_cron(shell, line), under_cron(shell, line)
    for done, code in ((first, 3), (last, 0), (again, 0)):
        assert (done.returncode, done.stdout, done.stderr) == (code, "", "")
    assert_agreement(shell.results(), simulated)


def test_cron_hears_nothing_of_what_is_tried_again(shell: Shell, simulate):
    """A run fails and an answer is lost: both pass by themselves, and the exit code says so."""
    faults = "StartRun:drop_after@cohort-s001=1x"
    failing = ("--fail-first", "cohort-s000=1:SERVICE_ERROR")
    simulated = simulate("--time-scale", "0.0005", "--faults", faults, *failing)
    command = ("run", *shell.cohort(4), "--endpoint-url", simulated.url, *FAST, "--once", "-q")
    codes = [3]
    while codes[-1] == 3:
        done = shell.run(*command, "--retry-wait", "0.2s")
        assert (done.stdout, done.stderr) == ("", "")
        codes.append(done.returncode)
    assert codes[-1] == 0
    assert attempts(shell) == {1: 3, 2: 1}


def test_cron_hears_nothing_of_a_full_quota(shell: Shell, simulate):
    simulated = simulate("--faults", "StartRun:ServiceQuotaExceededException")
    done = shell.run("run", *shell.cohort(2), "--endpoint-url", simulated.url, *FAST, "--once", "-q")
    assert (done.returncode, done.stdout, done.stderr) == (3, "", "")


def test_cron_hears_of_what_failed_for_good_once(shell: Shell, simulate):
    simulated = simulate("--time-scale", "0.0005", "--fail-first", "cohort-s000=9:WORKFLOW_RUN_FAILED")
    command = ("run", *shell.cohort(1), "--endpoint-url", simulated.url, *FAST, "--once", "-q")
    said = []
    while (done := shell.run(*command)).returncode == 3:
        said.append(done.stderr)
    said += [done.stderr, shell.run(*command).stderr]
    assert done.returncode == 1
    (line,) = "".join(said).splitlines()
    assert "run_failed" in line
    assert "failureReason=WORKFLOW_RUN_FAILED" in line


@pytest.mark.long
def test_who_wants_it_quiet_is_not_told_that_another_launcher_holds_the_batch(shell: Shell, simulate):
    simulated = simulate("--time-scale", "1")
    command = ("run", *shell.cohort(1), "--endpoint-url", simulated.url, *FAST)
    other = shell.start(*command)
    simulated.wait_for_runs(1)
    quiet, told = shell.run(*command, "--once", "-q"), shell.run(*command, "--once", "--json")
    assert (quiet.returncode, quiet.stdout, quiet.stderr) == (4, "", "")
    assert told.returncode == 4
    assert "batch 'cohort' is held by" in told.stderr
    assert json.loads(told.stdout)["message_type"] == "held"
    done = shell.run("cancel", "cohort", "--yes", "-q", "--endpoint-url", simulated.url)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert end(other)[0] == 1


@pytest.mark.long
def test_cron_mails_what_is_wrong(shell: Shell):
    command = " ".join([*BATCHRUN, "run", *shell.cohort(1), "--region", "us-east-1", "--once", "-q"])
    done = under_cron(shell, f"cd {shell.folder} && {command}")
    assert (done.returncode, done.stdout) == (5, "")
    assert "no AWS credentials found" in done.stderr


def test_a_deadline_leaves_work_to_the_next_tick(shell: Shell, simulate):
    simulated = simulate("--time-scale", "1")
    command = ("run", *shell.cohort(2), "--endpoint-url", simulated.url, "-q", *FAST)
    done = shell.run(*command, "--deadline", "0.5s")
    assert (done.returncode, done.stdout, done.stderr) == (3, "", "")
    assert simulated.calls("CancelRun") == 0


def units() -> dict[str, str]:
    """Return the manual's systemd units by their file names."""
    parts = (block.removeprefix("# ").split("\n", 1) for block in blocks("ini", TOPIC["cron"]))
    return {Path(name).name: unit for name, unit in parts}


def test_neither_cron_nor_systemd_takes_a_batch_that_is_held_back_for_one_that_goes_on():
    for page in ("README.md", "cron"):
        (line,) = blocks("crontab", PAGES[page])
        (fine,) = re.findall(r"case \$\? in ([0-9|]+)\)", line)
        assert set(fine.split("|")) == {"0", "3", "4"}
    assert codes("SuccessExitStatus", units()["cohort.service"]) == {Exit.WORK_LEFT, Exit.HELD}
    watch = units()["cohort-watch.service"]
    again, never = codes("RestartForceExitStatus", watch), codes("RestartPreventExitStatus", watch)
    assert again == {Exit.WORK_LEFT, Exit.UNUSABLE}
    assert never == {Exit.SOME_FAILED, Exit.INPUT, Exit.HELD, Exit.HELD_BACK}


def codes(setting: str, unit: str) -> set[int]:
    (line,) = re.findall(rf"^{setting}=(.*)$", unit, flags=re.MULTILINE)
    return {int(code) for code in line.split()}


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="this machine has no systemd")
def test_systemd_takes_the_units_of_the_manual(tmp_path):
    assert units().keys() == {"cohort.service", "cohort.timer", "cohort-watch.service"}
    for name, unit in units().items():
        # It looks whether what is named is there.
        there = unit.replace("/usr/local/bin/batchrun", "/bin/true").replace("/srv/cohort", "/tmp")
        (tmp_path / name).write_text(there, encoding="utf-8")
    done = subprocess.run(
        ["systemd-analyze", "verify", "--user", "--man=no", *map(str, sorted(tmp_path.iterdir()))],
        env={**os.environ, "XDG_RUNTIME_DIR": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    said = [line for line in done.stderr.splitlines() if str(tmp_path) in line or "cohort" in line]
    assert (done.returncode, said) == (0, []), done.stderr
