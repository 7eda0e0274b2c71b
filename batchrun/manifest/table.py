"""What a table is to the code that reads its rows, and how the user may say to read it.

Does not belong here: any kind of file (``tables``), the meaning of columns.
"""

from __future__ import annotations

import codecs
import csv
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, NamedTuple

from batchrun.manifest.problems import Place


class Value(str):
    """The JSON of a cell that is not text at its source, such as a number in JSON Lines."""

    __slots__ = ()


class TableRow(NamedTuple):
    """One row, with as many cells as the header has names."""

    line: int  #: the line on which it starts, or the row in the spreadsheet
    cells: list[str]  #: empty text for an empty cell


def has_text(cells: list[str]) -> bool:
    """Report whether any of a row's cells has more than white space."""
    return bool("".join(cells).strip())


@dataclass(frozen=True, slots=True, kw_only=True)
class TableOptions:
    """How the user says to read a table; None: it is detected."""

    delimiter: str | None = None  #: one character
    encoding: str | None = None  #: a name that Python knows
    worksheet: str | None = None  #: by its name
    header: tuple[str, ...] | None = None  #: the columns' names, for a table without a header line


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """A table that is read once, as a stream.

    Rows that cannot be read, such as ragged ones, are not in :attr:`rows`: the reader records their
    problems. Iterating raises ManifestError if reading cannot go on. Rows without any text are left out.
    """

    source: str  #: what messages call it
    line: int  #: where the header stands
    header: tuple[str, ...]  #: as written: names may be empty, or equal
    rows: Iterator[TableRow]
    delimiter: str | None = None  #: between cells, in a text file
    section: str | None = None  #: the section of a SampleSheet
    has_values: bool = False  #: whether cells may be a :class:`Value`

    def place(self, line: int) -> Place:
        """Return the place of a row."""
        return Place(source=self.source, line=line)


_NAMED: Final = {"tab": "\t", "\\t": "\t", "comma": ",", "semicolon": ";", "space": " ", "pipe": "|"}
#: Names that Python accepts as encodings though no file is in them.
_NO_FILES: Final = frozenset({"idna", "punycode", "raw-unicode-escape", "undefined", "unicode-escape"})
_NEVER: Final = frozenset('"\r\n\0')


def delimiter(text: str) -> str:
    """Return a delimiter, given as one character or by name. Raises ValueError if it is neither."""
    mark = _NAMED.get(text, text)
    if len(mark) != 1 or mark in _NEVER:
        raise ValueError("write one character, or tab, comma, semicolon, space or pipe")
    return mark


def encoding(text: str) -> str:
    """Return an encoding's name as Python knows it. Raises ValueError if it is not one of text."""
    try:
        name = codecs.lookup(text).name
        "".encode(name)  # fails for codecs that are not for text, such as zlib
    except (LookupError, ValueError) as error:
        raise ValueError(_ENCODING_CURE) from error
    if name in _NO_FILES:
        raise ValueError(_ENCODING_CURE)
    return name


_ENCODING_CURE: Final = "write an encoding's name, such as utf-8, utf-16, latin-1 or cp1252"


def header(text: str) -> tuple[str, ...]:
    """Return column names given with commas between them; a name with a comma is in quotes.

    Raises:
        ValueError: It is not a line of CSV.
    """
    try:
        (names,) = csv.reader([text], strict=True)
    except (csv.Error, ValueError) as error:
        raise ValueError("write names with commas between them, such as sample,gvcf") from error
    return tuple(name.strip() for name in names)
