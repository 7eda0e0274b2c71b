"""
Which part of the results is written: conditions on rows, and columns.

    status=FAILED    id=NA12*    failureReason!=*MEMORY*    parameters.reads=*lane1*

Belongs here: the choice of rows and columns, and how it is written. Does not: what stands in them
(``results``, ``columns``), asking the ledger (``chosen``).
"""

from __future__ import annotations

from dataclasses import dataclass
from difflib import get_close_matches
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Final

from batchrun.errors import UsageError
from batchrun.report.columns import COLUMNS, FIELDS, TASK_REASON, TASK_REASONS_BETWEEN, is_own, text_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from batchrun.model.spec import Json
    from batchrun.report.columns import ResultsRow


STATUS: Final = "status"
#: Columns that hold words of the service's own, which nobody types in capitals; the last one several.
_OF_WORDS: Final = frozenset({STATUS, "failureReason", TASK_REASON})
#: Stands for the usual columns in a list of columns.
_USUAL: Final = "all"
#: All columns that have a name of their own.
KNOWN: Final = (*COLUMNS, TASK_REASON, *FIELDS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """One thing that a row must be, or must not be; what is not known counts as empty text."""

    columns: tuple[str, ...]  #: one of which must match
    glob: str  #: ``*``, ``?`` and ``[...]`` as in a shell; case counts, but for statuses and reasons
    is_wanted: bool = True  #: False for ``!=``

    def matches(self, row: Mapping[str, Json]) -> bool:
        """Report whether *row*, keyed by columns, is as this condition wants it."""
        return any(self._is_like(name, text_of(row[name]) or "") for name in self.columns) is self.is_wanted

    def fits_word(self, word: str) -> bool:
        """Report whether this condition's glob fits a word of the service's, in whatever case."""
        return fnmatchcase(word.casefold(), self.glob.casefold())

    def _is_like(self, name: str, text: str) -> bool:
        if name not in _OF_WORDS:
            return fnmatchcase(text, self.glob)
        return any(self.fits_word(word) for word in text.split(TASK_REASONS_BETWEEN))


def read_condition(text: str) -> Condition:
    """
    Read ``COLUMN=GLOB`` or ``COLUMN!=GLOB``.

    Raises:
        UsageError: It is neither, or the results have no such column.
    """
    left, equals, glob = text.partition("=")
    name = left.removesuffix("!").strip()
    if not equals or not name:
        raise UsageError(
            f"'{text}' is not a condition; write COLUMN=GLOB or COLUMN!=GLOB, as in status=FAILED"
        )
    return Condition(columns=(column(name),), glob=glob.strip(), is_wanted=not left.endswith("!"))


def failed_of(glob: str) -> Condition:
    """Return the condition that the run, or a task of it, failed for a reason like *glob*."""
    return Condition(columns=("failureReason", TASK_REASON), glob=glob)


def read_columns(text: str) -> tuple[str, ...]:
    """
    Read the names of columns, with commas between; ``all`` stands for the usual ones.

    Raises:
        UsageError: One of them is no column, or is given twice.
    """
    parts = [part.strip() for part in text.split(",")]
    names = [name for part in parts for name in (COLUMNS if part == _USUAL else (column(part),))]
    if twice := next((name for name in names if names.count(name) > 1), None):
        raise UsageError(f"column {twice} is given twice; name it once")
    return tuple(names)


def column(name: str) -> str:
    """
    Return *name* back where the results have such a column, or may have.

    Raises:
        UsageError: They do not; says what was meant, perhaps.
    """
    if name in COLUMNS or is_own(name):
        return name
    known = (*KNOWN, "parameters.NAME", "tags.NAME")
    by_small = {one.lower(): one for one in known}
    near = get_close_matches(name.lower(), by_small, n=1)
    hint = f"did you mean {by_small[near[0]]}?" if near else f"the columns are: {', '.join(known)}"
    raise UsageError(f"the results have no column '{name}'; {hint}")


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

    def shows(self, latest: ResultsRow) -> bool:
        """Report whether an entry is to be written, by its latest row with the columns ``own``."""
        return all(condition.matches(latest) for condition in self.where)


#: All of the results.
WHOLE: Final = View()
