"""
The columns of a sheet, by the names that texts give them.

Belongs here: finding a column, and what is said where there is none. Does not: the grammar of texts
(``text``).
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Final

from batchrun.manifest.placeholders import PlaceholderError
from batchrun.manifest.problems import nearest, printable, shown

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

#: Names that are held against those that nothing has: to guess what was meant takes time.
_GUESSES: Final = 50_000
#: Characters of the columns' names that a message lists.
_LISTED: Final = 300


class Columns:
    """A header, whose names need not be single: only those that are used must be."""

    def __init__(self, header: Sequence[str]) -> None:
        self.header = tuple(header)
        self._indexes: dict[str, int] = {}
        self._twins: set[str] = set()
        self._guesses = max(1, _GUESSES // (len(self.header) or 1))
        for index, name in enumerate(self.header):
            if self._indexes.setdefault(name, index) != index:
                self._twins.add(name)

    def __contains__(self, name: str) -> bool:
        return bool(name) and name in self._indexes

    def named(self) -> Iterator[tuple[str, int]]:
        """Return each column that has a name, with its index."""
        return ((name, index) for index, name in enumerate(self.header) if name.strip())

    def index(self, name: str) -> int:
        """
        Find a column.

        Raises:
            PlaceholderError: There is none of that name, or more than one.
        """
        if name not in self:
            raise self.unknown(name)
        if name in self._twins:
            message = f"two columns are called {shown(name)}"
            raise PlaceholderError(message, "rename one of them in the sheet's header")
        return self._indexes[name]

    def unknown(self, name: str) -> PlaceholderError:
        """Build the error for a name that no column has."""
        self._guesses -= 1
        near = nearest(name, self._indexes) if self._guesses >= 0 else None
        guess = "" if near is None else f"did you mean {shown(near)}? "
        return PlaceholderError(f"there is no column {shown(name)}", f"{guess}the columns are {self._listed}")

    @functools.cached_property
    def _listed(self) -> str:
        return printable(", ".join(name for name, _ in self.named()), _LISTED)
