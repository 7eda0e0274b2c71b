"""
The group that looks at growth: each verb at several numbers of rows, in seconds and memory.

Belongs here: the grid of verbs and sizes. Does not: single figures (``small``).
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

from tests.bench.bench import Bench
from tests.bench.commands import FLAT_OUT, WORK_LEFT, check, plan, run
from tests.bench.ledgers import finish
from tests.bench.processes import BenchError, Ran
from tests.bench.scale import Scale
from tests.bench.served import Seen, Served
from tests.bench.small import small
from tests.bench.table import NOTHING, Section, figure

#: From so many rows on, a first run is measured once: it takes minutes.
_ONCE_FROM = 50_000
_GROWTH = 1.3
#: Seconds per row under which there is nothing that could grow.
_NOTHING = 1e-6

CHECK = "`check`"
TAKE_IN = "`run --detach`, until the first StartRun"
FIRST_RUN = "`run --detach`, in all"
FINISHED = "`run` of a finished batch"


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """One verb at one size, measured some times."""

    measured: list[Ran] = field(default_factory=list)
    parts: list[float] = field(default_factory=list)  #: seconds, where only a part of the process counts

    @property
    def seconds(self) -> float:
        return median(self.parts or [ran.seconds for ran in self.measured])

    @property
    def cpu(self) -> float | None:
        """CPU seconds of the whole process; None where only a part of it counts."""
        return None if self.parts else median(ran.cpu for ran in self.measured)

    @property
    def peak(self) -> float:
        return median(ran.peak for ran in self.measured)

    def __str__(self) -> str:
        cpu = "" if self.cpu is None else f" (CPU {figure(self.cpu)})"
        return f"{figure(self.seconds)} s{cpu}, {self.peak:.0f} MiB"


Column = dict[str, Cell]


def sizes(bench: Bench, scale: Scale) -> list[Section]:
    """Measure every verb at every size, then the single figures."""
    columns = {rows: _column(bench, rows) for rows in scale.sizes}
    note = (
        "Seconds, CPU seconds and peak memory of the process. `run --detach` submits every row to an "
        f"unlimited simulator, from {_ONCE_FROM:,} rows on once. The finished batch was made through "
        "batchrun's own ledger, without calls; `run` of it made none. Growth is the time for each row more "
        "in the last step over that in the first, so that start-up does not hide it; wanted under "
        f"{_GROWTH}, in CPU time where it is known."
    )
    heads = ("what", *(f"{rows:,} rows" for rows in scale.sizes), "growth per row", "the same in CPU time")
    grid = Section(title="sizes", note=note, rows=tuple(_grid(columns)), heads=heads)
    return [grid, small(bench, scale)]


def _column(bench: Bench, rows: int) -> Column:
    column: Column = {name: Cell() for name in (CHECK, TAKE_IN, FIRST_RUN)}
    for number in range(bench.repeats):
        bench.tell(f"sizes, {rows:,} rows: {number + 1} of {bench.repeats}")
        column[CHECK].measured.append(bench.batchrun(bench.folder(rows), *check()).wait())
        if number == 0 or rows < _ONCE_FROM:
            ran, seen = _first_run(bench, rows)
            column[FIRST_RUN].measured.append(ran)
            column[TAKE_IN].measured.append(ran)
            column[TAKE_IN].parts.append(seen.starts[0] - ran.begun)
    return column | _of_finished(bench, rows)


def _first_run(bench: Bench, rows: int) -> tuple[Ran, Seen]:
    with bench.serve() as served:
        ran = bench.batchrun(bench.folder(rows), *run(served.url, "--detach", *FLAT_OUT)).wait(WORK_LEFT)
        seen = served.seen()
    if seen.rows != rows:
        raise BenchError(f"{seen.rows} of {rows} rows were submitted")
    return ran, seen


def _of_finished(bench: Bench, rows: int) -> Column:
    bench.tell(f"sizes, {rows:,} rows: the finished batch")
    folder = bench.folder(rows)
    finish(folder)
    with bench.serve() as served:
        verbs = {
            FINISHED: run(served.url),
            "`status`": ("status",),
            "`plan`": plan(),
            "`results`": ("results",),
        }
        column = {name: _again(bench, folder, verb) for name, verb in verbs.items()}
        no_calls(served)
    return column


def _again(bench: Bench, folder: Path, verb: Sequence[str]) -> Cell:
    return Cell(measured=[bench.batchrun(folder, *verb).wait() for _ in range(bench.repeats)])


def no_calls(served: Served) -> None:
    calls = served.seen().calls
    if calls:
        raise BenchError(f"a finished batch made calls: {calls}")


def _grid(columns: dict[int, Column]) -> list[tuple[str, ...]]:
    names = next(iter(columns.values()))
    return [_row(name, {rows: cells[name] for rows, cells in columns.items()}) for name in names]


def _row(name: str, cells: dict[int, Cell]) -> tuple[str, ...]:
    seconds = [(rows, cell.seconds) for rows, cell in cells.items()]
    cpu = [(rows, cell.cpu) for rows, cell in cells.items() if cell.cpu is not None]
    # Other work on the machine lengthens seconds by chance; where there is CPU time, that is judged.
    return (name, *map(str, cells.values()), _growth(seconds, is_judged=not cpu), _growth(cpu))


def _growth(seconds: Sequence[tuple[int, float]], *, is_judged: bool = True) -> str:
    """Compare what a row more costs in the last step with what it costs in the first."""
    if len(seconds) < 3:
        return NOTHING
    first, *_, last = [
        (longer - shorter) / (more - less)
        for (less, shorter), (more, longer) in itertools.pairwise(sorted(seconds))
    ]
    if last < _NOTHING or first < _NOTHING:
        return "flat"
    growth = last / first
    told = f"{1e6 * first:,.0f} to {1e6 * last:,.0f} µs, {growth:.2f} times"
    return told + (": **missed**" if is_judged and growth >= _GROWTH else "")
