"""
The reader that a table's format wants.

Belongs here: choosing it. Does not: reading.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from batchrun.manifest.source import Format
from batchrun.manifest.tables import delimited

if TYPE_CHECKING:
    from typing import BinaryIO

    from batchrun.manifest.problems import Problems
    from batchrun.manifest.tables.table import Asked, Table

_DELIMITERS: Final = {Format.CSV: ",", Format.TSV: "\t"}


def is_table(form: Format) -> bool:
    """Tell whether files of this format are a header with rows of cells."""
    return form in _DELIMITERS


def table(stream: BinaryIO, source: str, form: Format, asked: Asked, problems: Problems) -> Table:
    """
    Read the header of a table, and prepare to read its rows.

    Args:
        stream: Its bytes; stays open for as long as rows are read.
        source: What messages call it.
        form: One of which :func:`is_table` is true.
        asked: What the user said of it.
        problems: Take what is wrong with single rows.

    Raises:
        ManifestError: There is no header, or reading cannot go on.
    """
    return delimited.table(stream, source, _DELIMITERS[form], asked, problems)
