"""
``batchrun status --failed``: what failed, why, and whose job it is.

Belongs here: groups by reason, their ids, and what to do. Does not: the table of reasons (``model.reasons``),
tasks in words (``failed``).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from batchrun.cli.showing import failed
from batchrun.cli.speak import emit, say
from batchrun.cli.wording import counted, one_line
from batchrun.model.reasons import advice_for
from batchrun.model.states import State
from batchrun.model.tasks import LOG_GROUP
from batchrun.report.results import row

if TYPE_CHECKING:
    from collections.abc import Sequence

    from batchrun.model.entry import Entry
    from batchrun.ports.ledger import Ledger
    from batchrun.ports.stored import Failures, TaskFailures

_SHOWN: Final = 10
#: Failed tasks that are told of one row; ``batchrun show`` tells all that are known.
_TASKS: Final = 2
_PAGE: Final = 500
_BAD: Final = (State.FAILED, State.CANCELLED, State.DELETED, State.REFUSED)


async def tell_failures(ledger: Ledger, batch: str) -> None:
    """Say for each reason how many rows failed of it, what to do, and which they are."""
    has_logs = False
    for group in await ledger.batch(batch).failures(limit=_SHOWN):
        known = await _known(ledger, batch, group.entries)
        _tell_group(batch, group, known, group.tasks)
        has_logs = has_logs or any(logs.has_task_logs for logs in known)
    if has_logs:
        say(f"  log streams are in CloudWatch's log group {LOG_GROUP}")


async def emit_failures(ledger: Ledger, batch: str) -> None:
    """Write a line for each reason, and one for each entry."""
    for group in await ledger.batch(batch).failures(limit=_SHOWN):
        to_do = advice_for(group.state, group.reason)
        emit(
            "failures",
            batch=batch,
            status=_status(group),
            failureReason=group.reason,
            count=group.count,
            owner=to_do.owner.value,
            action=to_do.action,
            ids=[entry.id for entry in group.entries],
            tasks=[failed.group_facts(why) for why in group.tasks],
        )
    for state in _BAD:
        after = -1
        while page := await ledger.batch(batch).in_state(state, limit=_PAGE, after=after):
            for entry, known in zip(page, await _known(ledger, batch, page), strict=True):
                emit("entry", batch=batch, **row(entry), **failed.facts(known))
            after = page[-1].position


async def _known(ledger: Ledger, batch: str, entries: Sequence[Entry]) -> Sequence[failed.RunLogs]:
    """Return what is known of the entries' current runs."""
    found = await ledger.batch(batch).failed_tasks([entry.id for entry in entries])
    return [
        failed.RunLogs(run=entry.run, request=entry.request, found=found.get(entry.id, {}).get(entry.attempt))
        for entry in entries
    ]


def _tell_group(
    batch: str, group: Failures, known: Sequence[failed.RunLogs], whys: Sequence[TaskFailures]
) -> None:
    to_do = advice_for(group.state, group.reason)
    rows = counted(group.count, "row")
    name = f"{_status(group)} {group.reason or ''}".rstrip()
    say(one_line(f"  {name}: {rows}; for {to_do.owner.value}: {to_do.action}"), hang=4)
    for why in whys:
        say(one_line(f"    {failed.grouped(why)}"), hang=6)
    for entry, logs in zip(group.entries, known, strict=True):
        say(one_line(f"    {_line(entry)}"), hang=6)
        for line in failed.short_lines(logs, most=_TASKS):
            say(one_line(f"      {line}"), hang=8)
    if group.count > len(group.entries):
        more = group.count - len(group.entries)
        say(one_line(f"    ... and {more} more: batchrun results {batch} {_conditions(group)}"))


def _line(entry: Entry) -> str:
    cells = row(entry)
    run = f" (run {cells['runId']})" if cells["runId"] else ""
    return f"{entry.id}{run} {cells['statusMessage'] or ''}"


def _conditions(group: Failures) -> str:
    reason = f" --where 'failureReason={group.reason or ''}'"
    return f"--where status={_status(group)}{reason}"


def _status(group: Failures) -> str:
    return str(row(group.entries[0])["status"])
