"""
Killing the real command at a point, under a fault, and starting it again until it is done.

What happened is judged by what the simulator counted, not by what batchrun says.
"""

from __future__ import annotations

import contextlib
import csv
import itertools
import json
import os
import shutil
import signal
import subprocess
import sys
import time
import urllib.request
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import apsw

from batchrun.points import Point
from tests.nursery import ROOT, Born

_numbers = itertools.count()
DEFAULTS = """\
workflowId: "1234567"
roleArn: arn:aws:iam::123456789012:role/omics
outputUri: s3://lab-results/{batch}/{id}/
"""
#: What goes wrong, by name. "forgets" needs --replay-window; an old ledger is a copy of it, put back.
FAULTS = {
    "nothing": "",
    "lost answers": "StartRun:drop_after=0.3,GetRun:drop_after=0.1",
    "500 after the commit": "StartRun:error_after=0.3,GetRun:error_before=0.1",
    "garbled answers": "StartRun:truncated_after=0.2,StartRun:empty_after=0.1,GetRun:html_after=0.1",
    "dropped and throttled": "StartRun:drop_before=0.2,*:throttle=0.2",
    "says that runs are gone": (
        "GetRun:ResourceNotFoundException=0.25,GetRun:other_uuid_after=0.15,GetRun:deleted_after=0.1"
    ),
    "forgets requestIds": "StartRun:drop_after=0.3",
    "an old ledger, and forgets requestIds": "StartRun:drop_after=0.3",
}
ROWS = 8
AWS = {"AWS_REGION": "us-east-1", "AWS_ACCESS_KEY_ID": "x", "AWS_SECRET_ACCESS_KEY": "x"}


class Process:
    """A batchrun command that is running."""

    def __init__(
        self,
        folder: Path,
        arguments: list[str],
        dies_at: tuple[str, int] | None = None,
        clock: Mapping[str, str] | None = None,
    ) -> None:
        self._said = folder / f"said-{next(_numbers)}"
        environment = {**os.environ, **AWS, **(clock or {})}
        with self._said.open("a", encoding="utf-8") as said:
            streams: dict[str, Any] = {"cwd": folder, "env": environment, "stdout": said, "stderr": said}
            self._process: subprocess.Popen[str]
            if clock:  # only a process that begins with it goes by it
                command = [sys.executable, "-m", "batchrun", *arguments]
                streams["env"]["PYTHONPATH"] = str(ROOT)
                self._process = subprocess.Popen(command, stdin=subprocess.DEVNULL, text=True, **streams)
            else:
                self._process = Born(arguments, dies_at=dies_at, **streams)
        self.pid = self._process.pid

    def said(self) -> str:
        return self._said.read_text(encoding="utf-8") if self._said.exists() else ""

    def wait(self) -> int:
        return self._process.wait()

    def kill(self) -> int:
        os.kill(self.pid, signal.SIGKILL)
        return self.wait()


class ServedApart:
    """A simulator in a process of its own, that outlives every launcher."""

    def __init__(self, folder: Path, faults: str, *options: str) -> None:
        arguments = ["simulate", "--port", "0", "--limits", "*=unlimited", "--time-scale", "0.0001"]
        folder.mkdir(parents=True, exist_ok=True)
        self._process = Process(folder, [*arguments, "--faults", faults, *options])
        deadline = time.monotonic() + 30
        while "\n" not in self._process.said():
            assert time.monotonic() < deadline, "the simulator did not start"
            time.sleep(0.01)
        self.url = self._process.said().split(" on ")[1].split(";")[0]

    def state(self) -> dict[str, Any]:
        with urllib.request.urlopen(f"{self.url}/_simulator/state", timeout=10) as answer:
            state: dict[str, Any] = json.load(answer)
            return state

    def stop(self) -> None:
        self._process.kill()


@dataclass(frozen=True, slots=True, kw_only=True)
class Aftermath:
    """What one attack came to."""

    kills: int
    faults: int
    runs: int


