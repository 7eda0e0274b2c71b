"""
The reader that a table's format wants; a workbook is known by its first bytes, whatever its name.

Belongs here: choosing it. Does not: reading.
"""

from __future__ import annotations

import contextlib
import itertools
from typing import TYPE_CHECKING, Final

from batchrun.manifest.pieces import as_stream, pieces_of
from batchrun.manifest.problems import Place, unreadable
from batchrun.manifest.recoded import recoded
from batchrun.manifest.source import Format
from batchrun.manifest.tables import delimited, json_lines, workbook

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import BinaryIO

    from batchrun.manifest.problems import Problems
    from batchrun.manifest.tables.table import Asked, Table

_DELIMITERS: Final = {Format.CSV: ",", Format.TSV: "\t"}


def is_table(form: Format) -> bool:
    """Report whether files of this format are a header with rows of cells."""
    return form in _DELIMITERS


def in_utf8(stream: BinaryIO, source: str, asked: Asked) -> BinaryIO:
    """Return what is in another encoding in UTF-8, where the user said so."""
    return stream if asked.encoding is None else recoded(stream, asked.encoding, source)


@contextlib.contextmanager
def table(stream: BinaryIO, source: str, form: Format, asked: Asked, problems: Problems) -> Iterator[Table]:
    """
    Read the header of a table, and return the table for as long as its rows are read.

    Args:
        stream: Its bytes.
        source: What messages call it.
        form: One of which :func:`is_table` is true, JSON Lines, or JSON, which is a list then.
        asked: What the user said of it.
        problems: Take what is wrong with single rows.

    Raises:
        ManifestError: There is no header, or reading cannot go on.
    """
    head = stream.read(len(workbook.MARK))
    stream = as_stream(itertools.chain((head,), pieces_of(stream)))
    if head == workbook.MARK and is_table(form):
        with workbook.table(stream, source, asked, problems) as found:
            yield found
        return
    stream = in_utf8(stream, source, asked)
    if is_table(form):
        found = delimited.table(stream, source, _DELIMITERS[form], asked, problems)
        _refuse_worksheet(found, form, asked)
        yield found
        return
    with json_lines.table(stream, source, form, asked, problems) as found:
        _refuse_worksheet(found, form, asked)
        yield found


def _refuse_worksheet(found: Table, form: Format, asked: Asked) -> None:
    if asked.worksheet is not None and found.section is None:
        message = f"{form.value} files have no worksheets"
        raise unreadable(Place(source=found.source), message, "leave --worksheet out", field="worksheet")
