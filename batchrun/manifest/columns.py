"""Names that carry a field, a key and a type: the headers of CSV, and ``--set``.

    workflowId    parameters.reference    parameters.threads:int    tags.project    parameters:json

Belongs here: reading such a name, and converting the cells below it. Does not: rows.
What follows ``parameters.`` is one key, dots included: workflows have top-level parameters only.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from batchrun.manifest.model_check import FieldKind, RequestModel
from batchrun.manifest.problems import UnfitError, printable, shown
from batchrun.manifest.scalars import strict_bool, strict_float, strict_integer
from batchrun.manifest.strict_json import JsonError, decoded
from batchrun.model.spec import Json

Convert = Callable[[str], Json]

#: What may follow a colon in a name.
TYPES: Final[dict[str, Convert]] = {
    "int": strict_integer,
    "float": strict_float,
    "bool": strict_bool,
    "json": decoded,
}
#: Marks text explicitly; text is the default.
TEXT: Final = "text"
#: The cure where programs write the names or numbers of rows into a column without a name.
WITHOUT_NAMES: Final = "without rows' names: index=False in pandas, row.names = FALSE in R"
#: What a text should be, and the cure where it is not.
_WANTED: Final[dict[Convert, tuple[str, str]]] = {
    strict_integer: ("a whole number", "write digits alone, such as 8"),
    strict_float: (
        "a number that JSON carries as it is",
        "write a finite number of up to 15 digits, such as 0.5",
    ),
    strict_bool: ("true or false", "write true or false"),
}
#: The type of a field that can have only one type.
OF_KIND: Final = {FieldKind.INTEGER: "int", FieldKind.NUMBER: "float", FieldKind.BOOLEAN: "bool"}
#: Kinds of fields that may be spread over columns.
TABLES: Final = frozenset({FieldKind.TABLE, FieldKind.TEXTS})


class ColumnError(UnfitError):
    """A name, or the text below it, that cannot be used."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """The field that a text goes to, and its type."""

    header: str
    field: str  #: a StartRun field, or ``id``
    key: str | None = None  #: within the field, if that is a table
    convert: Convert | None = None  #: None: the text is used as it is
    is_typed: bool = True  #: whether a type is given, or only one is possible

    def value(self, text: str) -> Json:
        """Return *text* as this column's type. Raises ColumnError if it is not of that type."""
        if self.convert is None:
            return text
        try:
            return self.convert(text)
        except JsonError as error:
            raise ColumnError(f"{shown(text)}: {error.message}", error.cure) from error
        except ValueError as error:
            wanted, cure = _WANTED[self.convert]
            if self.convert is strict_float and "," in text:
                cure = "write a point for the comma, and nothing between thousands: 1.000 is read as 1"
            raise ColumnError(f"{shown(text)} is not {wanted}", cure) from error

    def put(self, fields: dict[str, Json], value: Json) -> None:
        """Put a value in its place."""
        if self.key is None:
            fields[self.field] = value
            return
        table = fields.setdefault(self.field, {})
        if isinstance(table, dict):
            table[self.key] = value


def column(header: str, model: RequestModel) -> Column:
    """Read a name.

    Raises:
        ColumnError: It is neither ``id`` nor a StartRun field, or the type does not fit the field.
    """
    if header == "id":
        return Column(header=header, field="id")
    name, dot, rest = header.partition(".")
    name, colon, suffix = (name, "", "") if dot else name.partition(":")
    if not header.strip():
        raise ColumnError("a column has no name", f"name it, or remove it; {WITHOUT_NAMES}")
    if name not in model.fields:
        raise ColumnError(*model.unknown(name))
    kind = model.fields[name].kind
    if not dot:
        return _whole(header, name, kind, suffix if colon else None)
    if kind not in TABLES:
        raise ColumnError(f"{name} is not a table", f"name the column {name}")
    return _entry(header, name, kind, rest)


def _whole(header: str, name: str, kind: FieldKind, suffix: str | None) -> Column:
    if kind in TABLES or kind is FieldKind.OTHER:
        if suffix != "json":
            cure = f"name the column {name}.NAME, or {name}:json with JSON in its cells"
            raise ColumnError(f"{name} is a table", cure)
        return Column(header=header, field=name, convert=decoded)
    fixed = OF_KIND.get(kind)
    if suffix not in {None, fixed or TEXT}:
        what = "text" if fixed is None else fixed
        raise ColumnError(f"{name} is {what}, not {shown(suffix)}", f"name the column {name}")
    return Column(header=header, field=name, convert=TYPES[fixed] if fixed else None)


def no_type(suffix: str) -> tuple[str, str]:
    """Return message and cure for what is no type, behind a colon."""
    return f"{shown(suffix)} is not a type", f"use one of {', '.join((*TYPES, TEXT))}"


def _entry(header: str, name: str, kind: FieldKind, rest: str) -> Column:
    key, colon, suffix = rest.rpartition(":")
    if kind is FieldKind.TEXTS:
        # Tag keys may contain colons; only what looks like a type is refused.
        if colon and suffix in TYPES:
            raise ColumnError(f"{name} are text", f"name the column {name}.{printable(key)}")
        key, colon = rest, ""
    if colon and suffix not in {*TYPES, TEXT}:
        raise ColumnError(*no_type(suffix))
    key = key if colon else rest
    if not key:
        raise ColumnError("the name after the dot is missing", f"write {name}.NAME")
    convert = TYPES.get(suffix) if colon else None
    return Column(
        header=header, field=name, key=key, convert=convert, is_typed=bool(colon) or name != "parameters"
    )
