"""The real command in a subprocess, against the simulator in another, in real time."""

from __future__ import annotations

import contextlib
import csv
import json
import os
import pty
import signal
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from typing import Any

import apsw
import pytest
from anyio.from_thread import start_blocking_portal

from tests.cli.elsewhere import S3, healthomics
from tests.nursery import PATIENCE, Born, run

ROOT = Path(__file__).resolve().parents[2]
BATCHRUN = [sys.executable, "-m", "batchrun"]
DEFAULTS = """\
workflowId: "1234567"
roleArn: arn:aws:iam::123456789012:role/omics
outputUri: s3://lab-results/{batch}/{id}/
"""


class Simulated:
    """A simulator in a process of its own."""

    def __init__(self, *options: str) -> None:
        self.process = Born(["simulate", "--port", "0", *options], stdout=subprocess.PIPE, cwd=ROOT)
        assert self.process.stdout is not None
        self.url = self.process.stdout.readline().split(" on ")[1].split(";")[0]

    def state(self) -> dict[str, Any]:
        with urllib.request.urlopen(f"{self.url}/_simulator/state", timeout=PATIENCE) as answer:
            state: dict[str, Any] = json.load(answer)
            return state

    def script(self, faults: str) -> None:
        """Let these faults strike from now on, behind those in force."""
        request = urllib.request.Request(
            f"{self.url}/_simulator/faults",
            data=json.dumps({"add": faults}).encode(),
            headers={"Content-Type": "application/json"},
        )
        urllib.request.urlopen(request, timeout=PATIENCE).close()

    def calls(self, operation: str) -> int:
        return int(self.state()["calls"].get(operation, {}).get("calls", 0))

    def wait_for_runs(self, count: int) -> None:
        until(lambda: len(self.state()["runs"]) >= count)

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait(PATIENCE)
        assert self.process.stdout is not None
        self.process.stdout.close()


def until(is_true, seconds: float = PATIENCE) -> None:
    """Wait for a fact in another process; the only kind of waiting that tests do."""
    deadline = time.monotonic() + seconds
    while not is_true():
        assert time.monotonic() < deadline, "it did not come true in time"
        time.sleep(0.02)


class Shell:
    """A working directory with a user who types commands."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.started: list[subprocess.Popen[str]] = []
        self.environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"}

    def write(self, name: str, text: str) -> Path:
        path = self.folder / name
        path.write_text(text, encoding="utf-8")
        return path

    def cohort(self, rows: int, name: str = "cohort.csv") -> list[str]:
        """Write a manifest of so many rows, and return the arguments that name it."""
        self.write("defaults.yaml", DEFAULTS)
        self.write(name, "id,parameters.sample\n" + "".join(f"s{n:03},x{n}\n" for n in range(rows)))
        return [name, "--defaults", "defaults.yaml"]

    def run(
        self, *arguments: str, stdin: str | None = None, **environment: str
    ) -> subprocess.CompletedProcess[str]:
        return run(arguments, cwd=self.folder, env={**self.environment, **environment}, stdin=stdin)

    def hastened(self, speed: float, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """Run a command whose time passes so many times as fast, as :func:`tests.nursery.run` has it."""
        return run(arguments, cwd=self.folder, env={**self.environment, **environment}, speed=speed)

    def type(self, line: str) -> subprocess.CompletedProcess[str]:
        """Run a line of ``sh``, where ``batchrun`` is Python started anew, with pipes and redirections."""
        command = f'batchrun() {{ {" ".join(BATCHRUN)} "$@"; }}; {line}'
        return subprocess.run(
            ["/bin/sh", "-c", command],
            cwd=self.folder,
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
        )

    def on_terminal(self, *arguments: str, **environment: str) -> str:
        """Run a command to its good end on a terminal of 80 columns, and return what that showed."""
        ours, theirs = pty.openpty()
        size = {"TERM": "xterm", "COLUMNS": "80", "LINES": "24"}
        process = Born(
            arguments,
            cwd=self.folder,
            env={**self.environment, **size, **environment},
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
        )
        os.close(theirs)
        shown = read_terminal(ours)
        assert process.wait(PATIENCE) == 0
        return shown

    def start(self, *arguments: str, speed: float = 1.0) -> Born:
        process = Born(
            arguments,
            cwd=self.folder,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            speed=speed,
        )
        self.started.append(process)
        return process

    def close(self) -> None:
        """End what a test that failed has left running."""
        for process in self.started:
            if process.poll() is None:
                kill(process)
            if process.stdout is not None:
                process.stdout.close()

    def results(self, name: str = "cohort.results.csv") -> list[dict[str, str]]:
        with (self.folder / name).open(encoding="utf-8", newline="") as file:
            return list(csv.DictReader(file))


def end(process: subprocess.Popen[str], number: int | None = None) -> tuple[int, str]:
    """Send a signal, if any, and return the exit code and everything that was said."""
    if number is not None:
        process.send_signal(number)
    said, _ = process.communicate(timeout=PATIENCE)
    return process.returncode, said


def read_terminal(ours: int) -> str:
    """Read what a terminal shows until nobody has its other end open any more."""
    seen = b""
    with contextlib.suppress(OSError):  # which is how that is told
        while piece := os.read(ours, 65536):
            seen += piece
    os.close(ours)
    return seen.decode().replace("\r\n", "\n")


def read_until(process: subprocess.Popen[str], text: str) -> str:
    """Read what it says up to the line that has *text* in it."""
    assert process.stdout is not None
    said = ""
    for line in process.stdout:
        said += line
        if text in line:
            return said
    raise AssertionError(f"it ended without a word of {text!r}: {said}")


def pause(process: Born, ledger: Path) -> None:
    """Stop it for a while, where it does not hold the ledger's lock: nobody else could write then."""

    def is_paused() -> bool:
        process.stop()
        with contextlib.closing(apsw.Connection(str(ledger))) as connection:
            try:
                connection.execute("BEGIN IMMEDIATE; ROLLBACK")
            except apsw.BusyError:
                process.send_signal(signal.SIGCONT)
                return False
        return True

    until(is_paused)


