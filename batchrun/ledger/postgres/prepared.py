"""
Statements of a step that the server keeps, planned, for as long as a connection lasts.

Only on a connection to the server itself: behind a pooler the next transaction may be on another one, where
they are not kept. Belongs here: which statements, whose connection it is, what is sent in place of each. Does
not: sending (``together``).
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping
from functools import cache
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

from batchrun.ledger.postgres.statements import queries
from batchrun.ledger.postgres.together import Kept, joined

if TYPE_CHECKING:
    import psycopg

#: What every commit of a launch sends. Each finds rows by a key or adds some: no other plan is ever better.
_OF_A_STEP: Final = (
    *("mark", "is_held", "stored_attempts_of", "update_standing", "update_with_run", "update_whole"),
    *("add_event", "learn_account", "learn_lane", "keep_proof"),
)
_VALUE: Final = re.compile(r"%\((\w+)\)s")
_NONE: Final[Mapping[str, Kept]] = MappingProxyType({})


def kept_by(connection: psycopg.Connection[Any]) -> Mapping[str, Kept]:
    """
    Have the server keep the statements of a step; return how each is asked for.

    None where the connection is not to the server itself: a pooler tells another process than the one that
    answers, since it lends whichever is free.
    """
    row = connection.execute(queries()["process"]).fetchone()
    if row is None or row[0] != connection.info.backend_pid:
        return _NONE
    made = [made for made, _ in _statements().values()]
    # What is kept already was when another conflict kept the rest from it.
    connection.execute(";\n".join(["DEALLOCATE ALL", *made]))
    return {sql: kept for sql, (_, kept) in _statements().items()}


@cache
def _statements() -> Mapping[str, tuple[str, Kept]]:
    """Return by its text how each is made and how it is asked for."""
    return {sql: _named(name, sql) for name, sql in _texts()}


def _texts() -> Iterator[tuple[str, str]]:
    for name in _OF_A_STEP:
        sql = queries()[name]
        yield name, sql
        if (of_many := joined(sql)) is not None:
            yield f"{name}_of_many", of_many[0]


def _named(name: str, sql: str) -> tuple[str, Kept]:
    """Return *sql* made and asked for by a name that no other statement has, of whichever batchrun."""
    values = list(dict.fromkeys(_VALUE.findall(sql)))
    called = f"batchrun_{name}_{hashlib.sha256(sql.encode()).hexdigest()[:12]}"
    numbered = _VALUE.sub(lambda found: f"${values.index(found[1]) + 1}", sql).replace("%%", "%").rstrip(";")
    return f"PREPARE {called} AS {numbered}", Kept(called, values)
