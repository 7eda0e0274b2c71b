"""Names of columns, and texts that name columns.

Belongs here: which column a name means, and the parts of a text. Does not: other values (``nodes``).
"""

from __future__ import annotations

import enum
import functools
import re
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from batchrun.manifest.columns import TEXT, TYPES, no_type
from batchrun.manifest.placeholders import PlaceholderError
from batchrun.manifest.problems import nearest, printable, shown
from batchrun.manifest.sheet_wishes import OURS

#: Names that are compared with an unknown one; guessing takes time.
_GUESSES: Final = 50_000
#: Most characters of column names in a message.
_LISTED: Final = 300


class Columns:
    """A header. Names may be equal, as long as they are not used."""

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
        """Return each named column with its index."""
        return ((name, index) for index, name in enumerate(self.header) if name.strip())

    def index(self, name: str) -> int:
        """Return a column's index. Raises PlaceholderError if no column has that name, or several have."""
        if name not in self:
            raise self.unknown(name)
        if name in self._twins:
            message = f"two columns are called {shown(name)}"
            raise PlaceholderError(message, "rename one of them in the sheet's header")
        return self._indexes[name]

    def unknown(self, name: str) -> PlaceholderError:
        """Return the error for a name that no column has."""
        self._guesses -= 1
        parts = [part.strip() for part in name.split(",")]
        if len(parts) > 1 and all(part in self for part in parts):
            return _several(name, parts)
        near = nearest(name, self._indexes) if self._guesses >= 0 else None
        guess = "" if near is None else f"did you mean {shown(near)}? "
        return PlaceholderError(f"there is no column {shown(name)}", f"{guess}the columns are {self._listed}")

    @functools.cached_property
    def _listed(self) -> str:
        return printable(", ".join(name for name, _ in self.named()), _LISTED)


def _several(name: str, parts: list[str]) -> PlaceholderError:
    """Return the error for the names of several columns where one is wanted."""
    options = " ".join(f"--group-by {shlex.quote(part)}" for part in parts)
    text = shlex.quote("-".join(f"{{{part}}}" for part in parts))
    cure = f"give each by itself: {options}; for an id, give a text that names them: --id {text}"
    return PlaceholderError(
        f"{shown(name)} is no column, but the names of {len(parts)}", printable(cure, None)
    )


#: The braces of ``placeholders``, which fills in what is left; but around any text, as headers have any.
_TOKEN: Final = re.compile(r"\{\{(?:([^{}]*)\}\})?|\{([^{}]*)\}")
_VARIABLE: Final = re.compile(r"env\.\w+")
_PARAMETER: Final = re.compile(r"parameters\.[^{}\s\"',:]+")
_NO_HEADER: Final = re.compile(r"\s*\Z|\d|[^\"',\n\r]*[\"',\n\r]")
_COLUMN: Final = "column."
_OURS: Final = "batchrun."


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """The part of a text that is a column's cell."""

    name: str
    index: int
    type: str | None = None  #: one of ``columns.TYPES``, or ``TEXT``


@dataclass(frozen=True, slots=True, kw_only=True)
class Own:
    """The part of a text that is one of batchrun's own names."""

    name: str


Part = str | Cell | Own


class Use(enum.Enum):
    """What a text is for, which decides which of batchrun's own names it may have."""

    EACH = enum.auto()  #: a part of a request: all
    ID = enum.auto()  #: the id: none, only columns
    PLACE = enum.auto()  #: ``sheet_out``: id and batch, which take precedence over columns, and env


_PLACED: Final = frozenset({"id", "batch"})


def parsed(text: str, columns: Columns, use: Use) -> Sequence[Part]:
    """Return the parts of a text in order; plain text is escaped already.

    Raises:
        PlaceholderError: It has an unknown or ambiguous name.
    """
    parts: list[Part] = []
    for part in _parts(text, columns, use):
        if isinstance(part, str) and parts and isinstance(parts[-1], str):
            parts[-1] += part
        elif part != "":
            parts.append(part)
    typed = next((part for part in parts if isinstance(part, Cell) and part.type is not None), None)
    if typed is not None and len(parts) > 1:
        message = f"{{{printable(typed.name)}:{typed.type}}} stands within a longer text"
        raise PlaceholderError(message, "leave the type out: a text that is nothing but it takes a type")
    return parts


def _parts(text: str, columns: Columns, use: Use) -> Iterator[Part]:
    end = 0
    for match in _TOKEN.finditer(text):
        yield text[end : match.start()]
        end = match.end()
        escaped, name = match.groups()
        if name is not None:
            yield _named(name, columns, use)
        elif escaped is None:
            yield "{"
        else:
            is_name = escaped in columns or not _NO_HEADER.match(escaped)
            yield f"{{{escaped}}}" if is_name else f"{{{escaped}}}}}"
    yield text[end:]


def _named(name: str, columns: Columns, use: Use) -> Part:
    if use is Use.PLACE and name in _PLACED:
        return Own(name=name)
    if use is Use.EACH and name in OURS and name in columns:
        message = f"{{{name}}} is a column, and also batchrun's own name"
        raise PlaceholderError(message, f"write {{column.{name}}} or {{batchrun.{name}}}")
    if found := _column(name, columns):
        return found
    if use is not Use.ID and _VARIABLE.fullmatch(name):
        return Own(name=name)
    own = name.removeprefix(_OURS)
    if use is Use.EACH and (own in OURS or _PARAMETER.fullmatch(name)):
        return Own(name=own)
    if _NO_HEADER.match(name):
        return f"{{{name}}}"
    raise columns.unknown(name)


def _column(name: str, columns: Columns) -> Cell | None:
    """Return the column and type that a name means; a column called just so takes precedence."""
    names = dict.fromkeys((name, name.removeprefix(_COLUMN)))
    for whole in names:
        if whole in columns:
            return Cell(name=whole, index=columns.index(whole))
    for header, colon, type_ in (one.rpartition(":") for one in names):
        if not colon or header not in columns:
            continue
        if type_ not in {*TYPES, TEXT}:
            raise PlaceholderError(*no_type(type_))
        return Cell(name=header, index=columns.index(header), type=type_)
    return None
