"""
Holding on to the batch: renews the lease well before it runs out.

Belongs here: when to renew. Does not: who may take a batch over (``ledger``).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import anyio

if TYPE_CHECKING:
    from datetime import timedelta

    from batchrun.clock import Clock
    from batchrun.ports.ledger import Lease, Ledger


class LeaseKeeper:
    """The launcher's lease, as it is now."""

    def __init__(self, ledger: Ledger, lease: Lease, *, ttl: timedelta, clock: Clock) -> None:
        self._ledger = ledger
        self._ttl = ttl
        self._clock = clock
        self.current = lease

    async def run(self) -> None:
        """Renew for ever, at a third of the lease's life. Raises LeaseLostError."""
        while True:
            await self._clock.sleep(self._ttl.total_seconds() / 3)
            self.current = await self._ledger.renew(self.current, ttl=self._ttl, at=self._clock.utcnow())

    async def release(self, within: float) -> None:
        """Give the batch free, also when cancelled, in at most *within* seconds."""
        with anyio.move_on_after(within, shield=True):
            await self._ledger.release(self.current)
