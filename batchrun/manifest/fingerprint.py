"""
A digest of all that a manifest's rows follow from, made without reading the rows.

Reading and checking 100,000 rows takes seconds; a launch that is repeated, by cron or after a stop, finds the
same files each time. Belongs here: which manifests have such a digest, and what is in it. Does not: reading
the rows after all (``unread``), which one a batch was last taken in from (``ledger``).
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from batchrun.manifest.source import Source, place_of
from batchrun.model.texts.places import is_in_s3
from batchrun.version import __version__


def files_of(source: Source) -> tuple[str, ...]:
    """Return the paths that the options name."""
    return (source.path, *source.shared_files)


def fingerprint(source: Source) -> str | None:
    """
    Return a digest of the files that *source* names, and of how they are read: SHA-256 in hex.

    None where rows follow from more, or from what can be read only once: many files, lanes, S3, standard
    input, a pipe; or where a file cannot be read.
    """
    places = [place_of(path) for path in files_of(source)]
    if source.is_each_file or source.lanes is not None:
        return None
    if any(place is None or is_in_s3(place) for place in places):
        return None
    try:
        return hashlib.sha256("\n".join(_parts(source)).encode(errors="surrogateescape")).hexdigest()
    except OSError:
        return None


def _parts(source: Source) -> Iterator[str]:
    # What another version makes of the same files may differ.
    yield __version__
    yield repr(replace(source, verb="", path=str(Path(source.path).absolute())))
    yield repr([os.environ.get(name) for name in source.env])
    for path in files_of(source):
        with Path(path).open("rb") as file:
            yield hashlib.file_digest(file, "sha256").hexdigest()
