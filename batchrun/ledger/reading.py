"""
The ledger's answers: what is due, how things stand, what became of each entry.

Belongs here: running the queries and making values of their rows. Does not: threads and transactions
(``sqlite``).
"""

from __future__ import annotations

import json
from collections import defaultdict
from dataclasses import replace
from typing import TYPE_CHECKING

from batchrun.ledger.rows import batch_of, entry_of, maybe_micros, micros, past_attempt_of, time_of
from batchrun.ledger.statements import queries
from batchrun.model.states import State
from batchrun.ports.ledger import Counts, Outcome

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence
    from datetime import datetime

    import apsw

    from batchrun.ledger.rows import Row
    from batchrun.model.entry import Entry
    from batchrun.ports.ledger import Batch, PastAttempt


def batch_key(connection: apsw.Connection, name: str) -> int | None:
    """Return the key of the batch, or None."""
    key = connection.execute(queries()["batch_key"], (name,)).get
    return None if key is None else int(key)


def find_batch(connection: apsw.Connection, name: str) -> Batch | None:
    """Return the batch, or None."""
    row = connection.execute(queries()["find_batch"], (name,)).fetchone()
    return None if row is None else batch_of(row)


def batches(connection: apsw.Connection) -> Sequence[Batch]:
    """Return every batch, newest first."""
    return [batch_of(row) for row in connection.execute(queries()["batches"])]


def due(
    connection: apsw.Connection,
    batch: str,
    *,
    at: datetime,
    limit: int,
    skip: Collection[str],
    horizon: datetime | None,
) -> Sequence[Entry]:
    """Return up to *limit* entries that may be sent now."""
    key, skipped = batch_key(connection, batch), json.dumps(list(skip))
    values = (key, micros(at), limit, skipped, maybe_micros(horizon))
    return [entry_of(batch, row) for row in connection.execute(queries()["due"], values)]


def next_due(connection: apsw.Connection, batch: str, *, after: datetime) -> datetime | None:
    """Return the first time later than *after* at which a BACKOFF entry becomes due."""
    values = (batch_key(connection, batch), micros(after))
    stored = connection.execute(queries()["next_due"], values).get
    return None if stored is None else time_of(stored)


def in_state(
    connection: apsw.Connection, batch: str, state: State, *, limit: int, after: int
) -> Sequence[Entry]:
    """Return up to *limit* entries in *state* above the position *after*."""
    values = (batch_key(connection, batch), state.value, after, limit)
    return [entry_of(batch, row) for row in connection.execute(queries()["in_state"], values)]


def entry(connection: apsw.Connection, batch: str, entry_id: str) -> Entry | None:
    """Return one entry, or None."""
    values = (batch_key(connection, batch), entry_id)
    row = connection.execute(queries()["entry"], values).fetchone()
    return None if row is None else entry_of(batch, row)


def earlier(connection: apsw.Connection, batch: str, entry_id: str) -> Sequence[PastAttempt]:
    """Return the entry's attempts before its current one, oldest first."""
    rows = connection.execute(queries()["earlier_attempts"], (batch_key(connection, batch), entry_id))
    return tuple(_past_attempt_of(row) for row in rows)


def known_runs(connection: apsw.Connection, batch: str, uuids: Collection[str]) -> frozenset[str]:
    """Return those of *uuids* that are runs of the batch's entries, of earlier attempts too."""
    key = batch_key(connection, batch)
    return frozenset(
        uuid
        for uuid in uuids
        if connection.execute(queries()["is_known_run"], {"batch": key, "uuid": uuid}).fetchone()
    )


def counts(connection: apsw.Connection, batch: str) -> Counts:
    """Count the batch's entries."""
    by_state: defaultdict[State, int] = defaultdict(int)
    by_status: dict[str, int] = {}
    for stored, status, count in connection.execute(queries()["counts"], (batch_key(connection, batch),)):
        state = State(stored)
        by_state[state] += count
        if state is State.ACTIVE:
            by_status[status] = count
    changed = connection.execute(queries()["count_changed_rows"], (batch_key(connection, batch),)).get
    return Counts(by_state=dict(by_state), by_status=by_status, changed=changed)


def outcomes(connection: apsw.Connection, batch: str, *, after: int, limit: int) -> Sequence[Outcome]:
    """Return a page of outcomes above the position *after*."""
    key = batch_key(connection, batch)
    rows = connection.execute(queries()["outcomes"], (key, after, limit))
    entries = [entry_of(batch, row) for row in rows]
    if not entries:
        return []
    earlier = _attempts_before(connection, key, entries[0].position, entries[-1].position)
    return [Outcome(entry=entry, earlier=tuple(earlier.get(entry.position, ()))) for entry in entries]


def history(
    connection: apsw.Connection, batch: str, entry_id: str
) -> Sequence[tuple[datetime, int, str, str]]:
    """Return the entry's events, oldest first."""
    rows = connection.execute(queries()["history"], (batch_key(connection, batch), entry_id))
    return [(time_of(at), attempt, kind, detail) for at, attempt, kind, detail in rows]


def _attempts_before(
    connection: apsw.Connection, batch: int | None, first: int, last: int
) -> Mapping[int, Sequence[PastAttempt]]:
    by_position: defaultdict[int, list[PastAttempt]] = defaultdict(list)
    for row in connection.execute(queries()["attempts_before"], (batch, first, last)):
        by_position[row[0]].append(_past_attempt_of(row))
    return by_position


def _past_attempt_of(row: Row) -> PastAttempt:
    return replace(past_attempt_of(row[:-1]), request=row[-1])
