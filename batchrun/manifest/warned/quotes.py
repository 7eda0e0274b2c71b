"""Quotes that are missing, also between rows, and tables that are made of other than a value.

Belongs here: what YAML makes of a text without quotes, rows between two of a table, frames of pandas. Does
not: quotes that are sent (``texts``).
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from batchrun.manifest.scalars import Plain
from batchrun.manifest.warned.found import Doubt, WarningKind
from batchrun.manifest.warned.untyped import has_comma
from batchrun.model.spec import Json

#: True and false in YAML 1.1, which Nextflow and Snakemake read.
_SWITCHES: Final = frozenset({"yes", "no", "on", "off"})
_OTHER_BASE: Final = re.compile(r"0x[0-9A-Fa-f]{1,16}|0o[0-7]{1,20}")
_VERSION: Final = re.compile(r"[1-9][0-9]*\.[0-9]*[1-9]0+")
#: Placeholders that are no column's.
_OWN: Final = frozenset({"id", "batch", "lane"})
_OF_OWN: Final = ("parameters.", "env.")
#: The table of pandas' ``orient="split"``.
_SPLIT: Final = frozenset({"columns", "index", "data"})
#: What is behind the comma of a number; 2pass is a name.
_BEHIND: Final = re.compile(r"[0-9]++(?:[eE][-+]?[0-9]++)?(?!\w)")
_BY_ROWS: Final = "write it by its rows: to_json(FILE, orient='records')"
_POINT: Final = "write a point before decimals, or put it into quotes where it is text"
SWALLOWED: Final = Doubt(
    WarningKind.QUOTES,
    "looks like rows that stand between two quotes, and is one cell, so that they become no runs",
    'close the quote at its beginning, or write it ""',
)


def of_plain(text: str) -> Doubt | None:
    """Return a doubt about a parameter without quotes, which other readers of YAML take for another type."""
    if text.lower() in _SWITCHES:
        says = "is text, and not true or false, as older YAML has it"
        cure = "write true or false, or put it into quotes"
    elif _VERSION.fullmatch(text):
        says = "is a number, which loses the 0 at its end"
        cure = "put it into quotes where it is text, such as a version"
    elif _OTHER_BASE.fullmatch(text):
        says = f"is a number, and is sent as {int(text, 0)}"
        cure = "put it into quotes where it is text"
    elif has_comma(text):
        says = "is text, and no number, as YAML has it"
        cure = _POINT
    else:
        return None
    return Doubt(WarningKind.UNTYPED, says, cure)


def of_table(table: Mapping[str, Json]) -> Doubt | None:
    """Return a doubt about what YAML takes for a name: a placeholder, a number's end; or about a frame."""
    own = next(iter(table), "")
    if len(table) == 1 and table[own] is None and (own in _OWN or own.startswith(_OF_OWN)):
        says = f"{{{own}}} without quotes is a table, and no text"
        return Doubt(WarningKind.PLACEHOLDER, says, f'write "{{{own}}}"')
    if _is_frame(table):
        says = "this is a table as pandas writes it by its columns, and goes to one run"
        return Doubt(WarningKind.UNTYPED, says, _BY_ROWS)
    for value, (name, nothing) in zip(table.values(), itertools.islice(table.items(), 1, None), strict=False):
        is_cut = nothing is None and type(value) is Plain and value[-1:].isdecimal()
        if is_cut and _BEHIND.match(name):
            says = f"{value},{name} without quotes is {value}, and a name of its own behind the comma"
            return Doubt(WarningKind.UNTYPED, says, _POINT)
    return None


def _is_frame(table: Mapping[str, Json]) -> bool:
    """Report whether all values are columns of the same rows, by number."""
    first = next(iter(table.values()), None)
    if len(table) == 1 or not isinstance(first, dict):
        return table.keys() == _SPLIT
    rows = {str(number) for number in range(len(first) or 1)}
    return all(isinstance(one, dict) and one.keys() == rows for one in table.values())


def swallowing(cells: Sequence[str], delimiter: str) -> Iterator[int]:
    """Return the cells of a row that hold rows, from a quote that was not closed to the next such.

    The two stand in the same column: the lines between have the separators of as many rows.
    """
    for index, cell in enumerate(cells):
        between = cell.count("\n") * (len(cells) - 1)
        is_prose = not between or f"{delimiter} " in cell or '"' in cell
        if cell.count(delimiter) == between and not is_prose:
            yield index
