"""``batchrun retry``: give entries that ended without success another attempt."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from batchrun.api.reading import find_batch
from batchrun.cli.choice import (
    CHOICE,
    GO_AHEAD,
    by_reason,
    choice,
    counted,
    is_agreed,
    is_told,
    tell_groups,
)
from batchrun.cli.exits import Exit
from batchrun.cli.options import BATCH, CONCURRENCY, LEDGER, OUTPUT, READ_RATE, SERVICE, option
from batchrun.cli.printable import printable
from batchrun.cli.signals import run_async
from batchrun.cli.speak import complain, emit, say
from batchrun.cli.verbs.first_look import how_to_look, tell_first_look
from batchrun.clock import SystemClock
from batchrun.ledger import open_ledger
from batchrun.report.chosen import shortened
from batchrun.report.view import failed_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from batchrun.api.first_look import FirstLook
    from batchrun.api.retrying import Retriable
    from batchrun.ports.ledger import Batch, Ledger
    from batchrun.report.chosen import Choice


@click.command(
    epilog="Each attempt is a new run with a requestId of its own; earlier ones stay in the ledger and the "
    "results. 'batchrun run' itself retries SERVICE_ERROR, INSTANCE_RESERVATION_FAILED and whatever --retry "
    "and the manifest's retry: add."
    "\n\nRead on: 'batchrun help retry'."
)
@BATCH
@CHOICE
@option(
    "--reason",
    metavar="GLOB",
    help="Only those of which the run, or a task of it, failed for this reason, such as '*MEMORY*'.",
)
@option(
    "--duplicate",
    is_flag=True,
    show_default=False,
    help="Have the service run the same once more (StartRun by runId): workflow and parameters as the last "
    "run had them, whatever the manifest says now; its output place, role and name stay the row's.",
)
@GO_AHEAD
@LEDGER
@READ_RATE
@CONCURRENCY
@SERVICE
@OUTPUT
@click.pass_context
def retry(context: click.Context, /, **options: Any) -> None:
    """
    Return failed, cancelled, deleted and refused entries of BATCH a new attempt.

    It asks for what the last attempt asked for, and after a duplicate for what the manifest does.
    Shows what it will do, and asks. The next 'batchrun run' starts them; one that is running takes note
    within seconds. What succeeded or goes on is left alone. What was taken for deleted is looked for first: a
    run that is there after all has its row again.
    """
    context.exit(run_async(_retry, options))


async def _retry(options: dict[str, Any]) -> Exit:
    # Only now: it imports the engine.
    from batchrun.api.retrying import begin_anew  # noqa: PLC0415

    reason, duplicates = options["reason"], options["duplicate"]
    chosen_by = choice(options, *([failed_of(reason)] if reason else []))
    async with await open_ledger(options["ledger"]) as ledger:
        found = await find_batch(ledger, options["batch"])
        batch = found.name
        meant = await _meant(ledger, found, chosen_by, options)
        _tell_left_out([one.id for one in meant.left_out])
        number = len(meant.entries)
        if is_told(options):
            what = "to run once more by runId" if duplicates else "to retry"
            say(f"{printable(batch)}: {counted(number, 'entry', 'entries')} {what}")
            tell_groups(await by_reason(ledger, batch, meant.entries))
        question = f"start {counted(number, 'new attempt', 'new attempts')}?"
        if not meant.entries or options["dry_run"] or not is_agreed(options, question):
            would_be = [entry.id for entry in meant.entries] if options["dry_run"] else []
            return _end(batch, would_be, meant.looked, options, is_done=False)
        now = SystemClock().utcnow()
        begun = await begin_anew(ledger, batch, meant.entries, at=now, duplicates=duplicates)
        _tell_left_out([entry.id for entry in meant.entries if entry.id not in begun] if duplicates else [])
        return _end(batch, begun, meant.looked, options, is_done=True)


async def _meant(ledger: Ledger, batch: Batch, chosen_by: Choice, options: dict[str, Any]) -> Retriable:
    from batchrun.api.retrying import retriable  # noqa: PLC0415 (as above)
    from batchrun.cli.calling import calling_session  # noqa: PLC0415

    async with calling_session(options) as session:
        meant = await retriable(
            ledger,
            session,
            batch,
            chosen_by,
            at=SystemClock().utcnow(),
            duplicates=options["duplicate"],
            how=how_to_look(options),
        )
    tell_first_look(meant.looked, is_done=not options["dry_run"])
    return meant


def _tell_left_out(ids: Sequence[str]) -> None:
    """Name those of which the service has no run to copy."""
    if ids:
        complain(f"left out, for the service has no run of theirs to duplicate: {printable(shortened(ids))}")


def _end(
    batch: str, ids: Sequence[str], looked: FirstLook, options: dict[str, Any], *, is_done: bool
) -> Exit:
    if options["as_json"]:
        facts = {"reappeared": list(looked.back), "unknown": looked.unknown}
        emit("retry", batch=batch, ids=list(ids), **facts, dry_run=options["dry_run"])
    elif not is_told(options):
        pass
    elif not is_done:
        complain("nothing was changed")
    elif ids:
        say(f"{len(ids)} will be started by 'batchrun run', or within seconds where it is running")
    return Exit.WORK_LEFT if looked.unknown else Exit.OK
