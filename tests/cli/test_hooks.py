"""Who is told of a launch, when, and that nothing comes of it but a word."""

from __future__ import annotations

import json
import os
import signal
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import Shell, Simulated, end, until
from tests.report.test_metrics import values

FAST = ("--rate", "unlimited", "--read-rate", "unlimited", "--poll-interval", "0.2s")
#: A service that is not this machine's, for which there are no credentials.
NOBODY = {
    "AWS_ACCESS_KEY_ID": "",
    "AWS_SECRET_ACCESS_KEY": "",
    "AWS_REGION": "us-east-1",
    "AWS_EC2_METADATA_DISABLED": "true",
}


class Posted(ThreadingHTTPServer):
    """Takes what is posted, and answers with *code*."""

    def __init__(self, code: int = 200) -> None:
        taken: list[dict[str, Any]] = []

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                taken.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
                self.send_response(code)
                self.end_headers()

            def log_message(self, format: str, *args: Any) -> None:
                pass

        super().__init__(("127.0.0.1", 0), Handler)
        self.taken = taken
        self.url = f"http://127.0.0.1:{self.server_address[1]}/T0/a-token-that-must-not-be-seen"


@pytest.fixture
def posted() -> Iterator[Any]:
    made: list[Posted] = []

    def make(code: int = 200) -> Posted:
        made.append(Posted(code))
        threading.Thread(target=made[-1].serve_forever, daemon=True).start()
        return made[-1]

    yield make
    for one in made:
        one.shutdown()
        one.server_close()


class Notes:
    """Two commands that write down what they are given, one line each."""

    def __init__(self, shell: Shell) -> None:
        self._path = shell.folder / "notes"
        self.options = ("--on-failure", f"cat >> {self._path}", "--on-end", f"cat >> {self._path}")

    @property
    def told(self) -> list[dict[str, Any]]:
        if not self._path.exists():
            return []
        return [json.loads(line) for line in self._path.read_text(encoding="utf-8").splitlines()]

    @property
    def notices(self) -> list[str]:
        return [one["notice"] for one in self.told]


@pytest.fixture
def notes(shell: Shell) -> Notes:
    return Notes(shell)


def all_stopped(simulated: Simulated) -> bool:
    runs = simulated.state()["runs"]
    return bool(runs) and all(run["status"] in {"COMPLETED", "FAILED"} for run in runs)


@pytest.mark.long
def test_over_many_ticks_the_first_failure_and_the_end_are_told_once_each(
    shell: Shell, simulate, notes: Notes, posted
):
    hook = posted()
    simulated = simulate("--time-scale", "0.0005", "--fail-first", "cohort-s00[0-2]=1:WORKFLOW_RUN_FAILED")
    command = ("run", *shell.cohort(6), "--endpoint-url", simulated.url, *FAST, "--once", "-q")
    command = (*command, *notes.options, "--notify-url", hook.url)
    assert shell.run(*command).returncode == 3
    assert notes.notices == []
    until(lambda: all_stopped(simulated))
    codes = [shell.run(*command).returncode for _ in range(3)]
    assert codes == [1, 1, 1]
    assert notes.notices == ["failure", "end"]
    assert hook.taken == notes.told
    told = notes.told[-1]
    assert (told["exitCode"], told["stop"], told["total"]) == (1, "finished", 6)
    assert (told["counts"]["succeeded"], told["counts"]["failed"]) == (3, 3)
    assert told["failures"][0]["ids"] == ["s000", "s001", "s002"]
    assert Path(told["results"]) == shell.folder / "cohort.results.csv"
    assert shell.run("retry", "--yes").returncode == 0
    ends = [shell.run(*command).returncode]
    until(lambda: all_stopped(simulated))
    ends += [shell.run(*command).returncode for _ in range(2)]
    assert ends == [3, 0, 0]
    assert notes.notices == ["failure", "end", "end"]
    assert notes.told[-1]["exitCode"] == 0


def test_the_first_failure_is_told_while_the_launch_goes_on(shell: Shell, simulate, notes: Notes):
    simulated = simulate("--faults", "StartRun:ValidationException@cohort-s001", "--time-scale", "1")
    launcher = shell.start("run", *shell.cohort(2), "--endpoint-url", simulated.url, *FAST, *notes.options)
    until(lambda: notes.notices == ["failure"])
    assert launcher.poll() is None
    assert (notes.told[0]["exitCode"], notes.told[0]["endedAt"]) == (None, None)


