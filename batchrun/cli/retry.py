"""``batchrun retry``: give entries that ended without success another attempt."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import anyio
import click

from batchrun.cli.choice import CHOICE, GO_AHEAD, choice, counted, grouped, is_agreed, tell_groups
from batchrun.cli.options import LEDGER, OUTPUT, option
from batchrun.cli.printable import printable
from batchrun.cli.speak import complain, emit, say
from batchrun.cli.status import find_batch
from batchrun.clock import SystemClock
from batchrun.ledger import open_ledger
from batchrun.model.states import State
from batchrun.report import where

if TYPE_CHECKING:
    from collections.abc import Sequence

_STATES: Final = (State.FAILED, State.CANCELLED, State.DELETED, State.REFUSED)


@click.command(
    epilog="Each attempt is a new run with a requestId of its own; earlier ones stay in the ledger and the "
    "results. SERVICE_ERROR and INSTANCE_RESERVATION_FAILED are retried by 'batchrun run' itself (--retry)."
)
@click.argument("batch", required=False)
@CHOICE
@option("--reason", metavar="GLOB", help="Only those whose failureReason is this, such as '*MEMORY*'.")
@GO_AHEAD
@LEDGER
@OUTPUT
@click.pass_context
def retry(context: click.Context, /, **options: Any) -> None:
    """
    Give failed, cancelled, deleted and refused entries of BATCH a new attempt.

    Shows what it will do, and asks. The next 'batchrun run' starts them; one that is running takes note
    within seconds. What succeeded or goes on is left alone.
    """
    context.exit(anyio.run(_retry, options))


async def _retry(options: dict[str, Any]) -> int:
    reason = options["reason"]
    more = [where.Condition(column="failureReason", glob=reason)] if reason else []
    async with await open_ledger(options["ledger"]) as ledger:
        batch = (await find_batch(ledger, options["batch"])).name
        chosen = [one async for one in choice(options, *more).entries(ledger, batch, _STATES)]
        number = len(chosen)
        if not options["as_json"]:
            say(f"{printable(batch)}: {counted(number, 'entry', 'entries')} to retry")
            tell_groups(grouped(chosen, ("failureReason", "status")))
        question = f"start {counted(number, 'new attempt', 'new attempts')}?"
        if not chosen or options["dry_run"] or not is_agreed(options, question):
            return _end(batch, [], options, is_asked=bool(chosen))
        ids = [entry.id for entry in chosen]
        retried = await ledger.retry(batch, ids, at=SystemClock().utcnow(), why="asked for")
        return _end(batch, retried, options, is_asked=False)


def _end(batch: str, retried: Sequence[str], options: dict[str, Any], *, is_asked: bool) -> int:
    if options["as_json"]:
        emit("retry", batch=batch, ids=list(retried), dryRun=options["dry_run"])
    elif retried:
        say(f"{len(retried)} will be started by 'batchrun run', or within seconds where it is running")
    elif is_asked:
        complain("nothing was changed")
    return 0
