"""
What a YAML or JSON manifest says of its sheet: ``sheet``, ``group_by``, ``each``, and how to read it.

Belongs here: those keys, as they pass. Does not: the document (``document``), what they come to
(``template``).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, TypeVar

from batchrun.manifest.problems import Record, shown
from batchrun.manifest.scalars import as_text
from batchrun.manifest.sheets.options import NOTHING
from batchrun.manifest.sheets.wanted import Wanted, Wish
from batchrun.manifest.tables import asked
from batchrun.manifest.tables.table import Asked

if TYPE_CHECKING:
    from collections.abc import Callable

    from batchrun.manifest.parts import Part
    from batchrun.manifest.problems import Problems
    from batchrun.model.spec import Json

_T = TypeVar("_T")
SHEET: Final = "sheet"
_WANTED: Final = ("group_by", "each", "sheet_out")
_READING: Final = ("delimiter", "encoding", "worksheet", "header")
KEYS: Final = (SHEET, *_WANTED, *_READING)


class SheetKeys:
    """Takes the parts of those keys as they are read."""

    def __init__(self, problems: Problems) -> None:
        self._problems = problems
        self._parts: dict[str, Part] = {}

    def take(self, part: Part) -> None:
        """Take one part."""
        self._parts[part.key[0]] = part

    @property
    def sheet(self) -> Wish | None:
        """The sheet's path; None where there is none, which is a problem of the keys that are for one."""
        if SHEET in self._parts:
            return self._text(SHEET)
        for name in self._parts:
            self._report(name, f"{name} is said of a sheet, and there is none", "name one with sheet: PATH")
        return None

    def wanted(self) -> Wanted:
        """Return what is wanted of the sheet."""
        return Wanted(each=self._each(), group_by=self._group_by(), sheet_out=self._text("sheet_out"))

    def asked(self, options: Asked) -> Asked:
        """Return what is said of how to read the sheet; options win."""
        worksheet = self._text("worksheet")
        return Asked(
            delimiter=options.delimiter or self._read("delimiter", asked.delimiter),
            encoding=options.encoding or self._read("encoding", asked.encoding),
            worksheet=options.worksheet or (worksheet.text if worksheet else None),
            header=options.header or self._header(),
        )

    def _each(self) -> Record:
        part = self._parts.get("each")
        if part is None:
            return NOTHING.each
        if isinstance(part.value, dict):
            return Record(fields=part.value, place=part.place, places=part.places)
        message = f"{shown(part.value)} is not a table"
        self._report("each", message, "write a table of StartRun fields, in whose texts {COLUMN} is a cell")
        return NOTHING.each

    def _group_by(self) -> tuple[Wish, ...]:
        part = self._parts.get("group_by")
        if part is None:
            return ()
        names = self._texts(part.value)
        if not names:
            self._report("group_by", f"{shown(part.value)} is no column", "write a column's name, or a list")
        return tuple(Wish(text=name, place=part.place) for name in names)

    def _header(self) -> tuple[str, ...] | None:
        part = self._parts.get("header")
        if part is not None and isinstance(part.value, list):
            return tuple(self._texts(part.value)) or None
        return self._read("header", asked.header)

    @staticmethod
    def _texts(value: Json) -> list[str]:
        given = value if isinstance(value, list) else [value]
        texts = [as_text(one) for one in given]
        return [text for text in texts if text] if all(texts) else []

    def _text(self, name: str) -> Wish | None:
        part = self._parts.get(name)
        if part is None:
            return None
        text = as_text(part.value)
        if not text:
            self._report(name, f"{shown(part.value)} where text is wanted", "write text, or leave it out")
            return None
        return Wish(text=text, place=part.place)

    def _read(self, name: str, read: Callable[[str], _T]) -> _T | None:
        if (wish := self._text(name)) is None:
            return None
        try:
            return read(wish.text)
        except ValueError as error:
            self._report(name, f"{shown(wish.text)} cannot be used", str(error))
            return None

    def _report(self, name: str, message: str, cure: str) -> None:
        self._problems.add(self._parts[name].place, message, cure, field=name)
