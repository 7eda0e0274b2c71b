"""
What a batch's runs cost, in words and in JSON.

Belongs here: wording, and rounding for the eye. Does not: the sums (``report.bill``).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from batchrun.cli.verbs import forecast
from batchrun.cli.verbs.forecast import money, spread_facts
from batchrun.cli.wording import counted
from batchrun.report.bill import rounded

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from batchrun.model.costs import Spread
    from batchrun.report.bill import Bill, Charged, Left

_DEAREST: Final = 5
_COMPLETED: Final = "COMPLETED"
_DYNAMIC: Final = "DYNAMIC storage"


def lines(batch: str, bill: Bill, left: Sequence[Left]) -> Iterator[str]:
    """Tell it at length."""
    currency, region = bill.prices.currency, bill.prices.region
    runs = counted(len(bill.priced), "ended run")
    yield f"{batch}: {runs}, estimated cost {money(bill.total)} {currency}, at prices of {region}"
    yield f"  tasks      {money(bill.tasks)} {currency}"
    yield f"  storage    {money(bill.storage)} {currency}"
    for status, (number, total) in bill.by_status.items():
        wasted = "" if status == _COMPLETED else ", without a result"
        yield f"  {status:<10} {money(total)} {currency}, {counted(number, 'run')}{wasted}"
    if (usual := bill.successful) is not None:
        yield f"  each       {_spread(usual)} {currency}, of {usual.runs} completed runs"
    for one in bill.dearest(_DEAREST):
        yield (
            f"  dearest    {money(one.total)} {currency}: {one.spent.entry_id}, attempt {one.spent.attempt}, "
            f"run {one.spent.run.id}"
        )
    yield from (f"  left out   {text}" for text in bill.left_out)
    yield from (f"  to come    {text}" for text in forecast.lines(left, currency))


def facts(bill: Bill, left: Sequence[Left]) -> dict[str, Any]:
    """Return all of it for programs."""
    return {
        "is_estimate": True,
        "currency": bill.prices.currency,
        "region": bill.prices.region,
        "runs": len(bill.runs),
        "priced_runs": len(bill.priced),
        "cost": rounded(bill.total),
        "task_cost": rounded(bill.tasks),
        "storage_cost": rounded(bill.storage),
        "by_status": {
            status: {"runs": number, "cost": rounded(total)}
            for status, (number, total) in bill.by_status.items()
        },
        "per_completed_run": spread_facts(bill.successful),
        "dearest": [_dear(one) for one in bill.dearest(_DEAREST)],
        "unpriced_tasks": dict(bill.unpriced),
        "without_dynamic_storage": bill.lacking(_DYNAMIC),
        "without_static_storage": bill.lacking("STATIC storage"),
        "without_unknown_storage": bill.lacking("unknown storage"),
        "deleted": bill.lacking("deleted"),
        "not_known_yet": bill.lacking("not known yet"),
        "ready2run": bill.lacking("READY2RUN"),
        "to_come": forecast.facts(left),
    }


def _spread(one: Spread) -> str:
    return f"{money(one.median)} (median; middle half {money(one.low)} to {money(one.high)})"


def _dear(one: Charged) -> dict[str, Any]:
    spent = one.spent
    return {
        "id": spent.entry_id,
        "attempt": spent.attempt,
        "runId": spent.run.id,
        "uuid": spent.run.uuid,
        "cost": rounded(one.total),
    }
