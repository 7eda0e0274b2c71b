"""SQLite's statements and migrations."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache

from batchrun.ledger.statements import Migration, schema, statements


@cache
def queries() -> Mapping[str, str]:
    """Return every statement by name."""
    return statements("sqlite")


def migrations() -> tuple[Migration, ...]:
    """Return every migration, in order; each sets ``user_version`` to its number."""
    return schema("sqlite")
