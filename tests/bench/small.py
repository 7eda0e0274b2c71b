"""
The figures of the group ``sizes`` that are wanted at one size: memory, start-up, what is done already.

Belongs here: those, against peers where there is one. Does not: growth (``sizes``).
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from statistics import median

from tests.bench.bench import Bench
from tests.bench.cohort import MANIFEST
from tests.bench.commands import FLAT_OUT, WORK_LEFT, check, run
from tests.bench.ledgers import finish
from tests.bench.processes import BenchError, Ran, Running
from tests.bench.scale import Scale
from tests.bench.table import Peer, Section, Wanted, compared

_CHECK = Wanted(least=20, aim=8, unit=" s")
_CHECK_MEMORY = Wanted(least=250, aim=120, unit=" MiB")
_FINISHED = Wanted(least=3, aim=1, unit=" s")
_STATUS = Wanted(least=1, aim=0.3, unit=" s")
_MEMORY = Wanted(least=300, aim=150, unit=" MiB")
_ONLY_CLICK = (sys.executable, "-c", "import click")
_CLICK = "a Python that only imports click"
#: Runs last so long, evenly spread, that some thousand are in flight and others follow.
_RUNNING = (30.0, 0.5)
_ENOUGH_IN_FLIGHT = 0.95

Row = tuple[str, ...]


def small(bench: Bench, scale: Scale) -> Section:
    note = (
        "The peer of `check` reads the CSV with Python's csv module and asks botocore's validator, which "
        f"holds less against the rows. In flight: `--max-active {scale.in_flight}`, runs of {_RUNNING[0]:g} "
        f"s, {' '.join(FLAT_OUT)}, stopped by `--deadline {scale.in_flight_seconds:g}s`, once. "
        "Finished batches were made through batchrun's own ledger, without calls."
    )
    largest = max(scale.sizes)
    rows = [*_checks(bench, largest), _status(bench, largest), _finished(bench, scale.finished_rows)]
    rows += [_help(bench), _in_flight(bench, scale)]
    return Section(title="sizes: single figures", note=note, rows=tuple(rows))


def _checks(bench: Bench, rows: int) -> list[Row]:
    bench.tell(f"sizes: check of {rows:,} rows and its peer")
    folder = bench.folder(rows)
    ours = _again(bench, lambda: bench.batchrun(folder, *check()))
    theirs = _again(bench, lambda: bench.peer(folder, "csv_check", MANIFEST[0]))
    return [
        compared(
            f"`check` of {rows:,} rows", seconds(ours), _script(seconds(theirs)), unit=" s", wanted=_CHECK
        ),
        compared("peak memory of that", peak(ours), _script(peak(theirs)), unit=" MiB", wanted=_CHECK_MEMORY),
    ]


def _script(value: float) -> Peer:
    return Peer(name="csv and botocore's validator", value=value)


def _status(bench: Bench, rows: int) -> Row:
    bench.tell(f"sizes: status of {rows:,} rows")
    folder = bench.folder(rows)
    finish(folder)
    ours = _again(bench, lambda: bench.batchrun(folder, "status"))
    return compared(f"`status` of {rows:,} rows", seconds(ours), _click(bench), unit=" s", wanted=_STATUS)


def _finished(bench: Bench, rows: int) -> Row:
    bench.tell(f"sizes: run of a finished batch of {rows:,} rows")
    folder = bench.folder(rows)
    finish(folder)
    with bench.serve() as served:
        ours = _again(bench, lambda: bench.batchrun(folder, *run(served.url)))
        calls = sum(served.seen().calls.values())
    return compared(
        f"`run` of a finished batch of {rows:,}: {calls} calls", seconds(ours), unit=" s", wanted=_FINISHED
    )


def _help(bench: Bench) -> Row:
    folder = bench.folder()
    ours = _again(bench, lambda: bench.batchrun(folder, "--help"))
    return compared("`batchrun --help`", seconds(ours), _click(bench), unit=" s")


def _click(bench: Bench) -> Peer:
    folder = bench.folder()
    return Peer(
        name=_CLICK, value=seconds(_again(bench, lambda: bench.processes.measure(folder, _ONLY_CLICK)))
    )


def _in_flight(bench: Bench, scale: Scale) -> Row:
    bench.tell(f"sizes: {scale.in_flight_rows:,} rows with {scale.in_flight:,} in flight")
    folder = bench.folder(scale.in_flight_rows)
    bounds = ("--max-active", str(scale.in_flight), "--deadline", f"{scale.in_flight_seconds:g}s")
    with bench.serve(running=_RUNNING) as served:
        ran = bench.batchrun(folder, *run(served.url, *bounds, *FLAT_OUT)).wait(WORK_LEFT)
        in_flight = served.seen().peak
    if in_flight < _ENOUGH_IN_FLIGHT * scale.in_flight:
        raise BenchError(f"only {in_flight} of {scale.in_flight} runs were in flight within the deadline")
    what = f"peak memory of `run`, {scale.in_flight_rows:,} rows, {in_flight:,} in flight"
    return compared(what, ran.peak, unit=" MiB", wanted=_MEMORY)


def _again(bench: Bench, start: Callable[[], Running]) -> list[Ran]:
    return [start().wait() for _ in range(bench.repeats)]


def seconds(measured: list[Ran]) -> float:
    return median(ran.seconds for ran in measured)


def peak(measured: list[Ran]) -> float:
    return median(ran.peak for ran in measured)
