"""The program that prints a worksheet: each row a JSON list of texts, or an object that says what is wrong.

It is a process of its own, with limits: two cells far apart make the library ask for half a terabyte, and a
refusal ends the process. It imports nothing from batchrun, and is not a module of it.

Standard input is the workbook, a regular file; the argument is JSON: worksheet, memory and unpacked (bytes),
seconds, area (cells).
"""

from __future__ import annotations

import contextlib
import datetime as dt
import json
import posixpath
import re
import resource
import signal
import sys
import zipfile
from array import array
from collections.abc import Callable, Collection, Iterator
from typing import Any, BinaryIO, Final
from xml.parsers import expat

from python_calamine import CalamineError, CalamineWorkbook, SheetTypeEnum, SheetVisibleEnum

_WORKBOOK: Final = "xl/workbook.xml"
_RELATIONS: Final = "xl/_rels/workbook.xml.rels"
_STYLES: Final = "xl/styles.xml"
_CELL: Final = re.compile(r"([A-Z]{1,3})([0-9]{1,7})")
_MERGED: Final = re.compile(r"([A-Z]{1,3})([0-9]{1,7}):[A-Z]{1,3}([0-9]{1,7})")
#: Parts of a format: texts, places of digits, colours and the like, and what is not understood.
_PART: Final = re.compile(
    r'"(?P<text>[^"]*)"|\\(?P<letter>.)|(?P<mark>[- ])|(?P<place>General|#+0?|0)'
    r"|\[(?:\$-[0-9A-Fa-f]{1,8}|[A-Za-z]+)\]|_.|(?P<end>;)|(?P<other>.)",
    re.DOTALL,
)
_PLACE: Final = "\0"  #: of a digit
_NO_CELLS: Final = re.compile(rb"<(?:\w+:)?sheetData\s*(?:/>|></)")
_HEAD: Final = 64 * 1024  #: of a worksheet, in bytes: its cells begin therein
_SHEETS: Final = 10  #: that are looked into
_TRUE: Final = frozenset({"1", "true"})
_NOWHERE: Final = (0, 0, 0)
_DIGITS: Final = 10**15  # Excel has fifteen
_CSV: Final = "save the sheet as CSV"
_RANGES: Final = 8  #: that are shown
_UNMERGE: Final = "select all, unmerge (in Excel: Home > Merge & Center)"
_ON_HIDDEN: Final = (
    "to read them too, show them (in Excel: Data > Clear, or select all, and Unhide); "
    "else copy the rows that are visible into a workbook of their own, and give that"
)


class _WrongError(Exception):
    """The workbook cannot be used; has message and cure."""


def main() -> None:
    """Print the rows."""
    asked = json.loads(sys.argv[1])
    for kind, bound in ((resource.RLIMIT_DATA, "memory"), (resource.RLIMIT_CPU, "seconds")):
        with contextlib.suppress(ValueError, OSError):  # another limit is in force
            resource.setrlimit(kind, (asked[bound], asked[bound]))
    # A limit of time, too: the library may wait for ever for memory that it does not get.
    signal.alarm(2 * asked["seconds"])
    try:
        for row in _rows(sys.stdin.buffer, asked):
            _say(row)
    except _WrongError as error:
        _say({"wrong": error.args})
    except (CalamineError, zipfile.BadZipFile, expat.ExpatError, KeyError) as error:
        _say({"wrong": (f"this Excel workbook cannot be read: {error}", f"open it, and {_CSV}")})


def _say(what: object) -> None:
    sys.stdout.write(json.dumps(what) + "\n")


