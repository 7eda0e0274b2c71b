"""
Whether the file of a ledger that stays open to be read is another by now.

SQLite tells nobody: who has the file open reads on in one that was deleted, and of one that was written over
what it has in memory.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import anyio

from batchrun.errors import LedgerError, LedgerUnusableError

if TYPE_CHECKING:
    from batchrun.clock import Clock
    from batchrun.ledger import LedgerPlace
    from batchrun.ports.ledger import Ledger

#: Seconds between two looks at the file.
_EVERY: Final = 2.0


async def until_replaced(place: LedgerPlace, ledger: Ledger, clock: Clock) -> None:
    """
    Wait until there is another ledger at *place* than *ledger*, which was opened there to be read.

    One that is gone is waited for, as one that is not whole yet; a database is never replaced.
    """
    first = place.stamp()
    if first is None:  # a database
        await anyio.sleep_forever()
        return
    seen = first
    while True:
        await clock.sleep(_EVERY)
        now = place.stamp()
        if now is None or now == seen:
            continue
        try:
            async with await place.open(read_only=True) as there:
                if now.file != first.file or not await _are_one(ledger, there):
                    return
        except (LedgerError, LedgerUnusableError):
            continue  # it is being copied; the next look sees more of it
        seen = now


async def _are_one(ours: Ledger, theirs: Ledger) -> bool:
    """Report whether what is *there* can be what is open: both go on while they are compared."""
    before = await ours.newest_event()
    there, batches = await theirs.newest_event(), await theirs.batches()
    is_within = before <= there <= await ours.newest_event()
    known = {(batch.name, batch.created_at) for batch in await ours.batches()}
    return is_within and {(batch.name, batch.created_at) for batch in batches} <= known
