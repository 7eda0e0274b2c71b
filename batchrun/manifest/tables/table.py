"""
What a table is to its readers, and what its user may say of how to read it.

Belongs here: that contract. Does not: any kind of file (``delimited``), what columns mean.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from batchrun.manifest.problems import Place

if TYPE_CHECKING:
    from collections.abc import Iterator


class Value(str):
    """The JSON of a cell that is no text at its source, such as a number of JSON Lines."""

    __slots__ = ()


class Row(NamedTuple):
    """One row: as many cells as the header has names."""

    line: int  #: the line on which it starts, or the spreadsheet's row
    cells: list[str]  #: empty text where there is nothing


def has_text(cells: list[str]) -> bool:
    """Report whether any of a row's cells has more than white space."""
    return bool("".join(cells).strip())


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What the user said of a table; None where it is to be found out."""

    delimiter: str | None = None  #: one character
    encoding: str | None = None  #: by a name that Python knows
    worksheet: str | None = None  #: by its name
    header: tuple[str, ...] | None = None  #: the columns' names, for a table without a line of them


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """
    A table that is read once, as a stream.

    Rows that cannot be read, such as ragged ones, are not among :attr:`rows`: whoever reads them has taken
    down what is wrong. To iterate raises ManifestError where reading cannot go on. Rows without any text are
    left out.
    """

    source: str  #: what messages call it
    line: int  #: where the header stands
    header: tuple[str, ...]  #: as written: there may be empty names, and twins
    rows: Iterator[Row]
    delimiter: str | None = None  #: what stands between cells, where text does
    section: str | None = None  #: which of a SampleSheet's, where it is one
    has_values: bool = False  #: whether cells may be a :class:`Value`

    def place(self, line: int) -> Place:
        """Return the place of a row."""
        return Place(source=self.source, line=line)
