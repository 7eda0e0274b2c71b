"""
Temporary files, of which this package has two: the copy of a document, and the checked specs.

Belongs here: what is said when the disk does not take them. Does not: what is in them.
"""

from __future__ import annotations

import os
import tempfile
from typing import TYPE_CHECKING

from batchrun.manifest.problems import Place, unreadable

if TYPE_CHECKING:
    from batchrun.errors import ManifestError


def not_written(error: OSError) -> ManifestError:
    """Build the error for a temporary file that could not be written."""
    reason = os.strerror(error.errno) if error.errno else "unknown error"
    return unreadable(
        Place(source="temporary file"),
        f"it cannot be written in {tempfile.gettempdir()}: {reason}",
        "make room there, or set TMPDIR to a place that has some",
    )