def test_an_end_that_was_not_told_is_told_by_the_next_launch(shell: Shell, simulate, notes: Notes):
    simulated = simulate("--time-scale", "0.0002")
    command = ("run", *shell.cohort(2), "--endpoint-url", simulated.url, *FAST)
    assert shell.run(*command).returncode == 0
    for _ in range(2):
        assert shell.run(*command, *notes.options).returncode == 0
    assert notes.notices == ["end"]


def test_hooks_that_fail_or_hang_change_nothing_but_lines_of_the_log(shell: Shell, simulate, posted):
    simulated = simulate("--time-scale", "0.0002")
    command = ("run", *shell.cohort(2), "--endpoint-url", simulated.url, *FAST, "-q", "--log-format", "json")
    hooks = ("--on-end", "exit 7", "--on-end", "/no/such/program", "--on-end", "sleep 60")
    done = shell.run(*command, *hooks, "--hook-timeout", "1s", "--notify-url", posted(403).url)
    assert done.returncode == 0
    warnings = [json.loads(line) for line in done.stderr.splitlines()]
    assert {one["event"] for one in warnings} == {"hook_failed"}
    reasons = {one["hook"]: one["reason"] for one in warnings}
    assert reasons["--on-end"] == "it ended with exit code 7"
    assert reasons["--on-end (2)"].startswith("it ended with exit code 127: ")
    assert reasons["--on-end (3)"] == "no end after 1 s"
    assert reasons["--notify-url 127.0.0.1"] == "it answers 403"
    assert {row["status"] for row in shell.results()} == {"COMPLETED"}
    everything = done.stderr + "".join(
        path.read_bytes().decode(errors="replace") for path in shell.folder.iterdir() if path.is_file()
    )
    assert "must-not-be-seen" not in everything


@pytest.mark.long
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_the_hooks_and_leaves_the_exit_code(shell: Shell, simulate, number):
    simulated = simulate("--time-scale", "0.0002")
    hook = ("--on-end", "echo $$ > pid.new; mv pid.new pid; sleep 60; echo too late")
    launcher = shell.start("run", *shell.cohort(1), "--endpoint-url", simulated.url, *FAST, *hook, "-q")
    until((shell.folder / "pid").exists)
    code, said = end(launcher, number)
    assert code == 0
    assert "cut short by a signal" in said
    with pytest.raises(ProcessLookupError):
        os.kill(int((shell.folder / "pid").read_text(encoding="utf-8")), 0)


def test_a_launch_that_cannot_go_on_is_told_once_until_one_can(shell: Shell, simulate, notes: Notes):
    simulated = simulate("--time-scale", "1")
    cohort = shell.cohort(2)
    good = ("run", *cohort, "--endpoint-url", simulated.url, *FAST, "--once", "-q", *notes.options)
    bad = ("run", *cohort, "--once", "-q", *notes.options)
    assert shell.run(*bad, **NOBODY).returncode == 5
    assert notes.notices == []  # nothing was ever submitted: who typed it sees it
    assert shell.run(*good).returncode == 3
    assert [shell.run(*bad, **NOBODY).returncode for _ in range(2)] == [5, 5]
    assert notes.notices == ["stopped"]
    told = notes.told[0]
    assert (told["exitCode"], told["stop"]) == (5, None)
    assert "no AWS credentials found" in told["error"]
    assert "no AWS credentials found" in told["text"]
    assert shell.run(*good).returncode == 3
    assert shell.run(*bad, **NOBODY).returncode == 5
    assert notes.notices == ["stopped", "stopped"]


def test_too_many_failures_need_somebody(shell: Shell, simulate, notes: Notes):
    simulated = simulate("--faults", "StartRun:ValidationException")
    command = ("run", *shell.cohort(30), "--endpoint-url", simulated.url, "--rate", "20", *notes.options)
    assert shell.run(*command, "--stop-after", "2").returncode == 6
    assert notes.notices == ["failure", "stopped"]
    assert (notes.told[-1]["exitCode"], notes.told[-1]["stop"]) == (6, "failures")


