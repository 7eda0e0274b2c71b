"""
What people ask to be cancelled, and the ended runs that they have deleted.

Belongs here: those two tables. Does not: carrying it out (``engine``).
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from batchrun.ledger.reading import batch_key
from batchrun.ledger.rows import entry_of, maybe_time, micros
from batchrun.ledger.statements import queries
from batchrun.model.cancelling import Cancellation, Scope
from batchrun.ports.cancelling import EndedRun

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from datetime import datetime

    import apsw


def ask(
    connection: apsw.Connection, batch: str, ids: Collection[str] | None, *, scope: Scope, at: datetime
) -> int:
    """Ask for entries that have not ended to be cancelled; give how many are new to it."""
    key = batch_key(connection, batch)
    connection.execute(queries()["forget_cancellations"], (key,))
    named = None if ids is None else json.dumps(list(ids))
    connection.execute(queries()["ask_to_cancel"], (key, scope.value, micros(at), named))
    return connection.changes()


def wanted(connection: apsw.Connection, batch: str, *, limit: int, after: int) -> Sequence[Cancellation]:
    """Return what is left to do."""
    rows = connection.execute(queries()["cancellations"], (batch_key(connection, batch), after, limit))
    return [Cancellation(entry=entry_of(batch, row[:-1]), scope=Scope(row[-1])) for row in rows]


def take_back(connection: apsw.Connection, batch: int, ids: Collection[str]) -> None:
    """Forget that these entries were to be cancelled: people want another attempt of them."""
    connection.execute(queries()["take_back_cancellations"], (batch, json.dumps(list(ids))))


def ended_runs(
    connection: apsw.Connection, batch: str, *, limit: int, after: tuple[int, int]
) -> Sequence[EndedRun]:
    """Return runs that have ended and may still be at the service."""
    rows = connection.execute(queries()["ended_runs"], (batch_key(connection, batch), *after, limit))
    names = ("position", "entry_id", "attempt", "run_id", "run_uuid", "status", "name")
    return [
        EndedRun(**dict(zip(names, row, strict=True)), creation_time=maybe_time(created))
        for *row, created in rows
    ]


def keep_deleted(connection: apsw.Connection, uuids: Collection[str], *, at: datetime) -> None:
    """Remember that these runs were deleted."""
    connection.executemany(queries()["keep_deleted"], [(uuid, micros(at)) for uuid in uuids])
