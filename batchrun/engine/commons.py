"""
The pace that the launchers of one ledger share, as it keeps it.

Belongs here: asking the ledger, on behalf of whoever holds a batch. Does not: keeping to the pace
(``service.shared_turns``).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from batchrun.ports.commons import SharedPaces

if TYPE_CHECKING:
    from batchrun.clock import Clock
    from batchrun.ports.ledger import Ledger
    from batchrun.ports.stored import Commons, LeftPace, Stretch


class LedgerPaces(SharedPaces):
    """The paces that *ledger* has, for the *holder* of a batch."""

    def __init__(self, ledger: Ledger, *, holder: str, clock: Clock) -> None:
        self._ledger = ledger
        self._holder = holder
        self._clock = clock

    async def are_shared(self, commons: Commons) -> bool:
        """Report whether another launcher works in the account and region."""
        at = self._clock.utcnow()
        return await self._ledger.has_peers(commons.region, commons.account, besides=self._holder, at=at)

    async def take(self, commons: Commons, seconds: float) -> Stretch:
        """Take the next *seconds*."""
        return await self._ledger.take_stretch(commons, seconds, at=self._clock.utcnow())

    async def leave(self, commons: Commons, state: str, stretch: Stretch) -> None:
        """Leave the pace to whoever is next."""
        await self._ledger.leave_pace(commons, state, until=stretch.until, at=self._clock.utcnow())

    async def left(self, commons: Commons) -> LeftPace | None:
        """Return the pace as it was left last."""
        return await self._ledger.left_pace(commons, at=self._clock.utcnow())
