"""``batchrun cancel``: stop submitting, and cancel active runs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import click

from batchrun.api.reading import find_batch, inputs_of
from batchrun.cli.choice import (
    CHOICE,
    GO_AHEAD,
    by_status,
    choice,
    counted,
    is_agreed,
    is_told,
    tell_groups,
)
from batchrun.cli.exits import Exit
from batchrun.cli.launching.results_file import results_output
from batchrun.cli.options import (
    BATCH,
    CONCURRENCY,
    LEDGER,
    LISTING_LAG,
    OUTPUT,
    READ_RATE,
    RESULTS,
    SERVICE,
    option,
)
from batchrun.cli.printable import printable
from batchrun.cli.signals import run_async
from batchrun.cli.speak import complain, emit, say
from batchrun.cli.storage import store
from batchrun.clock import SystemClock
from batchrun.ledger import open_ledger
from batchrun.model.cancelling import Scope
from batchrun.model.states import State
from batchrun.report.delivering import look

if TYPE_CHECKING:
    from collections.abc import Sequence

    from batchrun.model.entry import Entry
    from batchrun.ports.ledger import Ledger
    from batchrun.report.chosen import Choice

_UNSENT: Final = (State.PLANNED, State.BACKOFF)
_STATES: Final = (*_UNSENT, State.SUBMITTING, State.ACTIVE)


@click.command(
    epilog="Outputs of a cancelled run are not saved. 'batchrun retry' gives cancelled entries a new "
    "attempt; without it 'batchrun run' leaves them alone and exits with 1."
    "\n\nRead on: 'batchrun help cancel', 'batchrun help iam'."
)
@BATCH
@option("--pending", is_flag=True, show_default=False, help="Only stop submitting; runs go on.")
@CHOICE
@GO_AHEAD
@RESULTS
@LEDGER
@READ_RATE
@CONCURRENCY
@LISTING_LAG
@SERVICE
@OUTPUT
@click.pass_context
def cancel(context: click.Context, /, **options: Any) -> None:
    """
    Stop submitting BATCH, and cancel its active runs.

    Shows what it will do, and asks. What was asked for is kept in the ledger: a launcher that is running
    takes note within seconds and carries it out, else this command does, and waits for the runs' ends.
    """
    context.exit(run_async(_cancel, options))


async def _cancel(options: dict[str, Any]) -> Exit:
    chosen_by = choice(options)
    async with await open_ledger(options["ledger"]) as ledger:
        found = await find_batch(ledger, options["batch"])
        batch = found.name
        inputs = await inputs_of(ledger)
        results = results_output(options["results"], batch, inputs)
        await look(results, store(options))
        states = _UNSENT if options["pending"] else _STATES
        chosen = [entry async for entry in chosen_by.entries(ledger, batch, states)]
        if is_told(options):
            _tell(batch, chosen, options)
        is_left = not chosen and await _is_left(ledger, batch)  # of an earlier cancel that was interrupted
        if options["dry_run"] or not (chosen or is_left):
            return _end(batch, chosen, options, is_done=False)
        if chosen and not is_agreed(options, f"cancel {counted(len(chosen), 'entry', 'entries')}?"):
            return _end(batch, [], options, is_done=False)
    from batchrun.cli.launching.carry_out import carry_out  # noqa: PLC0415 (imports the engine)

    async def ask(ledger: Ledger) -> None:
        await _ask(ledger, batch, chosen_by, chosen, is_pending=options["pending"])

    is_done = await carry_out(found, results, ask, options)
    return _end(batch, chosen, options, is_done=is_done)


async def _ask(
    ledger: Ledger, batch: str, chosen_by: Choice, chosen: Sequence[Entry], *, is_pending: bool
) -> None:
    # All means all: also what changes hands at this moment, and another attempt of what is running.
    ids = None if chosen_by.is_all else [entry.id for entry in chosen]
    scope = Scope.SENDING if is_pending else Scope.RUN
    await ledger.ask_to_cancel(batch, ids, scope=scope, at=SystemClock().utcnow())


async def _is_left(ledger: Ledger, batch: str) -> bool:
    return bool(await ledger.cancellations(batch, limit=1))


def _tell(batch: str, chosen: Sequence[Entry], options: dict[str, Any]) -> None:
    how = " before they are started" if options["pending"] else ""
    say(f"{printable(batch)}: {counted(len(chosen), 'entry', 'entries')} to cancel{how}")
    tell_groups(by_status(chosen))


def _end(batch: str, chosen: Sequence[Entry], options: dict[str, Any], *, is_done: bool) -> Exit:
    if options["as_json"]:
        ids = [entry.id for entry in chosen]
        emit("cancel", batch=batch, ids=ids, dry_run=options["dry_run"], is_done=is_done)
    if is_done:
        return Exit.OK
    if options["dry_run"] or not chosen:
        if is_told(options):
            complain("nothing was changed")
        return Exit.OK
    complain("not all of it is done; it stands in the ledger: cancel again, or run the batch, to go on")
    return Exit.WORK_LEFT
