"""
The manifest options as a source, for every verb that takes a MANIFEST.

Belongs here: from options to :class:`~batchrun.manifest.Source`. Does not: reading (``manifest``).
"""

from __future__ import annotations

from typing import Any

from batchrun.manifest import Format, Source


def source(options: dict[str, Any]) -> Source:
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
