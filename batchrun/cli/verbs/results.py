"""``batchrun results``: write the results again, from the ledger alone."""

from __future__ import annotations

import errno
import os
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from batchrun.api.reading import find_batch, inputs_of, open_ledger
from batchrun.cli.completion import columns, conditions
from batchrun.cli.options import ACCOUNT, BATCH, LEDGER, SAFE_CSV, option
from batchrun.cli.printable import printable
from batchrun.cli.showing.output_file import STDOUT
from batchrun.cli.signals import run_async
from batchrun.cli.speak import complain, say, swallow
from batchrun.cli.storage import store
from batchrun.cli.values import Lines, OutputPath
from batchrun.errors import ResultsError, UsageError
from batchrun.report import results as report
from batchrun.report.chosen import check, outcomes_of
from batchrun.report.delivering import delivered, output_at
from batchrun.report.kinds import RESULTS
from batchrun.report.outputs import Inputs, is_device, listed
from batchrun.report.view import WHOLE, View, read_columns, read_condition

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from batchrun.ports.ledger import Batch, Ledger, Outcome
    from batchrun.ports.objects import Store
    from batchrun.report.delivering import Destination

_PARQUET: Final = "parquet"
_FORMATS: Final = (*(one.value for one in report.ResultsFormat), _PARQUET)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Wanted:
    """What is to be written, and where."""

    view: View
    format: str
    is_wanted: bool  #: False: nothing but the manifest of failed rows
    output: Destination | None  #: None is stdout
    failed_manifest: Destination | None
    safe_csv: bool
    store: Store  #: for what goes to S3


@click.command(
    epilog="CONDITION is COLUMN=GLOB or COLUMN!=GLOB, such as status=FAILED, id=NA12*, "
    "failureReason=*MEMORY*, taskReason=*MEMORY* (any failed task's) or tags.family=CEU*; statuses and "
    "reasons may be in either case. Earlier attempts are in json, jsonl and parquet anyway, within their "
    "entry."
    "\n\nRead on: 'batchrun help results'."
)
@BATCH
@option(
    "--format",
    "results_format",
    type=click.Choice(_FORMATS),
    envvar="BATCHRUN_RESULTS_FORMAT",
    help="How to write them.  [default: by FILE's extension, else csv]",
)
@option(
    "-o",
    "--output",
    type=OutputPath(),
    metavar="FILE",
    help="Where to write them, s3://BUCKET/KEY too; - is stdout.  [default: BATCH.results.FORMAT, or stdout "
    "where --where, --columns or --attempts ask for something else than the whole]",
)
@option(
    "--where",
    type=Lines(),
    multiple=True,
    metavar="CONDITION",
    shell_complete=conditions,
    help="Only rows that are so; repeatable, and then each must hold.",
)
@option(
    "--columns",
    metavar="A,B,C",
    shell_complete=columns,
    help="Only these columns, in this order. Beside the usual ones, which 'all' stands for: taskReason, "
    "StartRun fields such as storageType, and the rows' own parameters.NAME and tags.NAME.",
)
@option(
    "--attempts",
    is_flag=True,
    show_default=False,
    help="Earlier attempts too; in CSV, a row for each attempt.",
)
@option(
    "--failed-manifest",
    type=OutputPath(),
    metavar="FILE",
    help="Write the rows that ended without success, or that --where chooses, as a manifest: .yaml, .json, "
    ".jsonl, .csv or .tsv, in S3 too, without its retry:. Without -o, write nothing else.",
)
@option(
    "--force",
    is_flag=True,
    show_default=False,
    help="Replace the file of --failed-manifest if it is there already.",
)
@SAFE_CSV
@LEDGER
@ACCOUNT
def results(**options: Any) -> None:
    """
    Write the results of BATCH: one row per entry, in manifest order.

    The file, or the object at s3://BUCKET/KEY, is replaced as a whole. BATCH may be left out where the ledger
    has only one.
    """
    run_async(_results, options)


async def _results(options: dict[str, Any]) -> None:
    view = _view(options)
    failed_manifest = _failed_manifest(options)  # before anything is opened
    async with open_ledger(options["ledger"]) as ledger:
        batch = await find_batch(ledger, options["batch"])
        await check(ledger, batch.name, view.where, view.names)
        inputs = await inputs_of(ledger)
        if failed_manifest is not None:
            failed_manifest = replace(failed_manifest, inputs=inputs)
            failed_manifest.check()
        wanted = _wanted(options, view, batch, inputs, failed_manifest)
        if wanted.failed_manifest is not None:
            await _write_failed(wanted.failed_manifest, ledger, batch, wanted)
        if wanted.output is not None:
            await _to_file(wanted.output, outcomes_of(ledger, batch.name, view), wanted)
        elif wanted.is_wanted:
            await _to_stdout(outcomes_of(ledger, batch.name, view), wanted)


