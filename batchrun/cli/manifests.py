"""
The manifest options as a manifest, for every verb that takes one.

Belongs here: from options to a loaded manifest, and its problems as JSON. Does not: reading (``manifest``).
"""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from batchrun.cli.speak import emit
from batchrun.errors import ManifestError
from batchrun.manifest import Format, Manifest, Source, load

if TYPE_CHECKING:
    from collections.abc import Mapping

    from batchrun.manifest.places import RowPlaces


def source(options: Mapping[str, Any]) -> Source:
    """Make the source that the options describe."""
    chosen = options["manifest_format"]
    return Source(
        path=options["manifest"],
        format=Format(chosen) if chosen else None,
        batch=options["batch"],
        defaults=tuple(options["defaults"]),
        sets=tuple(options["sets"]),
        tags=options["tags"],
    )


def loaded(wanted: Source, *, as_json: bool, places: RowPlaces | None = None) -> Manifest:
    """
    Load a manifest; its problems, if any, are also told as JSON lines where the user wants those.

    Raises:
        ManifestError: It has problems.
    """
    try:
        return load(wanted, places=places)
    except ManifestError as error:
        if as_json:
            emit_problems(error)
        raise


def emit_problems(error: ManifestError) -> None:
    """Tell a manifest's problems as JSON lines."""
    for problem in error.problems:
        emit("problem", **asdict(problem))
