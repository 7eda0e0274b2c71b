"""
What people ask of a batch's rows, held against the batch: are there such statuses, parameters, tags at all?

A word that no row has would choose nothing, or fill a column with nothing, and nobody would know why.
Belongs here: that check, and reading what only some ask for. Does not: reading the words (``where``).
"""

from __future__ import annotations

import json
from dataclasses import replace
from difflib import get_close_matches
from typing import TYPE_CHECKING, Final

from batchrun.errors import UsageError
from batchrun.model.states import STATUSES, State
from batchrun.report.own_columns import TASK_REASON, table_columns
from batchrun.report.results import OWN_STATUSES
from batchrun.report.where import STATUS

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Collection, Sequence

    from batchrun.ports.ledger import Ledger, Outcome
    from batchrun.report.view import View
    from batchrun.report.where import Condition

#: Entries whose tasks are read at a time.
_PAGE: Final = 500
_NAMED: Final = 20


async def check(
    ledger: Ledger, batch: str, conditions: Sequence[Condition], columns: Collection[str] = ()
) -> None:
    """
    See that *batch* can have what is asked for.

    Raises:
        UsageError: A status that nothing can have, or a parameter or tag that no row has.
    """
    for condition in conditions:
        if STATUS in condition.columns:
            await _check_status(ledger, batch, condition)
    names = [*columns, *(name for condition in conditions for name in condition.columns)]
    if missing := {name for name in names if "." in name}:
        await _check_tables(ledger, batch, missing)


def outcomes(ledger: Ledger, batch: str, view: View) -> AsyncIterator[Outcome]:
    """Go through the batch's outcomes, with their failed tasks where *view* asks for something of them."""
    found = ledger.outcomes(batch)
    return with_tasks(ledger, batch, found) if TASK_REASON in view.own else found


async def completed(ledger: Ledger, batch: str, page: Sequence[Outcome], view: View) -> Sequence[Outcome]:
    """Return *page* with the failed tasks of each attempt, where *view* asks for something of them."""
    return await _told(ledger, batch, page) if TASK_REASON in view.own else page


async def with_tasks(ledger: Ledger, batch: str, found: AsyncIterator[Outcome]) -> AsyncIterator[Outcome]:
    """Go through what was *found*, each with the failed tasks of its attempts."""
    page: list[Outcome] = []
    async for outcome in found:
        page.append(outcome)
        if len(page) == _PAGE:
            for one in await _told(ledger, batch, page):
                yield one
            page.clear()
    for one in await _told(ledger, batch, page):
        yield one


async def _told(ledger: Ledger, batch: str, page: Sequence[Outcome]) -> Sequence[Outcome]:
    found = await ledger.failed_tasks(batch, [one.entry.id for one in page])
    return [replace(one, tasks=found.get(one.entry.id, {})) for one in page]


async def _check_status(ledger: Ledger, batch: str, condition: Condition) -> None:
    seen = (await ledger.counts(batch)).by_status  # the service may have words that we do not know
    known = dict.fromkeys([*OWN_STATUSES.values(), *STATUSES, *seen])
    if not condition.glob or any(condition.fits_word(status) for status in known):
        return
    near = get_close_matches(condition.glob.upper(), known, n=1)
    hint = f"did you mean {near[0]}? " if near else ""
    raise UsageError(f"there is no status '{condition.glob}'; {hint}the statuses are: {', '.join(known)}")


async def _check_tables(ledger: Ledger, batch: str, missing: set[str]) -> None:
    """Look through the rows until each of *missing* was seen: that is the first row, as a rule."""
    seen: dict[str, None] = {}
    for state in State:
        after = -1
        while page := await ledger.in_state(batch, state, limit=_PAGE, after=after):
            for entry in page:
                seen |= dict.fromkeys(table_columns(json.loads(entry.content)))
            if not (missing := missing.difference(seen)):
                return
            after = page[-1].position
    name = min(missing)
    table = name.partition(".")[0]
    others = [one for one in seen if one.startswith(f"{table}.")]
    if near := get_close_matches(name, others, n=1):
        hint = f"did you mean {near[0]}?"
    else:
        hint = f"its {table}: {', '.join(others[:_NAMED]) or 'none'}{', ...' if others[_NAMED:] else ''}"
    raise UsageError(f"no row of batch '{batch}' has {name}; {hint}")
