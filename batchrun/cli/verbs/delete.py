"""``batchrun delete``: remove ended runs from the service."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from batchrun.api.objects import ObjectsOnce
from batchrun.api.opening import Opening
from batchrun.api.retrying import first_look
from batchrun.cli.calling import Calling
from batchrun.cli.choice import GoAhead, RowOptions, how_to_look, tell_by_reason, tell_first_look, tell_groups
from batchrun.cli.command import group, verb
from batchrun.cli.exits import Exit
from batchrun.cli.naming import batch_to_change
from batchrun.cli.options import BATCH, CONCURRENCY, LISTING_LAG
from batchrun.cli.speak import complain, emit, say
from batchrun.clock import SystemClock
from batchrun.model.entries.entry import Entry
from batchrun.model.entries.states import State
from batchrun.model.texts.words import counted, seconds
from batchrun.ports.ledger import Ledger
from batchrun.ports.stored import Batch, EndedRun
from batchrun.report.chosen import Selection
from batchrun.report.gathering import spent_runs

if TYPE_CHECKING:
    from batchrun.engine.upkeep.deleter import Deleted


@dataclass(frozen=True, slots=True, kw_only=True)
class Options(Calling):
    """The options of ``batchrun delete``."""

    batch: str | None = BATCH()
    rows: RowOptions = group(RowOptions)
    go: GoAhead = group(GoAhead)
    concurrency: int = CONCURRENCY()
    listing_lag: float = LISTING_LAG()


@verb(
    Options,
    epilog="An account may keep only so many runs. What is deleted is the service's record of a run; its "
    "outputs and logs stay, and so does everything that the ledger and the results say of it."
    "\n\nRead on: 'batchrun help cancel', 'batchrun help iam'.",
)
async def delete(options: Options) -> Exit:
    """Remove ended runs of BATCH from the service, of earlier attempts too, but never from the ledger.

    Shows what it will do, and asks. Active runs are left alone. Conditions apply to each run by itself. Runs
    that count as deleted are looked for first: one that still exists is given back to its row.
    """
    login = options.login(options.concurrency)
    async with options.opening(login) as opened:
        ledger = await opened.found_ledger()
        found = await batch_to_change(ledger, options.batch)
        chosen_by = options.rows.choice(ObjectsOnce(login))
        batch = found.name
        taken_for_gone = [one async for one in chosen_by.entries(ledger, batch, [State.DELETED])]
        await _look_first(opened, found, taken_for_gone, options)
        chosen = await _chosen(ledger, batch, chosen_by)
        if options.go.is_told(options.output):
            say(f"{batch}: {counted(len(chosen), 'ended run')} to delete")
            statuses = sorted({run.run.status for run in chosen})
            tell_groups({status: _named(chosen, status) for status in statuses})
        question = f"delete {counted(len(chosen), 'run')} from the service? outputs stay"
        if not chosen or options.go.dry_run or not options.go.is_agreed(question):
            return _unchanged(batch, chosen if options.go.dry_run else [], options)
        return _end(batch, await _deleted(opened, found, chosen, options), options)


async def _look_first(opened: Opening, batch: Batch, entries: Sequence[Entry], options: Options) -> None:
    how = how_to_look(options.concurrency, is_dry=options.go.dry_run)
    looked = await first_look(opened, batch, entries, at=SystemClock().utcnow(), how=how)
    tell_first_look(looked, is_done=not options.go.dry_run)


async def _chosen(ledger: Ledger, batch: str, chosen_by: Selection) -> Sequence[EndedRun]:
    meant = await chosen_by.attempts(ledger, batch)
    runs = await spent_runs(ledger, batch)
    return [run for run in runs if run.is_there and (run.entry_id, run.attempt) in meant]


def _named(chosen: Sequence[EndedRun], status: str) -> Sequence[str]:
    return list(dict.fromkeys(run.entry_id for run in chosen if run.run.status == status))


async def _deleted(opened: Opening, batch: Batch, chosen: Sequence[EndedRun], options: Options) -> Deleted:
    from batchrun.engine.upkeep.deleter import Deleter  # noqa: PLC0415 (the client takes longer than the search)

    def tell(number: int) -> None:
        runs = counted(number, "run is not there", "runs are not there")
        complain(f"{runs}: checking again in {seconds(options.listing_lag)}; Ctrl-C leaves it for later")

    deleter = Deleter(
        ledger=await opened.ledger(),
        reach=await opened.reach_of(batch, {run.lane for run in chosen}),
        clock=SystemClock(),
        concurrency=options.concurrency,
        lag=options.listing_lag,
        tell=tell,
    )
    return await deleter.delete(chosen)


def _unchanged(batch: str, would_be: Sequence[EndedRun], options: Options) -> Exit:
    if options.output.as_json:
        emit("delete", batch=batch, run_ids=[run.run.id for run in would_be], dry_run=options.go.dry_run)
    elif options.go.is_told(options.output):
        complain("nothing was changed")
    return Exit.OK


def _end(batch: str, done: Deleted, options: Options) -> Exit:
    if options.output.as_json:
        emit(
            "delete",
            batch=batch,
            run_ids=[run.run.id for run in done.deleted],
            gone=[run.run.id for run in done.gone],
            kept={run.run.id: why for run, why in done.kept},
            dry_run=False,
        )
    elif options.go.is_told(options.output):
        gone = f", {counted(len(done.gone), 'was', 'were')} gone already" if done.gone else ""
        say(f"{batch}: {counted(len(done.deleted), 'run')} deleted{gone}")
    kept = [(run.entry_id, why) for run, why in done.kept]
    tell_by_reason("not deleted", kept, "delete again to try once more")
    return Exit.WORK_LEFT if done.kept else Exit.OK
