"""
How many runs may be active at once, in words.

Belongs here: wording. Does not: which quotas bear on which rows (``model.quotas``), asking (``service``).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from batchrun.cli.showing.progress import Snapshot


def limits(at_once: Mapping[str, int]) -> str:
    """Say how many may be active at once, by storage: ``50 with DYNAMIC storage, 10 with STATIC storage``."""
    return ", ".join(f"{limit} with {kind} storage" for kind, limit in at_once.items())


def running(now: Snapshot, at_once: Mapping[str, int]) -> str:
    """Say how many are running, and of how many; the kind of storage only where there are several."""
    if not at_once:
        return f"running {now.running}"
    several = len(at_once) > 1
    most = ", ".join(f"{limit} {kind}" if several else str(limit) for kind, limit in at_once.items())
    return f"running {now.running} of {most}"


def rounds(rows: int, at_once: Mapping[str, int]) -> str:
    """Say how often so many *rows* fill what may be active, where that is one number; else nothing."""
    if len(at_once) != 1:
        return ""
    (limit,) = at_once.values()
    return f", so {rows} take {-(-rows // limit)} rounds or more" if rows > limit else ""
