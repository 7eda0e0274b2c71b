"""
A sheet that came without a word of what it is, as one problem.

Belongs here: what is said of it. Does not: finding out (``kinds``, ``identity``), the command (``command``).
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from batchrun.manifest.problems import printable, shown, unreadable
from batchrun.manifest.recognised import command
from batchrun.manifest.recognised.identity import files_of, identities
from batchrun.manifest.recognised.kinds import is_file, kind_of
from batchrun.manifest.tables.table import Row

if TYPE_CHECKING:
    from collections.abc import Sequence

    from batchrun.errors import ManifestError
    from batchrun.manifest.recognised.identity import Identity
    from batchrun.manifest.source import Source
    from batchrun.manifest.tables.table import Table

#: Rows, and their cells in all, that are looked at.
MOST_ROWS: Final = 20_000
_CELLS: Final = 500_000
#: Columns that are told with ids, and with what differs.
_TOLD: Final = 3
_CURE: Final = (
    "name its parameters as your workflow does ('batchrun help sheets'), and with your other options, run"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Unasked:
    """What is said of a table that no option makes a sheet."""

    source: Source  #: what is loaded
    is_beside: bool  #: the table is not the source itself: its manifest names it as its runs

    def foreign(self, table: Table) -> ManifestError:
        """
        Build the error for a table of other columns than a manifest's, by its header and its first rows.

        Raises:
            ManifestError: Reading cannot go on.
        """
        rows = list(itertools.islice(table.rows, min(MOST_ROWS, _CELLS // len(table.header) + 1)))
        place = table.place(table.line)
        may_be_rows = not (self.is_beside or table.has_values or self.source.asked.header)
        if may_be_rows and any(map(is_file, table.header)):
            message, cure = _headless(table, rows, self.source)
        else:
            message, cure = _words(table, table.header, rows, self.source, ())
        if self.is_beside:
            cure = f"name it with 'sheet:' instead of 'runs:'; {cure}"
        return unreadable(place, message, cure, field="id")

    def cure_for_twins(self, table: Table, cells: Sequence[str]) -> str | None:
        """Say what to do about rows of a CSV manifest that have the same id; None for nothing of its own."""
        options = None if self.is_beside else command.lanes_of_manifest(table.header, cells)
        if options is None or not any(map(is_file, cells)):
            return None
        typed = printable(command.again(self.source, options), None)
        return (
            "if these are lanes of one run, do not tell them apart, but with your other options, run: "
            f"{typed}; if they are runs of their own, put into the id what tells them apart"
        )


def _words(
    table: Table, header: Sequence[str], rows: Sequence[Row], source: Source, options: Sequence[str]
) -> tuple[str, str]:
    """Say what it is, and the cure, which ends in the command."""
    found = identities(header, rows) if rows else []
    what = f"this is no manifest but a sheet of {len(header)} columns{_looks(table)}"
    if not found:
        names = printable(", ".join(name for name in header if name.strip()), 300)
        cure = "give --id with a text that tells rows apart, such as --id '{COLUMN}-{COLUMN}'"
        return f"{what}; no column has an id on each line", f"{cure}; the columns are {names}"
    first = found[0]
    added = command.each_row(header, first) if first.is_unique else command.lanes(header, first)
    kept = command.as_it_is(header, first) if table.has_values else []
    typed = command.again(source, [*options, *added, *kept])
    ids = ", ".join(_told(one, header, rows) for one in found[:_TOLD])
    runs = "" if first.is_unique else f"; rows that have the same {shown(header[first.index])} make one run"
    return f"{what}; ids are in {ids}{runs}", f"{_CURE}: {printable(typed, None)}"


def _looks(table: Table) -> str:
    if table.section is not None:
        return f", the section {printable(table.section)} of an Illumina SampleSheet"
    kind = kind_of(table.header)
    return "" if kind is None else f", which looks like {kind}"


def _told(one: Identity, header: Sequence[str], rows: Sequence[Row]) -> str:
    name = shown(header[one.index])
    if one.is_unique:
        return f"{name} (unique)"
    files = files_of(header, rows)
    differing = [shown(header[index]) for index in one.differing if index in files or not files]
    more = ", ..." if len(differing) > _TOLD else ""
    what = "with differing files in" if files else "differing in"
    return f"{name} (repeated, {what} {', '.join(differing[:_TOLD])}{more})"


def _headless(table: Table, rows: Sequence[Row], source: Source) -> tuple[str, str]:
    """Say what is wrong with a table of which the first line is a row, and the cure."""
    every = [Row(table.line, list(table.header)), *rows]
    files = files_of(table.header, every)
    names = [f"file_{at + 1}" if at in files else f"column_{at + 1}" for at in range(len(table.header))]
    own = next((at for at in range(len(names)) if at not in files), None)
    if own is not None:
        names[own] = "sample"
    message, cure = _words(table, names, every, source, ["--header", ",".join(names)])
    return f"the first line names no columns, but files; {message}", cure
