"""Choosing entries or attempts of a batch, by id and by their results.

A name that no row has would choose nothing, or give an empty column, and nobody would know why: so names are
checked against the batch. Does not belong here: options (``cli``), the syntax of conditions (``columns``).
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches
from typing import TYPE_CHECKING, Final, TypeVar

from batchrun.errors import SnapshotLostError, UsageError
from batchrun.model.entries.states import STATUSES, State
from batchrun.model.texts.words import some
from batchrun.ports.stored import Outcome
from batchrun.report.columns import STATUS, TASK_REASON, Condition, View, table_columns
from batchrun.report.results import OWN_STATUSES, earlier_rows, latest_row

if TYPE_CHECKING:
    from batchrun.model.entries.entry import Entry
    from batchrun.ports.ledger import Ledger

#: Entries whose tasks are read at a time.
_PAGE: Final = 500
_NAMED: Final = 20


async def check(
    ledger: Ledger, batch: str, conditions: Sequence[Condition], columns: Collection[str] = ()
) -> None:
    """Raise UsageError for a status that nothing can have, or a parameter or tag that no row has."""
    for condition in conditions:
        if STATUS in condition.columns:
            await _check_status(ledger, batch, condition)
    names = [*columns, *(name for condition in conditions for name in condition.columns)]
    if missing := {name for name in names if "." in name}:
        await _check_tables(ledger, batch, missing)


def outcomes_of(ledger: Ledger, batch: str, view: View) -> AsyncIterator[Outcome]:
    """Yield the batch's outcomes, with failed tasks if *view* needs them."""
    found = ledger.batch(batch).story.outcomes()
    return with_tasks(ledger, batch, found) if TASK_REASON in view.own else found


async def completed(ledger: Ledger, batch: str, page: Sequence[Outcome], view: View) -> Sequence[Outcome]:
    """Return *page*, with the failed tasks of each attempt if *view* needs them."""
    return await _told(ledger, batch, page) if TASK_REASON in view.own else page


async def with_tasks(ledger: Ledger, batch: str, found: AsyncIterator[Outcome]) -> AsyncIterator[Outcome]:
    """Yield each outcome of *found* with the failed tasks of its attempts."""
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
    found = await ledger.batch(batch).story.failed_tasks([one.entry.id for one in page])
    return [replace(one, tasks=found.get(one.entry.id, {})) for one in page]


async def _check_status(ledger: Ledger, batch: str, condition: Condition) -> None:
    # The service may have statuses that batchrun does not know.
    seen = (await ledger.batch(batch).counts()).by_status
    known = dict.fromkeys([*OWN_STATUSES.values(), *STATUSES, *seen])
    if not condition.glob or any(condition.fits_word(status) for status in known):
        return
    near = get_close_matches(condition.glob.upper(), known, n=1)
    hint = f"did you mean {near[0]}? " if near else ""
    raise UsageError(f"there is no status '{condition.glob}'; {hint}the statuses are: {', '.join(known)}")


async def _check_tables(ledger: Ledger, batch: str, missing: set[str]) -> None:
    """Read rows until each of *missing* was seen, which usually takes one row."""
    seen: dict[str, None] = {}
    async for page in ledger.batch(batch).pages_in(*State):
        for entry in page:
            seen |= dict.fromkeys(table_columns(json.loads(entry.row_request)))
        if not (missing := missing.difference(seen)):
            return
    name = min(missing)
    table = name.partition(".")[0]
    others = [one for one in seen if one.startswith(f"{table}.")]
    if near := get_close_matches(name, others, n=1):
        hint = f"did you mean {near[0]}?"
    else:
        hint = f"its {table}: {some(others, most=_NAMED) or 'none'}"
    raise UsageError(f"no row of batch '{batch}' has {name}; {hint}")


_SHOWN: Final = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """A choice of entries: those that match all of these."""

    ids: frozenset[str] | None = None  #: None: any
    conditions: tuple[Condition, ...] = ()

    @property
    def is_all(self) -> bool:
        """Whether every entry is chosen."""
        return self.ids is None and not self.conditions

    async def entries(self, ledger: Ledger, batch: str, states: Collection[State]) -> AsyncIterator[Entry]:
        """Yield the chosen entries in *states*. Raises UsageError for names that the batch cannot have."""
        await self._check_ids(ledger, batch)
        await check(ledger, batch, self.conditions)
        view = View(where=self.conditions)
        async for page in ledger.batch(batch).pages_in(*states):
            named = [Outcome(entry=one) for one in page if self.ids is None or one.id in self.ids]
            for one in await completed(ledger, batch, named, view):
                if view.shows(latest_row(one, view.own)):
                    yield one.entry

    async def attempts(self, ledger: Ledger, batch: str) -> frozenset[tuple[str, int]]:
        """Return the chosen attempts, by id and number; conditions apply to each attempt."""
        await self._check_ids(ledger, batch)
        await check(ledger, batch, self.conditions)
        view = View(where=self.conditions)
        return frozenset(
            [
                (outcome.entry.id, int(str(one["attempt"])))
                async for outcome in outcomes_of(ledger, batch, view)
                if self.ids is None or outcome.entry.id in self.ids
                for one in (*earlier_rows(outcome, view.own), latest_row(outcome, view.own))
                if view.shows(one)
            ]
        )

    async def _check_ids(self, ledger: Ledger, batch: str) -> None:
        unknown = [one for one in sorted(self.ids or ()) if await ledger.batch(batch).entry(one) is None]
        if unknown:
            meant = await id_by_name(ledger, batch, unknown[0])
            hint = "see its results" if meant is None else f"did you mean {meant}?"
            raise UsageError(f"batch '{batch}' has no entry {first_ids(unknown)}; {hint}")


async def id_by_name(ledger: Ledger, batch: str, name: str) -> str | None:
    """Return the id of the row whose run has this *name*, unless the manifest gave it another; else None."""
    id_ = name.removeprefix(f"{batch}-")
    return None if id_ == name or await ledger.batch(batch).entry(id_) is None else id_


def first_ids(ids: Sequence[str]) -> str:
    """Return the first few of *ids*, in words."""
    return some(ids, most=_SHOWN)


T = TypeVar("T")
#: Attempts before the error is final.
_TIMES: Final = 5


async def begun_again(job: Callable[[], Awaitable[T]]) -> T:
    """Return what *job* returns; it reads a batch's outcomes, and may be repeated after a lost connection."""
    for _ in range(1, _TIMES):
        try:
            return await job()
        except SnapshotLostError as error:
            import structlog  # noqa: PLC0415 (most who read a ledger log nothing)

            structlog.get_logger(__name__).info("read_again", why=str(error))
    return await job()
