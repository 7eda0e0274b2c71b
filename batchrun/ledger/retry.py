"""
Starts new attempts of entries that have ended, without the batch's lease.

Belongs here: which entries those are, at the moment of writing. Does not: who asks for it (``cli``), retries
by themselves (``engine``).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from batchrun.ledger.cancelling import take_back
from batchrun.ledger.reading import batch_key, entry
from batchrun.ledger.record import record
from batchrun.ledger.statements import queries
from batchrun.model.duplicating import after_asking, can_duplicate
from batchrun.model.events import Retried
from batchrun.model.states import ENDED, State
from batchrun.model.transitions import apply
from batchrun.ports.ledger import Step

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from datetime import datetime

    import apsw

    from batchrun.model.entry import Entry

_RETRIED = ENDED - {State.SUCCEEDED}


def retry(
    connection: apsw.Connection,
    batch: str,
    ids: Collection[str],
    *,
    at: datetime,
    why: str,
    duplicates: bool,
) -> Sequence[str]:
    """Write a new attempt for each of *ids* that has ended without success, and return those."""
    key = batch_key(connection, batch)
    ended = [one for id_ in ids if (one := entry(connection, batch, id_)) and one.state in _RETRIED]
    found = [one for one in ended if not duplicates or _can_duplicate(connection, one)]
    requests = [after_asking(one, duplicates=duplicates) for one in found]
    events = [Retried(at=at, due=at, why=why, request=request) for request in requests]
    steps = [Step(event=event, entry=apply(one, event)) for one, event in zip(found, events, strict=True)]
    if key is not None:
        take_back(connection, key, [one.id for one in found])
        record(connection, key, batch, steps)
    return [one.id for one in found]


def _can_duplicate(connection: apsw.Connection, entry: Entry) -> bool:
    """Report whether the service may still have the entry's run: it was not deleted on request either."""
    if entry.run is None or not can_duplicate(entry):
        return False
    return connection.execute(queries()["is_deleted_run"], (entry.run.uuid,)).fetchone() is None
