"""``batchrun retry``: give entries that ended without success another attempt."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from batchrun.api.objects import ObjectsOnce
from batchrun.api.opening import Opening
from batchrun.api.retrying import FirstLook, Retriable, begin_anew, retriable
from batchrun.cli.calling import Calling
from batchrun.cli.choice import GoAhead, RowOptions, by_reason, how_to_look, tell_first_look, tell_groups
from batchrun.cli.command import flag, group, row_option, verb
from batchrun.cli.exits import Exit
from batchrun.cli.naming import batch_to_change
from batchrun.cli.options import BATCH, CONCURRENCY
from batchrun.cli.speak import complain, emit, say
from batchrun.clock import SystemClock
from batchrun.model.entries.states import UNSUCCESSFUL
from batchrun.model.texts.words import counted, some
from batchrun.ports.ledger import Ledger
from batchrun.ports.stored import Batch
from batchrun.report.chosen import Selection, first_ids
from batchrun.report.columns import failed_of

#: Most reasons that are named where none fits.
_REASONS: Final = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Options(Calling):
    """The options of ``batchrun retry``."""

    batch: str | None = BATCH()
    rows: RowOptions = group(RowOptions)
    reason: str | None = row_option(
        metavar="GLOB",
        help="Only rows whose run, or one of its tasks, failed for this reason, such as '*MEMORY*'.",
    )
    duplicate: bool = flag(
        help="Let the service duplicate the last run (StartRun with runId): workflow and parameters are that "
        "run's, whatever the manifest says now; outputUri, roleArn and name are the row's."
    )
    go: GoAhead = group(GoAhead)
    concurrency: int = CONCURRENCY()


@verb(
    Options,
    epilog="Each attempt is a new run with a requestId of its own; earlier ones stay in the ledger and the "
    "results. 'batchrun run' itself retries SERVICE_ERROR, INSTANCE_RESERVATION_FAILED and whatever --retry "
    "and the manifest's retry: add."
    "\n\nRead on: 'batchrun help retry'.",
)
async def retry(options: Options) -> Exit:
    """Give failed, cancelled, deleted and refused entries of BATCH a new attempt.

    It asks for what the last attempt asked for, and after a duplicate for what the manifest does. Shows what
    it will do, and asks. The next 'batchrun run' starts them; one that is running does so within seconds.
    What succeeded or is active is left alone. Runs that count as deleted are looked for first: one that still
    exists is given back to its row.
    """
    more = [failed_of(options.reason)] if options.reason else []
    login = options.login(options.concurrency)
    chosen_by = options.rows.choice(ObjectsOnce(login), *more)
    async with options.opening(login) as opened:
        ledger = await opened.found_ledger()
        found = await batch_to_change(ledger, options.batch)
        batch = found.name
        meant = await _meant(opened, found, chosen_by, options)
        _tell_left_out([one.id for one in meant.left_out])
        number = len(meant.entries)
        if options.go.is_told(options.output):
            what = "to duplicate by runId" if options.duplicate else "to retry"
            say(f"{batch}: {counted(number, 'entry', 'entries')} {what}")
            tell_groups(await by_reason(ledger, batch, meant.entries))
            if options.reason and not meant.entries:
                await _tell_reasons(ledger, batch)
        question = f"start {counted(number, 'new attempt')}?"
        if not meant.entries or options.go.dry_run or not options.go.is_agreed(question):
            would_be = [entry.id for entry in meant.entries] if options.go.dry_run else []
            return _end(batch, would_be, meant.looked, options, is_done=False)
        now = SystemClock().utcnow()
        begun = await begin_anew(ledger, batch, meant.entries, at=now, duplicates=options.duplicate)
        _tell_left_out(
            [entry.id for entry in meant.entries if entry.id not in begun] if options.duplicate else []
        )
        return _end(batch, begun, meant.looked, options, is_done=True)


async def _tell_reasons(ledger: Ledger, batch: str) -> None:
    """Report the reasons that there are, where none was the one that was given."""
    entries = [entry async for entry in Selection().entries(ledger, batch, UNSUCCESSFUL)]
    reasons = await by_reason(ledger, batch, entries)
    if reasons:
        complain(f"it has: {some(sorted(reasons), most=_REASONS)}", hang=2)


async def _meant(opened: Opening, batch: Batch, chosen_by: Selection, options: Options) -> Retriable:
    meant = await retriable(
        opened,
        batch,
        chosen_by,
        at=SystemClock().utcnow(),
        duplicates=options.duplicate,
        how=how_to_look(options.concurrency, is_dry=options.go.dry_run),
    )
    tell_first_look(meant.looked, is_done=not options.go.dry_run)
    return meant


def _tell_left_out(ids: Sequence[str]) -> None:
    """Report the ids for which the service has no run to copy."""
    if ids:
        complain(f"skipped, since the service has no run of theirs to duplicate: {first_ids(ids)}")


def _end(batch: str, ids: Sequence[str], looked: FirstLook, options: Options, *, is_done: bool) -> Exit:
    if options.output.as_json:
        facts = {"reappeared": list(looked.back), "unknown": looked.unknown}
        emit("retry", batch=batch, ids=list(ids), **facts, dry_run=options.go.dry_run)
    elif not options.go.is_told(options.output):
        pass
    elif not is_done:
        complain("nothing was changed")
    elif ids:
        say(f"{len(ids)} will be started by 'batchrun run', or within seconds if it is running")
    return Exit.WORK_LEFT if looked.unknown else Exit.OK
