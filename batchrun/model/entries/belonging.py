"""
Which batch a manifest belongs to, told by how many of its rows are known, where, and under which ids.

Rows come and go, so that none of them alone decides: most of them do.
"""

from __future__ import annotations

from collections.abc import Mapping


def is_another(rows: int, known: int) -> bool:
    """
    Report whether a manifest from another place belongs to another project than the batch of its name.

    Args:
        rows: Rows of the manifest.
        known: Those that the batch has, unchanged.
    """
    return _is_most(rows - known, rows)


def same_elsewhere(rows: int, elsewhere: Mapping[str, int]) -> str | None:
    """
    Return the batch that a manifest with a new batch most likely belongs to; None if it is really new.

    Args:
        rows: Rows of the manifest.
        elsewhere: How many of them are in other batches, by batch.
    """
    most = max(sorted(elsewhere), key=lambda name: elsewhere[name], default=None)
    return most if most is not None and _is_most(elsewhere[most], rows) else None


def is_renamed(rows: int, moved: int, *, is_number: bool) -> bool:
    """
    Report whether rows with new ids are those that were sent before under others.

    Args:
        rows: Rows of the manifest.
        moved: Those that ask for the work of a row that has left.
        is_number: Whether an id is a number that only lost its zeros, as a spreadsheet does it.
    """
    return is_number or _is_most(moved, rows)


def _is_most(part: int, rows: int) -> bool:
    return 2 * part > rows