def _rows(file: BinaryIO, asked: dict[str, Any]) -> Iterator[list[str]]:
    with zipfile.ZipFile(file) as archive:
        if _WORKBOOK not in archive.namelist():
            raise _WrongError("this is a zip archive, and no Excel workbook", "give the table itself")
        if sum(one.file_size for one in archive.infolist()) > asked["unpacked"]:
            size = asked["unpacked"] // 1024**2
            raise _WrongError(f"unpacked this workbook has more than {size} MiB", _CSV)
        file.seek(0)
        book = CalamineWorkbook.from_filelike(file)
        name = _chosen(book, archive, asked["worksheet"])
        styles = _Styles()
        if _STYLES in archive.namelist():
            _parse(archive, _STYLES, styles.start, end=styles.end)
        scan = _Scan(asked["area"], styles.paddings)
        _parse(archive, _WORKBOOK, scan.book)
        _parse(archive, _path_of(archive, name), scan.start, scan.text, scan.end)
    sheet = book.get_sheet_by_name(name)
    signal.alarm(0)  # from here on the time is the reader's
    left = sheet.start[1] if sheet.start else 0
    padded = iter(zip(*[iter(scan.padded)] * 3, strict=True))
    row, column, style = next(padded, _NOWHERE)
    for number, cells in enumerate(sheet.iter_rows(), start=1):
        texts = [_text(cell) for cell in cells]
        for at, error in scan.errors.get(number, {}).items():
            texts[at - left] = error
        while row == number:
            texts[column - left] = _padded(texts[column - left], styles.paddings[str(style)])
            row, column, style = next(padded, _NOWHERE)
        _refuse_unclear(number, texts, left, scan)
        yield texts


def _refuse_unclear(number: int, texts: list[str], left: int, scan: _Scan) -> None:
    """Refuse a row that a person sees otherwise than its cells are. Raises _WrongError."""
    for at, reference in scan.merged.get(number, {}).items():
        if 0 <= at - left < len(texts) and texts[at - left]:
            more = [area for areas in scan.merged.values() for area in areas.values() if area != reference]
            also = (
                f" (others too: {', '.join(more[:_RANGES])}{', ...' if more[_RANGES:] else ''})"
                if more
                else ""
            )
            message = f"the cells {reference} are merged, and only the first of them has the value{also}"
            raise _WrongError(message, f"{_UNMERGE}, and write {texts[at - left]!r} into each")
    if number in scan.hidden and any(map(str.strip, texts)):
        is_one = len(scan.hidden) == 1
        rows = f"row {number} is" if is_one else f"rows {_ranges(sorted(scan.hidden))} are"
        raise _WrongError(f"{rows} hidden, by a filter perhaps, and would be read all the same", _ON_HIDDEN)


def _ranges(numbers: list[int]) -> str:
    """Return ascending numbers as ranges: 3, 5-9."""
    found: list[list[int]] = []
    for number in numbers:
        if found and found[-1][1] == number - 1:
            found[-1][1] = number
        else:
            found.append([number, number])
    told = [str(first) if first == last else f"{first}-{last}" for first, last in found[:_RANGES]]
    return f"{', '.join(told)}{', ...' if len(found) > _RANGES else ''} ({len(numbers)} in all)"


def _chosen(book: CalamineWorkbook, archive: zipfile.ZipFile, wanted: str | None) -> str:
    sheets = [one for one in book.sheets_metadata if one.typ is SheetTypeEnum.WorkSheet]
    visible = [one.name for one in sheets if one.visible is SheetVisibleEnum.Visible]
    names = ", ".join(map(repr, visible[:10]))
    if wanted is not None:
        if wanted in [one.name for one in sheets]:
            return wanted
        raise _WrongError(f"there is no worksheet {wanted!r}", f"give --worksheet with one of {names}")
    if 1 < len(visible) <= _SHEETS:
        # Older Excels made three, of which people use one.
        visible = [name for name in visible if not _is_empty(archive, name)] or visible
    if len(visible) == 1:
        return visible[0]
    if not visible:
        raise _WrongError(
            "no worksheet is visible", "give --worksheet with the name of the one that is meant"
        )
    raise _WrongError(f"there are {len(visible)} worksheets", f"give --worksheet with one of {names}")


def _is_empty(archive: zipfile.ZipFile, name: str) -> bool:
    with archive.open(_path_of(archive, name)) as part:
        return _NO_CELLS.search(part.read(_HEAD)) is not None


