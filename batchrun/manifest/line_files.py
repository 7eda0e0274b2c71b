"""
Files of which each record stands on lines of its own: CSV, TSV, JSON Lines.

Belongs here: choosing the reader, and finding such a file beside a manifest. Does not: the formats.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from batchrun.manifest import cells, json_lines
from batchrun.manifest.problems import shown, unreadable
from batchrun.manifest.source import STDIN, Format, format_of, opened
from batchrun.manifest.tables import reading

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import BinaryIO

    from batchrun.manifest.model_check import RequestModel
    from batchrun.manifest.problems import Place, Problems, Record
    from batchrun.manifest.tables.table import Asked

_CURE = "name a CSV, TSV or JSONL file in the manifest's own folder, or below it"


def is_line_format(form: Format) -> bool:
    """Tell whether a format has one record to a line, more or less."""
    return form is Format.JSONL or reading.is_table(form)


def records(
    stream: BinaryIO, source: str, form: Format, asked: Asked, model: RequestModel, problems: Problems
) -> Iterator[Record]:
    """Give the rows of a file in one of these formats."""
    if form is Format.JSONL:
        return json_lines.records(stream, source, problems)
    return cells.records(reading.table(stream, source, form, asked, problems), model, problems)


def beside(
    manifest: str, name: str, asked: Asked, place: Place, model: RequestModel, problems: Problems
) -> Iterator[Record]:
    """
    Give the rows of the file that a manifest names.

    A manifest may come from somebody else, and its errors quote what was read: so it may only name files
    in its own folder, or below.

    Raises:
        ManifestError: It names another one, or the file cannot be read.
    """
    folder = Path() if manifest == STDIN else Path(manifest).parent
    path = _inside(folder, name, place)
    form = format_of(name)
    if not is_line_format(form):
        raise unreadable(place, f"{shown(name)} is not of a kind that runs can name", _CURE, field="runs")
    with opened(str(path)) as stream:
        yield from records(stream, str(folder / name), form, asked, model, problems)


def _inside(folder: Path, name: str, place: Place) -> Path:
    try:
        base = folder.resolve()
        path = (base / name).resolve()
        is_inside = path.is_relative_to(base)
        is_strange = path.exists() and not path.is_file()
    except (OSError, ValueError, RuntimeError) as error:
        raise unreadable(place, f"{shown(name)} is no usable path", _CURE, field="runs") from error
    if not is_inside:
        message = f"{shown(name)} is outside the manifest's folder"
        raise unreadable(place, message, f"{_CURE} (copy it there; a link does not do)", field="runs")
    if is_strange:
        raise unreadable(place, f"{shown(name)} is not a regular file", _CURE, field="runs")
    return path
