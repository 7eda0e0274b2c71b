"""
The group that watches runs to their ends under a quota of reads.

Belongs here: what is compared about watching. Does not: how peers watch (``peers``), long ones (``steady``).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from tests.bench.bench import Bench
from tests.bench.cohort import NAME
from tests.bench.commands import FLAT_OUT, LEARNT, WORK_LEFT, run
from tests.bench.processes import BenchError, Ran, Running
from tests.bench.scale import Scale
from tests.bench.served import Seen, Served
from tests.bench.steady import steady
from tests.bench.table import NOTHING, Peer, Section, Wanted, compared

_LIMITS = "GetRun=20/20,ListRuns=10/10,StartRun=unlimited"
_LAG = Wanted(least=15, aim=8, unit=" s")
_LOOKS = Wanted(least=1.2, aim=1.05)
#: Threads of the peers, as many as are best for each: more pollers only throttle each other, fewer waiters
#: wait one after the other.
_POLLERS = 4
_WAITERS = 128
_WAITER_DELAY = 10
#: Longer than any watch may take, in seconds.
_PATIENCE = 600
#: Until the first run ends: time to submit them all, this many a second, and to start watching.
_HEAD_START, _SUBMITTED_PER_SECOND = 8.0, 200.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Watcher:
    """One who can watch the runs of a folder's batch to their ends."""

    name: str
    start: Callable[[Bench, Path, str], Running]


def _batchrun(bench: Bench, folder: Path, url: str) -> Running:
    return bench.batchrun(folder, *run(url, *LEARNT))


def _poll(bench: Bench, folder: Path, url: str) -> Running:
    return bench.peer(folder, "boto3_poll", url, f"{NAME}.results.csv", _POLLERS, _PATIENCE)


def _wait(bench: Bench, folder: Path, url: str) -> Running:
    return bench.peer(folder, "boto3_wait", url, f"{NAME}.results.csv", _WAITERS, _WAITER_DELAY)


_WATCHERS = (
    Watcher(name="batchrun", start=_batchrun),
    Watcher(name=f"boto3, GetRun for each, {_POLLERS} threads", start=_poll),
    Watcher(name=f"boto3's waiter for each, {_WAITERS} threads, {_WAITER_DELAY} s", start=_wait),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Watched:
    """What one watch came to."""

    ran: Ran
    seen: Seen

    @property
    def lag(self) -> float:
        """Seconds from the last end to the watcher's exit."""
        return self.ran.ended - max(self.seen.ended.values())

    def calls_per_run(self, operation: str) -> float:
        return self.seen.calls.get(operation, 0) / self.seen.runs


def watching(bench: Bench, scale: Scale) -> list[Section]:
    """Watch a cohort to its end, and a large one for some minutes."""
    rounds = []
    for number in range(bench.repeats):
        bench.tell(f"watching: {number + 1} of {bench.repeats}")
        rounds.append(_round(bench, scale))
    note = (
        f"{scale.watched_runs:,} active runs, GetRun 20/s, ListRuns 10/s, ends spread over "
        f"{scale.watched_spread:g} s. All three at the same time, each with a simulator of its own; "
        "submitted before by batchrun. The lag is from the last end at the simulator to the exit of "
        "the process."
    )
    sections = [Section(title="watching", note=note, rows=tuple(_rows(rounds)))]
    return sections + (steady(bench, scale) if scale.steady_seconds else [])


def _round(bench: Bench, scale: Scale) -> list[Watched]:
    head = _HEAD_START + scale.watched_runs / _SUBMITTED_PER_SECOND
    mean = head + scale.watched_spread / 2
    running = (mean, scale.watched_spread / 2 / mean)
    with ExitStack() as stack:
        started = []
        for watcher in _WATCHERS:
            served = stack.enter_context(bench.serve(_LIMITS, running))
            started.append((served, _start(bench, watcher, served, scale.watched_runs)))
        return [_watched(served, going, scale.watched_runs) for served, going in started]


def _start(bench: Bench, watcher: Watcher, served: Served, runs: int) -> Running:
    folder = bench.folder(runs)
    bench.batchrun(folder, *run(served.url, "--detach", *FLAT_OUT)).wait(WORK_LEFT)
    if served.seen().ended:
        raise BenchError("runs ended before they were watched: this machine submits too slowly")
    return watcher.start(bench, folder, served.url)


def _watched(served: Served, going: Running, runs: int) -> Watched:
    watched = Watched(ran=going.wait(), seen=served.seen())
    if len(watched.seen.ended) != runs or watched.lag < 0:
        raise BenchError(f"only {len(watched.seen.ended)} of {runs} runs had ended when the watcher was done")
    return watched


def _rows(rounds: Sequence[Sequence[Watched]]) -> list[tuple[str, ...]]:
    def get_run(one: Watched) -> float:
        return one.calls_per_run("GetRun")

    def lag(one: Watched) -> float:
        return one.lag

    listed = median(watched[0].seen.calls.get("ListRuns", 0) for watched in rounds)
    return [
        *(_row("seconds from the last end to exit", rounds, at, lag, " s", _LAG) for at in (1, 2)),
        *(_row("GetRun calls per run", rounds, at, get_run, "", _LOOKS) for at in (1, 2)),
        ("ListRuns calls", f"{listed:g}", *(NOTHING,) * 4),
    ]


def _row(
    what: str,
    rounds: Sequence[Sequence[Watched]],
    at: int,
    of: Callable[[Watched], float],
    unit: str,
    wanted: Wanted,
) -> tuple[str, ...]:
    values = [median(of(watched[one]) for watched in rounds) for one in (0, at)]
    wholes = [median(watched[one].ran.seconds for watched in rounds) for one in (0, at)]
    peer = Peer(name=_WATCHERS[at].name, value=values[1], whole=wholes[1])
    return compared(what, values[0], peer, unit=unit, whole=wholes[0], wanted=wanted)
