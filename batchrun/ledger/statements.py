"""Loads named statements and migrations from the SQL files, and says why a ledger's schema is refused."""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from types import MappingProxyType

from batchrun.errors import LeaseHeldError, LedgerUnusableError

_SQL = resources.files("batchrun.ledger") / "sql"
_HEADER = re.compile(r"^-- name: (\w+)$", re.MULTILINE)
_MIGRATION = re.compile(r"^(\d{4})_\w+\.sql$")


@dataclass(frozen=True, slots=True, kw_only=True)
class Migration:
    """One step of a schema."""

    number: int
    name: str
    sql: str


def split(text: str) -> Mapping[str, str]:
    """Return the statements of *text* by the names in their ``-- name:`` headers."""
    _preamble, *parts = _HEADER.split(text)
    return MappingProxyType({name: sql.strip() for name, sql in zip(parts[::2], parts[1::2], strict=True)})


@functools.cache
def statements(database: str) -> Mapping[str, str]:
    """Return every statement by name: those for every database, and those of *database*, a folder."""
    of_all = ("queries.sql", "submissions.sql", "verify.sql", "copy.sql")
    files = [_SQL / database / "queries.sql", *(_SQL / name for name in of_all)]
    found = [split(file.read_text(encoding="utf-8")) for file in files]
    return MappingProxyType({name: sql for one in found for name, sql in one.items()})


def check_known(ledger: object, found: int, newest: int) -> None:
    """Raise LedgerUnusableError where a ledger has a schema that this batchrun does not know."""
    if found > newest:
        raise LedgerUnusableError(
            f"{ledger} has schema version {found}, this batchrun knows versions up to {newest}; "
            "use the batchrun that made it, or a newer one"
        )


def brought_up(ledger: object, found: int, newest: int) -> LedgerUnusableError:
    """Return the error for a ledger that a newer batchrun gave the schema *found* while it was open here."""
    return LedgerUnusableError(
        f"{ledger} was brought to schema version {found} meanwhile, and this batchrun knows "
        f"versions up to {newest}; use the newer one that did so"
    )


def in_use(ledger: object, holder: str, batch: str, found: int) -> LeaseHeldError:
    """Return the error for a ledger with the schema *found* that a launcher of that schema is using."""
    return LeaseHeldError(
        f"{ledger} is in use by {holder}, a launcher of an older batchrun that holds batch '{batch}' (schema "
        f"version {found}, which this one would change); stop that launcher, or wait for its end"
    )


@functools.cache
def schema(database: str) -> tuple[Migration, ...]:
    """Return every migration for *database*, in order."""
    found = []
    for file in (_SQL / database / "migrations").iterdir():
        if match := _MIGRATION.match(file.name):
            sql = file.read_text(encoding="utf-8")
            found.append(Migration(number=int(match[1]), name=file.name.removesuffix(".sql"), sql=sql))
    return tuple(sorted(found, key=lambda migration: migration.number))
