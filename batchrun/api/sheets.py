"""
Sheets for programs: what their rows are to become, and rows that stand in no file.

Belongs here: those two. Does not: what is made of them (``manifest``).
"""

from __future__ import annotations

import contextlib
import json
import tempfile
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, BinaryIO, Final

from batchrun.errors import ManifestError, Problem
from batchrun.manifest.sheets.wanted import SheetOptions
from batchrun.manifest.tables.table import TableOptions, delimiter, encoding

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

#: What messages call rows that a program gives.
ROWS: Final = "<rows>"
_IN_MEMORY: Final = 8 * 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Sheet:
    """
    What the rows of a sheet are to become: the same as ``sheet:`` and its keys in a manifest.

    Where the source is a manifest that names a sheet, what is given here wins over what stands there.
    """

    id: str | None = None  #: a column, or a text that names columns: ``"{patient}-{sample}"``
    group_by: str | Sequence[str] = ()  #: columns: rows that have the same in them make one run
    each: Mapping[str, Any] = field(default_factory=dict)  #: StartRun fields, whose texts may name columns
    columns_as_parameters: str | Sequence[str] = ()  #: names, or ``"all"`` that nothing else names
    sheet_out: str | None = None  #: where each run's rows are written: ``"s3://lab/sheets/{id}.csv"``
    delimiter: str | None = None  #: one character, where it is not that of the format
    encoding: str | None = None  #: by a name that Python knows, where it is not UTF-8
    worksheet: str | None = None  #: of a workbook
    header: Sequence[str] | None = None  #: the columns' names, for a table without a line of them

    @property
    def options(self) -> SheetOptions:
        """What it says of the rows."""
        return SheetOptions(
            id=self.id,
            group_by=_names(self.group_by),
            columns_as_parameters=_names(self.columns_as_parameters),
            each=dict(self.each),
            sheet_out=self.sheet_out,
        )

    @property
    def asked(self) -> TableOptions:
        """
        What it says of how to read them.

        Raises:
            ValueError: There is no such encoding, or no such delimiter.
        """
        return TableOptions(
            delimiter=None if self.delimiter is None else delimiter(self.delimiter),
            encoding=None if self.encoding is None else encoding(self.encoding),
            worksheet=self.worksheet,
            header=None if self.header is None else tuple(self.header),
        )


def _names(given: str | Sequence[str]) -> tuple[str, ...]:
    return (given,) if isinstance(given, str) else tuple(given)


@contextlib.contextmanager
def as_lines(rows: Iterable[Mapping[str, Any]]) -> Iterator[BinaryIO]:
    """
    Return rows as JSON Lines, for as long as they are read; they are gone through once.

    Raises:
        ManifestError: One of them has what JSON cannot hold.
    """
    with tempfile.SpooledTemporaryFile(max_size=_IN_MEMORY) as lines:
        for number, row in enumerate(rows, start=1):
            try:
                lines.write(json.dumps({**row}, allow_nan=False).encode() + b"\n")
            except (TypeError, ValueError, RecursionError) as error:
                raise _unsayable(number, error) from error
        lines.seek(0)
        yield lines  # type: ignore[misc]  # typeshed: a SpooledTemporaryFile is a BinaryIO in all but name


def _unsayable(number: int, error: Exception) -> ManifestError:
    cure = "give a mapping of names to text, numbers, true or false, None, lists and mappings"
    return ManifestError(
        [Problem(source=ROWS, line=number, message=f"the row is no JSON: {error}", cure=cure)]
    )
