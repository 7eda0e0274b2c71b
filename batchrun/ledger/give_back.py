"""
Gives entries back to runs that were taken for removed and are there, without the batch's lease.

Belongs here: which entries those are, at the moment of writing. Does not: looking for the runs (``engine``).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from batchrun.ledger.reading import batch_key
from batchrun.ledger.record import record
from batchrun.ledger.rows import entry_of
from batchrun.ledger.statements import queries
from batchrun.model.absence import after_reappearing
from batchrun.model.transitions import apply
from batchrun.ports.ledger import Step

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence
    from datetime import datetime

    import apsw

    from batchrun.model.entry import Entry, Run


def give_back(
    connection: apsw.Connection, batch: str, runs: Collection[Run], *, at: datetime
) -> Sequence[str]:
    """Write that each of *runs* whose entry is DELETED is there, and return those entries' ids."""
    key = batch_key(connection, batch)
    if key is None:
        return []
    given: list[str] = []
    for run in runs:
        row = connection.execute(queries()["deleted_entry"], (key, run.uuid)).fetchone()
        if row is not None:
            entry = entry_of(batch, row)
            record(connection, key, batch, list(_steps(entry, run, at)))
            given.append(entry.id)
    return given


def _steps(entry: Entry, run: Run, at: datetime) -> Iterator[Step]:
    for event in after_reappearing(run, at):
        entry = apply(entry, event)
        yield Step(event=event, entry=entry)
