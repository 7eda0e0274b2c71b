"""
Results and reports as files, for programs.

Belongs here: these calls. Does not: what is in the files, and what they may replace (``report``).
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from batchrun.api.reading import find_batch, inputs_of
from batchrun.clock import SystemClock
from batchrun.errors import UsageError
from batchrun.report import asked, results
from batchrun.report import where as words
from batchrun.report.kinds import REPORT, RESULTS
from batchrun.report.outputs import OutputFile, listed

if TYPE_CHECKING:
    from collections.abc import Iterable

    from batchrun.ports.ledger import Ledger

_PARQUET = "parquet"


async def write_results(
    ledger: Ledger,
    batch: str,
    path: str | Path,
    *,
    columns: Iterable[str] | None = None,
    where: Iterable[str] = (),
    attempts: bool = False,
    safe_csv: bool = False,
) -> int:
    """
    Write one row for each entry, in manifest order, and return how many; the file is replaced as a whole.

    Args:
        ledger: An open one: ``open_ledger(...)``, or ``launch.ledger`` while a launch goes on.
        batch: One that the ledger has.
        path: ``.csv``, ``.json``, ``.jsonl`` or ``.parquet``. A file that holds something else stays, and so
            do the ledger and the manifests of its batches, by whichever name.
        columns: Only these, in this order: ``["id", "status", "tags.family"]``; ``all`` is the usual ones.
        where: Only rows that are so: ``["status!=COMPLETED", "taskReason=*MEMORY*"]``.
        attempts: Earlier attempts too; in a CSV, a row for each.
        safe_csv: Put an apostrophe before cells that a spreadsheet would take for a formula.

    Raises:
        UsageError: There is no such batch, column or status; or the file may not be replaced.
        ResultsError: The file cannot be written; the old one, if any, is as it was.
    """
    view = results.View(
        where=tuple(words.parse(one) for one in where),
        columns=None if columns is None else words.columns(",".join(columns)),
        attempts=attempts,
    )
    await find_batch(ledger, batch)
    await asked.check(ledger, batch, view.where, view.names)
    format_ = _format(Path(path))
    inputs = await inputs_of(ledger)
    output = OutputFile(path=Path(path), kind=RESULTS[format_], option="path", inputs=inputs)
    outcomes = asked.outcomes(ledger, batch, view)
    if format_ == _PARQUET:
        from batchrun.report import parquet  # noqa: PLC0415 (few have pyarrow)

        return await parquet.write(output, outcomes, view)
    return await results.write(output, outcomes, results.Format(format_), is_safe=safe_csv, view=view)


async def write_report(ledger: Ledger, batch: str, path: str | Path) -> None:
    """
    Write the report of *batch*: one HTML file, replaced as a whole; see :func:`write_results`.

    Raises:
        UsageError: There is no such batch; or the file may not be replaced.
        ReportError: The file cannot be written; the old one, if any, is as it was.
    """
    # Only now: jinja2 takes as long to import as everything else together.
    from batchrun.report import html  # noqa: PLC0415
    from batchrun.report.gathering import gathered  # noqa: PLC0415

    inputs = await inputs_of(ledger)
    output = OutputFile(path=Path(path), kind=REPORT, option="path", inputs=inputs)
    output.check()
    found = await find_batch(ledger, batch)
    html.write(output, await gathered(ledger, found, SystemClock().utcnow()))


def _format(path: Path) -> str:
    format_ = path.suffix.lower().removeprefix(".")
    if format_ not in RESULTS:
        known = tuple(end for kind in RESULTS.values() for end in kind.endings)
        raise UsageError(f"{path}: the name of results must end in {listed(known)}")
    return format_
