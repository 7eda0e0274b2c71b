"""
``batchrun status --failed``: what failed, why, and whose job it is.

Belongs here: groups by reason, their ids, and what to do. Does not: the table of reasons (``model.reasons``).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from batchrun.cli.overview_lines import one_line
from batchrun.cli.speak import emit, say
from batchrun.model.reasons import advice_for
from batchrun.model.states import State
from batchrun.report.results import row

if TYPE_CHECKING:
    from batchrun.model.entry import Entry
    from batchrun.ports.ledger import Ledger
    from batchrun.ports.standing import Failures

_SHOWN: Final = 10
_PAGE: Final = 500
_BAD: Final = (State.FAILED, State.CANCELLED, State.DELETED, State.REFUSED)


async def tell_failures(ledger: Ledger, batch: str) -> None:
    """Say for each reason how many rows failed of it, what to do, and which they are."""
    for group in await ledger.failures(batch, limit=_SHOWN):
        _tell_group(batch, group)


async def emit_failures(ledger: Ledger, batch: str) -> None:
    """Write a line for each reason, and one for each entry."""
    for group in await ledger.failures(batch, limit=_SHOWN):
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
        )
    for state in _BAD:
        after = -1
        while page := await ledger.in_state(batch, state, limit=_PAGE, after=after):
            for entry in page:
                emit("entry", batch=batch, **row(entry))
            after = page[-1].position


def _tell_group(batch: str, group: Failures) -> None:
    to_do = advice_for(group.state, group.reason)
    rows = "1 row" if group.count == 1 else f"{group.count} rows"
    name = f"{_status(group)} {group.reason or ''}".rstrip()
    say(one_line(f"  {name}: {rows}; for {to_do.owner.value}: {to_do.action}"))
    for entry in group.entries:
        say(one_line(f"    {_line(entry)}"))
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
