"""Rows that a program gives, as JSON Lines, and what of them JSON cannot carry as it is.

Belongs here: values of Python. Does not: what a row may say (``manifest``).
"""

from __future__ import annotations

import contextlib
import json
import math
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from datetime import date
from numbers import Number
from pathlib import Path
from typing import Any, BinaryIO, Final

from batchrun.manifest import limits
from batchrun.manifest.problems import Place, Problems, shown

#: What messages call rows that a program gives.
ROWS: Final = "<rows>"
_IN_MEMORY: Final = 8 * 1024 * 1024
_DEEPEST: Final = 2 * limits.DEPTH  #: that of a manifest is refused with its own words
#: Types of values that are shown.
_SHOWN: Final = (str, bytes, Number, date, Path)
_CURE: Final = "give text, a number, True or False, None, a list or a mapping"
#: A place, what is wrong there, and the cure.
_Wrong = tuple[str, str, str]


@contextlib.contextmanager
def as_lines(rows: Iterable[Mapping[str, Any]]) -> Iterator[BinaryIO]:
    """Yield rows as JSON Lines; they are iterated once. Raises ManifestError for values that are not JSON."""
    problems = Problems()
    with tempfile.SpooledTemporaryFile(max_size=_IN_MEMORY) as lines:
        for number, row in enumerate(rows, start=1):
            wrong = list(_wrong_in_row(row))
            for field, message, cure in wrong:
                problems.add(Place(source=ROWS, line=number), message, cure, field=field or None)
            if not wrong:
                lines.write(json.dumps({**row}, allow_nan=False).encode() + b"\n")
        problems.raise_any()
        lines.seek(0)
        yield lines  # type: ignore[misc]  # typeshed: a SpooledTemporaryFile is a BinaryIO in all but name


def _wrong_in_row(row: Any) -> Iterator[_Wrong]:
    # Not Mapping alone: rows of sqlite3 and pandas have keys, too.
    if hasattr(row, "keys") and not isinstance(row, type):
        yield from _in_mapping({**row}, "", (id(row),))
    else:
        cure = 'give a list of rows, each a mapping: {"id": "NA12878", "parameters": {...}}'
        yield "", f"{_named(row)} is not a row", cure


def _wrong_in(value: object, path: str, within: tuple[int, ...]) -> Iterator[_Wrong]:
    """Yield what is wrong in a value, which is *within* values with these identities."""
    if len(within) > _DEEPEST or id(value) in within:
        yield path, "it is too deep, or holds itself", "give it with fewer levels"
    elif isinstance(value, dict):
        yield from _in_mapping(value, path, (*within, id(value)))
    elif isinstance(value, list | tuple):
        for index, part in enumerate(value):
            yield from _wrong_in(part, f"{path}[{index}]", (*within, id(value)))
    elif isinstance(value, float) and not math.isfinite(value):
        cure = "leave the field out where there is no value (pandas has nan for an empty cell), or give None"
        yield path, f"{value} is not a number of JSON", cure
    elif not (value is None or isinstance(value, str | int | float)):
        yield path, f"{_named(value)} is not JSON", f"{_CURE}, such as str(...) of it"


def _in_mapping(mapping: Mapping[Any, Any], path: str, within: tuple[int, ...]) -> Iterator[_Wrong]:
    for name, value in mapping.items():
        text = _as_name(name)
        if text is None or (text is not name and text in mapping):
            twice = "" if text is None else ", and another is the same as text"
            yield path, f"the name {name!r} is not text{twice}", "give each name as text"
        else:
            yield from _wrong_in(value, f"{path}.{text}" if path else text, within)


def _as_name(name: object) -> str | None:
    """Return a name as text, as JSON makes it of a whole number too; None of anything else."""
    if isinstance(name, str):
        return name
    return str(name) if isinstance(name, int) and not isinstance(name, bool) else None


def _named(value: object) -> str:
    """Return a value's type and, where that cannot have a credential in it, the value."""
    kind = f"of type {type(value).__name__}"
    return f"{shown(str(value))}, {kind}," if isinstance(value, _SHOWN) else f"a value {kind}"
