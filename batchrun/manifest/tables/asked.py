"""
What people write of how a table is to be read, as values.

Belongs here: delimiters and encodings by their names, a header on one line. Does not: where they write it,
reading.
"""

from __future__ import annotations

import codecs
import csv
from typing import Final

_NAMED: Final = {"tab": "\t", "\\t": "\t", "comma": ",", "semicolon": ";", "space": " ", "pipe": "|"}
#: What Python calls encodings although no file is written in them.
_NO_FILES: Final = frozenset({"idna", "punycode", "raw-unicode-escape", "undefined", "unicode-escape"})
_NEVER: Final = frozenset('"\r\n\0')


def delimiter(text: str) -> str:
    """
    Read a delimiter: one character, or its name.

    Raises:
        ValueError: It is neither.
    """
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
