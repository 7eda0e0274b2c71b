"""
The ledger's answers to people who ask how a batch stands, each bounded so that it comes at once.

Belongs here: running these queries and making values of their rows. Does not: what a launch needs
(``reading``).
"""

from __future__ import annotations

import json
import string
from typing import TYPE_CHECKING, Final

from batchrun.ledger.reading import batch_key
from batchrun.ledger.rows import entry_of, micros, run_of, time_of
from batchrun.ledger.statements import queries
from batchrun.model.states import State
from batchrun.ports.standing import Failures

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime

    import apsw

    from batchrun.model.entry import Entry, Run

#: What ids are made of, by and large.
#: Comes after every other in the order of texts.
_LAST_CHARACTER: Final = "\U0010ffff"
_CHARACTERS: Final = string.ascii_letters + string.digits + "-_."


def oldest_active(connection: apsw.Connection, batch: str, *, limit: int) -> Sequence[Entry]:
    """Return ACTIVE entries, the longest known run first."""
    values = (batch_key(connection, batch), limit)
    return [entry_of(batch, row) for row in connection.execute(queries()["oldest_active"], values)]


def latest_runs(connection: apsw.Connection, batch: str, *, is_active: bool, limit: int) -> Sequence[Run]:
    """Return runs, the one accepted last first."""
    values = (batch_key(connection, batch), is_active, limit)
    rows = connection.execute(queries()["latest_runs"], values)
    return [run for row in rows if (run := run_of(row)) is not None]


def latest_ends(connection: apsw.Connection, batch: str, *, limit: int) -> Sequence[Run]:
    """Return runs that were seen to end, those that succeeded first, the one sent last before others."""
    values = (batch_key(connection, batch), limit)
    rows = connection.execute(queries()["latest_ends"], values)
    return [run for row in rows if (run := run_of(row)) is not None]


def latest_failures(connection: apsw.Connection, batch: str, *, limit: int) -> Sequence[Entry]:
    """Return entries that ended without success, the one that ended last first."""
    values = (batch_key(connection, batch), limit)
    return [entry_of(batch, row) for row in connection.execute(queries()["latest_failures"], values)]


def failures(connection: apsw.Connection, batch: str, *, limit: int) -> Sequence[Failures]:
    """Return the entries that ended without success by state and reason, the most frequent first."""
    groups: dict[tuple[str, str | None, int], list[Entry]] = {}
    values = (batch_key(connection, batch), limit)
    for state, reason, count, *row in connection.execute(queries()["failures"], values):
        groups.setdefault((state, reason, count), []).append(entry_of(batch, tuple(row)))
    return [
        Failures(state=State(state), reason=reason, count=count, entries=tuple(entries))
        for (state, reason, count), entries in groups.items()
    ]


def ids_of_run(connection: apsw.Connection, batch: str, text: str) -> Sequence[str]:
    """Return the ids of the entries that had this run."""
    values = (batch_key(connection, batch), text)
    return [id_ for (id_,) in connection.execute(queries()["ids_of_run"], values)]


def recent(connection: apsw.Connection, batch: str, *, since: datetime) -> Sequence[tuple[datetime, str]]:
    """Return the batch's newest events as (at, kind)."""
    rows = connection.execute(queries()["recent"], (micros(since), batch_key(connection, batch)))
    return [(time_of(at), kind) for at, kind in rows]


def ids_beginning(connection: apsw.Connection, batch: str, text: str, *, limit: int) -> Sequence[str]:
    """Return ids that begin with *text*."""
    key = batch_key(connection, batch)
    rows = connection.execute(queries()["ids_beginning"], (key, text, text + _LAST_CHARACTER, limit))
    return [entry_id for (entry_id,) in rows]


def near_ids(connection: apsw.Connection, batch: str, text: str) -> Sequence[str]:
    """Return some ids that *text* may have been meant to be."""
    key = batch_key(connection, batch)
    asked = {
        queries()["ids_after"]: text,
        queries()["ids_before"]: text,
        queries()["ids_like"]: f"%{_literal(text)}%",
        queries()["ids_among"]: json.dumps(list(_one_off(text))),
    }
    return list({row[0] for sql, value in asked.items() for row in connection.execute(sql, (key, value))})


def _one_off(text: str) -> Iterator[str]:
    """Return what *text* may have been meant to be if one character is wrong, lacking, too much or moved."""
    for place in range(len(text) + 1):
        before, after = text[:place], text[place:]
        yield before + after[1:]
        yield before + after[1:2] + after[:1] + after[2:]
        for character in _CHARACTERS:
            yield before + character + after
            yield before + character + after[1:]


def _literal(text: str) -> str:
    """Return *text* as a LIKE pattern that means just that."""
    return "".join(f"\\{character}" if character in "\\%_" else character for character in text)
