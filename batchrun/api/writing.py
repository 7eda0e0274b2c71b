"""Results and reports as files, for programs."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from pathlib import Path

from batchrun.api.given import several
from batchrun.api.objects import OneLogin, StoreWhenNeeded
from batchrun.api.reading import find_batch, protected_files
from batchrun.clock import SystemClock
from batchrun.errors import UsageError
from batchrun.ports.ledger import Ledger
from batchrun.ports.objects import ObjectStore
from batchrun.ports.stored import Outcome
from batchrun.report import results
from batchrun.report.chosen import begun_again, check, outcomes_of
from batchrun.report.columns import View, read_columns, read_condition
from batchrun.report.delivering import Destination, delivered, output_at
from batchrun.report.outputs import OF_RESULTS, REPORT, RESULTS, listed
from batchrun.service.target import CONFIGURED, Target


async def write_results(
    ledger: Ledger,
    batch: str,
    path: str | Path,
    *,
    columns: str | Iterable[str] | None = None,
    where: str | Iterable[str] = (),
    attempts: bool = False,
    safe_csv: bool = False,
    target: Target = CONFIGURED,
) -> int:
    """Write one row for each entry, in manifest order, and return how many rows; the file is replaced whole.

    Args:
        ledger: An open one: ``open_ledger(...)``, or ``launch.ledger`` during a launch.
        batch: One that the ledger has.
        path: ``.csv``, ``.json``, ``.jsonl`` or ``.parquet``; a file, or ``s3://BUCKET/KEY``. A file with
            other content is never replaced, nor are the ledger and the manifests of its batches.
        columns: Only these, in this order: ``["id", "status", "tags.family"]``; ``all`` is the usual ones.
        where: Only rows that match: ``["status!=COMPLETED", "taskReason=*MEMORY*"]``.
        attempts: Earlier attempts too; in a CSV, a row for each.
        safe_csv: Put an apostrophe before cells that a spreadsheet would take for a formula.
        target: The login for a *path* in S3; its endpoint is used for HealthOmics only.

    Raises:
        UsageError: There is no such batch, column or status; or the file may not be replaced.
        ResultsError: The file cannot be written; the old one, if any, is unchanged.
        DeliveryError: It cannot be written to S3; the old object, if any, is unchanged.
    """
    view = View(
        where=tuple(read_condition(one) for one in several(where)),
        columns=None if columns is None else read_columns(",".join(several(columns))),
        attempts=attempts,
    )
    await find_batch(ledger, batch)
    await check(ledger, batch, view.where, view.names)
    format_ = _format(Path(path))
    protected = await protected_files(ledger)
    output = output_at(str(path), RESULTS[format_], option="path", again="write_results", protected=protected)

    async def written() -> int:
        outcomes, in_s3 = outcomes_of(ledger, batch, view), StoreWhenNeeded(OneLogin(target))
        return await put_results(output, in_s3, outcomes, format_, view=view, is_safe=safe_csv)

    return await begun_again(written)


async def put_results(
    output: Destination,
    store: ObjectStore,
    outcomes: AsyncIterator[Outcome],
    format_: str,
    *,
    view: View,
    is_safe: bool,
) -> int:
    """Replace *output* with the results in a format, and return the number of rows."""
    async with delivered(output, store) as file:
        return await results.write(file, outcomes, results.ResultsFormat(format_), is_safe=is_safe, view=view)


async def write_report(ledger: Ledger, batch: str, path: str | Path, *, target: Target = CONFIGURED) -> None:
    """Write the report of *batch*: one HTML file or object, replaced as a whole; see :func:`write_results`.

    Raises:
        UsageError: There is no such batch; or the file may not be replaced.
        ReportError: The file cannot be written; the old one, if any, is unchanged.
        DeliveryError: It cannot be written to S3; the old object, if any, is unchanged.
    """
    # Only now: importing jinja2 takes as long as everything else together.
    from batchrun.report import html  # noqa: PLC0415
    from batchrun.report.gathering import gathered  # noqa: PLC0415

    protected = await protected_files(ledger)
    output = output_at(str(path), REPORT, option="path", again="write_report", protected=protected)
    found = await find_batch(ledger, batch)
    async with delivered(output, StoreWhenNeeded(OneLogin(target))) as file:
        html.write(file, await gathered(ledger, found, SystemClock().utcnow()))


def _format(path: Path) -> str:
    format_ = path.suffix.lower().removeprefix(".")
    if format_ not in RESULTS:
        raise UsageError(f"{path}: the name of results must end in {listed(OF_RESULTS)}")
    return format_
