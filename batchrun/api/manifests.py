"""
A manifest by its path, for programs.

Belongs here: that one call. Does not: reading and checking (``manifest``), options (``cli``).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from batchrun.manifest import Format, Manifest, Source, load

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path


def load_manifest(
    path: str | Path,
    *,
    batch: str | None = None,
    written_as: str | None = None,
    defaults: Iterable[str | Path] = (),
    sets: Iterable[str] = (),
    tags: bool = True,
) -> Manifest:
    """
    Read, expand and check a manifest; use it with ``with``, or close it.

    Args:
        path: The file, or ``-`` for standard input.
        batch: The batch's name, instead of the manifest's own.
        written_as: ``yaml``, ``json``, ``jsonl``, ``csv`` or ``tsv``, where the file's name does not say.
        defaults: YAML or JSON files of StartRun fields that every row takes; later ones win.
        sets: Such fields as text, ``workflowId=1234567``; over *defaults* and the manifest's own.
        tags: Whether the runs will be tagged (``Limits.tag``), which needs room for four tags.

    Raises:
        ManifestError: Anything is wrong; it has every problem, up to a limit.
        ValueError: *written_as* is no format.
    """
    source = Source(
        path=str(path),
        format=Format(written_as) if written_as else None,
        batch=batch,
        defaults=tuple(str(one) for one in defaults),
        sets=tuple(sets),
        tags=tags,
    )
    return load(source)
