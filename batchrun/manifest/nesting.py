"""
How deep a value is, found without recursion, so that whoever reads it next may recurse.

Belongs here: that one question. Does not: reporting it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from batchrun.manifest import limits

if TYPE_CHECKING:
    from batchrun.model.spec import Json


def is_deep(value: Json) -> bool:
    """Report whether lists and tables are nested more than :data:`limits.DEPTH` deep."""
    level = [value]
    for _ in range(limits.DEPTH + 1):
        level = [child for parent in level for child in _children(parent)]
        if not level:
            return False
    return True


def _children(value: Json) -> list[Json]:
    if isinstance(value, dict):
        return list(value.values())
    return value if isinstance(value, list) else []
