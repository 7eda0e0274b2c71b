"""``batchrun results``: write the results again, from the ledger alone."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import click

from batchrun.api.objects import StoreWhenNeeded
from batchrun.api.reading import open_ledger, protected_files
from batchrun.api.writing import put_results
from batchrun.cli.calling import login_to
from batchrun.cli.command import flag, group, option, row_texts, typed, typed_flag, verb
from batchrun.cli.completion import columns, conditions
from batchrun.cli.naming import batch_to_read
from batchrun.cli.options import BATCH, LEDGER, SAFE_CSV, WRITTEN, Account
from batchrun.cli.speak import STDOUT, complain, is_terminal, poured, say
from batchrun.cli.values import OutputPath
from batchrun.errors import ResultsError, UsageError
from batchrun.model.texts.words import counted
from batchrun.ports.ledger import Ledger
from batchrun.ports.objects import ObjectStore
from batchrun.ports.stored import Batch, Outcome
from batchrun.report import results as report
from batchrun.report.chosen import begun_again, check, outcomes_of
from batchrun.report.columns import WHOLE, View, read_columns, read_condition
from batchrun.report.delivering import Destination, delivered, output_at
from batchrun.report.outputs import OF_RESULTS, RESULTS, ProtectedFiles, is_device, listed

_PARQUET: Final = report.ResultsFormat.PARQUET.value


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """The options of ``batchrun results``."""

    batch: str | None = BATCH()
    results_format: str | None = option(
        "--format",
        type=click.Choice([one.value for one in report.ResultsFormat]),
        envvar="BATCHRUN_RESULTS_FORMAT",
        help="The format of the results.  [default: by FILE's extension, else csv]",
    )
    output: str | None = WRITTEN(
        help="Where to write them, s3://BUCKET/KEY too; - is stdout.  [default: BATCH.results.FORMAT, or "
        "stdout with --where, --columns or --attempts]"
    )
    where: tuple[str, ...] = row_texts(
        metavar="CONDITION",
        shell_complete=conditions,
        help="Only rows that match; repeatable, and all conditions must hold.",
    )
    columns: str | None = option(
        metavar="A,B,C",
        shell_complete=columns,
        help="Only these columns, in this order. Apart from the usual ones ('all'): taskReason, "
        "StartRun fields such as storageType, and the rows' own parameters.NAME and tags.NAME.",
    )
    attempts: bool = flag(help="Earlier attempts too; in CSV, a row for each attempt.")
    failed_manifest: str | None = typed(
        type=OutputPath(),
        metavar="FILE",
        help="Write the rows that did not succeed, or that --where chooses, as a manifest: .yaml, "
        ".json, .jsonl, .csv or .tsv, s3://BUCKET/KEY too, without retry:. Without -o, write nothing else.",
    )
    force: bool = typed_flag(help="Replace the file of --failed-manifest if it exists.")
    safe_csv: bool = SAFE_CSV()
    ledger: str = LEDGER()
    account: Account = group(Account)

    @property
    def view(self) -> View:
        """The columns and rows to show."""
        return View(
            where=tuple(read_condition(text) for text in self.where),
            columns=None if self.columns is None else read_columns(self.columns),
            attempts=self.attempts,
        )

    @property
    def format(self) -> str:
        """The format that was asked for, or by the file's extension."""
        place = self.output or ""
        ending = Path(place).suffix.lower()
        if ending and ending not in OF_RESULTS and not is_device(Path(place)):
            raise UsageError(f"-o {place}: the name of results must end in {listed(OF_RESULTS)}")
        return self.results_format or ending.removeprefix(".") or report.ResultsFormat.CSV.value


@verb(
    Options,
    epilog="CONDITION is COLUMN=GLOB or COLUMN!=GLOB, such as status=FAILED, id=NA12*, "
    "failureReason=*MEMORY*, taskReason=*MEMORY* (any failed task's) or tags.family=CEU*; statuses and "
    "reasons may be in either case. Earlier attempts are in json, jsonl and parquet anyway, within their "
    "entry.\n\nRead on: 'batchrun help results'.",
)
async def results(options: Options) -> None:
    """Write the results of BATCH: one row per entry, in manifest order.

    The file, or the object at s3://BUCKET/KEY, is replaced as a whole. BATCH may be left out where the ledger
    has only one.
    """
    view, failed = options.view, _failed_manifest(options)  # before anything is opened
    async with open_ledger(options.ledger, for_once=True) as ledger:
        batch = await batch_to_read(ledger, options.batch)
        await check(ledger, batch.name, view.where, view.names)
        protected = await protected_files(ledger)
        if failed is not None:
            failed = replace(failed, protected=protected)
            failed.check()
        in_s3 = StoreWhenNeeded(login_to(options.account))

        def outcomes() -> AsyncIterator[Outcome]:
            return outcomes_of(ledger, batch.name, view)

        is_wanted = options.output is not None or failed is None
        output = _output(options, view, batch, protected) if is_wanted else None
        if failed is not None:
            await _write_failed(failed, ledger, batch, view, in_s3)
        if output is not None:
            count = await begun_again(
                lambda: put_results(
                    output, in_s3, outcomes(), options.format, view=view, is_safe=options.safe_csv
                )
            )
            say(f"{output.shown}: {counted(count, 'row')}")
        elif is_wanted:
            format_ = report.ResultsFormat(options.format)
            with poured(ResultsError) as stdout:
                await report.write_to(stdout, outcomes(), format_, is_safe=options.safe_csv, view=view)


def _failed_manifest(options: Options) -> Destination | None:
    if options.failed_manifest is None:
        return None
    from batchrun.api.written_manifests import manifest_output  # noqa: PLC0415 (loads the manifest's formats)

    return manifest_output(
        options.failed_manifest, ProtectedFiles(ledger=options.ledger), force=options.force
    )


def _output(options: Options, view: View, batch: Batch, protected: ProtectedFiles) -> Destination | None:
    """Return where the results go; None for stdout."""
    place = options.output
    if place is None:
        # A part of the results must not replace the whole.
        place = f"{batch.name}.results.{options.format}" if view == WHOLE else STDOUT
    if options.format == _PARQUET:
        report.pyarrow()
        if place == STDOUT and is_terminal(sys.stdout):
            raise UsageError("Parquet cannot be shown on a terminal; give -o FILE, or --format csv")
    if place == STDOUT:
        return None
    return output_at(
        place, RESULTS[options.format], option="-o FILE", again="the same command", protected=protected
    )


async def _write_failed(
    output: Destination, ledger: Ledger, batch: Batch, view: View, in_s3: ObjectStore
) -> None:
    from batchrun.api.written_manifests import write_failed  # noqa: PLC0415 (loads the manifest's formats)

    async with delivered(output, in_s3) as file:
        count = await write_failed(file, outcomes_of(ledger, batch.name, view), view)
    if count:
        complain(f"{output.shown}: {counted(count, 'row')}")
    else:
        which = "is chosen by --where" if view.where else "ended without success"
        complain(f"{batch.name}: no row {which}; {output.shown} was not written")
