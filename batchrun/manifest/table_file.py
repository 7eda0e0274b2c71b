"""
A YAML or JSON file that is one table.

Belongs here: reading it whole, with the place of each name in it. Does not: what the names mean
(``shared_files``).
"""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING

from batchrun.manifest import json_document, limits
from batchrun.manifest.parts import TABLE
from batchrun.manifest.problems import Place, Record, unreadable
from batchrun.manifest.source import (
    FILES_ALONE,
    Beyond,
    Format,
    format_to_read,
    is_known,
    name_of,
    opened,
    unpacked_name,
)
from batchrun.manifest.text_input import kept, too_long

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import BinaryIO

    from batchrun.manifest.parts import Part
    from batchrun.manifest.problems import Problems


def table(
    path: str,
    what: str,
    cure: str,
    problems: Problems,
    form: Format | None = None,
    *,
    beyond: Beyond = FILES_ALONE,
) -> Record:
    """
    Return the file's table.

    Args:
        path: Where it is.
        what: What messages call its content, such as ``defaults are``.
        cure: What they say it should be.
        problems: Takes what is wrong within a value.
        form: How it is written; by its name where that is None, and as YAML, which JSON is too, where the
            name does not say.
        beyond: What can be read besides files.

    Raises:
        ManifestError: It is no table, or has more than a request could carry.
    """
    place = Place(source=name_of(path), line=1)
    parts: dict[str, Part] = {}
    for part in _parts(path, beyond, what, form):
        if not part.key:
            raise unreadable(part.place, f"{what} a table", cure)
        problems.extend(part.wrong)
        parts[part.key[0]] = part
    if not parts:
        raise unreadable(place, "there are no fields", cure)
    places = {(name, *inner): at for name, part in parts.items() for inner, at in part.places.items()}
    places |= {(name,): (part.place.line or 1, part.place.column or 1) for name, part in parts.items()}
    fields = {name: part.value for name, part in parts.items()}
    return Record(fields=fields, place=next(iter(parts.values())).place, places=places)


def _parts(path: str, beyond: Beyond, what: str, form: Format | None) -> Iterator[Part]:
    name = name_of(path)
    found = format_to_read(path, form or (None if is_known(unpacked_name(path)) else Format.YAML))
    if found not in {Format.YAML, Format.JSON}:
        message = f"{what} a table, which this format cannot hold"
        raise unreadable(Place(source=name), message, "write it as YAML or JSON")
    with opened(path, beyond) as stream, contextlib.closing(kept(stream, name)) as copy:
        _refuse_large(copy, name)
        if found is Format.JSON:
            yield from json_document.parts(copy, name, layout=TABLE)
        else:
            from batchrun.manifest import yaml_document  # noqa: PLC0415 (yaml is for those who use it)

            yield from yaml_document.parts(copy, name, layout=TABLE)


def _refuse_large(copy: BinaryIO, name: str) -> None:
    if copy.seek(0, os.SEEK_END) > limits.RECORD:
        raise too_long(Place(source=name), "table")
    copy.seek(0)