def recorded(ledger: Path, kind: str) -> int:
    """Say how many events of a kind a ledger has, as soon as they are durable."""
    with contextlib.closing(apsw.Connection(str(ledger))) as connection:
        return int(connection.execute("SELECT count(*) FROM events WHERE kind = ?", (kind,)).get)


def kill(process: subprocess.Popen[str]) -> None:
    end(process, signal.SIGKILL)


def assert_agreement(results: list[dict[str, str]], simulated: Simulated) -> None:
    """Hold the results against what really happened."""
    runs = {run["tags"]["batchrun:id"]: run for run in simulated.state()["runs"]}
    assert len(runs) == len(simulated.state()["runs"]), "a row was started twice"
    assert [row["id"] for row in results] == sorted(runs)
    for row in results:
        run = runs[row["id"]]
        assert (row["runId"], row["uuid"], row["runOutputUri"]) == (
            run["id"],
            run["uuid"],
            run["run_output_uri"],
        )
        assert row["status"] == run["status"]


@pytest.fixture
def shell(tmp_path: Path):
    made = Shell(tmp_path)
    yield made
    made.close()


@pytest.fixture
def looks_often(shell: Shell):
    """Have commands look at runs soon that do not say how often: it would be every five seconds at most."""
    shell.environment["BATCHRUN_POLL_INTERVAL"] = "0.2s"


@pytest.fixture
def simulate():
    """Make simulators that end with the test."""
    made: list[Simulated] = []

    def make(*options: str) -> Simulated:
        made.append(Simulated("--limits", "*=unlimited", *options))
        return made[-1]

    yield make
    for one in made:
        one.stop()


@pytest.fixture
def simulate_lanes(shell: Shell):
    """Serve tables of lanes, from simulators that end with the test; the profile ``lab`` has keys."""
    made: list[Simulated] = []

    def serve(lanes: str, *options: str) -> Simulated:
        path = shell.write("lanes.yaml", lanes)
        made.append(Simulated("--lanes", str(path), *options))
        return made[-1]

    shell.write("config", "[profile lab]\naws_access_key_id = LABKEY\naws_secret_access_key = LABSECRET\n")
    shell.environment |= {"AWS_CONFIG_FILE": str(shell.folder / "config"), "HOME": str(shell.folder)}
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        del shell.environment[name]
    yield serve
    for one in made:
        one.stop()


@pytest.fixture
def elsewhere():
    """Serve from another thread."""
    with contextlib.ExitStack() as stack:
        portal = stack.enter_context(start_blocking_portal())

        class Elsewhere:
            @staticmethod
            def healthomics(**changes):
                return stack.enter_context(healthomics(portal, **changes))

            @staticmethod
            def s3(*keys: str, **classes: str) -> S3:
                store = S3(dict.fromkeys(keys, "") | classes)
                stack.enter_context(portal.wrap_async_context_manager(store.served()))
                return store

        yield Elsewhere()