def _view(options: dict[str, Any]) -> View:
    return View(
        where=tuple(read_condition(text) for text in options["where"]),
        columns=read_columns(options["columns"]) if options["columns"] is not None else None,
        attempts=options["attempts"],
    )


def _failed_manifest(options: dict[str, Any]) -> Destination | None:
    if options["failed_manifest"] is None:
        return None
    from batchrun.cli.showing.failed_manifest import manifest_output  # noqa: PLC0415 (loads the manifest's formats)

    inputs = Inputs(ledger=options["ledger"])
    return manifest_output(options["failed_manifest"], inputs, force=options["force"])


def _wanted(
    options: dict[str, Any], view: View, batch: Batch, inputs: Inputs, failed_manifest: Destination | None
) -> _Wanted:
    format_, place = _format(options), options["output"]
    if place is None:
        # A part of the results must not take the place of the whole.
        place = f"{batch.name}.results.{format_}" if view == WHOLE else STDOUT
    is_wanted = options["output"] is not None or failed_manifest is None
    if format_ == _PARQUET and is_wanted:
        _check_parquet(is_stdout=place == STDOUT)
    output = (
        output_at(place, RESULTS[format_], option="-o FILE", again="the same command", inputs=inputs)
        if is_wanted and place != STDOUT
        else None
    )
    return _Wanted(
        view=view,
        format=format_,
        is_wanted=is_wanted,
        output=output,
        failed_manifest=failed_manifest,
        safe_csv=options["safe_csv"],
        store=store(options),
    )


def _format(options: dict[str, Any]) -> str:
    """Return the format that was asked for, or that the file's name says."""
    place, asked = options["output"] or "", options["results_format"]
    ending = Path(place).suffix.lower()
    known = tuple(end for kind in RESULTS.values() for end in kind.endings)
    if ending and ending not in known and not is_device(Path(place)):
        raise UsageError(f"-o {place}: the name of results must end in {listed(known)}")
    return asked or ending.removeprefix(".") or report.ResultsFormat.CSV.value


def _check_parquet(*, is_stdout: bool) -> None:
    from batchrun.report import parquet  # noqa: PLC0415

    parquet.check()
    if is_stdout and sys.stdout is not None and sys.stdout.isatty():
        raise UsageError("Parquet is not for a terminal to show; give -o FILE, or --format csv")


async def _to_stdout(outcomes: AsyncIterator[Outcome], wanted: _Wanted) -> None:
    if sys.stdout is None:
        raise ResultsError("stdout", OSError(errno.EBADF, os.strerror(errno.EBADF)))
    try:
        if wanted.format == _PARQUET:
            from batchrun.report.parquet import ParquetSink  # noqa: PLC0415 (few have pyarrow)

            await report.fill(ParquetSink(sys.stdout.buffer, wanted.view), outcomes, wanted.view)
        else:
            format_ = report.ResultsFormat(wanted.format)
            await report.write_to(sys.stdout, outcomes, format_, is_safe=wanted.safe_csv, view=wanted.view)
        sys.stdout.flush()
    except BrokenPipeError:  # whoever reads has seen enough
        swallow(sys.stdout)
    except OSError as error:
        swallow(sys.stdout)
        raise ResultsError("stdout", error) from error


async def _to_file(output: Destination, outcomes: AsyncIterator[Outcome], wanted: _Wanted) -> None:
    async with delivered(output, wanted.store) as file:
        if wanted.format == _PARQUET:
            from batchrun.report import parquet  # noqa: PLC0415 (few have pyarrow)

            count = await parquet.write(file, outcomes, wanted.view)
        else:
            format_ = report.ResultsFormat(wanted.format)
            count = await report.write(file, outcomes, format_, is_safe=wanted.safe_csv, view=wanted.view)
    say(printable(f"{output.shown}: {_rows(count)}"))


async def _write_failed(output: Destination, ledger: Ledger, batch: Batch, wanted: _Wanted) -> None:
    from batchrun.cli.showing.failed_manifest import write_failed  # noqa: PLC0415 (loads the manifest's formats)

    outcomes = outcomes_of(ledger, batch.name, wanted.view)
    async with delivered(output, wanted.store) as file:
        count = await write_failed(file, outcomes, wanted.view)
    if count:
        complain(printable(f"{output.shown}: {_rows(count)}"))
    else:
        which = "is chosen by --where" if wanted.view.where else "ended without success"
        complain(printable(f"{batch.name}: no row {which}; {output.shown} was not written"))


def _rows(count: int) -> str:
    return "1 row" if count == 1 else f"{count} rows"
