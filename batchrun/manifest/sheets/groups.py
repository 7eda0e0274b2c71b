"""
The rows that make one run, brought together, wherever they stand in the sheet.

Rows go into a temporary file as they come; memory has their group's number and their place in that file, 16
bytes a row, and each group's key once, as it has each id. Then the groups are read back in the order of their
first rows, each row in the order of the sheet. A group is never held: whoever fills it sees its rows pass.
The file ends where any document must (``limits.DOCUMENT``), or where the disk does.

Belongs here: that. Does not: what becomes of a group.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import tempfile
from array import array
from typing import TYPE_CHECKING, Final

from batchrun.manifest import limits
from batchrun.manifest.problems import Place, shown, unreadable
from batchrun.manifest.tables.table import Row, Value
from batchrun.manifest.temporary import not_written

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from batchrun.manifest.problems import Problems
    from batchrun.manifest.tables.table import Table

_IN_MEMORY: Final = 4 * 1024 * 1024
_PIECE: Final = 256 * 1024


def grouped(table: Table, by: Sequence[int], problems: Problems) -> Iterator[Iterable[Row]]:
    """
    Return the rows of each run, to be gone through before the next is asked for.

    Args:
        table: The sheet.
        by: The columns that tell runs apart; none where each row is a run.
        problems: Take rows in which one of them is empty.

    Raises:
        ManifestError: Reading, or the temporary file, cannot go on.
    """
    if not by:
        for row in table.rows:
            yield (row,)
        return
    with contextlib.closing(_Rows(table)) as rows:
        numbers = array("I", _numbered(table, by, rows, problems))
        rows.seal()
        for members in _members(numbers):
            yield rows.at(members)


def _numbered(table: Table, by: Sequence[int], rows: _Rows, problems: Problems) -> Iterator[int]:
    """Return the number of each row's group while the rows are put away."""
    known: dict[str | tuple[str, ...], int] = {}
    for row in table.rows:
        key = row.cells[by[0]] if len(by) == 1 else tuple(row.cells[index] for index in by)
        if not (key if len(by) == 1 else all(key)):
            empty = next(index for index in by if not row.cells[index])
            message = f"the cell of column {shown(table.header[empty])} is empty"
            problems.add(
                table.place(row.line),
                message,
                "fill it in: it tells which run the row is of",
                field="group_by",
            )
            continue
        rows.add(row)
        yield known.setdefault(key, len(known))


def _members(numbers: array[int]) -> Iterator[Sequence[int]]:
    """Return the positions of each group's rows, by a counting sort: a list for each group costs more."""
    starts = array("I", [0]) * (max(numbers, default=-1) + 2)
    for number in numbers:
        starts[number + 1] += 1
    for number in range(1, len(starts)):
        starts[number] += starts[number - 1]
    order = array("I", [0]) * len(numbers)
    ends = starts[:]
    for position, number in enumerate(numbers):
        order[ends[number]] = position
        ends[number] += 1
    for first, last in itertools.pairwise(starts):
        yield order[first:last]


class _Rows:
    """Rows in a file without a name, to be had by their positions."""

    def __init__(self, table: Table) -> None:
        self._file = tempfile.SpooledTemporaryFile(max_size=_IN_MEMORY)  # noqa: SIM115 - see close
        self._has_values = table.has_values
        self._source = table.source
        self._offsets = array("Q", [0])
        self._pending = bytearray()

    def add(self, row: Row) -> None:
        """
        Put one more row away.

        Raises:
            ManifestError: The disk does not take it, or there is no end of them.
        """
        cells = [_written(cell) for cell in row.cells] if self._has_values else row.cells
        text = json.dumps((row.line, cells)).encode()
        self._pending += text
        self._offsets.append(self._offsets[-1] + len(text))
        if len(self._pending) >= _PIECE:
            self.seal()
        if self._offsets[-1] > limits.DOCUMENT:
            size = limits.DOCUMENT // 1024**3
            message = f"there are more than {size} GiB of rows to be grouped"
            raise unreadable(
                Place(source=self._source, line=row.line), message, "split the sheet between runs"
            )

    def seal(self) -> None:
        """
        Write what is not written yet.

        Raises:
            ManifestError: The disk does not take it.
        """
        try:
            self._file.write(self._pending)
        except OSError as error:
            raise not_written(error) from error
        self._pending.clear()

    def at(self, positions: Sequence[int]) -> Iterator[Row]:
        """Return the rows at these positions, which ascend."""
        for position in positions:
            start, end = self._offsets[position], self._offsets[position + 1]
            self._file.seek(start)
            line, cells = json.loads(self._file.read(end - start))
            yield Row(line, [_read(cell) for cell in cells] if self._has_values else cells)

    def close(self) -> None:
        """Let go of the file; nothing is left behind."""
        self._file.close()


def _written(cell: str) -> str | list[str]:
    return [cell] if type(cell) is Value else cell


def _read(cell: str | list[str]) -> str:
    return cell if isinstance(cell, str) else Value(cell[0])
