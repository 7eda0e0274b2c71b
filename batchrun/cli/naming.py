"""The batch or the row that a verb's arguments name.

Belongs here: a warning or an error if the batch is closed (it moved to another ledger, or is a copy to be
read). Does not: finding it (``api.reading``), why it is closed (``ledger``).
"""

from __future__ import annotations

from batchrun.api.reading import find_batch, find_row
from batchrun.cli.speak import complain
from batchrun.errors import BatchClosedError
from batchrun.ports.ledger import Ledger
from batchrun.ports.stored import Batch, Outcome


async def batch_to_read(ledger: Ledger, name: str | None) -> Batch:
    """Return the batch of this name, or the only one; warn if another ledger has it now."""
    batch = await find_batch(ledger, name)
    await note_closed(ledger, batch.name)
    return batch


async def row_to_read(ledger: Ledger, entry_id: str, batch: str | None) -> Outcome:
    """Return the row with this id, or with a run of this id; warn as :func:`batch_to_read` does."""
    found = await find_row(ledger, entry_id, batch)
    await note_closed(ledger, found.entry.batch)
    return found


async def note_closed(ledger: Ledger, batch: str) -> None:
    """Print on stderr where the batch continues, unless that is here."""
    if why := await ledger.batch(batch).why_closed():
        complain(f"note: {why}")


async def batch_to_change(ledger: Ledger, name: str | None) -> Batch:
    """Return the batch of this name, or the only one. Raises BatchClosedError if another ledger has it."""
    batch = await find_batch(ledger, name)
    if why := await ledger.batch(batch.name).why_closed():
        raise BatchClosedError(why)
    return batch
