"""
What a batch's runs cost, in words and in JSON.

Belongs here: wording, and rounding for the eye. Does not: the sums (``report.bill``).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from batchrun.cli.choice import counted
from batchrun.report.bill import rounded

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from decimal import Decimal

    from batchrun.model.costs import Spread
    from batchrun.report.bill import Bill, Charged, Left

_DEAREST: Final = 5
_COMPLETED: Final = "COMPLETED"
_DYNAMIC: Final = "DYNAMIC storage"


def lines(batch: str, bill: Bill, left: Sequence[Left]) -> Iterator[str]:
    """Tell it at length."""
    currency, region = bill.prices.currency, bill.prices.region
    runs = counted(len(bill.priced), "ended run", "ended runs")
    yield f"{batch}: {runs}, estimated cost {money(bill.total)} {currency}, at prices of {region}"
    yield f"  tasks      {money(bill.tasks)} {currency}"
    yield f"  storage    {money(bill.storage)} {currency}"
    for status, (number, total) in bill.by_status.items():
        wasted = "" if status == _COMPLETED else ", without a result"
        yield f"  {status:<10} {money(total)} {currency}, {counted(number, 'run', 'runs')}{wasted}"
    if (usual := bill.successful) is not None:
        yield f"  each       {_spread(usual)} {currency}, of {usual.runs} completed runs"
    for one in bill.dearest(_DEAREST):
        yield (
            f"  dearest    {money(one.total)} {currency}: {one.spent.entry_id}, attempt {one.spent.attempt}, "
            f"run {one.spent.run.id}"
        )
    yield from (f"  left out   {text}" for text in _left_out(bill))
    yield from (f"  to come    {text}" for text in _to_come(left, currency))


def facts(bill: Bill, left: Sequence[Left]) -> dict[str, Any]:
    """Give all of it for programs."""
    return {
        "isEstimate": True,
        "currency": bill.prices.currency,
        "region": bill.prices.region,
        "runs": len(bill.runs),
        "pricedRuns": len(bill.priced),
        "cost": rounded(bill.total),
        "taskCost": rounded(bill.tasks),
        "storageCost": rounded(bill.storage),
        "byStatus": {
            status: {"runs": number, "cost": rounded(total)}
            for status, (number, total) in bill.by_status.items()
        },
        "perCompletedRun": _spread_facts(bill.successful),
        "dearest": [_dear(one) for one in bill.dearest(_DEAREST)],
        "unpricedTasks": dict(bill.unpriced),
        "withoutDynamicStorage": bill.lacking(_DYNAMIC),
        "withoutStaticStorage": bill.lacking("STATIC storage"),
        "withoutUnknownStorage": bill.lacking("unknown storage"),
        "deleted": bill.lacking("deleted"),
        "notKnownYet": bill.lacking("not known yet"),
        "ready2Run": bill.lacking("READY2RUN"),
        "toCome": [
            {"workflowId": one.workflow_id, "rows": one.rows, "each": _spread_facts(one.each)}
            | ({} if one.each is None else {"cost": rounded(one.each.median * one.rows)})
            for one in left
        ],
    }


def money(amount: Decimal) -> str:
    """Write an amount for people."""
    return f"{amount:.2f}" if amount >= 1 or not amount else f"{amount:.4f}"


def _left_out(bill: Bill) -> Iterator[str]:
    """Tell what the cost does not have in it."""
    for name, tasks in bill.unpriced.items():
        label = name or "an instance type that was not told"
        yield f"{counted(tasks, 'task', 'tasks')} on {label}, which has no price"
    for word, why in (
        (_DYNAMIC, "the API does not tell the size used; --dynamic-gib takes an average"),
        ("STATIC storage", "it has no price"),
        ("unknown storage", "its type was not told"),
        ("READY2RUN", "such a workflow has one price per run"),
        ("deleted", "the service does not have the run any more"),
        ("not known yet", "the service did not answer; the same command asks again"),
    ):
        if number := bill.lacking(word):
            yield f"{word} of {counted(number, 'run', 'runs')}: {why}"


def _to_come(left: Sequence[Left], currency: str) -> Iterator[str]:
    for one in left:
        rows = counted(one.rows, "row", "rows")
        workflow = f"workflow {one.workflow_id}" if one.workflow_id else "a workflow they do not name"
        if one.each is None:
            yield f"{rows} of {workflow}: too few of its runs are known to say"
        else:
            low, middle, high = (
                money(amount * one.rows) for amount in (one.each.low, one.each.median, one.each.high)
            )
            yield (
                f"{middle} {currency} ({low} to {high}) for {rows} of {workflow}, "
                f"by {one.each.runs} completed runs in this ledger, one attempt each"
            )


def _spread(one: Spread) -> str:
    return f"{money(one.median)} (median; middle half {money(one.low)} to {money(one.high)})"


def _spread_facts(one: Spread | None) -> dict[str, Any] | None:
    if one is None:
        return None
    return {
        "runs": one.runs,
        "low": rounded(one.low),
        "median": rounded(one.median),
        "high": rounded(one.high),
    }


def _dear(one: Charged) -> dict[str, Any]:
    spent = one.spent
    return {
        "id": spent.entry_id,
        "attempt": spent.attempt,
        "runId": spent.run.id,
        "uuid": spent.run.uuid,
        "cost": rounded(one.total),
    }
