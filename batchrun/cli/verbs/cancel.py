"""``batchrun cancel``: stop submitting, and cancel active runs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from batchrun.api.objects import ObjectsOnce, StoreWhenNeeded
from batchrun.api.reading import inputs_of
from batchrun.cli.batches import batch_to_change
from batchrun.cli.calling import login_of, opening
from batchrun.cli.choice import GoAhead, Rows, by_status, tell_groups
from batchrun.cli.command import flag, group, verb
from batchrun.cli.exits import Exit
from batchrun.cli.launching.results_file import results_output
from batchrun.cli.options import (
    BATCH,
    CONCURRENCY,
    LEDGER,
    LISTING_LAG,
    REACHED,
    READ_RATE,
    RESULTS,
    Output,
    Service,
)
from batchrun.cli.speak import complain, emit, say
from batchrun.cli.wording import counted
from batchrun.clock import SystemClock
from batchrun.model.entries.policies import WatchPolicy
from batchrun.model.entries.states import State
from batchrun.model.planning.cancelling import Scope
from batchrun.model.planning.limits import Limits
from batchrun.report.delivering import look

if TYPE_CHECKING:
    from collections.abc import Sequence

    from batchrun.model.entries.entry import Entry
    from batchrun.model.paces.pace import Rate
    from batchrun.ports.ledger import Ledger
    from batchrun.report.chosen import Choice

_UNSENT: Final = (State.PLANNED, State.BACKOFF)
_STATES: Final = (*_UNSENT, State.SUBMITTING, State.ACTIVE)
#: Nobody watches for days here, so a run's end is looked for more often than a launch would.
_WATCH: Final = WatchPolicy(longest=15.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """The options of ``batchrun cancel``."""

    batch: str | None = BATCH()
    pending: bool = flag("--pending", help="Only stop submitting; active runs continue.")
    rows: Rows = group(Rows)
    go: GoAhead = group(GoAhead)
    results: str | None = RESULTS()
    ledger: str = LEDGER()
    read_rate: Rate = READ_RATE()
    concurrency: int = CONCURRENCY()
    listing_lag: float = LISTING_LAG()
    lanes: str | None = REACHED()
    service: Service = group(Service)
    output: Output = group(Output)


@verb(
    Options,
    epilog="Outputs of a cancelled run are not saved. 'batchrun retry' gives cancelled entries a new "
    "attempt; without it 'batchrun run' leaves them alone and exits with 1."
    "\n\nRead on: 'batchrun help cancel', 'batchrun help iam'.",
)
async def cancel(options: Options) -> Exit:
    """
    Stop submitting BATCH, and cancel its active runs.

    Shows what it will do, and asks. What was asked for is kept in the ledger: a launcher that is running
    takes note within seconds and carries it out, else this command does, and waits for the runs' ends.
    """
    login = login_of(options)
    chosen_by = options.rows.choice(ObjectsOnce(login))
    async with opening(options, login) as opened:
        ledger = await opened.found_ledger()
        found = await batch_to_change(ledger, options.batch)
        batch = found.name
        results = results_output(options.results, batch, await inputs_of(ledger))
        await look(results, StoreWhenNeeded(login))
        states = _UNSENT if options.pending else _STATES
        chosen = [entry async for entry in chosen_by.entries(ledger, batch, states)]
        if options.go.is_told(options.output):
            _tell(batch, chosen, options)
        is_left = not chosen and await _is_left(ledger, batch)  # of an earlier cancel that was interrupted
        if options.go.dry_run or not (chosen or is_left):
            return _end(batch, chosen, options, is_done=False)
        if chosen and not options.go.is_agreed(f"cancel {counted(len(chosen), 'entry', 'entries')}?"):
            return _end(batch, [], options, is_done=False)
    from batchrun.cli.launching.carry_out import carry_out  # noqa: PLC0415 (imports the engine)

    async def ask(ledger: Ledger) -> None:
        await _ask(ledger, batch, chosen_by, chosen, is_pending=options.pending)

    limits = Limits(concurrency=options.concurrency, listing_lag=options.listing_lag, watch=_WATCH)
    is_done = await carry_out(found, results, ask, options, login, limits)
    return _end(batch, chosen, options, is_done=is_done)


async def _ask(
    ledger: Ledger, batch: str, chosen_by: Choice, chosen: Sequence[Entry], *, is_pending: bool
) -> None:
    # All means all: also what changes hands at this moment, and another attempt of what is running.
    ids = None if chosen_by.is_all else [entry.id for entry in chosen]
    scope = Scope.SENDING if is_pending else Scope.RUN
    await ledger.batch(batch).ask_to_cancel(ids, scope=scope, at=SystemClock().utcnow())


async def _is_left(ledger: Ledger, batch: str) -> bool:
    return bool(await ledger.batch(batch).cancellations(limit=1))


def _tell(batch: str, chosen: Sequence[Entry], options: Options) -> None:
    how = " before they are started" if options.pending else ""
    say(f"{batch}: {counted(len(chosen), 'entry', 'entries')} to cancel{how}")
    tell_groups(by_status(chosen))


def _end(batch: str, chosen: Sequence[Entry], options: Options, *, is_done: bool) -> Exit:
    if options.output.as_json:
        ids = [entry.id for entry in chosen]
        emit("cancel", batch=batch, ids=ids, dry_run=options.go.dry_run, is_done=is_done)
    if is_done:
        return Exit.OK
    if options.go.dry_run or not chosen:
        if options.go.is_told(options.output):
            complain("nothing was changed")
        return Exit.OK
    complain(
        "not everything is cancelled yet; the request is in the ledger: cancel again, or run the batch, to "
        "continue"
    )
    return Exit.WORK_LEFT