def _path_of(archive: zipfile.ZipFile, name: str) -> str:
    """Return the path of a worksheet in the archive."""
    found: list[str] = []

    def sheet(tag: str, given: dict[str, str]) -> None:
        if _local(tag) == "sheet" and given.get("name") == name:
            found.extend(value for key, value in given.items() if _local(key) == "id")

    def relation(tag: str, given: dict[str, str]) -> None:
        if _local(tag) == "Relationship" and found and given.get("Id") == found[0]:
            found.append(posixpath.normpath(posixpath.join("/xl", given["Target"])).lstrip("/"))

    _parse(archive, _WORKBOOK, sheet)
    _parse(archive, _RELATIONS, relation)
    return found[-1] if found else ""


def _local(name: str) -> str:
    return name.rpartition(":")[2]


def _parse(
    archive: zipfile.ZipFile,
    path: str,
    start: Callable[[str, dict[str, str]], None],
    text: Callable[[str], None] | None = None,
    end: Callable[[str], None] | None = None,
) -> None:
    parser = expat.ParserCreate()
    parser.StartElementHandler = start
    parser.CharacterDataHandler = text
    parser.EndElementHandler = end
    parser.EntityDeclHandler = _refuse_entity
    with archive.open(path) as part:
        parser.ParseFile(part)


def _refuse_entity(*_: object) -> None:
    raise _WrongError("this workbook declares entities, which no spreadsheet writes", _CSV)


class _Styles:
    """Styles that show a number as 0042 or RNA-042: those with formats such as 0000 and "RNA-"000."""

    def __init__(self) -> None:
        #: The texts around a number's digits, and a mark for each of these, by the style's number.
        self.paddings: dict[str, str] = {}
        self._formats: dict[str, str] = {}
        self._count = 0
        self._is_inside = False

    def start(self, tag: str, given: dict[str, str]) -> None:
        name, code = _local(tag), given.get("formatCode", "")
        if name == "numFmt" and (padding := _padding(code)) is not None:
            self._formats[given.get("numFmtId", "")] = padding
        elif name == "cellXfs":
            self._is_inside = True
        elif name == "xf" and self._is_inside:
            if (padding := self._formats.get(given.get("numFmtId", ""))) is not None:
                self.paddings[str(self._count)] = padding
            self._count += 1

    def end(self, tag: str) -> None:
        self._is_inside &= _local(tag) != "cellXfs"


def _padding(code: str) -> str | None:
    """Return the texts around a number, and its digits' places; None for a currency, a unit and the like."""
    made = ""
    for part in _PART.finditer(code):
        kind = part.lastgroup
        if kind == "end":  # what follows is for negative numbers
            break
        # The mark # shows a digit only where there is one: numbers fill such places from the last.
        if kind == "other" or (kind == "place" and part[0].startswith("#") and _PLACE in made):
            return None
        if kind is not None:
            made += _PLACE if kind == "place" else part[kind]
    if _PLACE not in made:
        return None
    before, *between, after = made.split(_PLACE)
    is_unit = after != "" and (after[0].isspace() or not any(map(str.isalpha, after)))
    is_name = any(map(str.isalpha, before)) and not before[-1].isspace()
    is_parted = any(map(str.isspace, between))  # as thousands are
    return made if (is_name or (between and not before)) and not (is_unit or is_parted) else None


