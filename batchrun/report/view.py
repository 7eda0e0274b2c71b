"""
Which part of the results is written.

Belongs here: the choice of rows and columns. Does not: what stands in them (``results``), how a condition is
written (``where``).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from batchrun.report.columns import COLUMNS

if TYPE_CHECKING:
    from batchrun.report.sinks import Row
    from batchrun.report.where import Condition


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """
    Which part of the results is written; all of it unless something else is said.

    Rows are chosen as their latest attempt has them. Earlier attempts are told within their entry, except
    where only some columns are wanted; in CSV, which has no within, only where they are asked for.
    """

    where: tuple[Condition, ...] = ()  #: an entry must satisfy each
    columns: tuple[str, ...] | None = None  #: in this order; None for the usual ones
    attempts: bool = False  #: earlier attempts too, whatever the columns and the format

    @property
    def names(self) -> tuple[str, ...]:
        """The columns to write."""
        return COLUMNS if self.columns is None else self.columns

    @property
    def own(self) -> tuple[str, ...]:
        """Those beside the usual columns that are written or looked at."""
        asked = [*self.names, *(name for condition in self.where for name in condition.columns)]
        return tuple(dict.fromkeys(name for name in asked if name not in COLUMNS))

    @property
    def nests_attempts(self) -> bool:
        """Whether a format that can tell attempts within their entry does so."""
        return self.attempts or self.columns is None

    def shows(self, latest: Row) -> bool:
        """Report whether an entry is to be written, by its latest row with the columns ``own``."""
        return all(condition.matches(latest) for condition in self.where)


#: All of the results.
WHOLE: Final = View()
