"""
Choosing rows and columns of the results by what people type: ``status=FAILED``, ``id=NA12*``, ``id,status``.

Belongs here: reading such words, and matching rows. Does not: what a row is (``results``), and what is done
with those that match.
"""

from __future__ import annotations

from dataclasses import dataclass
from difflib import get_close_matches
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from batchrun.errors import UsageError
from batchrun.report.results import COLUMNS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from batchrun.model.spec import Json


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """One thing that a row must be, or must not be; what is not known counts as empty text."""

    column: str
    glob: str  #: ``*``, ``?`` and ``[...]`` as in a shell; upper and lower case differ
    is_wanted: bool = True  #: False for ``!=``

    def matches(self, row: Mapping[str, Json]) -> bool:
        """Tell whether *row*, keyed by the results' columns, is as this condition wants it."""
        value = row[self.column]
        return fnmatchcase("" if value is None else str(value), self.glob) is self.is_wanted


def parse(text: str) -> Condition:
    """
    Read ``COLUMN=GLOB`` or ``COLUMN!=GLOB``.

    Raises:
        UsageError: It is neither, or the results have no such column.
    """
    left, equals, glob = text.partition("=")
    name = left.removesuffix("!").strip()
    if not equals or not name:
        raise UsageError(f"'{text}' is no condition; write COLUMN=GLOB or COLUMN!=GLOB, as in status=FAILED")
    return Condition(column=column(name), glob=glob.strip(), is_wanted=not left.endswith("!"))


def columns(text: str) -> tuple[str, ...]:
    """
    Read the names of columns, with commas between.

    Raises:
        UsageError: One of them is no column, or is there twice.
    """
    names = tuple(column(name.strip()) for name in text.split(","))
    if twice := next((name for name in names if names.count(name) > 1), None):
        raise UsageError(f"column {twice} is there twice; name it once")
    return names


def column(name: str) -> str:
    """
    Give *name* back where the results have such a column.

    Raises:
        UsageError: They do not; says what was meant, perhaps.
    """
    if name in COLUMNS:
        return name
    by_small = {one.lower(): one for one in COLUMNS}
    near = get_close_matches(name.lower(), by_small, n=1)
    hint = f"did you mean {by_small[near[0]]}?" if near else f"the columns are: {', '.join(COLUMNS)}"
    raise UsageError(f"the results have no column '{name}'; {hint}")
