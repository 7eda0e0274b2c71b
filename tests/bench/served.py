"""
The simulator as the bench holds it: how it behaves, and what it has seen.

Belongs here: reading ``/_simulator/state`` into figures. Does not: what the figures are compared with.
Loop time at the simulator is the clock that all processes of the machine share, so that times of one process
may be taken from those of another.
"""

from __future__ import annotations

import json
import subprocess
import sys
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from tests.bench.processes import BenchError, Processes, end

#: A run of 100,000 rows makes a state of 100 MB and more.
_STATE_SECONDS = 300
#: Runs that never end while anybody looks.
ENDLESS = (1e6, 0.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What happened at the simulator so far."""

    calls: dict[str, int]
    throttled: dict[str, int]
    starts: list[float]  #: when each StartRun call arrived
    accepted: list[float]  #: when each run was made
    ended: dict[str, float]  #: when a run ended, by its row's id
    rows: int  #: that have a run
    peak: int  #: the most runs that had not ended at one time

    @property
    def runs(self) -> int:
        return len(self.accepted)


def _seen(state: dict[str, Any]) -> Seen:
    runs = state["runs"]
    ids = [run["tags"].get("batchrun:id", run["name"]) for run in runs]
    return Seen(
        calls={name: tally["calls"] for name, tally in state["calls"].items()},
        throttled={name: tally["throttled"] for name, tally in state["calls"].items()},
        starts=[call["at"] for call in state["start_calls"]],
        accepted=[run["created"] for run in runs],
        ended={id: run["stopped"] for id, run in zip(ids, runs, strict=True) if run["stopped"] is not None},
        rows=len(set(ids)),
        peak=state["peak_unfinished"],
    )


def _told(url: str) -> Any:
    with urllib.request.urlopen(url, timeout=_STATE_SECONDS) as answer:
        return json.load(answer)


class Served:
    """A simulator that lasts as long as its context."""

    def __init__(
        self,
        processes: Processes,
        folder: Path,
        *,
        limits: str,
        running: tuple[float, float] = ENDLESS,
        lanes: int = 0,
    ) -> None:
        """
        Start one.

        Args:
            processes: who looks after it
            folder: where it runs
            limits: as ``batchrun simulate --limits`` takes them
            running: mean and spread of how long runs last, in seconds
            lanes: accounts, each at an address of its own; 0 for one account alone
        """
        wish = json.dumps({"limits": limits, "running": running, "lanes": lanes})
        command = [sys.executable, "-m", "tests.bench.simulator", wish]
        self._process = processes.start(folder, command, out=subprocess.PIPE)
        self.url = self._line()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        end(self._process)

    def cpu(self) -> float:
        """Return the CPU seconds that it has used so far."""
        assert self._process.stdin is not None
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        return float(self._line())

    def seen(self, url: str | None = None) -> Seen:
        """Return what happened, in a lane at its *url*; costs time, so ask when nobody else needs it."""
        return _seen(_told(f"{url or self.url}/_simulator/state"))

    def lanes(self) -> dict[str, str]:
        """Return the address of each lane by its name."""
        urls: dict[str, str] = _told(f"{self.url}/_simulator/lanes")
        return urls

    def _line(self) -> str:
        assert self._process.stdout is not None
        line = self._process.stdout.readline().strip()
        if not line:
            raise BenchError("the simulator has ended before its time")
        return line
