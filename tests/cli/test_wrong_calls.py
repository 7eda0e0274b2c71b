"""Calls as they should not be: every one ends with a line that says why, and none with a traceback."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from batchrun.cli.main import cli
from batchrun.errors import InputError
from tests.cli.conftest import DEFAULTS, ROOT, Shell
from tests.cli.ledgers import make

LONG = "x" * 300
ODD = "\udcff"  #: a byte that is no UTF-8, as Python takes it from the command line
RUN = ["run", "m.csv", "--defaults", "d.yaml"]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("AWS_REGION", "eu-central-1")
    make(tmp_path)
    (tmp_path / "dir").mkdir()
    (tmp_path / "dir" / "m.csv").write_text("id\na\n")
    (tmp_path / "m.csv").write_text("id\na\n")
    (tmp_path / "d.yaml").write_text(DEFAULTS)
    (tmp_path / "loop").symlink_to("loop")
    return tmp_path


@pytest.mark.long
@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["check", f"{LONG}.csv"], "File name too long"),
        (["run", LONG], "there is no such file"),
        (["check", "cohort"], "cohort: there is no such file"),
        (["plan", f"{'/'.join([LONG] * 20)}.csv"], "File name too long"),
        (["run", "dir", "--defaults", f"{LONG}.yaml"], "File name too long"),
        (["check", "dir", "--defaults", "loop"], "Too many levels of symbolic links"),
        ([*RUN, "--ledger", f"{LONG}.db"], "File name too long"),
        ([*RUN, "--ledger", "loop"], "Too many levels of symbolic links"),
        ([*RUN, "--ledger", f"{ODD}.db"], "it is not a valid path"),
        (["plan", "m.csv", "--defaults", "d.yaml", "--ledger", LONG], "File name too long"),
        (["status", "--ledger", "m.csv/x.db"], "no ledger at m.csv/x.db"),
        (["costs", "--ledger", LONG], "File name too long"),
        (["ledger", "verify", "--ledger", LONG], "File name too long"),
        (["show", ODD], "bytes of it are not UTF-8"),
        (["status", ODD], "bytes of it are not UTF-8"),
        (["retry", "--yes", "--ids", ODD], "bytes of it are not UTF-8"),
        (["cancel", "--ids-from", "dir"], "--ids-from cannot be read: dir: this is a directory"),
        (["costs", "--prices", LONG], "cannot be read: File name too long"),
        ([*RUN, "--lease", "999999999999999d"], "write at most 3650d"),
        ([*RUN, "--deadline", "99999999d"], "write at most 3650d"),
        (["simulate", "--host", LONG, "--port", "0"], "cannot listen on"),
        (["simulate", "--host", "192.0.2.1", "--port", "0"], f"0: {os.strerror(errno.EADDRNOTAVAIL)}; try"),
        (["simulate", "--limits", "x"], "--limits: 'x' is not NAME=VALUE; write it as in StartRun=100/20,"),
        (["simulate", "--faults", "No:late=1"], "--faults: 'No' is no operation; there are StartRun, "),
        (["simulate", "--fail-first", "a=b"], "--fail-first: 'a=b': 'b' is not a number of runs; write it"),
        (["simulate", "--objects", "none"], f"--objects none: {os.strerror(errno.ENOENT)}; give a file with"),
        ([*RUN, "--dry-run"], "'batchrun plan' shows what run would do"),
        ([*RUN, "--workflow-id", "1"], "no option --workflow-id; for all rows, give --set workflowId=VALUE"),
        (["check", "m.csv", "--output-uri=s3://b"], "give --set outputUri=VALUE"),
        (["plan", "m.csv", "--dry-run"], "No such option '--dry-run'"),
        (["run", "m.csv", "--request-id", "x"], "No such option '--request-id'"),
        (["status", "--batch", "m"], "no option --batch; give the name of the batch without it"),
        (["status", "--role-arn", "x"], "No such option '--role-arn'"),
        (["results", "-o", f"{LONG}.csv"], "File name too long"),
    ],
    ids=lambda value: " ".join(value).replace(LONG, "LONG")[:60] if isinstance(value, list) else "",
)
@pytest.mark.usefixtures("folder")
def test_a_wrong_call_is_told(words: list[str], told: str):
    done = CliRunner().invoke(cli, words, standalone_mode=False)
    assert isinstance(done.exception, InputError | click.ClickException), done.exception
    said = done.exception.message if isinstance(done.exception, click.ClickException) else str(done.exception)
    assert told in said


@pytest.mark.skipif(os.geteuid() == 0, reason="root may look into anything")
@pytest.mark.parametrize(
    "verb", [["check"], ["run"], ["plan"], ["status", "--ledger"], ["costs", "--ledger"]]
)
def test_what_may_not_be_looked_at_is_told(folder: Path, verb: list[str]):
    (folder / "dir").chmod(0o600)
    done = CliRunner().invoke(cli, [*verb, "dir/m.csv"])
    assert isinstance(done.exception, InputError), done.exception


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read anything")
def test_a_ledger_that_may_not_be_read_is_told(folder: Path):
    (folder / "batchrun.db").chmod(0)
    done = CliRunner().invoke(cli, ["status"])
    assert "batchrun.db is not readable; change its permissions" in str(done.exception)


@pytest.mark.long
@pytest.mark.parametrize(
    ("command", "code", "told"),
    [
        ("check - --format csv --batch b <&-", 2, "standard input is closed"),
        ("cancel --yes --ids-from - <&-", 2, "standard input is closed"),
        ("manifest from-s3 - --pattern '(?P<id>.*)' <&-", 2, "standard input is closed"),
        ("cancel <&-", 2, "not a terminal, cannot ask"),
        ("report -o - >&-", 5, "the report cannot be written to stdout"),
        ("manifest convert m.csv --defaults d.yaml --to yaml -o - >/dev/full", 2, "stdout cannot be written"),
        ("manifest convert m.csv --defaults d.yaml --to yaml -o - >&-", 2, "stdout cannot be written"),
        ("status nothing 2>&-", 2, ""),
        ("status nothing >&- 2>&-", 2, ""),
        ("status <&- >&- 2>&-", 0, ""),
        ("nonsense 2>&-", 2, ""),
        ("nonsense 2>/dev/full", 2, ""),
        ("status >/dev/full", 5, "stdout cannot be written: No space left"),
        ("status --json >/dev/full", 5, "stdout cannot be written"),
        ("config >/dev/full", 5, "stdout cannot be written"),
        ("help pace >/dev/full", 5, "stdout cannot be written"),
        ("run --help >/dev/full", 5, "stdout cannot be written"),
        ("--version >/dev/full", 5, "stdout cannot be written"),
        ("status nothing >/dev/full", 2, "has no batch"),
        ("--version >/dev/null; { batchrun --help; echo ended with $? >&2; } | true", 0, "ended with 0"),
    ],
)
def test_closed_and_full_streams(folder: Path, command: str, code: int, told: str):
    done = Shell(folder).type(f"batchrun {command}")
    assert (done.returncode, told in done.stderr) == (code, True), done.stderr
    assert "Traceback" not in done.stdout + done.stderr


@pytest.mark.parametrize("words", ["--version", "run --help", "ledger --help", "help pace"])
@pytest.mark.parametrize("how", ["", "-u"])
def test_what_click_writes_is_told_too_if_it_cannot_be(tmp_path: Path, words: str, how: str):
    """Seen in a container with PYTHONUNBUFFERED: code 70, since the lost text is not written once more."""
    command = f"ulimit -f 0; exec '{sys.executable}' {how} -m batchrun {words} > told"
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    environment["PYTHONPATH"] = str(ROOT)
    done = subprocess.run(
        ["sh", "-c", command], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    assert (done.returncode, "Traceback" in done.stderr) == (5, False)
    assert "stdout cannot be written: File too large" in done.stderr


def test_no_verb_that_calls_logs_on_stdout(shell: Shell, simulate):
    faults = "DeleteRun:throttle=1x,ListRunTasks:throttle=1x"
    simulated = simulate("--time-scale", "0.0002", "--faults", faults)
    cohort = [*shell.cohort(1), "--endpoint-url", simulated.url]
    assert shell.run("run", *cohort, "--poll-interval", "0.2s").returncode == 0
    shell.write("p.json", '{"currency": "USD", "region": "us-east-1", "instances": {}, "storage": {}}')
    for words in (["costs", "--prices", "p.json"], ["delete", "--yes"]):
        done = shell.run(*words, "--json", "-v", "--endpoint-url", simulated.url)
        assert [json.loads(line)["message_type"] for line in done.stdout.splitlines()] == [words[0]]
        assert "hrottl" in done.stderr, words


def test_a_ledger_that_is_lost_in_the_middle_is_no_mistake_of_the_call(shell: Shell, simulate):
    simulated = simulate("--time-scale", "0.0005", "--failures", "SERVICE_ERROR=1")
    command = ("run", *shell.cohort(20), "--endpoint-url", simulated.url, "--poll-interval", "0.2s")
    done = shell.run(*command, "--rate", "4", "--no-retry", "--on-failure", "rm batchrun.db*")
    assert done.returncode == 5
    assert simulated.calls("StartRun") > 0
    assert "nothing was submitted" not in done.stderr
    assert "Traceback" not in done.stderr


def test_a_working_directory_that_was_removed_is_no_defect(shell: Shell):
    """As in a terminal, or a timer, whose folder a clean-up has taken away."""
    for words in ("check x.csv", "run x.csv --once", "plan x.csv", "manifest convert x.csv -o y.csv"):
        done = shell.type(f"mkdir gone && cd gone && rmdir ../gone && batchrun {words}")
        assert done.returncode == 2, done.stderr
        assert "Traceback" not in done.stderr
        assert "no such file" in done.stderr or "the working directory was removed" in done.stderr
