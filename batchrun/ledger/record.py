"""
Writes steps: an event into the history, and the entry that it led to.

Belongs here: how one step is stored, and when an attempt is kept. Does not: transactions and fences
(``sqlite``), and where an event leads (``model.transitions``).
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from batchrun import points
from batchrun.errors import InvariantError
from batchrun.ledger.rows import attempt_values, detail, maybe_micros, micros, run_values, standing_values
from batchrun.ledger.statements import queries
from batchrun.model.account import account_of
from batchrun.model.events import Doubted, Failed, Intended, kind
from batchrun.model.recovery import OTHER_CONTENT
from batchrun.model.tasks import may_be_asked
from batchrun.points import Point

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    import apsw

    from batchrun.ledger.rows import Value
    from batchrun.model.entry import Entry
    from batchrun.ports.ledger import Step


@dataclass(slots=True)
class _Stored:
    """What is stored of an entry, as far as it decides how a step is written."""

    key: int
    attempt: int
    intended_at: int | None
    identity: tuple[str | None, str | None]  #: its run's uuid and ARN


def record(connection: apsw.Connection, batch: int, name: str, steps: Iterable[Step]) -> None:
    """Write *steps* of the batch called *name* in their order, within the transaction that is open."""
    steps = list(steps)
    stored = _stored(connection, batch, {step.entry.id for step in steps})
    events: list[tuple[Value, ...]] = []
    failed: list[tuple[Value, ...]] = []
    proven: list[tuple[Value, ...]] = []
    for step in steps:
        event, entry = step.event, step.entry
        if entry.batch != name:
            raise InvariantError(f"a step for entry '{entry.id}' of batch '{entry.batch}' in batch '{name}'")
        key = _update(connection, stored.get(entry.id), entry)
        events.append((key, entry.attempt, micros(event.at), kind(event), detail(event, entry)))
        if isinstance(event, Failed) and may_be_asked(entry):
            failed.append((key, entry.attempt))
        if isinstance(event, Doubted) and event.code == OTHER_CONTENT:
            connection.execute(queries()["keep_found_otherwise"], (key, entry.attempt))
        if isinstance(event, Intended) and event.proven_at is not None:
            proven.append((key, micros(event.proven_at)))
        points.reached(Point.COMMITTING)
    connection.executemany(queries()["add_event"], events)
    connection.executemany(queries()["add_failed_run"], failed)
    connection.executemany(queries()["keep_proof"], proven)
    accounts = (account_of(step.entry.run.arn) for step in steps if step.entry.run is not None)
    if account := next(filter(None, accounts), None):
        connection.execute(queries()["learn_account"], (batch, account))


def _stored(connection: apsw.Connection, batch: int, ids: Collection[str]) -> dict[str, _Stored]:
    """Ask for all at once: each statement may have to wait for the interpreter that runs the launcher."""
    rows = connection.execute(queries()["stored_attempts_of"], (batch, json.dumps(list(ids))))
    return {id_: _Stored(key, attempt, at, (uuid, arn)) for id_, key, attempt, at, uuid, arn in rows}


def _update(connection: apsw.Connection, stored: _Stored | None, entry: Entry) -> int:
    """Make *entry* current and give its key; what is stored of an earlier attempt is kept first."""
    if stored is None:
        raise InvariantError(f"a step for entry '{entry.id}', which batch '{entry.batch}' does not have")
    _check_order(entry, stored.attempt)
    if entry.attempt > stored.attempt:
        connection.execute(queries()["keep_attempt"], (stored.key,))
    # Invariant: an attempt that was intended keeps its request and requestId for ever, a uuid its run.
    standing, run = standing_values(entry), run_values(entry.run)
    intended_at = maybe_micros(entry.intended_at)
    identity = (entry.run.uuid, entry.run.arn) if entry.run else (None, None)
    is_other = (stored.attempt, stored.intended_at) != (entry.attempt, intended_at)
    if stored.intended_at is None or is_other:
        values = (*standing, *run, *attempt_values(entry), stored.key)
        connection.execute(queries()["update_whole"], values)
    elif stored.identity != identity:
        connection.execute(queries()["update_with_run"], (*standing, *run, stored.key))
    else:
        connection.execute(queries()["update_standing"], (*standing, stored.key))
    stored.attempt, stored.intended_at, stored.identity = entry.attempt, intended_at, identity
    return stored.key


def _check_order(entry: Entry, stored: int) -> None:
    if stored <= entry.attempt <= stored + 1:
        return
    raise InvariantError(
        f"a step for attempt {entry.attempt} of entry '{entry.id}' of batch '{entry.batch}', "
        f"which is at attempt {stored}"
    )
