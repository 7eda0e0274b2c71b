"""
What rows that are still to run will cost, by what their workflows' runs cost: from the ledger alone.

Belongs here: which runs it goes by, the words, and the JSON. Does not: which rows (``costs``, ``plan``), the
sums (``report.bill``).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from batchrun.cli.wording import counted
from batchrun.report.bill import left, rounded

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Iterator, Sequence
    from decimal import Decimal

    from batchrun.model.costs import Prices, Spread
    from batchrun.ports.ledger import Ledger
    from batchrun.report.bill import Left

#: Runs of a workflow, the latest, by which it is said what the next will cost.
_LOOKED_AT: Final = 1000


async def forecast(
    ledger: Ledger | None, rows: Counter[str | None], prices: Prices, dynamic_gib: Decimal | None
) -> Sequence[Left]:
    """
    Say of *rows*, counted by their ``workflowId``, what each will cost; most rows first.

    Without a *ledger* no run is known yet.
    """
    found = []
    for workflow_id, number in rows.most_common():
        usages = await ledger.workflow_usages(workflow_id or "", limit=_LOOKED_AT) if ledger else ()
        found.append(left(workflow_id, number, usages, prices, dynamic_gib))
    return found


def lines(to_come: Sequence[Left], currency: str) -> Iterator[str]:
    """Tell it, a line for each workflow."""
    for one in to_come:
        rows = counted(one.rows, "row")
        workflow = f"workflow {one.workflow_id}" if one.workflow_id else "a workflow they do not name"
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
        return f"its runs used what has no price here ({', '.join(one.lacks)})"
    return "too few of its runs are known to say"


def facts(to_come: Sequence[Left]) -> list[dict[str, Any]]:
    """Return it for programs."""
    return [
        {
            "workflowId": one.workflow_id,
            "rows": one.rows,
            "each": spread_facts(one.each),
            "lacks": list(one.lacks),
        }
        | ({} if one.each is None else {"cost": rounded(one.each.median * one.rows)})
        for one in to_come
    ]


def spread_facts(one: Spread | None) -> dict[str, Any] | None:
    """Return what similar runs cost for programs."""
    if one is None:
        return None
    return {
        "runs": one.runs,
        "low": rounded(one.low),
        "median": rounded(one.median),
        "high": rounded(one.high),
    }


def money(amount: Decimal) -> str:
    """Write an amount for people."""
    return f"{amount:.2f}" if amount >= 1 or not amount else f"{amount:.4f}"
