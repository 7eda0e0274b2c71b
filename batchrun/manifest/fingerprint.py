"""A digest of all that a manifest's rows follow from, made without reading the rows.

Reading and checking 100,000 rows takes seconds; a launch that is repeated, by cron or after a stop, finds the
same files each time. Belongs here: which manifests have such a digest, and what is in it. Does not: reading
the rows after all (``unread``), which one a batch was last taken in from (``ledger``).
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from batchrun.clock import SystemClock
from batchrun.errors import ManifestError
from batchrun.manifest.problems import Place
from batchrun.manifest.source import Source, file_beside, place_of
from batchrun.manifest.warned.engine import told_of
from batchrun.model.texts.places import is_in_s3
from batchrun.service_model import overrides, release
from batchrun.version import __version__


def digest_of(path: str) -> str | None:
    """Return the SHA-256 of a file, in hex; None in S3, for a pipe, and where it cannot be read."""
    place = place_of(path)
    if place is None or is_in_s3(place):
        return None
    try:
        with Path(place).open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError:
        return None


def fingerprint(source: Source, digests: Sequence[str | None]) -> str | None:
    """Return a digest of a manifest's files and of how they are read: SHA-256 in hex.

    Args:
        source: How they are read.
        digests: Of the files that options name, and of those that the manifest names.

    Returns:
        None where rows follow from what has no digest, from lanes, or from which files there are.
    """
    models = overrides()
    contents = [*digests, *map(digest_of, models)]
    if source.is_each_file or source.lanes is not None or None in contents:
        return None
    place, environment = str(Path(source.path).absolute()), [os.environ.get(name) for name in source.env]
    # Another version may make something else of the same files; the day decides what is told of them.
    by = (__version__, release(), models, told_of(SystemClock().utcnow().date()))
    parts = (by, place, replace(source, verb=""), environment, contents)
    return hashlib.sha256(repr(parts).encode()).hexdigest()


def fingerprint_now(source: Source, beside: Iterable[str] = ()) -> str | None:
    """Return the fingerprint of the files as they are now; *beside* are those that the manifest names."""
    own = [digest_of(path) for path in source.files]
    return fingerprint(source, [*own, *(_digest_beside(source, path) for path in beside)])


def _digest_beside(source: Source, path: str) -> str | None:
    """Return the digest of a file that the manifest names; None where it may not name it, or not any more."""
    try:
        return digest_of(file_beside(source.path, path, Place(source=source.shown), "")[0])
    except ManifestError:
        return None