class Victim:
    """A user's folder with a manifest, and the command that is killed in it."""

    def __init__(self, folder: Path, served: ServedApart, rows: int = ROWS, *options: str) -> None:
        self.folder = folder
        self.rows = rows
        (folder / "defaults.yaml").write_text(DEFAULTS, encoding="utf-8")
        names = "".join(f"s{number:03}\n" for number in range(rows))
        (folder / "cohort.csv").write_text(f"id\n{names}", encoding="utf-8")
        self._served = served
        self._arguments = ["run", "cohort.csv", "--defaults", "defaults.yaml", "--endpoint-url", served.url]
        self._arguments += ["--rate", "unlimited", "--read-rate", "unlimited", "--poll-interval", "0.1s"]
        self._arguments += ["--listing-lag", "0s", "--lease", "1s", "--concurrency", "4", *options]

    def start(
        self, dies_at: tuple[str, int] | None = None, clock: Mapping[str, str] | None = None
    ) -> Process:
        return Process(self.folder, self._arguments, dies_at, clock)

    def start_at(self, other: ServedApart) -> Process:
        """Start the same command, but against another account's service."""
        arguments = [other.url if one == self._served.url else one for one in self._arguments]
        return Process(self.folder, [*arguments, "--once"])

    def run_to_the_end(self) -> None:
        process = self.start()
        assert process.wait() == 0, process.said()

    def die_at(self, point: Point, times: int) -> bool:
        """Run until killed at *point*; False where it came to its end without passing there so often."""
        process = self.start((point.name, times))
        code = process.wait()
        assert code in {0, -signal.SIGKILL}, process.said()
        return code != 0

    def knows_runs(self) -> bool:
        """Whether the ledger knows runs, and so whose account they are in."""
        with contextlib.closing(apsw.Connection(str(self.folder / "batchrun.db"))) as connection:
            if not connection.execute("SELECT 1 FROM sqlite_schema WHERE name = 'entries'").fetchone():
                return False
            return bool(connection.execute("SELECT 1 FROM entries WHERE run_uuid IS NOT NULL").fetchone())

    def ledger_copied(self, place: Path) -> Callable[[], None]:
        """Copy the ledger as it is; what is returned puts the copy back."""
        files = [self.folder / f"batchrun.db{end}" for end in ("", "-wal", "-shm")]
        place.mkdir()
        for file in files:
            if file.exists():
                shutil.copy(file, place / file.name)

        def put_back() -> None:
            for file in files:
                file.unlink(missing_ok=True)
                if (place / file.name).exists():
                    shutil.copy(place / file.name, file)

        return put_back

    def judge(self) -> int:
        """Hold the laws; give the number of runs."""
        runs = self._served.state()["runs"]
        by_id = {run["tags"]["batchrun:id"]: run for run in runs}
        twice = [id for id, count in Counter(run["tags"]["batchrun:id"] for run in runs).items() if count > 1]
        assert not twice, f"started twice: {twice}"
        with (self.folder / "cohort.results.csv").open(encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file))
        assert [row["id"] for row in rows] == sorted(by_id), "results and runs differ"
        assert len(rows) == self.rows
        for row in rows:
            run = by_id[row["id"]]
            told = (row["runId"], row["uuid"], row["runOutputUri"], row["status"])
            assert told == (run["id"], run["uuid"], run["run_output_uri"], run["status"])
        return len(runs)


def attack(folder: Path, point: Point, fault: str) -> Aftermath:
    """Kill a launch at *point* under *fault*, at its first and second passing, then let one finish."""
    forgets = "forgets" in fault
    served = ServedApart(folder, FAULTS[fault], *(("--idempotency-window", "0.5s") if forgets else ()))
    try:
        victim = Victim(folder, served, ROWS, *(("--replay-window", "0.3s") if forgets else ()))
        kills = int(victim.die_at(point, 1))
        put_back = victim.ledger_copied(folder / "copy")
        kills += victim.die_at(point, 2)
        if fault.startswith("an old ledger"):
            put_back()
            time.sleep(1.1)  # until the service has forgotten what was sent since, and the copy's lease ends
        victim.run_to_the_end()
        runs = victim.judge()
        calls = served.state()["calls"].values()
        return Aftermath(kills=kills, faults=sum(sum(call["faults"].values()) for call in calls), runs=runs)
    finally:
        served.stop()
