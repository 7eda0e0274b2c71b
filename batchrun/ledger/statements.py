"""
Loads SQL from the files beside it: the named statements and the migrations.

Belongs here: reading and splitting. Does not: SQL itself (``sql/``) or running it.
"""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass
from importlib import resources
from types import MappingProxyType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

_SQL = resources.files("batchrun.ledger") / "sql"
_HEADER = re.compile(r"^-- name: (\w+)$", re.MULTILINE)
_MIGRATION = re.compile(r"^(\d{4})_\w+\.sql$")


@dataclass(frozen=True, slots=True, kw_only=True)
class Migration:
    """One numbered step of the schema; sets ``user_version`` to its number."""

    number: int
    name: str
    sql: str


def split(text: str) -> Mapping[str, str]:
    """Return the statements of *text* by the names in their ``-- name:`` headers."""
    _preamble, *parts = _HEADER.split(text)
    return MappingProxyType({name: sql.strip() for name, sql in zip(parts[::2], parts[1::2], strict=True)})


@functools.cache
def queries() -> Mapping[str, str]:
    """Return every statement of ``queries.sql`` and ``verify.sql`` by name."""
    return split(
        "\n".join((_SQL / name).read_text(encoding="utf-8") for name in ("queries.sql", "verify.sql"))
    )


@functools.cache
def migrations() -> tuple[Migration, ...]:
    """Return every migration, in order."""
    found = []
    for file in (_SQL / "migrations").iterdir():
        if match := _MIGRATION.match(file.name):
            sql = file.read_text(encoding="utf-8")
            found.append(Migration(number=int(match[1]), name=file.name.removesuffix(".sql"), sql=sql))
    return tuple(sorted(found, key=lambda migration: migration.number))
