"""The costs of runs and of rows still to run, in words and in JSON.

The costs of rows still to run are estimated from earlier runs of their workflows, from the ledger alone.
Belongs here: which runs count for that, wording, and rounding for display. Does not: which rows (``verb``),
the sums (``report.bill``).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

from batchrun.model.costs import PriceLists, Spread
from batchrun.model.texts.words import counted
from batchrun.report.bill import AlikeRows, Bill, Charged, Left, left, rounded

if TYPE_CHECKING:
    from batchrun.ports.ledger import Ledger


#: How many of a workflow's latest runs an estimate is based on.
_LOOKED_AT: Final = 1000


async def forecast(
    ledger: Ledger | None, rows: Counter[AlikeRows], prices: PriceLists, dynamic_gib: Decimal | None
) -> Sequence[Left]:
    """Estimate the costs of *rows*, alike ones together; without a *ledger* no run is known."""
    found = []
    for one, number in rows.most_common():
        usages = await ledger.workflow_usages(one.workflow_id or "", limit=_LOOKED_AT) if ledger else ()
        found.append(left(one, number, usages, prices, dynamic_gib))
    return found


def lines_to_come(to_come: Sequence[Left], currency: str) -> Iterator[str]:
    """Yield a line of costs to come for each workflow."""
    for one in to_come:
        rows = counted(one.rows, "row")
        workflow = f"workflow {one.workflow_id}" if one.workflow_id else "a workflow they do not name"
        workflow += f" in {one.region}" if one.region else ""
        if one.each is None:
            yield f"{rows} of {workflow}: {_why_unknown(one)}; see 'batchrun costs'"
        else:
            low, middle, high = (
                money(amount * one.rows) for amount in (one.each.low, one.each.median, one.each.high)
            )
            without = f", without {', '.join(one.lacks)} (--dynamic-gib)" if one.lacks else ""
            yield (
                f"{middle} {currency} ({low} to {high}) for {rows} of {workflow}, "
                f"by {one.each.runs} completed runs in this ledger, one attempt each{without}"
            )


def _why_unknown(one: Left) -> str:
    if one.lacks:
        return f"its runs used something without a price ({', '.join(one.lacks)})"
    return "too few of its runs are known"


def facts_to_come(to_come: Sequence[Left]) -> list[dict[str, Any]]:
    """Return it for programs."""
    return [
        {
            "workflowId": one.workflow_id,
            "rows": one.rows,
            "each": spread_facts(one.each),
            "lacks": list(one.lacks),
        }
        | ({} if one.region is None else {"region": one.region})
        | ({} if one.each is None else {"cost": rounded(one.each.median * one.rows)})
        for one in to_come
    ]


def spread_facts(one: Spread | None) -> dict[str, Any] | None:
    """Return the costs of similar runs, for programs."""
    if one is None:
        return None
    return {
        "runs": one.runs,
        "low": rounded(one.low),
        "median": rounded(one.median),
        "high": rounded(one.high),
    }


def money(amount: Decimal) -> str:
    """Return an amount as people read it."""
    return f"{amount:.2f}" if amount >= 1 or not amount else f"{amount:.4f}"


_DEAREST: Final = 5


def lines(batch: str, bill: Bill, left: Sequence[Left]) -> Iterator[str]:
    """Yield the costs of a batch, line by line."""
    currency, region = bill.prices.currency, bill.prices.regions
    runs = counted(len(bill.priced), "ended run")
    yield f"{batch}: {runs}, estimated cost {money(bill.total)} {currency}, at prices of {region}"
    yield f"  tasks      {money(bill.tasks)} {currency}"
    yield f"  storage    {money(bill.storage)} {currency}"
    for status, (number, total) in bill.by_status.items():
        wasted = "" if status == "COMPLETED" else ", without a result"
        yield f"  {status:<10} {money(total)} {currency}, {counted(number, 'run')}{wasted}"
    for lane, (number, total) in bill.by_lane.items():
        yield f"  lane {lane}  {money(total)} {currency}, {counted(number, 'run')}"
    if (usual := bill.successful) is not None:
        half = f"median; middle half {money(usual.low)} to {money(usual.high)}"
        yield f"  each       {money(usual.median)} ({half}) {currency}, of {usual.runs} completed runs"
    for one in bill.dearest(_DEAREST):
        yield (
            f"  dearest    {money(one.total)} {currency}: {one.spent.entry_id}, attempt {one.spent.attempt}, "
            f"run {one.spent.run.id}"
        )
    yield from (f"  left out   {text}" for text in bill.left_out)
    yield from (f"  to come    {text}" for text in lines_to_come(left, currency))


def facts(bill: Bill, left: Sequence[Left]) -> dict[str, Any]:
    """Return all of it for programs."""
    return {
        "is_estimate": True,
        "currency": bill.prices.currency,
        "region": bill.prices.regions,
        "runs": len(bill.runs),
        "priced_runs": len(bill.priced),
        "cost": rounded(bill.total),
        "task_cost": rounded(bill.tasks),
        "storage_cost": rounded(bill.storage),
        "by_status": {
            status: {"runs": number, "cost": rounded(total)}
            for status, (number, total) in bill.by_status.items()
        },
        **({"by_lane": _by_lane(bill)} if bill.by_lane else {}),
        "per_completed_run": spread_facts(bill.successful),
        "dearest": [_dear(one) for one in bill.dearest(_DEAREST)],
        "unpriced_tasks": dict(bill.unpriced),
        "without_dynamic_storage": bill.lacking("DYNAMIC storage"),
        "without_static_storage": bill.lacking("STATIC storage"),
        "without_unknown_storage": bill.lacking("unknown storage"),
        "deleted": bill.lacking("deleted"),
        "not_known_yet": bill.lacking("not known yet"),
        "ready2run": bill.lacking("READY2RUN"),
        "to_come": facts_to_come(left),
    }


def _by_lane(bill: Bill) -> dict[str, Any]:
    return {lane: {"runs": number, "cost": rounded(total)} for lane, (number, total) in bill.by_lane.items()}


def _dear(one: Charged) -> dict[str, Any]:
    spent = one.spent
    return {
        "id": spent.entry_id,
        "attempt": spent.attempt,
        "runId": spent.run.id,
        "uuid": spent.run.uuid,
        "cost": rounded(one.total),
    }