class _Scan:
    """What the library does not report of cells: the used area, errors, and how they look."""

    def __init__(self, area: int, padding: Collection[str]) -> None:
        self.errors: dict[int, dict[int, str]] = {}
        #: Areas over several rows, by the first cell's row and column.
        self.merged: dict[int, dict[int, str]] = {}
        self.hidden: set[int] = set()  #: hidden rows with content
        self.padded = array("L")  #: row, column and style of each number that may show leading zeros
        self._padding = padding  #: numbers of styles
        self._area = area
        self._bounds = (0, 0)
        self._cell: dict[str, str] = {}
        self._inside = ""
        self._is_hidden = False
        self._has_formula = False
        self._value = ""
        #: Values of formulas that programs write who leave it to a spreadsheet to find the right ones.
        self._unknown: tuple[str, ...] = ()

    def book(self, tag: str, given: dict[str, str]) -> None:
        """Take a part of the workbook's own description."""
        if _local(tag) == "calcPr" and given.get("fullCalcOnLoad") in _TRUE:
            self._unknown = ("", "0")

    def start(self, tag: str, given: dict[str, str]) -> None:
        self._inside = _local(tag)
        if self._inside == "c":
            self._cell, self._has_formula, self._value = given, False, ""
        elif self._inside == "row":
            self._is_hidden = given.get("hidden") in _TRUE
        elif self._inside == "mergeCell":
            self._take_merged(given.get("ref", ""))
        self._has_formula |= self._inside == "f"

    def _take_merged(self, reference: str) -> None:
        found = _MERGED.fullmatch(reference)
        if found is not None and found[2] != found[3]:
            self.merged.setdefault(int(found[2]), {})[_number(found[1]) - 1] = reference

    def text(self, text: str) -> None:
        if self._inside in {"v", "t"}:
            self._value += text

    def end(self, tag: str) -> None:
        self._inside = ""
        if _local(tag) == "c":
            self._take(self._cell)

    def _take(self, cell: dict[str, str]) -> None:
        reference = cell.get("r", "")
        match = _CELL.fullmatch(reference)
        if match is None:
            raise _WrongError(
                "a cell of this workbook has no reference", f"open it in a spreadsheet, and {_CSV}"
            )
        row, column = int(match[2]), _number(match[1])
        self._bounds = max(self._bounds[0], row), max(self._bounds[1], column)
        if self._bounds[0] * self._bounds[1] > self._area:
            message = f"up to cell {reference} there is room for more than {self._area} cells"
            raise _WrongError(message, f"remove what lies far from the table, or {_CSV}")
        if self._is_hidden and self._value:
            self.hidden.add(row)
        style = cell.get("s", "")
        if style in self._padding and cell.get("t", "n") == "n" and self._value:
            if self.padded and self.padded[-3] > row:
                raise _WrongError("the rows of this workbook are not in order", f"open it, and {_CSV}")
            self.padded.extend((row, column - 1, int(style)))
        if cell.get("t") == "e":
            self.errors.setdefault(row, {})[column - 1] = self._value
        elif self._has_formula and (
            self._value in self._unknown or (not self._value and cell.get("t") != "str")
        ):
            raise _WrongError(
                f"the formula of cell {reference} has no value yet",
                f"open the workbook in a spreadsheet, and save it there, or {_CSV}",
            )


def _number(letters: str) -> int:
    number = 0
    for letter in letters:
        number = number * 26 + ord(letter) - ord("A") + 1
    return number


def _padded(text: str, places: str) -> str:
    """Return a whole number in these *places*, zeros before its digits, its sign not counted."""
    bare = text.removeprefix("-")
    if not bare.isdecimal():
        return text
    count = places.count(_PLACE)
    digits = iter(bare.zfill(count))
    wide = places.replace(_PLACE, _PLACE * max(1, len(bare) - count + 1), 1)
    return text[: -len(bare)] + "".join(next(digits) if one == _PLACE else one for one in wide)


def _text(value: object) -> str:
    """Return a cell's value as a person sees it."""
    match value:
        case bool():
            return "true" if value else "false"
        case float() if value.is_integer() and abs(value) < _DIGITS:
            return str(int(value))
        case float():
            return f"{value:.15g}"
        case dt.datetime() | dt.time():
            return value.isoformat(timespec="seconds")
        case dt.date():
            return value.isoformat()
        case dt.timedelta():
            minutes, seconds = divmod(round(value.total_seconds()), 60)
            return f"{minutes // 60}:{minutes % 60:02}:{seconds:02}"
        case _:
            return str(value)


if __name__ == "__main__":
    main()
