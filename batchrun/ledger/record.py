"""
Writes steps: an event into the history, and the entry that it led to.

Belongs here: how one step is stored, and when an attempt is kept. Does not: transactions and fences
(``sqlite``), and where an event leads (``model.transitions``).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from batchrun import points
from batchrun.errors import InvariantError
from batchrun.ledger.rows import attempt_values, detail, maybe_micros, micros, run_values, standing_values
from batchrun.ledger.statements import queries
from batchrun.model.events import kind
from batchrun.points import Point

if TYPE_CHECKING:
    from collections.abc import Iterable

    import apsw

    from batchrun.model.entry import Entry
    from batchrun.ports.ledger import Step


def record(connection: apsw.Connection, batch: int, name: str, steps: Iterable[Step]) -> None:
    """Write *steps* of the batch called *name* in their order, within the transaction that is open."""
    add_event = queries()["add_event"]
    for step in steps:
        event, entry = step.event, step.entry
        if entry.batch != name:
            raise InvariantError(f"a step for entry '{entry.id}' of batch '{entry.batch}' in batch '{name}'")
        key = _update(connection, batch, entry)
        facts = (key, entry.attempt, micros(event.at), kind(event), detail(event, entry))
        connection.execute(add_event, facts)
        points.reached(Point.COMMITTING)


def _update(connection: apsw.Connection, batch: int, entry: Entry) -> int:
    """Make *entry* current and give its key; what is stored of an earlier attempt is kept first."""
    row = connection.execute(queries()["stored_attempt"], (batch, entry.id)).fetchone()
    if row is None:
        raise InvariantError(f"a step for entry '{entry.id}', which batch '{entry.batch}' does not have")
    key, attempt, intended_at, uuid = row
    _check_order(entry, attempt)
    if entry.attempt > attempt:
        connection.execute(queries()["keep_attempt"], (key,))
    # Invariant: an attempt that was intended keeps its request and requestId for ever, a uuid its run.
    standing, run = standing_values(entry), run_values(entry.run)
    if intended_at is None or (attempt, intended_at) != (entry.attempt, maybe_micros(entry.intended_at)):
        connection.execute(queries()["update_whole"], (*standing, *run, *attempt_values(entry), key))
    elif uuid != (entry.run.uuid if entry.run else None):
        connection.execute(queries()["update_with_run"], (*standing, *run, key))
    else:
        connection.execute(queries()["update_standing"], (*standing, key))
    return int(key)


def _check_order(entry: Entry, stored: int) -> None:
    if stored <= entry.attempt <= stored + 1:
        return
    raise InvariantError(
        f"a step for attempt {entry.attempt} of entry '{entry.id}' of batch '{entry.batch}', "
        f"which is at attempt {stored}"
    )
