"""Numbers, ``true``, JSON and lists of URIs that are sent as text because no type was given.

A column is text if any of its cells is: ``16`` is a sample's name beside ``A12``. Among hundreds of numbers,
though, ``3O`` is a slip that makes text of all. Belongs here: the type that a column's cells look like. Not
doubted: ``0042``, ``a;b``, ``1,2``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Final, TypeAlias

from batchrun.manifest import limits
from batchrun.manifest.problems import Place
from batchrun.manifest.strict_json import JsonError, decoded
from batchrun.manifest.warned.found import Collected, Doubt, WarningKind, WatchedColumn
from batchrun.manifest.warned.texts import is_absent

#: A cell's text, its line, and its row's id.
_Cell: TypeAlias = "tuple[str, int | None, str | None]"
#: Returns how to give a type, and what else to do.
Cure: TypeAlias = Callable[[str, str], str]

_NUMBER: Final = re.compile(r"[-+]?(?:(?:0|[1-9][0-9]*)(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][-+]?[0-9]+)?")
_INTEGER: Final = re.compile(r"[-+]?[0-9]+")
#: What pandas makes of 1 where a cell of the column is empty.
_WHOLE: Final = re.compile(r"[-+]?[0-9]+\.0")
_AS_WHOLE: Final = ", or :int once the numbers are written without .0"
#: A number as most of Europe writes it, or with commas between thousands.
_COMMA: Final = re.compile(
    r"[-+]?(?:(?:[0-9]{1,3}(?:\.[0-9]{3})+|[0-9]+),[0-9]+|[0-9]{1,3}(?:,[0-9]{3})+(?:\.[0-9]+)?)"
)
#: What may as well be a list, of two lanes for instance.
_PAIR: Final = re.compile(r"[1-9],[1-9]")
_COMMA_CURE: Final = "write a point before decimals and nothing between thousands, and "
#: As spreadsheets in German, French and Spanish export them; in lower case.
FOREIGN: Final = frozenset({"wahr", "falsch", "vrai", "faux", "verdadero", "falso"})
_BOOLEANS: Final = frozenset({"true", "false", *FOREIGN})
_FOREIGN_CURE: Final = "write true or false, and "
#: For each text that may be a slip, how many numbers a column has at least.
_TO_ONE: Final = 100
_URIS: Final = re.compile(r"(?:s3|omics|gs|https?|ftp)://", re.IGNORECASE)
_BETWEEN: Final = frozenset(",;| \t\n")
_LONGEST: Final = 40
_LIST_AS_JSON: Final = ' and write JSON there, ["...", "..."]'
_AS_JSON: Final = {
    "a list": _LIST_AS_JSON,
    "a list of URIs": _LIST_AS_JSON,
    "a table": ' and write JSON there, {"...": "..."}',
}
#: A table as Python shows it.
_AS_PYTHON: Final = re.compile(r"\{\s*'[^']*'\s*:")
_WORDS: Final = {"int": "a number", "float": "a number", "bool": "true or false"}


class Types:
    """The types that the cells of one column look like."""

    def __init__(self, column: WatchedColumn, source: str, cure: Cure) -> None:
        self.column = column
        self._source = source
        self._cure = cure
        self._counts = {"int": 0, "float": 0, "bool": 0}
        self._are_whole = True  #: whether all fractions so far are such as 1.0
        self._rewrite = ""  #: how to write cells that no type takes as they are
        self._has_pairs = False
        self._texts = 0
        self._odd: _Cell | None = None  #: the first text
        self._first: _Cell | None = None
        self._also: list[int] = []  #: lines of further cells, up to a limit

    def is_number(self, text: str, line: int | None, row: str | None) -> bool:
        """Note a cell; report whether it is a number, or true or false."""
        type_ = None if len(text) > _LONGEST else _type(text)
        if type_ is None:
            if not is_absent(text):
                self._odd = self._odd or (text, line, row)
                self._texts += 1
            return False
        self._counts[type_] += 1
        self._are_whole = self._are_whole and (type_ != "float" or _WHOLE.fullmatch(text) is not None)
        rewrite = self._to_rewrite(text)
        if self._first is None:
            self._first = text, line, row
        else:
            if rewrite and not self._rewrite:
                self._first, line = (text, line, row), self._first[1]
            if line is not None and len(self._also) < limits.LINES - 1:
                self._also.append(line)
        self._rewrite = self._rewrite or rewrite
        return True

    def are_texts(self, count: int) -> None:
        """Note cells that are plainly text."""
        self._texts += count

    def _to_rewrite(self, text: str) -> str:
        """Return how to write a cell that no type takes as it is; else nothing."""
        if "," not in text:
            return _FOREIGN_CURE if text.lower() in FOREIGN else ""
        is_pair = _PAIR.fullmatch(text) is not None
        self._has_pairs = self._has_pairs or is_pair
        return "" if is_pair else _COMMA_CURE

    def written(self, text: str) -> Doubt | None:
        """Return a doubt about a list or table that is written into a cell."""
        what = _written(text)
        if what is None:
            return None
        cure = self._cure("json", _AS_JSON.get(what, ""))
        return Doubt(WarningKind.UNTYPED, f"looks like {what}, and is sent as text", cure, cause=what)

    def tell(self, found: Collected) -> None:
        """Record a doubt if all cells are of one type, or all but a few, after all rows were seen."""
        present = [name for name, count in self._counts.items() if count]
        is_mixed = "bool" in present and len(present) > 1
        is_list = self._has_pairs and not self._rewrite
        if self._first is None or is_mixed or is_list:
            return
        type_ = present[-1]
        count = sum(self._counts.values())
        if self._texts:
            if self._odd is not None and type_ != "bool" and self._texts * _TO_ONE <= count:
                self._tell_odd(found, self._odd, type_, count)
            return
        says = f"looks like {_WORDS[type_]}, and is sent as text"
        also = _AS_WHOLE if type_ == "float" and self._are_whole else ""
        doubt = Doubt(WarningKind.UNTYPED, says, self._rewrite + self._cure(type_, also))
        self._add(found, doubt, self._first, count, self._also)

    def _tell_odd(self, found: Collected, odd: _Cell, type_: str, numbers: int) -> None:
        says = f"is no number, where {numbers} other rows have one, and makes text of all"
        doubt = Doubt(WarningKind.UNTYPED, says, f"correct it, and {self._cure(type_, '')}")
        self._add(found, doubt, odd, self._texts, ())

    def _add(self, found: Collected, doubt: Doubt, cell: _Cell, count: int, also: Sequence[int]) -> None:
        text, line, row = cell
        place = Place(source=self._source, line=line, column=self.column.number)
        found.add(doubt, self.column, place, text=text, row=row, count=count, also=also)


def has_comma(text: str) -> bool:
    """Report whether a text is a number with a comma, and no list of two."""
    return _COMMA.fullmatch(text) is not None and _PAIR.fullmatch(text) is None


def looks_typed(text: str) -> bool:
    """Report whether a text, which is not empty, is doubtful without a type."""
    return (_type(text) or _written(text)) is not None


def _type(text: str) -> str | None:
    if text.lower() in _BOOLEANS:
        return "bool"
    if "," in text:
        return "float" if _COMMA.fullmatch(text) else None
    if not _NUMBER.fullmatch(text):
        return None
    return "int" if _INTEGER.fullmatch(text) else "float"


def _written(text: str) -> str | None:
    """Return the kind of list or table that a text is, or None."""
    if (text[0], text[-1]) in {("[", "]"), ("{", "}")}:
        try:
            if isinstance(decoded(text), list | dict):
                return "JSON"
        except (JsonError, ValueError):
            if text[0] == "[" and ("://" in text or ", " in text or "'" in text):
                return "a list"
            if text[0] == "{" and _AS_PYTHON.match(text):
                return "a table"
        return None
    starts = [match.start() for match in _URIS.finditer(text)]
    is_list = len(starts) > 1 and starts[0] == 0 and all(text[at - 1] in _BETWEEN for at in starts[1:])
    return "a list of URIs" if is_list else None
