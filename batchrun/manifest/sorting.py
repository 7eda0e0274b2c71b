"""
Names in the order in which people count: L10 behind L9.

Belongs here: that order. Does not: what the names are of.
"""

from __future__ import annotations

import re


def natural(text: str) -> list[tuple[int, str]]:
    """Return the key to sort *text* by."""
    parts = re.split(r"(\d+)", text)
    return [(len(part.lstrip("0")), part) if part.isdigit() else (0, part) for part in parts]
