"""
What the launchers of one ledger share, as it keeps it: an account's pace, and how many runs it may have.

What was learned of the pace is kept, so that the next launch begins where this one stood. Belongs here:
asking the ledger, on behalf of the holder of a batch. Does not: keeping to the pace
(``service.calling.shared_turns``), what follows for the batch from an account that is full
(``model.planning.sending``).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from datetime import timedelta
from typing import Final

import structlog

from batchrun.clock import Clock
from batchrun.engine.in_lane import Common, InLane
from batchrun.engine.parts import LaneLink
from batchrun.errors import LedgerError
from batchrun.model.planning.stimuli import OthersCounted
from batchrun.ports.ledger import Ledger
from batchrun.ports.service import SharedPaces
from batchrun.ports.stored import Commons, LeftPace, Stretch

#: Seconds between two counts of others' runs.
_EVERY: Final = 2.0
#: Seconds between two words about an account that is full.
_SAY_EVERY: Final = 600.0
#: Seconds between two writes of what was learned: so much is forgotten at most where the launcher is killed.
_KEEP_EVERY: Final = 30.0
#: What is older is not gone by: limits change, and finding one again takes seconds.
_FRESH: Final = timedelta(days=1)
log = structlog.get_logger(__name__)


class LedgerPaces(SharedPaces):
    """The paces that *ledger* has, for the *holder* of a batch."""

    def __init__(self, ledger: Ledger, *, holder: str, clock: Clock, max_active: int | None = None) -> None:
        self._ledger = ledger
        self._holder = holder
        self._clock = clock
        self._most = math.inf if max_active is None else max_active
        self.is_capped = max_active is not None

    async def are_shared(self, commons: Commons) -> bool:
        """Report whether another launcher works in the account and region."""
        at = self._clock.utcnow()
        return await self._ledger.has_peers(commons.region, commons.account, besides=self._holder, at=at)

    async def room(self, commons: Commons) -> float:
        """Return how many runs are missing from so many as may be active."""
        if not self.is_capped:
            return math.inf
        return self._most - sum((await self._ledger.active_there(commons.region, commons.account)).values())

    async def take(self, commons: Commons, seconds: float) -> Stretch:
        """Take the next *seconds*."""
        return await self._ledger.take_stretch(commons, seconds, at=self._clock.utcnow())

    async def leave(self, commons: Commons, state: str, stretch: Stretch) -> None:
        """Leave the pace to the next launch."""
        await self._ledger.leave_pace(commons, state, until=stretch.until, at=self._clock.utcnow())

    async def left(self, commons: Commons) -> LeftPace | None:
        """Return the pace as it was left last."""
        return await self._ledger.left_pace(commons, at=self._clock.utcnow())


class Others(InLane):
    """How many runs of other batches are active in a lane's account, for a launch that has to heed them."""

    def __init__(self, link: LaneLink, common: Common, tell: Callable[[OthersCounted], None]) -> None:
        super().__init__(link, common)
        self._most = link.account_max_active
        self._tell = tell
        self._counted: int | None = None
        self._said = -math.inf
        self.in_the_way = 0  #: runs of other batches, while the account is full

    async def count(self) -> None:
        """Count them, and report the number where it is news."""
        if self._most is None:
            return
        active = await self._ledger.active_there(*self._service.place)
        others = {batch: number for batch, number in active.items() if batch != self._held.name}
        counted = sum(others.values())
        if counted != self._counted:
            self._counted = counted
            self._tell(OthersCounted(active=counted, lane=self._lane))
        is_full = sum(active.values()) >= self._most
        if is_full and others and self._clock.monotonic() - self._said >= _SAY_EVERY:
            self._said = self._clock.monotonic()
            where = {"batch": self._held.name, **self._link.logged}
            log.info("account_full", **where, most=self._most, of_other_batches=others)
        self.in_the_way = counted if is_full else 0

    async def run(self) -> None:
        """Count every so often, until cancelled."""
        while self._most is not None:
            await self._clock.sleep(_EVERY)
            await self.count()


class PaceKeeper(InLane):
    """The paces of one account's operations, beside the ledger that has them."""

    def __init__(self, link: LaneLink, common: Common) -> None:
        super().__init__(link, common)
        self._most = link.account_max_active

    async def recall(self, *, will_start: bool) -> None:
        """Let the paces begin where they stood, shared with other launchers; before the first call."""
        since = self._clock.utcnow() - _FRESH
        learned = await self._ledger.paces(self._service.account, since=since)
        await self._service.recall(learned, will_start=will_start)
        holder = self._held.lease.holder
        paces = LedgerPaces(self._ledger, holder=holder, clock=self._clock, max_active=self._most)
        self._service.share(paces)

    async def run(self) -> None:
        """Write every so often, until cancelled."""
        while True:
            await self._clock.sleep(_KEEP_EVERY)
            await self.keep()

    async def keep(self) -> None:
        """Write what is known now; a disk that fails is for those to meet who write what counts."""
        learned = self._service.learned()
        if not learned:
            return
        try:
            await self._ledger.keep_paces(self._service.account, learned, at=self._clock.utcnow())
        except LedgerError as error:
            log.warning("pace_not_kept", error=str(error))
