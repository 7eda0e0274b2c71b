"""Files with one record to a line: manifests in CSV, TSV and JSON Lines, and sheets.

Belongs here: choosing the reader. Does not: which files a manifest may name (``source``), the formats
(``tables``, ``json_document``), what columns mean (``cells``, ``sheets``).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import BinaryIO

from batchrun.manifest import cells
from batchrun.manifest.fingerprint import digest_of
from batchrun.manifest.json_document import of_lines
from batchrun.manifest.model_check import RequestModel
from batchrun.manifest.parts import Record
from batchrun.manifest.problems import Place, Problems, shown, unreadable
from batchrun.manifest.recognised.documents import rows
from batchrun.manifest.recognised.sheet import Unasked
from batchrun.manifest.sheet_wishes import NOTHING, SheetKeys, Wanted, with_options
from batchrun.manifest.sheets.records import Sheets
from batchrun.manifest.source import (
    CURE_BESIDE,
    FILES_ALONE,
    STDIN,
    Beyond,
    Format,
    Source,
    file_beside,
    format_to_read,
    name_of,
    opened,
)
from batchrun.manifest.table import TableOptions
from batchrun.manifest.tables import reading
from batchrun.manifest.warned.looking import Looking


@dataclass(slots=True)
class LineFiles:
    """Reads these files for one load."""

    source: Source
    model: RequestModel  #: the fields of a row
    sheets: Sheets
    problems: Problems
    looking: Looking
    beyond: Beyond = FILES_ALONE
    _has_sheet: bool = False
    #: Digests, before they were read, of the files that the manifest names, by path, with its links.
    beside_it: dict[str, str | None] = field(default_factory=dict)

    def records(
        self, stream: BinaryIO, name: str, form: Format, *, is_beside: bool = False
    ) -> Iterator[Record]:
        """Return the rows of a file in one of these formats; the runs of a sheet if options make it one."""
        if self.source.sheet:
            wanted = with_options(NOTHING, self.source.sheet, self.problems)
            yield from self._of_sheet(stream, name, form, self.source.asked, wanted)
        elif form is Format.JSONL:
            lines = reading.in_utf8(stream, name, self.source.asked)
            found = of_lines(lines, name, self.problems)
            yield from self.listed(found, is_beside=is_beside)
        else:
            with reading.table(stream, name, form, self.source.asked, self.problems) as table:
                unasked = Unasked(source=self.source, is_beside=is_beside)
                yield from cells.records(table, self.model, self.problems, unasked, self.looking)

    def listed(self, records: Iterator[Record], *, is_beside: bool = False) -> Iterator[Record]:
        """Return the rows of JSON Lines, or of a list of JSON or YAML."""
        unasked = Unasked(source=self.source, is_beside=is_beside)
        return rows(records, unasked, self.model, self.problems)

    def of_list(self, stream: BinaryIO, form: Format) -> Iterator[Record]:
        """Return the runs of a list of JSON or YAML that options make a sheet."""
        wanted = with_options(NOTHING, self.source.sheet, self.problems)
        return self._of_sheet(stream, self.source.shown, form, self.source.asked, wanted)

    def beside(self, name: str, place: Place) -> Iterator[Record]:
        """Return the rows of the file that the manifest names as its runs.

        Raises:
            ManifestError: It may not name this file, or the file cannot be read.
        """
        path, shown_name = self._beside(name, place, "runs")
        form = _form(name, place, "runs")
        with opened(path, self.beyond) as stream:
            yield from self.records(stream, shown_name, form, is_beside=True)

    def sheet(self, keys: SheetKeys, *, has_rows: bool) -> Iterator[Record]:
        """Return the runs of the sheet that the manifest names, if any: a file as :meth:`beside` or ``-``.

        Raises:
            ManifestError: It may not name this file, or the file cannot be read.
        """
        named = keys.sheet
        wanted = with_options(keys.wanted(), self.source.sheet, self.problems)
        asked = keys.asked(self.source.asked)
        if named is None:
            self.refuse_options()
            return
        if has_rows:
            cure = (
                "keep one of the two: a file that runs names has rows of a manifest, a sheet has any columns"
            )
            raise unreadable(named.place, "there are runs besides", cure, field="sheet")
        if named.text == STDIN:
            self._refuse_stdin_twice(named.place)
            path, name, form = STDIN, name_of(STDIN), Format.CSV
            self.beside_it[STDIN] = None
        else:
            path, name = self._beside(named.text, named.place, "sheet")
            form = _form(named.text, named.place, "sheet")
        with opened(path, self.beyond) as stream:
            yield from self._of_sheet(stream, name, form, asked, wanted)

    def _of_sheet(
        self, stream: BinaryIO, name: str, form: Format, asked: TableOptions, wanted: Wanted
    ) -> Iterator[Record]:
        self._has_sheet = True
        with reading.table(stream, name, form, asked, self.problems) as table:
            yield from self.sheets.records(table, wanted)

    def refuse_options(self) -> None:
        """Raise ManifestError if options for a sheet were given, and there was no sheet."""
        if self.source.sheet and not self._has_sheet:
            place = Place(source=name_of(self.source.path))
            message = (
                "--id, --group-by, --parameter and --columns-as-parameters are for a sheet, and this is none"
            )
            raise unreadable(place, message, "give the sheet itself, or name it with sheet: PATH")

    def _refuse_stdin_twice(self, place: Place) -> None:
        if self.source.path == STDIN:
            cure = "put the sheet into a file, or the manifest"
            raise unreadable(place, "the manifest itself comes from standard input", cure, field="sheet")
        if STDIN in self.source.shared_files:
            cure = "put the sheet into a file, or what is said for all rows"
            raise unreadable(place, "standard input is read for all rows already", cure, field="sheet")

    def _beside(self, name: str, place: Place, field: str) -> tuple[str, str]:
        """Return the path to open, and what messages call it."""
        path, shown_name = file_beside(self.source.path, name, place, field)
        self.beside_it[shown_name] = digest_of(path)
        return path, shown_name


def _form(name: str, place: Place, field: str) -> Format:
    form = format_to_read(name)
    if form.is_document and field != "sheet":
        raise unreadable(
            place, f"{shown(name)} has a format that {field} cannot take", CURE_BESIDE, field=field
        )
    return form
