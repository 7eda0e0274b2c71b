"""
Names of files out of a text: URIs, paths, or what ``aws s3 ls`` prints.

Belongs here: reading such lines, and making URIs of names. Does not: asking S3 (``service``), what the names
say (``pairing``).
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from batchrun.cli.making.pairing import File
from batchrun.manifest.problems import Place, shown, unreadable
from batchrun.manifest.text_input import lines

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import BinaryIO

_S3: Final = "s3://"
#: Date, time, size and name; the size may be for people.
_LISTED: Final = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d +[\d.]+(?: [KMGTPE]?i?B(?:ytes?)?)? (.+)")
#: What ``aws s3 ls`` prints that is no file: folders, and the summary.
_NO_FILE: Final = re.compile(r" +PRE .*|Total Objects: +\d+| *Total Size: .*|\s*")


def listed_files(stream: BinaryIO, source: str, *, base: str | None, with_path: bool) -> Iterator[File]:
    """
    Return the file of each line that has one.

    Args:
        stream: The text.
        source: What messages call it.
        base: The URI that names without one are relative to.
        with_path: Whether a file's name includes its folders.

    Raises:
        ManifestError: It is no text, or a name needs a base and there is none.
    """
    for number, line in enumerate(lines(stream, source), start=1):
        text = line.rstrip("\r\n")
        if _NO_FILE.fullmatch(text):
            continue
        listed = _LISTED.fullmatch(text)
        name = listed[1] if listed else text.strip()
        if name.endswith("/"):
            continue
        place = Place(source=source, line=number)
        yield File(name=_matched(name, with_path=with_path), uri=_uri(name, base, place), place=place)


def file_under(bucket: str, key: str, folder: str, *, with_path: bool) -> File | None:
    """Return an object that was found in S3; None for what only stands for a folder."""
    if key.endswith("/"):
        return None
    relative = key[len(folder) :]
    uri = f"{_S3}{bucket}/{key}"
    return File(name=_matched(relative, with_path=with_path), uri=uri, place=Place(source=uri))


def _matched(name: str, *, with_path: bool) -> str:
    if not with_path:
        return name.rpartition("/")[2]
    return name.removeprefix(_S3).partition("/")[2] if name.startswith(_S3) else name


def _uri(name: str, base: str | None, place: Place) -> str:
    if name.startswith(_S3):
        return name
    if base is None:
        message = f"{shown(name)} is not a URI"
        cure = (
            "give --base s3://BUCKET/FOLDER/, what the names are relative to (for --recursive: s3://BUCKET/)"
        )
        raise unreadable(place, message, cure)
    return f"{base.rstrip('/')}/{name.removeprefix('./').lstrip('/')}"
