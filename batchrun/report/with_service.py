"""
Rows that wait for a run batch: how many are with the service, in how many, and of how many nobody knows.

Belongs here: counting them, and the words. Does not: what became of them (``engine``).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from batchrun.model.entries.states import State
from batchrun.model.submissions.submission import Standing

if TYPE_CHECKING:
    from collections.abc import Mapping

    from batchrun.ports.submissions import StoredSubmissions


@dataclass(frozen=True, slots=True, kw_only=True)
class WithService:
    """Rows that were submitted together, and have no run that is known yet."""

    rows: int = 0  #: that the service is known to have
    batches: int = 0  #: of its own, that have them
    unknown: int = 0  #: rows of calls whose answer was lost

    @property
    def all_rows(self) -> int:
        """Both."""
        return self.rows + self.unknown

    def at_most(self, submitting: int) -> WithService:
        """Return it as it is by now, where no more rows are submitting: some had their runs since."""
        unknown = min(self.unknown, submitting)
        rows = min(self.rows, submitting - unknown)
        return WithService(rows=rows, batches=self.batches if rows else 0, unknown=unknown)

    @property
    def text(self) -> str:
        """Say it to people: a clause."""
        lost = f"of {self.unknown} {_rows(self.unknown)} it is not known yet whether the service has them"
        if not self.rows:
            return lost
        are = "is" if self.rows == 1 else "are"
        batches = "1 run batch" if self.batches == 1 else f"{self.batches} run batches"
        known = f"{self.rows} {_rows(self.rows)} {are} with the service, in {batches}"
        return f"{known}; {lost}" if self.unknown else known

    @property
    def facts(self) -> dict[str, int]:
        """Return it for programs; nothing where no row waits for a run batch."""
        return {"with_service": self.rows, "run_batches": self.batches} if self.all_rows else {}


def _rows(number: int) -> str:
    return "row" if number == 1 else "rows"


async def with_service(stored: StoredSubmissions, by_state: Mapping[State, int]) -> WithService:
    """Ask the ledger, unless no row is SUBMITTING."""
    if not by_state.get(State.SUBMITTING):
        return WithService()
    counted = {one.standing: one for one in await stored.count_waiting()}
    known, lost = counted.get(Standing.TAKEN), counted.get(Standing.INTENDED)
    return WithService(
        rows=known.rows if known else 0,
        batches=known.submissions if known else 0,
        unknown=lost.rows if lost else 0,
    )
