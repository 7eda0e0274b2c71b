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
from batchrun.model.events import Retried
from batchrun.model.states import ENDED, State
from batchrun.model.transitions import apply
from batchrun.ports.ledger import Step

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from datetime import datetime

    import apsw

_RETRIED = ENDED - {State.SUCCEEDED}


def retry(
    connection: apsw.Connection, batch: str, ids: Collection[str], *, at: datetime, why: str
) -> Sequence[str]:
    """Write a new attempt for each of *ids* that has ended without success, and give those."""
    key = batch_key(connection, batch)
    found = [one for id_ in ids if (one := entry(connection, batch, id_)) and one.state in _RETRIED]
    events = [Retried(at=at, due=at, why=why) for _ in found]
    steps = [Step(event=event, entry=apply(one, event)) for one, event in zip(found, events, strict=True)]
    if key is not None:
        take_back(connection, key, [one.id for one in found])
        record(connection, key, batch, steps)
    return [one.id for one in found]
