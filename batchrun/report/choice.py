"""
Some of a batch's entries, or attempts, chosen by id and by what the results say of them.

Belongs here: going through them. Does not: options (``cli``), reading conditions (``where``).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from batchrun.errors import UsageError
from batchrun.ports.ledger import Outcome
from batchrun.report import asked
from batchrun.report.results import earlier_rows, latest_row
from batchrun.report.view import View

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Collection, Sequence

    from batchrun.model.entry import Entry
    from batchrun.model.states import State
    from batchrun.ports.ledger import Ledger
    from batchrun.report.where import Condition

_PAGE: Final = 500
_SHOWN: Final = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """Which of the entries in question are meant: those that all of this fits."""

    ids: frozenset[str] | None = None  #: None is any
    conditions: tuple[Condition, ...] = ()

    @property
    def is_all(self) -> bool:
        """Whether every entry is meant."""
        return self.ids is None and not self.conditions

    async def entries(self, ledger: Ledger, batch: str, states: Collection[State]) -> AsyncIterator[Entry]:
        """
        Go through the batch's entries in *states* that are meant.

        Raises:
            UsageError: The batch has no entry of an id that was given, or cannot have what a condition says.
        """
        await self._check_ids(ledger, batch)
        await asked.check(ledger, batch, self.conditions)
        view = View(where=self.conditions)
        for state in states:
            after = -1
            while page := await ledger.in_state(batch, state, limit=_PAGE, after=after):
                named = [Outcome(entry=one) for one in page if self.ids is None or one.id in self.ids]
                for one in await asked.completed(ledger, batch, named, view):
                    if view.shows(latest_row(one, view.own)):
                        yield one.entry
                after = page[-1].position

    async def attempts(self, ledger: Ledger, batch: str) -> frozenset[tuple[str, int]]:
        """
        Return the attempts that are meant, by id and number; conditions speak of each by itself.

        Raises:
            UsageError: As for :meth:`entries`.
        """
        await self._check_ids(ledger, batch)
        await asked.check(ledger, batch, self.conditions)
        view = View(where=self.conditions)
        return frozenset(
            [
                (outcome.entry.id, int(str(one["attempt"])))
                async for outcome in asked.outcomes(ledger, batch, view)
                if self.ids is None or outcome.entry.id in self.ids
                for one in (*earlier_rows(outcome, view.own), latest_row(outcome, view.own))
                if view.shows(one)
            ]
        )

    async def _check_ids(self, ledger: Ledger, batch: str) -> None:
        unknown = [one for one in sorted(self.ids or ()) if await ledger.entry(batch, one) is None]
        if unknown:
            raise UsageError(f"batch '{batch}' has no entry {shortened(unknown)}; see its results")


def shortened(ids: Sequence[str]) -> str:
    """Name the first few of *ids*."""
    more = ", ..." if len(ids) > _SHOWN else ""
    return ", ".join(ids[:_SHOWN]) + more
