"""
Sections of an Illumina SampleSheet: ``[Header]``, ``[BCLConvert_Data]``, each under a line with its name.

Belongs here: which lines are one section's. Does not: reading them as a table (``delimited``).
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from batchrun.manifest.problems import Place, printable, shown, unreadable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from batchrun.errors import ManifestError

_NAME: Final = re.compile(r'\ufeff?"?\[([^\[\]",;\t]+)\]"?[\s",;]*')
#: Those that have a row for each sample, in either version.
_SAMPLES: Final = frozenset({"data", "bclconvert_data"})
#: Names that are told.
_TOLD: Final = 20


def name_of(line: str) -> str | None:
    """Return the name of the section that a line begins; None for any other line."""
    match = _NAME.fullmatch(line)
    return match[1].strip() if match else None


class Sections:
    """The sections of one file, line by line."""

    def __init__(self, lines: Iterator[str], source: str, asked: str | None) -> None:
        self._lines = lines
        self._source = source
        self._wanted = _SAMPLES if asked is None else frozenset({asked.lower()})
        self._asked = asked
        self.name = ""  #: of the one that was found
        self.passed = 0  #: lines up to it, the one with its name among them

    def lines(self) -> Iterator[str]:
        """
        Find the section that is wanted, and return its lines.

        Raises:
            ManifestError: There is none.
        """
        names: list[str] = []
        for line in self._lines:
            self.passed += 1
            if (name := name_of(line)) is None:
                continue
            if name.lower() in self._wanted:
                self.name = name
                return self._rest()
            names.append(name)
        raise self._nothing(names)

    def _rest(self) -> Iterator[str]:
        for line in self._lines:
            if name_of(line) is not None:
                return
            yield line

    def _nothing(self, names: list[str]) -> ManifestError:
        told = printable(", ".join(names[:_TOLD]), 300)
        what = "no Data section" if self._asked is None else f"no section {shown(self._asked)}"
        message = f"this is an Illumina SampleSheet, and there is {what} in it"
        cure = f"give --worksheet with one of its sections: {told}"
        return unreadable(Place(source=self._source, line=1), message, cure, field="worksheet")
