"""
What a table is to its readers, and what its user may say of how to read it.

Belongs here: that contract, and the options' own words. Does not: any kind of file (``tables``), what
columns mean.
"""

from __future__ import annotations

import codecs
import csv
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, NamedTuple

from batchrun.manifest.problems import Place


class Value(str):
    """The JSON of a cell that is no text at its source, such as a number of JSON Lines."""

    __slots__ = ()


class TableRow(NamedTuple):
    """One row: as many cells as the header has names."""

    line: int  #: the line on which it starts, or the spreadsheet's row
    cells: list[str]  #: empty text where there is nothing


def has_text(cells: list[str]) -> bool:
    """Report whether any of a row's cells has more than white space."""
    return bool("".join(cells).strip())


@dataclass(frozen=True, slots=True, kw_only=True)
class TableOptions:
    """What the user said of a table; None where it is to be found out."""

    delimiter: str | None = None  #: one character
    encoding: str | None = None  #: by a name that Python knows
    worksheet: str | None = None  #: by its name
    header: tuple[str, ...] | None = None  #: the columns' names, for a table without a line of them


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """
    A table that is read once, as a stream.

    Rows that cannot be read, such as ragged ones, are not among :attr:`rows`: the reader has taken
    down what is wrong. To iterate raises ManifestError where reading cannot go on. Rows without any text are
    left out.
    """

    source: str  #: what messages call it
    line: int  #: where the header stands
    header: tuple[str, ...]  #: as written: there may be empty names, and twins
    rows: Iterator[TableRow]
    delimiter: str | None = None  #: what stands between cells, where text does
    section: str | None = None  #: which of a SampleSheet's, where it is one
    has_values: bool = False  #: whether cells may be a :class:`Value`

    def place(self, line: int) -> Place:
        """Return the place of a row."""
        return Place(source=self.source, line=line)


_NAMED: Final = {"tab": "\t", "\\t": "\t", "comma": ",", "semicolon": ";", "space": " ", "pipe": "|"}
#: What Python calls encodings although no file is written in them.
_NO_FILES: Final = frozenset({"idna", "punycode", "raw-unicode-escape", "undefined", "unicode-escape"})
_NEVER: Final = frozenset('"\r\n\0')


def delimiter(text: str) -> str:
    """Read a delimiter: one character, or its name. Raises ValueError where it is neither."""
    mark = _NAMED.get(text, text)
    if len(mark) != 1 or mark in _NEVER:
        raise ValueError("write one character, or tab, comma, semicolon, space or pipe")
    return mark


def encoding(text: str) -> str:
    """
    Read an encoding's name, as Python knows it.

    Raises:
        ValueError: It is none in which text is written.
    """
    try:
        name = codecs.lookup(text).name
        "".encode(name)  # what is no encoding of text, such as zlib, fails
    except (LookupError, ValueError) as error:
        raise ValueError(_ENCODING_CURE) from error
    if name in _NO_FILES:
        raise ValueError(_ENCODING_CURE)
    return name


_ENCODING_CURE: Final = "write an encoding's name, such as utf-8, utf-16, latin-1 or cp1252"


def header(text: str) -> tuple[str, ...]:
    """
    Read columns' names with commas between them; one that has a comma stands in quotes.

    Raises:
        ValueError: It is no line of CSV.
    """
    try:
        (names,) = csv.reader([text], strict=True)
    except (csv.Error, ValueError) as error:
        raise ValueError("write names with commas between them, such as sample,gvcf") from error
    return tuple(name.strip() for name in names)
