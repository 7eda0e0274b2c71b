"""
A long watch of many active runs, of which few end: how late each end is seen.

Belongs here: that one measurement. Does not: watching to the end (``watching``).
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from tests.bench.bench import Bench
from tests.bench.cohort import NAME
from tests.bench.commands import FLAT_OUT, LEARNT, WORK_LEFT, run
from tests.bench.processes import BenchError, Ran, Running
from tests.bench.scale import Scale
from tests.bench.served import Served
from tests.bench.table import NOTHING, Section, Wanted

_LIMITS = "GetRun=10/10,ListRuns=10/10,StartRun=unlimited"
_WANTED = Wanted(least=60, aim=30, unit=" s")
_THREADS = 4
_CODES = (0, WORK_LEFT)


@dataclass(frozen=True, slots=True, kw_only=True)
class Lateness:
    """How late ends were seen, in seconds; infinite where one was not seen."""

    delays: list[float]
    get_runs: int
    list_runs: int

    @property
    def p95(self) -> float:
        return self.delays[math.ceil(0.95 * len(self.delays)) - 1]

    @property
    def unseen(self) -> float:
        """The share that was never seen, in percent."""
        return 100 * sum(math.isinf(delay) for delay in self.delays) / len(self.delays)

    def __str__(self) -> str:
        late = f"over {_WANTED.least:g} s" if math.isinf(self.p95) else f"{self.p95:.1f} s"
        calls = f"GetRun {self.get_runs:,}, ListRuns {self.list_runs:,}"
        return f"{late}; {self.unseen:.0f} % of {len(self.delays)} not seen; {calls}"


def steady(bench: Bench, scale: Scale) -> list[Section]:
    """Watch for some minutes, batchrun and a peer at the same time, each with a simulator of its own."""
    bench.tell(f"watching {scale.steady_runs:,} runs for {scale.steady_seconds:g} s")
    last = 60 * scale.steady_runs / scale.steady_ends
    with ExitStack() as stack:
        served = [stack.enter_context(bench.serve(_LIMITS, (last / 2, 1.0))) for _ in range(2)]
        folders = [_submit(bench, one, scale.steady_runs) for one in served]
        starts = (_batchrun, _poll)
        going = [
            start(bench, folder, one, scale.steady_seconds)
            for start, folder, one in zip(starts, folders, served, strict=True)
        ]
        told = (_told_by_batchrun, _told_by_peer)
        ours, peer = (
            _lateness(running.wait(*_CODES), one, read)
            for running, one, read in zip(going, served, told, strict=True)
        )
    return [_section(scale, ours, peer)]


def _section(scale: Scale, ours: Lateness, peer: Lateness) -> Section:
    note = (
        f"{scale.steady_runs:,} active runs of which {scale.steady_ends:g} end per minute, GetRun and "
        f"ListRuns 10/s each, watched once for {scale.steady_seconds:g} s, batchrun and peer at the same "
        f"time. Counted are ends during the watch, but for its last {_WANTED.least:g} s."
    )
    ratio = NOTHING if math.isinf(ours.p95 + peer.p95) else f"{ours.p95 / peer.p95:.2f}"
    name = f"{peer} (boto3, GetRun for each, {_THREADS} threads)"
    row = ("end seen after, 95th percentile", str(ours), name, ratio, NOTHING, _WANTED.judge(ours.p95))
    return Section(title="watching many", note=note, rows=(row,))


def _submit(bench: Bench, served: Served, runs: int) -> Path:
    folder = bench.folder(runs)
    bench.batchrun(folder, *run(served.url, "--detach", *FLAT_OUT)).wait(WORK_LEFT)
    return folder


def _batchrun(bench: Bench, folder: Path, served: Served, seconds: float) -> Running:
    options = ("--json", "--deadline", f"{seconds:g}s", *LEARNT)
    return bench.batchrun(folder, *run(served.url, *options))


def _poll(bench: Bench, folder: Path, served: Served, seconds: float) -> Running:
    return bench.peer(folder, "boto3_poll", served.url, f"{NAME}.results.csv", _THREADS, seconds)


def _lines(path: Path) -> Iterator[dict[str, str]]:
    with path.open(encoding="utf-8") as file:
        yield from map(json.loads, file)


def _told_by_batchrun(path: Path) -> dict[str, float]:
    """Read when each end was seen, in wall time."""
    ends = (line for line in _lines(path) if line.get("event") == "completed")
    return {line["id"]: datetime.fromisoformat(line["at"]).timestamp() for line in ends}


def _told_by_peer(path: Path) -> dict[str, float]:
    return {line["id"]: float(line["at"]) for line in _lines(path)}


def _lateness(ran: Ran, served: Served, read: Callable[[Path], dict[str, float]]) -> Lateness:
    offset = time.time() - time.monotonic()
    seen_at = {id: at - offset for id, at in read(ran.out).items()}
    seen = served.seen()
    counted = {id: at for id, at in seen.ended.items() if ran.begun <= at <= ran.ended - _WANTED.least}
    if not counted:
        raise BenchError("no run ended while many were watched: the watch was too short")
    return Lateness(
        delays=sorted(seen_at.get(id, math.inf) - at for id, at in counted.items()),
        get_runs=seen.calls.get("GetRun", 0),
        list_runs=seen.calls.get("ListRuns", 0),
    )
