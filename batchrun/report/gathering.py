"""
Everything that the report shows, read from the ledger alone.

Belongs here: what is asked of the ledger, a page at a time. Does not: adding up (``figures``, ``bill``), the
page (``html``).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from batchrun.report.asked import with_tasks
from batchrun.report.bill import billed
from batchrun.report.calls import calls
from batchrun.report.rows import row_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime
    from decimal import Decimal

    from batchrun.model.costs import Prices
    from batchrun.ports.failed_runs import TaskFailures
    from batchrun.ports.ledger import Batch, Ledger
    from batchrun.ports.standing import KeptPace
    from batchrun.ports.usages import SpentRun
    from batchrun.report.bill import Bill
    from batchrun.report.calls import Calls
    from batchrun.report.rows import Attempt, Row

_PAGE: Final = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What the report is made of."""

    batch: Batch
    rows: Sequence[Row]
    calls: Calls
    at: datetime  #: when it is made; what still runs, runs until then
    tasks: Sequence[TaskFailures] = ()
    paces: Sequence[KeptPace] = ()  #: limits that throttling taught, since the batch began
    bill: Bill | None = None  #: what ended runs cost; None where no prices were given


async def gathered(
    ledger: Ledger,
    batch: Batch,
    at: datetime,
    *,
    prices: Prices | None = None,
    dynamic_gib: Decimal | None = None,
) -> Report:
    """
    Ask the ledger for everything.

    Args:
        ledger: Where the batch is.
        batch: Which one.
        at: Now.
        prices: Those of the batch's region; None for a report without costs.
        dynamic_gib: What DYNAMIC storage is taken to have held on average, where somebody knows.
    """
    found = with_tasks(ledger, batch.name, ledger.outcomes(batch.name))
    rows = [row_of(outcome, outcome.tasks) async for outcome in found]
    bill = None if prices is None else billed(await spent_runs(ledger, batch.name), prices, dynamic_gib)
    return Report(
        batch=batch,
        rows=rows if bill is None else list(_charged(rows, bill)),
        calls=await calls(ledger, batch.name, (row.id for row in rows)),
        at=at,
        tasks=await ledger.task_failures(batch.name),
        paces=[pace for pace in await ledger.all_paces() if pace.at >= batch.created_at],
        bill=bill,
    )


async def spent_runs(ledger: Ledger, batch: str) -> list[SpentRun]:
    """Return all runs of *batch* that have ended, with what they used, where that is known."""
    found: list[SpentRun] = []
    after = (-1, 0)
    while page := await ledger.spent_runs(batch, limit=_PAGE, after=after):
        found += page
        after = page[-1].position, page[-1].attempt
    return found


def _charged(rows: Sequence[Row], bill: Bill) -> Iterator[Row]:
    """Put what each attempt cost beside it."""
    by_attempt = {(one.spent.entry_id, one.spent.attempt): one for one in bill.runs}

    def charged(attempt: Attempt, entry_id: str) -> Attempt:
        return replace(attempt, charged=by_attempt.get((entry_id, attempt.number)))

    for row in rows:
        earlier = tuple(charged(past, row.id) for past in row.earlier)
        yield replace(row, current=charged(row.current, row.id), earlier=earlier)
