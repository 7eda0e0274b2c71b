"""
A list of JSON whose elements are the rows of a sheet.

Belongs here: elements to records. Does not: JSON itself (``json_document``), lists that are manifests
(``document``).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from batchrun.manifest import json_document
from batchrun.manifest.parts import LIST
from batchrun.manifest.problems import Record, shown, unreadable

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import BinaryIO

    from batchrun.manifest.problems import Problems


def records(stream: BinaryIO, source: str, problems: Problems) -> Iterator[Record]:
    """
    Return the row of each element that is one.

    Raises:
        ManifestError: It is no list, or reading cannot go on.
    """
    for part in json_document.parts(stream, source, layout=LIST):
        if not part.is_element:
            cure = "write [...] with a table of names for each row"
            message = f"{shown(part.value)} where a sheet should be a list"
            raise unreadable(part.place, message, cure, field="sheet")
        if part.wrong:
            problems.extend(part.wrong)
        elif isinstance(part.value, dict):
            yield Record(fields=part.value, place=part.place, places={})
        else:
            problems.add(part.place, f"{shown(part.value)} is no row", "write a table of names")
