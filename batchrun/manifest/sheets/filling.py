"""
A run under work: the rows of the sheet that make it, as the nodes of a template see them.

Belongs here: what is taken down while rows pass: their lines, the elements of lists that repeat, problems,
and how much text there may be. Does not: what a node does with a row (``nodes``).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from batchrun.manifest import limits
from batchrun.manifest.problems import Place, dotted

if TYPE_CHECKING:
    from batchrun.manifest.problems import Path, Problems
    from batchrun.model.spec import Json

#: Characters that an element costs beside its text, so that a list has an end too where its texts are short.
_ELEMENT: Final = 16


@dataclass(slots=True)
class Elements:
    """What the rows have put into one list, and which of its items had something to put there."""

    values: list[Json] = field(default_factory=list)
    given: dict[int, int] = field(default_factory=dict)  #: by item, the first line that had it
    missing: dict[int, int] = field(default_factory=dict)  #: by item, the first line that had it not


class Filling:
    """One run, row by row."""

    def __init__(self, source: str, lists: int, problems: Problems) -> None:
        self.row: str | None = None  #: the run's id, once it is known
        self.lines: list[int] = []
        self.lists = [Elements() for _ in range(lists)]
        self.differing: set[int] = set()  #: columns of which it was told that the rows disagree
        self.is_full = False
        self._source = source
        self._room = limits.FILLED
        self._problems = problems

    @property
    def place(self) -> Place:
        """All of the lines so far."""
        return Place(source=self._source, line=self.lines[0], lines=tuple(self.lines))

    def take(self, characters: int) -> None:
        """Take up room for so many characters, or for an element where there are none."""
        self._room -= characters or _ELEMENT
        if self._room < 0 and not self.is_full:
            self.is_full = True
            message = f"its columns make more than {limits.FILLED} characters"
            cure = (
                f"a run takes at most {limits.PARAMETERS} bytes of parameters: use sheet_out, or fewer rows"
            )
            self._problems.add(self.place, message, cure, row=self.row)

    def report(self, path: Path, message: str, cure: str) -> None:
        """Take down what is wrong with the row that came last."""
        place = Place(source=self._source, line=self.lines[-1])
        self._problems.add(place, message, cure, row=self.row, field=dotted(path))

    def report_all(self, path: Path, message: str, cure: str) -> None:
        """Take down what is wrong with the rows together."""
        self._problems.add(self.place, message, cure, row=self.row, field=dotted(path) or None)
