"""What a sheet's rows become: the values, the document keys and the options that say it.

Does not belong here: applying them to rows (``sheets``).
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Final, TypeVar

from batchrun.manifest.parts import Part, Record
from batchrun.manifest.problems import Path, Place, Problems, printable, shown
from batchrun.manifest.scalars import as_text
from batchrun.manifest.strict_json import JsonError, decoded
from batchrun.manifest.table import TableOptions, delimiter, encoding, header
from batchrun.model.spec import Json, merged

#: batchrun's own names in texts, which columns of a sheet may have too.
OURS: Final = frozenset({"id", "batch", "sheet", "lane"})


def column_text(name: str) -> str:
    """Return the text that means a column's cell, also where the column is called like one of our names."""
    return f"{{column.{name}}}" if name in OURS else f"{{{name}}}"


#: For ``columns_as_parameters``: every column that nothing else names.
ALL: Final = "all"


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """A text that the user gave, and where."""

    text: str
    place: Place


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What a sheet's rows become."""

    each: Record  #: the template of a run; its texts may name columns
    places: Mapping[Path, Place] = field(default_factory=dict)  #: of what options put into ``each``
    id: Wish | None = None  #: a column, or a text that names columns; overrides the id in ``each``
    group_by: tuple[Wish, ...] = ()  #: columns: rows with the same cells in them make one run
    as_parameters: tuple[Wish, ...] = ()  #: columns, or :data:`ALL`
    sheet_out: Wish | None = None  #: where each run's own sheet is written

    def place_of(self, path: Path) -> Place:
        """Return the place of a part of :attr:`each`, or of the id that overrides the one in it."""
        if self.id is not None and path == ("id",):
            return self.id.place
        own = (
            self.places[path[:length]] for length in range(len(path), 0, -1) if path[:length] in self.places
        )
        return next(own, None) or self.each.place_of(path)


@dataclass(frozen=True, slots=True, kw_only=True)
class SheetOptions:
    """What options, or a program, say of a sheet; any of these makes a file a sheet."""

    id: str | None = None
    group_by: tuple[str, ...] = ()
    parameters: tuple[str, ...] = ()  #: NAME=TEXT, NAME:json=JSON
    columns_as_parameters: tuple[str, ...] = ()
    each: Mapping[str, Json] = field(default_factory=dict)
    sheet_out: str | None = None

    def __bool__(self) -> bool:
        return self != SheetOptions()


#: Follows a name whose text is JSON.
JSON: Final = ":json"
#: The default.
NOTHING: Final = Wanted(each=Record(fields={}, place=Place(source="each"), places={}))


def with_options(wanted: Wanted, options: SheetOptions, problems: Problems) -> Wanted:
    """Apply options over what the manifest says; what is wrong with them becomes problems."""
    given = list(_parameters(options, problems))
    parameters: dict[str, Json] = {name: value for name, value, _ in given}
    own: dict[str, Json] = {"parameters": parameters} if given else {}
    fields = merged(merged(wanted.each.fields, dict(options.each)), own)
    places: Mapping[Path, Place] = {("parameters", name): place for name, _, place in given}
    return replace(
        wanted,
        each=replace(wanted.each, fields=fields),
        places=places,
        id=wanted.id if options.id is None else _wish("--id", options.id),
        group_by=_wishes("--group-by", options.group_by) or wanted.group_by,
        as_parameters=_wishes("--columns-as-parameters", options.columns_as_parameters),
        sheet_out=wanted.sheet_out if options.sheet_out is None else _wish("sheet_out", options.sheet_out),
    )


def _wish(source: str, text: str) -> Wish:
    return Wish(text=text, place=Place(source=source))


def _wishes(source: str, texts: tuple[str, ...]) -> tuple[Wish, ...]:
    return tuple(_wish(source, text) for text in texts)


