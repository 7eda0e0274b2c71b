"""Rows as CSV or TSV.

Belongs here: choosing columns and types so that reading returns the same values, and quoting.
Does not: reading (``tables``, ``cells``), what a header means (``columns``).

Values that a plain cell cannot express go into a ``:json`` column: null, an empty text, a text among
numbers. A table that cannot be spread over columns (an empty one, names that no header can have) is one
column of JSON.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import IO, Final

from batchrun.errors import ManifestError, Problem
from batchrun.manifest.columns import TABLES, TEXT, TYPES
from batchrun.manifest.model_check import FieldKind
from batchrun.manifest.rules import start_run
from batchrun.manifest.warned.untyped import looks_typed
from batchrun.manifest.written_rows import WrittenRow, WrittenRows, as_written, json_text, unsayable
from batchrun.model.entries.retrying import LANE
from batchrun.model.spec import Json

_DOUBTFUL: Final = "doubtful"  #: text that looks like something else
#: Most entries of one table that get columns of their own; more are easier to read as JSON.
_MOST_ENTRIES: Final = 300
#: Most characters of one header.
_LONGEST_HEADER: Final = 500
_PROBLEMS: Final = 50
#: Control characters that CSV readers refuse.
_CONTROL: Final = frozenset({*map(chr, range(32)), "\x7f"} - set("\t\n\r"))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Column:
    """One column: a field, or one entry of it, and how its cells are written."""

    header: str
    field: str
    key: str | None
    as_json: bool

    def cell(self, row: WrittenRow) -> str:
        """Return the row's cell; empty if the row has no such value."""
        value = row.fields.get(self.field)
        if self.key is not None:
            table = value if isinstance(value, dict) else {}
            if self.key not in table:
                return ""
            value = table[self.key]
        elif self.field not in row.fields:
            return ""
        written = as_written(value)
        if self.as_json:
            return json_text(written)
        if isinstance(written, bool):
            return "true" if written else "false"
        return written if isinstance(written, str) else repr(written)


@dataclass(slots=True)
class _Seen:
    """What was seen of one field over all rows."""

    is_whole: bool = False  #: it cannot be spread over columns
    types: dict[str | None, set[str]] = field(default_factory=dict)  #: by entry; None for the field itself


def write(rows: WrittenRows, out: IO[str], delimiter: str, *, source: str) -> None:
    """Write the header and the rows. Raises ManifestError if a row has a value that no cell can hold."""
    columns = _columns(rows(), source)
    out.write(line_of(["id", *(column.header for column in columns)], delimiter))
    for row in rows():
        out.write(line_of([row.id, *(column.cell(row) for column in columns)], delimiter))


def line_of(cells: Sequence[str], delimiter: str) -> str:
    """Return a line of cells, the same with every version of Python."""
    return delimiter.join(_quoted(cell, delimiter) for cell in cells) + "\n"


def _quoted(cell: str, delimiter: str) -> str:
    # Not the csv module: which line ends it quotes depends on Python's version.
    if cell != cell.strip() or any(mark in cell for mark in (delimiter, '"', "\n", "\r")):
        return '"' + cell.replace('"', '""') + '"'
    return cell


def _columns(rows: Iterable[WrittenRow], source: str) -> list[_Column]:
    seen: dict[str, _Seen] = {}
    problems = itertools.chain.from_iterable(_survey(row, seen, source) for row in rows)
    if found := list(itertools.islice(problems, _PROBLEMS)):
        raise ManifestError(found)
    known = list(start_run().fields)
    order = sorted(seen, key=lambda name: known.index(name) if name in known else len(known))
    return [column for name in order for column in _columns_of(name, seen[name])]


def _survey(row: WrittenRow, seen: dict[str, _Seen], source: str) -> Iterator[Problem]:
    """Note the types of the row's values; return a problem for each value that cannot be written."""
    for name, value in row.fields.items():
        facts = seen.setdefault(name, _Seen())
        kind = _kind(name)
        if kind in TABLES:
            _survey_table(value, facts, kind)
        else:
            facts.is_whole = True
            if isinstance(value, str) and not _CONTROL.isdisjoint(value):
                cure = "take it out, or write JSON Lines, JSON or YAML"
                yield unsayable(source, row, name, "there is a control character in it", cure)


def _kind(name: str) -> FieldKind:
    if name == LANE:
        return FieldKind.TEXT
    known = start_run().fields.get(name)
    return FieldKind.OTHER if known is None else known.kind


def _survey_table(value: Json, facts: _Seen, kind: FieldKind) -> None:
    if facts.is_whole:
        return
    if not isinstance(value, dict) or not value:
        facts.is_whole = True
        return
    for key, part in value.items():
        facts.types.setdefault(key, set()).add(_type(part))
        only_text = kind is FieldKind.TEXTS
        facts.is_whole |= not is_heading(key) or (only_text and not _is_plain_text(key, part))
    facts.is_whole |= len(facts.types) > _MOST_ENTRIES
    if facts.is_whole:
        facts.types.clear()


def is_heading(key: str) -> bool:
    """Report whether an entry of this name can have a column of its own."""
    return bool(key) and key.isprintable() and len(key) <= _LONGEST_HEADER


def _is_plain_text(key: str, value: Json) -> bool:
    # Text after a tag's last colon would be read as a type.
    return _type(value) in {TEXT, _DOUBTFUL} and not (":" in key and key.rpartition(":")[2] in TYPES)


def _type(value: Json) -> str:
    match value:
        case bool():
            return "bool"
        case int():
            return "int"
        case float():
            return "float"
        case str() if value and _CONTROL.isdisjoint(value):
            return _DOUBTFUL if looks_typed(value) else TEXT
        case _:
            return "json"


def _columns_of(name: str, facts: _Seen) -> list[_Column]:
    kind = _kind(name)
    if facts.is_whole:
        as_json = kind in TABLES or kind is FieldKind.OTHER
        return [_Column(header=f"{name}:json" if as_json else name, field=name, key=None, as_json=as_json)]
    return [_entry(name, key or "", types, kind) for key, types in facts.types.items()]


def _entry(name: str, key: str, types: set[str], kind: FieldKind) -> _Column:
    is_text, is_plain = types <= {TEXT, _DOUBTFUL}, types != {_DOUBTFUL}
    (type_,) = {TEXT} if is_text else types if len(types) == 1 else {"json"}
    if type_ == TEXT and kind is FieldKind.TABLE and ":" in key:
        type_ = "json"  # so that the name's own colon is not read as a type's
    suffix = "" if type_ == TEXT and (is_plain or kind is not FieldKind.TABLE) else f":{type_}"
    return _Column(header=f"{name}.{key}{suffix}", field=name, key=key, as_json=type_ == "json")
