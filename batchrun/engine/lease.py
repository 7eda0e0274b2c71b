"""Keeping the lease of a batch: it is renewed well before it expires."""

from __future__ import annotations

from datetime import datetime, timedelta

import anyio

from batchrun.clock import Clock
from batchrun.ports.held import HeldBatch


class LeaseKeeper:
    """Renews the lease of a held batch."""

    def __init__(self, held: HeldBatch, *, ttl: timedelta, clock: Clock) -> None:
        self._held = held
        self._ttl = ttl
        self._clock = clock
        # None and not the time of the claim, which may be long ago: the first call renews.
        self._renewed_at: datetime | None = None  #: by the clock's latest time
        self._one_at_a_time = anyio.Lock()

    async def run(self) -> None:
        """Renew for ever, each time a third of the lease has passed. Raises LeaseLostError."""
        while True:
            await self._clock.sleep(self._ttl.total_seconds() / 3)
            async with self._one_at_a_time:
                await self._renew()

    async def assure(self) -> None:
        """Check before a call that the batch is still ours.

        Costs nothing unless the lease may have expired: the process was stopped, the machine slept, a clock
        jumped. The clock's latest time shows it, whichever clock stood still or was set back.

        Raises:
            LeaseLostError: Another launcher has taken over the batch.
        """
        if self._is_fresh():
            return
        async with self._one_at_a_time:
            if not self._is_fresh():
                await self._renew()

    def _is_fresh(self) -> bool:
        return self._renewed_at is not None and self._clock.latest() < self._renewed_at + self._ttl

    async def _renew(self) -> None:
        now = self._clock.latest()
        await self._held.renew(ttl=self._ttl, at=self._clock.utcnow())
        self._renewed_at = now
