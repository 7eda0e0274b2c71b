"""``batchrun delete``: remove ended runs from the service."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import click

from batchrun.api.reading import find_batch
from batchrun.cli.choice import (
    CHOICE,
    GO_AHEAD,
    choice,
    counted,
    is_agreed,
    is_told,
    tell_groups,
)
from batchrun.cli.exits import Exit
from batchrun.cli.options import BATCH, CONCURRENCY, LEDGER, LISTING_LAG, OUTPUT, READ_RATE, SERVICE
from batchrun.cli.printable import printable
from batchrun.cli.signals import run_async
from batchrun.cli.speak import complain, emit, say
from batchrun.cli.values import seconds
from batchrun.cli.verbs.first_look import how_to_look, tell_first_look
from batchrun.clock import SystemClock
from batchrun.ledger import open_ledger
from batchrun.model.states import State
from batchrun.report.chosen import shortened

if TYPE_CHECKING:
    from collections.abc import Sequence

    from batchrun.engine.deleter import Deleted
    from batchrun.model.entry import Entry
    from batchrun.ports.cancelling import EndedRun
    from batchrun.ports.ledger import Batch, Ledger
    from batchrun.report.chosen import Choice

_PAGE: Final = 500


@click.command(
    epilog="An account may keep only so many runs. What is deleted is the service's record of a run; its "
    "outputs and logs stay, and so does everything that the ledger and the results say of it."
    "\n\nRead on: 'batchrun help cancel', 'batchrun help iam'."
)
@BATCH
@CHOICE
@GO_AHEAD
@LEDGER
@READ_RATE
@CONCURRENCY
@LISTING_LAG
@SERVICE
@OUTPUT
@click.pass_context
def delete(context: click.Context, /, **options: Any) -> None:
    """
    Remove ended runs of BATCH from the service, of earlier attempts too, but never from the ledger.

    Shows what it will do, and asks. Runs that go on are left alone. Conditions speak of each run by itself.
    What was taken for deleted is looked for first: a run that is there after all has its row again.
    """
    context.exit(run_async(_delete, options))


async def _delete(options: dict[str, Any]) -> Exit:
    async with await open_ledger(options["ledger"]) as ledger:
        found, chosen_by = await find_batch(ledger, options["batch"]), choice(options)
        batch = found.name
        taken_for_gone = [one async for one in chosen_by.entries(ledger, batch, [State.DELETED])]
        await _look_first(ledger, found, taken_for_gone, options)
        chosen = await _chosen(ledger, batch, chosen_by)
        if is_told(options):
            say(f"{printable(batch)}: {counted(len(chosen), 'ended run', 'ended runs')} to delete")
            statuses = sorted({run.status for run in chosen})
            tell_groups({status: _named(chosen, status) for status in statuses})
        question = f"delete {counted(len(chosen), 'run', 'runs')} from the service? outputs stay"
        if not chosen or options["dry_run"] or not is_agreed(options, question):
            return _unchanged(batch, chosen if options["dry_run"] else [], options)
        return _end(batch, await _deleted(ledger, found, chosen, options), options)


async def _look_first(
    ledger: Ledger, batch: Batch, entries: Sequence[Entry], options: dict[str, Any]
) -> None:
    # Only now: it imports the engine.
    from batchrun.api.first_look import first_look  # noqa: PLC0415
    from batchrun.cli.calling import calling_session  # noqa: PLC0415

    async with calling_session(options) as session:
        now = SystemClock().utcnow()
        looked = await first_look(ledger, session, batch, entries, at=now, how=how_to_look(options))
    tell_first_look(looked, is_done=not options["dry_run"])


async def _chosen(ledger: Ledger, batch: str, chosen_by: Choice) -> Sequence[EndedRun]:
    meant = await chosen_by.attempts(ledger, batch)
    found: list[EndedRun] = []
    after = (-1, 0)
    while page := await ledger.ended_runs(batch, limit=_PAGE, after=after):
        found += [run for run in page if (run.entry_id, run.attempt) in meant]
        after = page[-1].position, page[-1].attempt
    return found


def _named(chosen: Sequence[EndedRun], status: str) -> Sequence[str]:
    return list(dict.fromkeys(run.entry_id for run in chosen if run.status == status))


async def _deleted(
    ledger: Ledger, batch: Batch, chosen: Sequence[EndedRun], options: dict[str, Any]
) -> Deleted:
    # Only now: to import the client takes longer than to look.
    from batchrun.cli.calling import calling_session  # noqa: PLC0415
    from batchrun.engine.deleter import Deleter  # noqa: PLC0415

    def tell(number: int) -> None:
        runs = counted(number, "run is not there", "runs are not there")
        complain(
            f"{runs}: one look more in {seconds(options['listing_lag'])}; Ctrl-C leaves it for another time"
        )

    async with calling_session(options) as session:
        deleter = Deleter(
            ledger=ledger,
            service=await session.service_of(batch),
            clock=SystemClock(),
            concurrency=options["concurrency"],
            lag=options["listing_lag"],
            tell=tell,
        )
        return await deleter.delete(chosen)


def _unchanged(batch: str, would_be: Sequence[EndedRun], options: dict[str, Any]) -> Exit:
    if options["as_json"]:
        emit("delete", batch=batch, run_ids=[run.run_id for run in would_be], dry_run=options["dry_run"])
    elif is_told(options):
        complain("nothing was changed")
    return Exit.OK


def _end(batch: str, done: Deleted, options: dict[str, Any]) -> Exit:
    if options["as_json"]:
        emit(
            "delete",
            batch=batch,
            run_ids=[run.run_id for run in done.deleted],
            gone=[run.run_id for run in done.gone],
            kept={run.run_id: why for run, why in done.kept},
            dry_run=False,
        )
    elif is_told(options):
        gone = f", {len(done.gone)} were gone already" if done.gone else ""
        say(f"{printable(batch)}: {counted(len(done.deleted), 'run', 'runs')} deleted{gone}")
    for why in sorted({why for _run, why in done.kept}):
        ids = shortened([run.entry_id for run, reason in done.kept if reason == why])
        complain(printable(f"not deleted: {ids}: {why}; delete again to try once more"))
    return Exit.WORK_LEFT if done.kept else Exit.OK
