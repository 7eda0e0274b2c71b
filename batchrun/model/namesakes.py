"""
Whether a manifest is the batch that its file's name says.

Files of two projects may be called the same, and one project's rows may come again under another name. What
settles it is the work that most rows ask for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


def is_another(rows: int, known: int) -> bool:
    """
    Report whether a manifest from another place is another project's, and not the batch of its name.

    Args:
        rows: Rows of the manifest.
        known: Those of them that the batch has as they are.
    """
    return _is_most(rows - known, rows)


def same_elsewhere(rows: int, elsewhere: Mapping[str, int]) -> str | None:
    """
    Return the batch that a manifest whose own batch is new most likely means; None where it is new indeed.

    Args:
        rows: Rows of the manifest.
        elsewhere: How many of them stand in other batches, by batch.
    """
    most = max(sorted(elsewhere), key=lambda name: elsewhere[name], default=None)
    return most if most is not None and _is_most(elsewhere[most], rows) else None


def _is_most(part: int, rows: int) -> bool:
    return 2 * part > rows
