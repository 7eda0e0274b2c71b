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
from tests.nursery import PATIENCE, ROOT, Born

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
#: A service that soon forgets requestIds, and a launch that knows it.
FORGETS, KNOWS_THAT = ("--idempotency-window", "0.5s"), ("--replay-window", "0.3s")
QUICK = (
    *("--rate", "unlimited", "--read-rate", "unlimited", "--poll-interval", "0.1s"),
    *("--listing-lag", "0s", "--lease", "1s", "--concurrency", "4"),
)
AWS = {"AWS_REGION": "us-east-1", "AWS_ACCESS_KEY_ID": "x", "AWS_SECRET_ACCESS_KEY": "x"}


class Process:
    """A batchrun command that is running."""

    def __init__(
        self,
        folder: Path,
        arguments: list[str],
        dies_at: tuple[str, int] | None = None,
        clock: Mapping[str, str] | None = None,
        environment: Mapping[str, str] = AWS,
        many: int | None = None,
    ) -> None:
        self._said = folder / f"said-{next(_numbers)}"
        environment = {**os.environ, **environment, **(clock or {})}
        with self._said.open("a", encoding="utf-8") as said:
            streams: dict[str, Any] = {"cwd": folder, "env": environment, "stdout": said, "stderr": said}
            self._process: subprocess.Popen[str]
            if clock:  # only a process that begins with it goes by it
                command = [sys.executable, "-m", "batchrun", *arguments]
                streams["env"]["PYTHONPATH"] = str(ROOT)
                self._process = subprocess.Popen(command, stdin=subprocess.DEVNULL, text=True, **streams)
            else:
                self._process = Born(arguments, dies_at=dies_at, many=many, **streams)
        self.pid = self._process.pid

    def said(self) -> str:
        return self._said.read_text(encoding="utf-8") if self._said.exists() else ""

    def wait(self) -> int:
        return self._process.wait()

    def has_ended(self) -> bool:
        return self._process.poll() is not None

    def kill(self) -> int:
        os.kill(self.pid, signal.SIGKILL)
        return self.wait()


class ServedApart:
    """A simulator in a process of its own, that outlives every launcher."""

    def __init__(self, folder: Path, faults: str, *options: str) -> None:
        arguments = ["simulate", "--port", "0", "--limits", "*=unlimited", "--time-scale", "0.0001"]
        folder.mkdir(parents=True, exist_ok=True)
        self._process = Process(folder, [*arguments, "--faults", faults, *options])
        deadline = time.monotonic() + PATIENCE
        while "\n" not in self._process.said():
            assert time.monotonic() < deadline, "the simulator did not start"
            time.sleep(0.01)
        self.url = self._process.said().split(" on ")[1].split(";")[0]

    def urls(self) -> Mapping[str, str]:
        """Return where each lane tells what happened; without lanes its name is empty."""
        return {"": self.url}

    def states(self) -> dict[str, dict[str, Any]]:
        """Return what really happened, by lane."""
        return {lane: told(f"{url}/_simulator/state") for lane, url in self.urls().items()}

    def runs(self) -> list[dict[str, Any]]:
        """Return all runs that there are, and the lane of each."""
        return [run | {"lane": lane} for lane, state in self.states().items() for run in state["runs"]]

    def faults(self) -> int:
        """Return how many calls went wrong."""
        calls = [call for state in self.states().values() for call in state["calls"].values()]
        return sum(sum(call["faults"].values()) for call in calls)

    def reached_by(self) -> tuple[list[str], Mapping[str, str]]:
        """Return the options and the environment with which a command comes here."""
        return ["--endpoint-url", self.url], AWS

    def stop(self) -> None:
        self._process.kill()


def told(url: str) -> dict[str, Any]:
    """Ask a simulator."""
    with urllib.request.urlopen(url, timeout=PATIENCE) as answer:
        found: dict[str, Any] = json.load(answer)
        return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Aftermath:
    """What one attack came to."""

    kills: int
    faults: int
    runs: int