def _parameters(options: SheetOptions, problems: Problems) -> Iterator[tuple[str, Json, Place]]:
    """Return each NAME=TEXT and NAME:json=JSON."""
    for option in options.parameters:
        head, equals, text = option.partition("=")
        place = Place(source=f"--parameter {printable(head)}")
        name = head.removesuffix(JSON)
        if not (equals and name):
            problems.add(place, "there is no value", "write --parameter NAME=TEXT, with columns in braces")
        elif _COLUMN.fullmatch(name):
            turned = shlex.quote(f"{_bare(text) or 'NAME'}={name}")
            cure = (
                f"write it behind the = and the parameter's name before it: --parameter {printable(turned)}"
            )
            problems.add(place, f"{shown(name)} is a column, where the parameter's name belongs", cure)
        elif name == head:
            yield name, text, place
        else:
            try:
                yield name, decoded(text), place
            except JsonError as error:
                problems.add(place, f"{shown(text)}: {error.message}", _json_cure(name, text) or error.cure)


#: A text that is nothing but a cell.
_COLUMN: Final = re.compile(r"\{([^{}\"]+)\}")
#: A name in which the shell, and JSON, has nothing to change.
_NAME: Final = re.compile(r"[\w.-]+")


def _bare(text: str) -> str | None:
    """Return a text that may be a parameter's name; None if it may not."""
    return text if _NAME.fullmatch(text) else None


def _json_cure(name: str, text: str) -> str | None:
    """Return the cure for a lone column where JSON is wanted, or None."""
    found = _COLUMN.fullmatch(text)
    if found is None:
        return None
    as_text = shlex.quote(f"{name}={text}")
    as_json = shlex.quote(f"{name}={{{found[1]}:json}}")
    return printable(
        f"write --parameter {as_text} for its text, or --parameter {as_json} if its cells are JSON", None
    )


_T = TypeVar("_T")
SHEET: Final = "sheet"
_WANTED: Final = ("group_by", "each", "sheet_out")
_READING: Final = ("delimiter", "encoding", "worksheet", "header")
KEYS: Final = (SHEET, *_WANTED, *_READING)


class SheetKeys:
    """Reads the keys of a sheet, part by part."""

    def __init__(self, problems: Problems) -> None:
        self._problems = problems
        self._parts: dict[str, Part] = {}

    def take(self, part: Part) -> None:
        """Read one part."""
        self._parts[part.key[0]] = part

    @property
    def sheet(self) -> Wish | None:
        """The sheet's path; None if there is none, so that other keys for a sheet are problems."""
        if SHEET in self._parts:
            return self._text(SHEET)
        for name in self._parts:
            self._report(name, f"{name} is for a sheet, and there is none", "name one with sheet: PATH")
        return None

    def wanted(self) -> Wanted:
        """Return what the sheet's rows become."""
        return Wanted(each=self._each(), group_by=self._group_by(), sheet_out=self._text("sheet_out"))

    def asked(self, options: TableOptions) -> TableOptions:
        """Return how to read the sheet; options win."""
        worksheet = self._text("worksheet")
        return TableOptions(
            delimiter=options.delimiter or self._read("delimiter", delimiter),
            encoding=options.encoding or self._read("encoding", encoding),
            worksheet=options.worksheet or (worksheet.text if worksheet else None),
            header=options.header or self._header(),
        )

    def _each(self) -> Record:
        part = self._parts.get("each")
        if part is None:
            return NOTHING.each
        if isinstance(part.value, dict):
            return part.record(part.value)
        message = f"{shown(part.value)} is not a table"
        self._report("each", message, "write a table of StartRun fields, in whose texts {COLUMN} is a cell")
        return NOTHING.each

    def _group_by(self) -> tuple[Wish, ...]:
        part = self._parts.get("group_by")
        if part is None:
            return ()
        names = self._texts(part.value)
        if not names:
            self._report(
                "group_by", f"{shown(part.value)} is not a column", "write a column's name, or a list"
            )
        return tuple(Wish(text=name, place=part.place) for name in names)

    def _header(self) -> tuple[str, ...] | None:
        part = self._parts.get("header")
        if part is None or not isinstance(part.value, list):
            return self._read("header", header)
        # A name may be empty, as between two commas: its column cannot be used.
        names = tuple(name for name in map(as_text, part.value) if name is not None)
        if names and len(names) == len(part.value):
            return names
        self._report(
            "header", f"{shown(part.value)} cannot be used", "write the name of each column, as text"
        )
        return None

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