def test_hooks_may_come_from_the_environment_one_a_line(shell: Shell, simulate):
    simulated = simulate("--time-scale", "0.0002")
    command = ("run", *shell.cohort(1), "--endpoint-url", simulated.url, *FAST)
    hooks = 'echo "$BATCHRUN_HOOK_TITLE" > one\nprintf %s "$BATCHRUN_HOOK_EXIT_CODE" > two'
    assert shell.run(*command, BATCHRUN_ON_END=hooks).returncode == 0
    assert (shell.folder / "one").read_text(encoding="utf-8") == "cohort has ended: 1 succeeded (of 1)\n"
    assert (shell.folder / "two").read_text(encoding="utf-8") == "0"


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--notify-url", "http://hooks.example.org/secret"), "give an https:// address"),
        (("--notify-url", "hooks.example.org/secret"), "that is not an address"),
        (("--notify-topic", "cohort"), "give an ARN such as"),
        (("--on-end", " "), "--on-end: that is not a command"),
        (("--hook-timeout", "0"), "--hook-timeout"),
        (("--metrics-file", "no/such/cohort.prom"), "--metrics-file"),
        (("--metrics-file", "."), "--metrics-file"),
        (("--metrics-file", "batchrun.db"), "is not replaced"),
        (("--metrics-file", "cohort.results.csv"), "is not replaced"),
        (("--metrics-file", "cohort.csv"), "is not replaced"),
    ],
)
def test_what_cannot_be_told_is_known_before_anything_is_submitted(shell: Shell, simulate, options, words):
    simulated = simulate()
    done = shell.run("run", *shell.cohort(1), "--endpoint-url", simulated.url, *options)
    assert done.returncode == 2
    assert words in done.stderr
    assert "secret" not in done.stderr
    assert simulated.state()["calls"] == {}
    assert not (shell.folder / "batchrun.db").exists()


def test_metrics_are_kept_while_a_launch_goes_on_and_at_its_end(shell: Shell, simulate):
    simulated = simulate("--time-scale", "0.0005", "--faults", "StartRun:throttle=2x")
    path = shell.folder / "cohort.prom"
    command = ("run", *shell.cohort(3), "--endpoint-url", simulated.url, *FAST, "-q")
    command = (*command, "--metrics-file", path.name)
    assert shell.run(*command, "--once").returncode == 3
    first = values(path.read_text(encoding="utf-8"))
    assert (first["last_exit_code"], first["launcher_running"]) == (3, 0)
    assert (first["calls_total StartRun"], first["calls_throttled_total StartRun"]) == (5, 2)
    assert first["oldest_active_run_timestamp_seconds"] > first["launch_start_timestamp_seconds"] - 60
    assert path.stat().st_mode & 0o777 == 0o644
    assert shell.run(*command).returncode == 0
    last = values(path.read_text(encoding="utf-8"))
    assert (last["entries succeeded"], last["last_exit_code"]) == (3, 0)
    assert last["last_success_timestamp_seconds"] > first["update_timestamp_seconds"]
    assert [one.name for one in shell.folder.glob(".cohort.prom*")] == []


def test_a_launch_that_goes_on_says_so_in_its_metrics(shell: Shell, simulate):
    simulated = simulate("--time-scale", "1")
    path = shell.folder / "cohort.prom"
    command = ("run", *shell.cohort(2), "--endpoint-url", simulated.url, "--metrics-file", str(path))
    shell.start(*command)
    until(path.exists)
    found = values(path.read_text(encoding="utf-8"))
    assert (found["launcher_running"], sum(found[name] for name in found if "entries" in name)) == (1, 2)
    assert found["lease_expiry_timestamp_seconds"] > found["update_timestamp_seconds"]
    assert "last_exit_code" not in found


def test_metrics_that_cannot_be_written_later_cost_no_more_than_a_warning(shell: Shell, simulate):
    simulated = simulate("--time-scale", "1")
    place = shell.folder / "metrics"
    place.mkdir()
    command = ("run", *shell.cohort(2), "--endpoint-url", simulated.url, *FAST, "-q")
    launcher = shell.start(*command, "--metrics-file", "metrics/cohort.prom")
    until((place / "cohort.prom").exists)
    simulated.wait_for_runs(2)
    place.rename(shell.folder / "elsewhere")
    code, said = end(launcher, signal.SIGINT)
    assert code == 3
    assert "metrics_not_written" in said
    assert len(shell.results()) == 2


def test_a_webhook_takes_other_forms_and_digests_are_not_too_many(shell: Shell, simulate, posted):
    hook = posted()
    url = simulate("--time-scale", "0.0002").url
    command = ("run", *shell.cohort(1), "--endpoint-url", url, *FAST, "--notify-url", hook.url)
    done = shell.run(*command, "--notify-every", "1s")
    assert (done.returncode, "--notify-every must be at least 60 s" in done.stderr) == (2, True)
    assert shell.run(*command, "--notify-every", "6h", "--notify-format", "slack").returncode == 0
    ((head, _),) = [told["blocks"] for told in hook.taken]
    assert head["text"]["text"] == "cohort has ended: 1 succeeded (of 1)"
