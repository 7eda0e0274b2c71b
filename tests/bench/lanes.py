"""
The group ``lanes``: one launch over many accounts, each with a limit of its own.

Belongs here: how much of what all lanes allow together one process submits, and at what price. Does not: one
account (``submission``).
"""

from __future__ import annotations

from pathlib import Path
from statistics import median
from typing import Final

from tests.bench.bench import Bench
from tests.bench.cohort import MANIFEST, write_manifest
from tests.bench.commands import WORK_LEFT
from tests.bench.processes import BenchError, Ran
from tests.bench.scale import Scale
from tests.bench.table import Section, figure

_RATE: Final = 10  #: StartRun calls per second that each lane allows
_HEADS: Final = (
    "lanes",
    "rows",
    "allowed, runs/s",
    "submitted, runs/s",
    "of what is allowed",
    "CPU per run, ms",
    "whole process, s",
    "peak memory, MiB",
)


def lanes(bench: Bench, scale: Scale) -> list[Section]:
    """Submit over 1, 10 and 50 lanes, as many rows to each as its limit takes some seconds for."""
    note = (
        f"Each lane is an account at a port of one simulator, which allows {_RATE} StartRun per second, and "
        f"has `rate: {_RATE}`; to each as many rows are fixed as take {scale.lane_seconds:g} s; `--detach`. "
        "Runs per second are those from the first StartRun call in any lane to the last acceptance; CPU is "
        "the launcher's, start-up included."
    )
    rows = tuple(_row(bench, number, round(scale.lane_seconds * _RATE)) for number in scale.lanes)
    return [Section(title="lanes", note=note, rows=rows, heads=_HEADS)]


def _row(bench: Bench, lanes: int, rows_each: int) -> tuple[str, ...]:
    rows, rates, all_ran = lanes * rows_each, [], []
    for number in range(bench.repeats):
        bench.tell(f"lanes: {lanes}, {rows:,} rows, {number + 1} of {bench.repeats}")
        rate, ran = _submitted(bench, lanes, rows)
        rates.append(rate)
        all_ran.append(ran)
    rate, allowed = median(rates), lanes * _RATE
    return (
        str(lanes),
        f"{rows:,}",
        figure(allowed),
        figure(rate),
        f"{rate / allowed:.0%}",
        figure(median(ran.cpu for ran in all_ran) / rows * 1000),
        figure(median(ran.seconds for ran in all_ran)),
        figure(median(ran.peak for ran in all_ran)),
    )


def _submitted(bench: Bench, lanes: int, rows: int) -> tuple[float, Ran]:
    """Return the runs per second of one launch, and its process."""
    folder = bench.folder()
    write_manifest(folder, rows)
    with bench.serve(f"StartRun={_RATE}/{_RATE},*=unlimited", lanes=lanes) as served:
        urls = served.lanes() if lanes > 1 else {"l00": served.url}
        _write_lanes(folder, urls)
        words = ("run", *MANIFEST, "--lanes", "lanes.yaml", "--detach", "--read-rate", "unlimited")
        ran = bench.batchrun(folder, *words).wait(WORK_LEFT)
        seen = [served.seen(url) for url in urls.values()]
    if sum(one.rows for one in seen) != rows:
        raise BenchError(f"{sum(one.rows for one in seen)} of {rows} rows have a run")
    begun = min(min(one.starts) for one in seen)
    return rows / (max(max(one.accepted) for one in seen) - begun), ran


def _write_lanes(folder: Path, urls: dict[str, str]) -> None:
    """Write the table of lanes, and spread the manifest's rows over them in turn."""
    table = [
        f"{name}: {{region: us-east-1, endpoint_url: '{url}', rate: {_RATE}}}\n" for name, url in urls.items()
    ]
    (folder / "lanes.yaml").write_text("".join(table), encoding="utf-8")
    path, names = folder / MANIFEST[0], list(urls)
    head, *rows = path.read_text(encoding="utf-8").splitlines()
    spread = [f"{row},{names[at % len(names)]}\n" for at, row in enumerate(rows)]
    path.write_text("".join([f"{head},lane\n", *spread]), encoding="utf-8")
