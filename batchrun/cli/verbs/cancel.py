"""``batchrun cancel``: stop submitting, and cancel active runs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from batchrun.api.objects import ObjectsOnce, OneLogin, StoreWhenNeeded
from batchrun.api.reading import protected_files
from batchrun.cli.calling import Calling
from batchrun.cli.choice import GoAhead, RowOptions, by_status, tell_groups
from batchrun.cli.command import flag, group, verb
from batchrun.cli.exits import Exit
from batchrun.cli.launching.results_file import results_output, write_results
from batchrun.cli.naming import batch_to_change
from batchrun.cli.options import BATCH, CONCURRENCY, LISTING_LAG, RESULTS, Output
from batchrun.cli.signals import Stopping, heard
from batchrun.cli.speak import complain, emit, printable, say
from batchrun.clock import SystemClock
from batchrun.errors import LeaseHeldError
from batchrun.model.entries.entry import Entry
from batchrun.model.entries.policies import WatchPolicy
from batchrun.model.entries.states import UNSENT, State
from batchrun.model.planning.cancelling import Scope
from batchrun.model.planning.limits import Limits
from batchrun.model.texts.words import counted
from batchrun.ports.ledger import Ledger
from batchrun.ports.objects import ObjectStore
from batchrun.ports.stored import Batch
from batchrun.report.chosen import Selection
from batchrun.report.delivering import Destination, look

if TYPE_CHECKING:
    from batchrun.api.launch import Launch

_STATES: Final = (*UNSENT, State.SUBMITTING, State.ACTIVE)
#: A cancel does not take days, so runs are polled more often than by a launch.
_WATCH: Final = WatchPolicy(longest=15.0)
#: Seconds between two checks of what another launcher has done.
_LOOK_EVERY: Final = 1.0
#: Once they are cancelled, no comparison of this ledger shows their runs.
_OF_COPY: Final = (
    "warning: the ledger may be a copy, or was put back: rows that are planned in it may have runs by now, "
    "which go on; 'batchrun ledger rebuild MANIFEST --ledger NEW.db' finds them, and 'batchrun cancel "
    "--ledger NEW.db' cancels them"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Options(Calling):
    """The options of ``batchrun cancel``."""

    batch: str | None = BATCH()
    pending: bool = flag(help="Only stop submitting; active runs continue.")
    rows: RowOptions = group(RowOptions)
    go: GoAhead = group(GoAhead)
    results: str | None = RESULTS()
    concurrency: int = CONCURRENCY()
    listing_lag: float = LISTING_LAG()


@verb(
    Options,
    epilog="Outputs of a cancelled run are not saved. 'batchrun retry' gives cancelled entries a new "
    "attempt; without it 'batchrun run' leaves them alone and exits with 1."
    "\n\nRead on: 'batchrun help cancel', 'batchrun help iam'.",
)
async def cancel(options: Options) -> Exit:
    """Stop submitting BATCH, and cancel its active runs.

    Shows what it will do, and asks. The request is kept in the ledger: a launcher that is running sees it
    within seconds and cancels the runs; without one this command does, and waits for their ends.
    """
    login = options.login(options.concurrency)
    chosen_by = options.rows.choice(ObjectsOnce(login))
    async with options.opening(login) as opened:
        ledger = await opened.found_ledger()
        found = await batch_to_change(ledger, options.batch)
        batch = found.name
        results = results_output(options.results, batch, await protected_files(ledger))
        await look(results, StoreWhenNeeded(login))
        states = UNSENT if options.pending else _STATES
        chosen = [entry async for entry in chosen_by.entries(ledger, batch, states)]
        if options.go.is_told(options.output):
            _tell(batch, chosen, options)
        is_left = not chosen and await _is_left(ledger, batch)  # by an earlier cancel that was interrupted
        if options.go.dry_run or not (chosen or is_left):
            return _end(batch, chosen, options, is_done=False)
        if chosen and not options.go.is_agreed(f"cancel {counted(len(chosen), 'entry', 'entries')}?"):
            return _end(batch, [], options, is_done=False)
    is_done = await _carried_out(found, results, chosen_by, chosen, options, login)
    return _end(batch, chosen, options, is_done=is_done)


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
        "continue",
        hang=2,
    )
    return Exit.WORK_LEFT


async def _carried_out(
    batch: Batch,
    results: Destination,
    chosen_by: Selection,
    chosen: Sequence[Entry],
    options: Options,
    login: OneLogin,
) -> bool:
    """Record the request in the ledger, and wait until we or the holder of the batch have carried it out.

    Returns:
        False if something is left.
    """
    limits = Limits(concurrency=options.concurrency, listing_lag=options.listing_lag, watch=_WATCH)
    async with options.session(login) as session:
        ledger = await session.ledger()
        if await ledger.batch(batch.name).holder(at=SystemClock().utcnow()) is None:
            # A holder has its own login, and sees the request within seconds.
            await session.check_account(batch)
            await session.lanes_of(batch)
        await _ask(ledger, batch.name, chosen_by, chosen, is_pending=options.pending)
        await _wait_for_another(ledger, batch.name, options.output)
        while await _is_left(ledger, batch.name):
            try:
                async with session.cancelling(batch.name, limits=limits) as held:
                    await _conducted(held, results, StoreWhenNeeded(login), options.output)
            except LeaseHeldError:
                await _wait_for_another(ledger, batch.name, options.output)
            else:
                break
        return not await _is_left(ledger, batch.name)


async def _ask(
    ledger: Ledger, batch: str, chosen_by: Selection, chosen: Sequence[Entry], *, is_pending: bool
) -> None:
    # All includes rows that change state at this moment, and further attempts of running rows.
    ids = None if chosen_by.is_all else [entry.id for entry in chosen]
    scope = Scope.SENDING if is_pending else Scope.RUN
    await ledger.batch(batch).requests.ask_to_cancel(ids, scope=scope, at=SystemClock().utcnow())


async def _conducted(held: Launch, results: Destination, store: ObjectStore, shown: Output) -> None:
    from batchrun.cli.showing.progress import Progress  # noqa: PLC0415 (not where nothing is to be cancelled)
    from batchrun.cli.showing.reporters import JsonLines, LogLines, Numbers, Reporter, counts  # noqa: PLC0415

    clock = SystemClock()
    progress = Progress(clock, lambda: held.troubles)
    kind = JsonLines if shown.as_json else LogLines if shown.verbose else Numbers
    reporter: Reporter = kind(held.batch, progress, clock)
    held.observe(reporter)
    if held.lease.is_of_copy:
        complain(_OF_COPY)
    with heard(Stopping([held])):
        await reporter.follow(held)
        if not (shown.as_json or shown.quiet):
            say(f"{held.batch}: {counts(progress.snapshot(held.tally))}")
        await write_results(held, results, store)
    if not (shown.as_json or shown.quiet):
        say(f"results: {results.shown}")


async def _wait_for_another(ledger: Ledger, batch: str, shown: Output) -> None:
    """Wait until the batch's holder has carried it out, or no longer holds the batch."""
    clock, has_waited = SystemClock(), False
    while await _is_left(ledger, batch) and (lease := await ledger.batch(batch).holder(at=clock.utcnow())):
        if not (has_waited or shown.quiet):
            complain(
                printable(f"batch '{batch}' is held by {lease.holder}, which is asked to carry this out")
                + "; waiting for it, or for its end (Ctrl-C is safe: the request is kept)"
            )
        has_waited = not shown.quiet
        await clock.sleep(_LOOK_EVERY)
    if has_waited and not await _is_left(ledger, batch):
        complain("carried out by the launcher")
