"""``batchrun costs``: what ended runs cost, and what is left will."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from batchrun.api.reading import find_batch
from batchrun.cli.choice import CHOICE, choice, counted
from batchrun.cli.costs.prices import DYNAMIC_GIB, dynamic_gib, prices_for
from batchrun.cli.costs.words import facts, forecast, lines
from batchrun.cli.exits import Exit
from batchrun.cli.options import BATCH, LEDGER, OUTPUT, READ_RATE, SAFE_CSV, SERVICE, option
from batchrun.cli.printable import printable
from batchrun.cli.showing.output_file import STDOUT, drafted, named
from batchrun.cli.signals import run_async
from batchrun.cli.speak import complain, emit, say
from batchrun.cli.values import OutputPath
from batchrun.clock import SystemClock
from batchrun.errors import UsageError
from batchrun.ledger import is_there, open_ledger
from batchrun.model.states import OPEN
from batchrun.report.bill import COLUMNS, JSON_COLUMNS, billed, row
from batchrun.report.gathering import spent_runs
from batchrun.report.outputs import Inputs, Kind
from batchrun.report.results import CsvSink, JsonLinesSink

if TYPE_CHECKING:
    from collections.abc import Sequence
    from decimal import Decimal

    from batchrun.model.costs import Prices
    from batchrun.ports.ledger import Batch, Ledger
    from batchrun.ports.usages import SpentRun
    from batchrun.report.bill import Bill, Left
    from batchrun.report.chosen import Choice
    from batchrun.report.outputs import OutputFile

#: Runs that are asked for at once.
_AT_ONCE: Final = 8
#: Seconds between two words on how far it is.
_TELL_EVERY: Final = 5.0
#: By what --format says, or where it says nothing.
_FILES: Final = {
    "csv": Kind(what="costs in CSV", endings=(".csv",)),
    "jsonl": Kind(what="costs in JSON Lines", endings=(".jsonl",)),
    "any": Kind(what="costs", endings=(".csv", ".jsonl")),
}


@click.command(
    epilog="It is an estimate, not an invoice: each task's time, a minute at least, by its instance type, "
    "and STATIC storage for the time the run was RUNNING. Needs omics:GetRun and omics:ListRunTasks, once "
    "for each run: what was learned is kept in the ledger. Without --prices it needs pricing:GetProducts too."
    "\n\nRead on: 'batchrun help costs', 'batchrun help iam'."
)
@BATCH
@CHOICE
@option(
    "--prices",
    metavar="FILE",
    help="Prices per hour, as --save-prices writes them.  [default: ask the Pricing API]",
)
@option(
    "--save-prices",
    type=OutputPath(),
    metavar="FILE",
    help="Write the prices that were asked for into this file.",
)
@DYNAMIC_GIB
@option(
    "-o",
    "--output",
    type=OutputPath(),
    metavar="FILE",
    help="Write a row for each attempt into this file; - is stdout.",
)
@option(
    "--format",
    "costs_format",
    type=click.Choice(["csv", "jsonl"]),
    envvar="BATCHRUN_COSTS_FORMAT",
    help="How to write the rows.  [default: by FILE's extension, else csv]",
)
@option("--force", is_flag=True, show_default=False, help="Replace files that are there.")
@SAFE_CSV
@LEDGER
@READ_RATE
@SERVICE
@OUTPUT
@click.pass_context
def costs(context: click.Context, /, **options: Any) -> None:
    """
    Estimate what ended runs of BATCH cost, of earlier attempts too, and what its open rows will.

    Asks the service what each run used, once; a second time it calls nobody. Stopped, it loses nothing: the
    same command goes on.
    """
    context.exit(run_async(_costs, options))


async def _costs(options: dict[str, Any]) -> Exit:
    chosen_by = choice(options)
    gib = dynamic_gib(options)
    output = _output(options)
    if not is_there(options["ledger"]):
        raise UsageError(f"no ledger at {options['ledger']}; give --ledger or run a batch first")
    async with await open_ledger(options["ledger"]) as ledger:
        batch = await find_batch(ledger, options["batch"])
        prices = await prices_for(options, batch.region)
        chosen = await _chosen(ledger, batch.name, chosen_by)
        asking = [run for run in chosen if run.usage is None and not run.is_gone]
        if asking:
            await _ask(ledger, batch, asking, options)
            chosen = await _chosen(ledger, batch.name, chosen_by)
        bill = billed(chosen, prices, gib)
        left = await _left(ledger, batch.name, chosen_by, prices, gib)
    if options["output"] is not None:
        _write(bill, output, options)
    _tell(batch.name, bill, left, options)
    return Exit.WORK_LEFT if bill.lacking("not known yet") else Exit.OK


async def _chosen(ledger: Ledger, batch: str, chosen_by: Choice) -> Sequence[SpentRun]:
    meant = None if chosen_by.is_all else await chosen_by.attempts(ledger, batch)
    runs = await spent_runs(ledger, batch)
    return [run for run in runs if meant is None or (run.entry_id, run.attempt) in meant]


async def _ask(ledger: Ledger, batch: Batch, runs: Sequence[SpentRun], options: dict[str, Any]) -> None:
    # Only now: to import the client takes longer than to reckon.
    from batchrun.cli.calling import calling_session  # noqa: PLC0415
    from batchrun.cli.options import output  # noqa: PLC0415
    from batchrun.engine.usage import Asked, ask_usage  # noqa: PLC0415

    shown, clock = output(options), SystemClock()
    next_word = 0.0

    def tell(asked: Asked) -> None:
        nonlocal next_word
        if not shown.quiet and (clock.monotonic() >= next_word or asked.done == len(runs)):
            next_word = clock.monotonic() + _TELL_EVERY
            complain(f"asked what {asked.done} of {counted(len(runs), 'run', 'runs')} used")

    async with calling_session(options, concurrency=_AT_ONCE) as session:
        service = await session.service_of(batch)
        asked = await ask_usage(
            runs, ledger=ledger, service=service, clock=clock, at_once=_AT_ONCE, tell=tell
        )
    for why in sorted({why for _, why in asked.unknown}):
        complain(printable(f"not known: {why}"))


async def _left(
    ledger: Ledger, batch: str, chosen_by: Choice, prices: Prices, gib: Decimal | None
) -> Sequence[Left]:
    rows: Counter[str | None] = Counter()
    async for entry in chosen_by.entries(ledger, batch, sorted(OPEN, key=lambda state: state.value)):
        rows[json.loads(entry.content).get("workflowId")] += 1
    return await forecast(ledger, rows, prices, gib)


def _tell(batch: str, bill: Bill, left: Sequence[Left], options: dict[str, Any]) -> None:
    if options["as_json"] and options["output"] != STDOUT:
        emit("costs", batch=batch, **facts(bill, left))
    elif options["output"] != STDOUT:
        for line in lines(batch, bill, left):
            say(printable(line))


def _output(options: dict[str, Any]) -> OutputFile | None:
    if options["output"] is None:
        return None
    read = () if options["prices"] is None else (options["prices"],)
    inputs = Inputs(ledger=options["ledger"], read=read)
    kind = _FILES[options["costs_format"] or "any"]
    return named(options["output"], kind, option="-o FILE", inputs=inputs, force=options["force"])


def _write(bill: Bill, output: OutputFile | None, options: dict[str, Any]) -> None:
    is_lines = (
        options["costs_format"] or Path(options["output"]).suffix.lower().removeprefix(".")
    ) == "jsonl"
    with (
        drafted(output) as draft,
        draft.open("w", encoding="utf-8", newline="") as file,
    ):
        if is_lines:
            sink: CsvSink | JsonLinesSink = JsonLinesSink(file, JSON_COLUMNS, attempts=False)
        else:
            sink = CsvSink(file, COLUMNS, attempts=False, is_safe=options["safe_csv"])
        for one in bill.runs:
            sink.add(row(one, bill.prices.currency), ())
        sink.finish()
