"""
The group that holds the two engines against each other: a StartRun for each row, and StartRunBatch for many.

Each hands its rows over and leaves; once the service has started and ended all runs, the same command again
learns what became of them. Belongs here: that, under a limit of StartRun. Does not: speed without one
(``submission``).
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from statistics import median
from typing import Final

from tests.bench.bench import Bench
from tests.bench.commands import BATCHRUN, WORK_LEFT, run
from tests.bench.processes import BenchError
from tests.bench.scale import Scale
from tests.bench.served import Served
from tests.bench.simulator import SETTINGS
from tests.bench.table import Section, figure

_HEADS = (
    "rows",
    "`--engine`",
    "the launcher may leave after",
    "all runs started after",
    "calls until it left",
    "calls in all, per run",
    "GetRun per run",
)
#: StartRun calls per second at the simulator.
_RATE: Final = 100
_RUNNING = (1.0, 0.0)
_OPTIONS: Final[Mapping[str, tuple[str, ...]]] = {
    "startrun": (),
    "batch": ("--batch-settings", f"s3://{SETTINGS}/"),
}
#: Seconds between two looks at how many runs there are, each of which takes the simulator's time.
_LOOK_EVERY: Final = 3.0
_LONGEST: Final = 1_200.0


@dataclass(frozen=True, slots=True, kw_only=True)
class _HandedOver:
    """What one engine came to."""

    left: float  #: seconds until the launcher was gone
    started: float  #: seconds until the last run was started
    calls: int  #: until it was gone
    all_calls: int
    looks: int  #: by GetRun


def engines(bench: Bench, scale: Scale) -> list[Section]:
    """Hand over each number of rows by each engine."""
    rows = [_row(bench, size, engine) for size in scale.engine_rows for engine in _OPTIONS]
    note = (
        f"`run --detach --read-rate unlimited`, with `--batch-settings` for `batch`; {_RATE} StartRun per "
        "second at the simulator, rows of batches included. Then, when all runs have ended, the same "
        "without `--detach`. Times are from the start of the first command."
    )
    return [Section(title="Engines", note=note, rows=tuple(rows), heads=_HEADS)]


def _row(bench: Bench, size: int, engine: str) -> tuple[str, ...]:
    found = []
    for number in range(bench.repeats):
        bench.tell(f"engines: {size:,} rows by {engine}, {number + 1} of {bench.repeats}")
        found.append(_handed_over(bench, size, engine))
    return (
        f"{size:,}",
        engine,
        f"{figure(median(one.left for one in found))} s",
        f"{figure(median(one.started for one in found))} s",
        figure(median(one.calls for one in found)),
        figure(median(one.all_calls for one in found) / size),
        figure(median(one.looks for one in found) / size),
    )


def _handed_over(bench: Bench, size: int, engine: str) -> _HandedOver:
    folder = bench.folder(size)
    with bench.serve(limits=f"StartRun={_RATE},*=unlimited", running=_RUNNING) as served:
        options = ("--engine", engine, *_OPTIONS[engine], "--read-rate", "unlimited")
        command = ["/usr/bin/env", f"AWS_ENDPOINT_URL_S3={served.url}", *BATCHRUN, *run(served.url, *options)]
        first = bench.processes.measure(folder, [*command, "--detach"]).wait(WORK_LEFT)
        calls = served.seen().calls.values()
        _wait_for(served, size)
        bench.processes.measure(folder, command).wait()
        seen = served.seen()
        if seen.rows != seen.runs or seen.runs != size:
            raise BenchError(f"{size} rows have {seen.runs} runs, of {seen.rows} rows")
        return _HandedOver(
            left=first.seconds,
            started=max(seen.accepted) - first.begun,
            calls=sum(calls),
            all_calls=sum(seen.calls.values()),
            looks=seen.calls["GetRun"],
        )


def _wait_for(served: Served, runs: int) -> None:
    """Wait until so many runs have ended."""
    until = time.monotonic() + _LONGEST
    while len(served.seen().ended) < runs:
        if time.monotonic() > until:
            raise BenchError(f"{runs} runs were not started and ended within {_LONGEST:g} s")
        time.sleep(_LOOK_EVERY)
