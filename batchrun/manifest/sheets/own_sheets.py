"""Sheets for single runs: ``sheet_out``.

A run's rows become a sheet with the same header, which is written to S3 before the run is started, for a
workflow that reads it. Its key has a digest of its content, so that other content makes another request.

Belongs here: content and place, kept in a temporary file for as long as the manifest is. Does not: writing to
S3 (``service``), when that is done (``engine``).
"""

from __future__ import annotations

import hashlib
import re
from array import array
from collections.abc import Sequence
from typing import Final

from batchrun.manifest.delimited_text import line_of
from batchrun.manifest.problems import shown
from batchrun.manifest.sheets.text import Part
from batchrun.manifest.spool import NamelessFile
from batchrun.manifest.table import Table
from batchrun.model.texts.places import wrong_place
from batchrun.ports.objects import OwnSheet

_DIGEST: Final = 16
_EXTENSION: Final = re.compile(r"(?<=[^/])\.[^./]*\Z")
_TABS: Final = (".tsv", ".tab", ".txt")


class OwnSheets(NamelessFile):
    """The sheets of a manifest's runs, by id; the last one may be unfinished."""

    def __init__(self) -> None:
        super().__init__()
        self._bounds = array("Q")  #: of each sheet: offsets of its content, its URI, and its end
        self._numbers: dict[str, int] = {}
        self._digest = hashlib.sha256()

    def __bool__(self) -> bool:
        return bool(self._numbers)

    @property
    def growing(self) -> int:
        """The size of the unfinished sheet, in bytes."""
        return self._size - self._bounds[-1]

    def begin(self) -> None:
        """Begin a sheet, discarding an unfinished one."""
        del self._bounds[len(self._numbers) * 3 :]
        self._bounds.append(self._size)
        self._digest = hashlib.sha256()

    def add(self, cells: Sequence[str], delimiter: str) -> None:
        """Add a line to it. Raises ManifestError if it cannot be written."""
        text = line_of(cells, delimiter).encode(errors="replace")
        self._digest.update(text)
        self._put(text)

    def place(self, uri: str) -> str:
        """Return the place of the unfinished sheet: *uri* with its digest before the extension."""
        extension = _EXTENSION.search(uri)
        end = extension.start() if extension else len(uri)
        return f"{uri[:end]}-{self._digest.hexdigest()[:_DIGEST]}{uri[end:]}"

    def finish(self, entry_id: str, uri: str) -> None:
        """Finish the sheet as a run's. Raises ManifestError if it cannot be written."""
        self._bounds.append(self._size)
        self._put(uri.encode())
        self._bounds.append(self._size)
        self._numbers.setdefault(entry_id, len(self._numbers))

    def of(self, entry_id: str) -> OwnSheet | None:
        """Return a run's sheet, or None."""
        number = self._numbers.get(entry_id)
        if number is None:
            return None
        start, middle, end = self._bounds[3 * number : 3 * number + 3]
        return OwnSheet(uri=self._between(middle, end).decode(), content=self._between(start, middle))


def delimiter_for(name: Sequence[Part], table: Table) -> str:
    """Return the delimiter for a sheet, by its extension; else the source's own."""
    end = name[-1] if name and isinstance(name[-1], str) else ""
    if end.endswith(".csv"):
        return ","
    return "\t" if end.endswith(_TABS) else table.delimiter or ","


def wrong_sheet_place(uri: str) -> tuple[str, str] | None:
    """Return message and cure for a bad place of a sheet; None for one that has room for a digest."""
    if wrong := wrong_place(uri) or wrong_place(f"{uri}-{'0' * _DIGEST}"):
        return f"{shown(uri)}: {wrong[0]}", wrong[1]
    return None