class Victim:
    """A user's folder with a manifest, and the command that is killed in it."""

    many: int | None = None  #: rows alike that ``auto`` takes for many; None: as many as users' do

    def __init__(self, folder: Path, served: ServedApart, rows: int = ROWS, *options: str) -> None:
        self.folder = folder
        self.rows = rows
        self._served = served
        self._arguments = ["run", *self.manifest(), *QUICK, *options]

    def manifest(self) -> list[str]:
        """Write the manifest; return the arguments that name it."""
        (self.folder / "defaults.yaml").write_text(DEFAULTS, encoding="utf-8")
        names = "".join(f"{id}\n" for id in self.ids())
        (self.folder / "cohort.csv").write_text(f"id\n{names}", encoding="utf-8")
        return ["cohort.csv", "--defaults", "defaults.yaml"]

    def ids(self) -> list[str]:
        return [f"s{number:03}" for number in range(self.rows)]

    def start(
        self, dies_at: tuple[str, int] | None = None, clock: Mapping[str, str] | None = None
    ) -> Process:
        where, environment = self._served.reached_by()
        return Process(self.folder, [*self._arguments, *where], dies_at, clock, environment, self.many)

    def start_at(self, other: ServedApart) -> Process:
        """Start the same command, but against other accounts."""
        where, environment = other.reached_by()
        return Process(self.folder, [*self._arguments, *where, "--once"], environment=environment)

    def run_to_the_end(self) -> None:
        process = self.start()
        assert process.wait() == 0, process.said()

    def verify(self) -> None:
        """See that the ledger's own laws hold."""
        process = Process(self.folder, ["ledger", "verify"])
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
        """Hold the laws, over all lanes together; return the number of runs."""
        runs = self._served.runs()
        attempts = [(run["tags"]["batchrun:id"], run["tags"]["batchrun:attempt"]) for run in runs]
        twice = [attempt for attempt, count in Counter(attempts).items() if count > 1]
        assert not twice, f"started twice: {twice}"
        with (self.folder / "cohort.results.csv").open(encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file))
        assert [row["id"] for row in rows] == sorted({id for id, _ in attempts}), "results and runs differ"
        assert len(rows) == self.rows
        made = dict(zip(attempts, runs, strict=True))
        for row in rows:
            run = made[row["id"], row["attempt"]]
            said = [row[name] for name in ("runId", "uuid", "runOutputUri", "status", "lane")]
            assert said == [run[name] for name in ("id", "uuid", "run_output_uri", "status", "lane")]
        return len(runs)


def attack_alone(folder: Path, point: Point, fault: str, *options: str) -> Aftermath:
    """Kill a launch at *point* under *fault*, at its first and second passing, then let one finish."""
    served = ServedApart(folder, FAULTS[fault], *forgetting(fault))
    return attacked(Victim, served, folder, point, fault, *options)


def forgetting(fault: str) -> tuple[str, ...]:
    """Return the options of a service that forgets, where that is the fault."""
    return FORGETS if "forgets" in fault else ()


def attacked(
    kind: type[Victim], served: ServedApart, folder: Path, point: Point, fault: str, *options: str
) -> Aftermath:
    """Kill a launch of *kind* at *point*, and again, and let one finish; then stop the service."""
    try:
        victim = kind(folder, served, ROWS, *options, *(KNOWS_THAT if "forgets" in fault else ()))
        return killed_twice(victim, served, point, is_old=is_of_old(fault))
    finally:
        served.stop()


def is_of_old(fault: str) -> bool:
    """Report whether an older copy of the ledger, a file, is put back."""
    return fault.startswith("an old ledger")


def killed_twice(victim: Victim, served: ServedApart, point: Point, *, is_old: bool) -> Aftermath:
    """Kill a launch, and again, and let one finish; where *is_old* on the ledger as it was between."""
    kills = int(victim.die_at(point, 1))
    put_back = victim.ledger_copied(victim.folder / "copy")
    kills += victim.die_at(point, 2)
    if is_old:
        put_back()
        time.sleep(1.1)  # until the service has forgotten what was sent since, and the copy's lease ends
    victim.run_to_the_end()
    return Aftermath(kills=kills, runs=victim.judge(), faults=served.faults())
