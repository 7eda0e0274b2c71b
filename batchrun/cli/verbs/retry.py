"""``batchrun retry``: give entries that ended without success another attempt."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import click

from batchrun.cli.choice import (
    CHOICE,
    GO_AHEAD,
    by_reason,
    choice,
    counted,
    is_agreed,
    is_told,
    shortened,
    tell_groups,
)
from batchrun.cli.exits import Exit
from batchrun.cli.options import BATCH, CONCURRENCY, LEDGER, OUTPUT, READ_RATE, SERVICE, option
from batchrun.cli.printable import printable
from batchrun.cli.signals import run_async
from batchrun.cli.speak import complain, emit, say
from batchrun.cli.verbs.first_look import FirstLook, first_look
from batchrun.cli.verbs.status import find_batch
from batchrun.clock import SystemClock
from batchrun.ledger import open_ledger
from batchrun.model.duplicating import can_duplicate
from batchrun.model.states import State
from batchrun.report import where

if TYPE_CHECKING:
    from collections.abc import Sequence
    from collections.abc import Set as AbstractSet

    from batchrun.model.entry import Entry

_STATES: Final = (State.FAILED, State.CANCELLED, State.DELETED, State.REFUSED)


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
    Give failed, cancelled, deleted and refused entries of BATCH a new attempt.

    It asks for what the last attempt asked for, and after a duplicate for what the manifest does.
    Shows what it will do, and asks. The next 'batchrun run' starts them; one that is running takes note
    within seconds. What succeeded or goes on is left alone. What was taken for deleted is looked for first: a
    run that is there after all has its row again.
    """
    context.exit(run_async(_retry, options))


async def _retry(options: dict[str, Any]) -> Exit:
    reason = options["reason"]
    more = [where.failed_of(reason)] if reason else []
    async with await open_ledger(options["ledger"]) as ledger:
        found = await find_batch(ledger, options["batch"])
        batch, duplicates = found.name, options["duplicate"]
        fitting = [one async for one in choice(options, *more).entries(ledger, batch, _STATES)]
        looked = await first_look(ledger, found, fitting, options)
        fitting = [now for one in fitting if (now := looked.now(one)) and now.state in _STATES]
        chosen = [one for one in fitting if can_duplicate(one)] if duplicates else fitting
        _tell_left_out(fitting, {one.id for one in chosen})
        number = len(chosen)
        if is_told(options):
            what = "to run once more by runId" if duplicates else "to retry"
            say(f"{printable(batch)}: {counted(number, 'entry', 'entries')} {what}")
            tell_groups(await by_reason(ledger, batch, chosen))
        question = f"start {counted(number, 'new attempt', 'new attempts')}?"
        ids = [entry.id for entry in chosen]
        if not chosen or options["dry_run"] or not is_agreed(options, question):
            would_be = ids if options["dry_run"] else []
            return _end(batch, would_be, looked, options, is_done=False)
        why = "asked for, as a duplicate" if duplicates else "asked for"
        at = SystemClock().utcnow()
        retried = await ledger.retry(batch, ids, at=at, why=why, duplicates=duplicates)
        if duplicates:
            _tell_left_out(chosen, set(retried))
        return _end(batch, retried, looked, options, is_done=True)


def _tell_left_out(entries: Sequence[Entry], taken: AbstractSet[str]) -> None:
    """Name those of which the service has no run to copy."""
    left_out = [one.id for one in entries if one.id not in taken]
    if left_out:
        complain(
            f"left out, for the service has no run of theirs to duplicate: {printable(shortened(left_out))}"
        )


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
