"""
Who submits the rows: batchrun and its peers, each against a fresh simulator, and what came of it.

Belongs here: one submission of a whole cohort, by anybody. Does not: which of its figures are compared.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from tests.bench.bench import Bench
from tests.bench.commands import CONCURRENCY, FLAT_OUT, LEARNT, WORK_LEFT, run
from tests.bench.processes import BenchError, Ran, Running
from tests.bench.served import Seen, Served


@dataclass(frozen=True, slots=True, kw_only=True)
class Contender:
    """One who can submit a cohort."""

    name: str
    start: Callable[[Bench, Path, str, int], Running]  #: in a folder, at a URL, so many rows
    code: int = 0  #: with which it ends when all is well


def _batchrun(*rates: str) -> Contender:
    def start(bench: Bench, folder: Path, url: str, _rows: int) -> Running:
        return bench.batchrun(folder, *run(url, "--detach", *rates))

    return Contender(name="batchrun", start=start, code=WORK_LEFT)


def _boto3(mode: str) -> Contender:
    def start(bench: Bench, folder: Path, url: str, rows: int) -> Running:
        return bench.peer(folder, "boto3_submit", url, rows, mode, CONCURRENCY)

    return Contender(name=f"boto3, {CONCURRENCY} threads, {mode} retries", start=start)


def _bare(bench: Bench, folder: Path, url: str, rows: int) -> Running:
    return bench.peer(folder, "bare_submit", url, rows, CONCURRENCY)


LEARNER = _batchrun(*LEARNT)
SPRINTER = _batchrun(*FLAT_OUT)
STANDARD = _boto3("standard")
ADAPTIVE = _boto3("adaptive")
BARE = Contender(name="bare aiobotocore loop, no ledger", start=_bare)


@dataclass(frozen=True, slots=True, kw_only=True)
class Submission:
    """What one submission came to."""

    ran: Ran
    seen: Seen
    served_cpu: float  #: seconds that the simulator used for it

    @property
    def seconds(self) -> float:
        """From the first StartRun call to the last acceptance."""
        return max(self.seen.accepted) - self.seen.starts[0]

    @property
    def per_second(self) -> float:
        return self.seen.runs / self.seconds

    @property
    def throttled(self) -> float:
        """The share of StartRun calls that were throttled, in percent."""
        return 100 * self.seen.throttled["StartRun"] / self.seen.calls["StartRun"]


def in_turn(bench: Bench, contenders: Sequence[Contender], rows: int) -> list[Submission]:
    """Let each submit with the machine to itself."""
    return [one for contender in contenders for one in at_once(bench, [contender], rows)]


def at_once(
    bench: Bench, contenders: Sequence[Contender], rows: int, limits: str = "*=unlimited"
) -> list[Submission]:
    """Let all submit at the same time, each to a simulator of its own: for what mostly waits."""
    with ExitStack() as stack:
        served = [stack.enter_context(bench.serve(limits)) for _ in contenders]
        before = [one.cpu() for one in served]
        running = [
            contender.start(bench, bench.folder(rows), one.url, rows)
            for contender, one in zip(contenders, served, strict=True)
        ]
        return [
            _submission(contender, going.wait(contender.code), one, cpu, rows)
            for contender, going, one, cpu in zip(contenders, running, served, before, strict=True)
        ]


def _submission(contender: Contender, ran: Ran, served: Served, before: float, rows: int) -> Submission:
    cpu = served.cpu() - before
    seen = served.seen()
    if (seen.runs, seen.rows) != (rows, rows):
        raise BenchError(f"{contender.name} made {seen.runs} runs for {seen.rows} of {rows} rows")
    return Submission(ran=ran, seen=seen, served_cpu=cpu)
