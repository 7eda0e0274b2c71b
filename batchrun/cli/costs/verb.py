"""``batchrun costs``: what ended runs cost, and what is left will."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from batchrun.api.objects import ObjectsOnce
from batchrun.cli.calling import Calling
from batchrun.cli.choice import RowOptions
from batchrun.cli.command import group, option, typed_flag, verb
from batchrun.cli.costs.prices import DYNAMIC_GIB, PriceOptions, dynamic_gib, prices_for
from batchrun.cli.costs.words import facts, forecast, lines
from batchrun.cli.exits import Exit
from batchrun.cli.naming import batch_to_read
from batchrun.cli.options import BATCH, SAFE_CSV, WRITTEN
from batchrun.cli.showing.output_file import drafted, file_or_stdout
from batchrun.cli.speak import STDOUT, complain, emit, say
from batchrun.clock import SystemClock
from batchrun.model.costs import PriceLists
from batchrun.model.entries.states import OPEN
from batchrun.model.texts.words import counted
from batchrun.ports.ledger import Ledger
from batchrun.ports.stored import Batch, EndedRun
from batchrun.report.bill import COLUMNS, JSON_COLUMNS, AlikeRows, Bill, Left, bill_of, row
from batchrun.report.chosen import Selection
from batchrun.report.gathering import regions_of, spent_runs
from batchrun.report.outputs import Kind, OutputFile, ProtectedFiles
from batchrun.report.results import CsvSink, JsonLinesSink

if TYPE_CHECKING:
    from batchrun.api.opening import Opening

#: Runs that the service is asked about at once.
_AT_ONCE: Final = 8
#: Seconds between two progress lines.
_TELL_EVERY: Final = 5.0
#: Kinds of output by the value of --format.
_FILES: Final = {
    "csv": Kind(what="costs in CSV", endings=(".csv",)),
    "jsonl": Kind(what="costs in JSON Lines", endings=(".jsonl",)),
    "any": Kind(what="costs", endings=(".csv", ".jsonl")),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Options(Calling):
    """The options of ``batchrun costs``."""

    batch: str | None = BATCH()
    rows: RowOptions = group(RowOptions)
    prices: PriceOptions = group(PriceOptions)
    dynamic_gib: float | None = DYNAMIC_GIB()
    place: str | None = WRITTEN(help="Write a row for each attempt into this file; - is stdout.")
    costs_format: str | None = option(
        "--format",
        type=click.Choice(["csv", "jsonl"]),
        envvar="BATCHRUN_COSTS_FORMAT",
        help="The format of the rows.  [default: by FILE's extension, else csv]",
    )
    force: bool = typed_flag(help="Replace existing files.")
    safe_csv: bool = SAFE_CSV()


@verb(
    Options,
    epilog="It is an estimate, not an invoice: each task's time, a minute at least, by its instance type, "
    "and STATIC storage for the time the run was RUNNING. Needs omics:GetRun and omics:ListRunTasks, once "
    "for each run: the answers are kept in the ledger. Without --prices it needs pricing:GetProducts too."
    "\n\nRead on: 'batchrun help costs', 'batchrun help iam'.",
)
async def costs(options: Options) -> Exit:
    """Estimate what ended runs of BATCH cost, earlier attempts included, and what its open rows will.

    Asks the service what each run used, and keeps the answers: a second time it asks for nothing. If it is
    stopped, run it again: it continues where it stopped.
    """
    login = options.login(_AT_ONCE)
    chosen_by = options.rows.choice(ObjectsOnce(login))
    gib = dynamic_gib(options.dynamic_gib)
    output = _output(options)
    async with options.opening(login) as opened:
        ledger = await opened.found_ledger()
        batch = await batch_to_read(ledger, options.batch)
        regions = await regions_of(ledger, batch)
        prices = await prices_for(options.prices, regions, login, ledger=options.ledger, force=options.force)
        chosen = await _chosen(ledger, batch.name, chosen_by)
        asking = [run for run in chosen if run.usage is None and not run.is_gone]
        if asking:
            await _ask(opened, batch, asking, options)
            chosen = await _chosen(ledger, batch.name, chosen_by)
        bill = bill_of(chosen, prices, gib)
        left = await _left(ledger, batch, chosen_by, prices, gib)
    if options.place is not None:
        form = options.costs_format or Path(options.place).suffix.lower().removeprefix(".")
        _write(bill, output, is_lines=form == "jsonl", is_safe=options.safe_csv)
    _tell(batch.name, bill, left, options)
    return Exit.WORK_LEFT if bill.lacking("not known yet") else Exit.OK


async def _chosen(ledger: Ledger, batch: str, chosen_by: Selection) -> Sequence[EndedRun]:
    meant = None if chosen_by.is_all else await chosen_by.attempts(ledger, batch)
    runs = await spent_runs(ledger, batch)
    return [run for run in runs if meant is None or (run.entry_id, run.attempt) in meant]


async def _ask(opened: Opening, batch: Batch, runs: Sequence[EndedRun], options: Options) -> None:
    from batchrun.engine.upkeep.usage import UsageAnswers, ask_usage  # noqa: PLC0415 (the client takes longer than the arithmetic)

    clock, next_word = SystemClock(), 0.0

    def tell(asked: UsageAnswers) -> None:
        nonlocal next_word
        if not options.output.quiet and (clock.monotonic() >= next_word or asked.done == len(runs)):
            next_word = clock.monotonic() + _TELL_EVERY
            complain(f"asked what {asked.done} of {counted(len(runs), 'run')} used")

    ledger, reach = await opened.ledger(), await opened.reach_of(batch, {run.lane for run in runs})
    asked = await ask_usage(runs, ledger=ledger, reach=reach, clock=clock, at_once=_AT_ONCE, tell=tell)
    for why in sorted({why for _, why in asked.unknown}):
        complain(f"not known: {why}")


async def _left(
    ledger: Ledger, batch: Batch, chosen_by: Selection, prices: PriceLists, gib: Decimal | None
) -> Sequence[Left]:
    rows: Counter[AlikeRows] = Counter()
    regions = {lane.name: lane.region for lane in await ledger.batch(batch.name).lanes()}
    async for entry in chosen_by.entries(ledger, batch.name, sorted(OPEN, key=lambda state: state.value)):
        workflow_id = json.loads(entry.row_request).get("workflowId")
        region = regions.get(entry.may_take[0]) if entry.may_take else batch.region
        rows[AlikeRows(workflow_id=workflow_id, region=region)] += 1
    return await forecast(ledger, rows, prices, gib)


def _tell(batch: str, bill: Bill, left: Sequence[Left], options: Options) -> None:
    if options.output.as_json and options.place != STDOUT:
        emit("costs", batch=batch, **facts(bill, left))
    elif options.place != STDOUT:
        for line in lines(batch, bill, left):
            say(line)


def _output(options: Options) -> OutputFile | None:
    if options.place is None:
        return None
    read = () if options.prices.prices is None else (options.prices.prices,)
    protected = ProtectedFiles(ledger=options.ledger, read=read)
    kind = _FILES[options.costs_format or "any"]
    return file_or_stdout(options.place, kind, protected=protected, force=options.force)


def _write(bill: Bill, output: OutputFile | None, *, is_lines: bool, is_safe: bool) -> None:
    with drafted(output) as draft, draft.open("w", encoding="utf-8", newline="") as file:
        if is_lines:
            sink: CsvSink | JsonLinesSink = JsonLinesSink(file, JSON_COLUMNS, attempts=False)
        else:
            sink = CsvSink(file, COLUMNS, attempts=False, is_safe=is_safe)
        for one in bill.runs:
            sink.add(row(one, bill.prices.currency), ())
        sink.finish()
