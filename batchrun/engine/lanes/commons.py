# ruff: noqa: D102 - what each method promises stands in the contract, ports.service
"""What the launchers of one ledger share through it: an account's pace, and how many runs it may have.

What was learned of the pace is stored, so that the next launch begins where this one stopped.

Belongs here: asking the ledger on behalf of the launcher that holds a batch. Does not: keeping to the pace
(``service.calling.shared_turns``), what a full account means for the batch (``model.planning.sending``).
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
from batchrun.ports.call_paces import SharedPaces
from batchrun.ports.ledger import Ledger
from batchrun.ports.stored import Commons, LeftPace, Stretch

#: Seconds between two counts of other batches' runs.
_EVERY: Final = 2.0
#: Seconds between two log lines about an account that is full.
_LOG_EVERY: Final = 600.0
#: Seconds between two writes of what was learned: a killed launcher loses no more.
_KEEP_EVERY: Final = 30.0
#: Older paces are ignored: limits change, and finding one again takes seconds.
_FRESH: Final = timedelta(days=1)
log = structlog.get_logger(__name__)


class LedgerPaces(SharedPaces):
    """The paces in *ledger*, for the *holder* of a batch."""

    def __init__(self, ledger: Ledger, *, holder: str, clock: Clock, max_active: int | None = None) -> None:
        self._ledger = ledger
        self._holder = holder
        self._clock = clock
        self._most = math.inf if max_active is None else max_active
        self.is_capped = max_active is not None

    async def are_shared(self, commons: Commons) -> bool:
        at = self._clock.utcnow()
        return await self._ledger.has_peers(commons.region, commons.account, besides=self._holder, at=at)

    async def room(self, commons: Commons) -> float:
        if not self.is_capped:
            return math.inf
        return self._most - sum((await self._ledger.active_there(commons.region, commons.account)).values())

    async def take(self, commons: Commons, seconds: float) -> Stretch:
        return await self._ledger.paces.take_stretch(commons, seconds, at=self._clock.utcnow())

    async def leave(self, commons: Commons, state: str, stretch: Stretch) -> None:
        await self._ledger.paces.leave(commons, state, until=stretch.until, at=self._clock.utcnow())

    async def left(self, commons: Commons) -> LeftPace | None:
        return await self._ledger.paces.left(commons, at=self._clock.utcnow())


class OtherBatches(InLane):
    """Counts the active runs of other batches in a lane's account, where a limit for all is set."""

    def __init__(self, link: LaneLink, common: Common, post: Callable[[OthersCounted], None]) -> None:
        super().__init__(link, common)
        self._most = link.limits.account_max_active
        self._post = post
        self._counted: int | None = None
        self._logged_at = -math.inf
        self.in_the_way = 0  #: active runs of other batches while the account is full, else 0

    async def count(self) -> None:
        """Count them, and pass the number to the planner where it changed."""
        if self._most is None:
            return
        active = await self._ledger.active_there(*self._service.place)
        others = {batch: number for batch, number in active.items() if batch != self._held.name}
        counted = sum(others.values())
        if counted != self._counted:
            self._counted = counted
            self._post(OthersCounted(active=counted, lane=self._lane))
        is_full = sum(active.values()) >= self._most
        if is_full and others and self._clock.monotonic() - self._logged_at >= _LOG_EVERY:
            self._logged_at = self._clock.monotonic()
            where = {"batch": self._held.name, **self._link.logged}
            log.info("account_full", **where, most=self._most, of_other_batches=others)
        self.in_the_way = counted if is_full else 0

    async def run(self) -> None:
        """Count at intervals, until cancelled."""
        while self._most is not None:
            await self._clock.sleep(_EVERY)
            await self.count()


class PaceKeeper(InLane):
    """Stores the paces of one account's operations, and takes them up again."""

    async def recall(self, *, will_start: bool) -> None:
        """Begin at the stored paces, and share them with other launchers; before the first call."""
        since = self._clock.utcnow() - _FRESH
        learned = await self._ledger.paces.learned(self._service.account, since=since)
        await self._service.paces.recall(learned, will_start=will_start)
        holder, most = self._held.lease.holder, self._link.limits.account_max_active
        paces = LedgerPaces(self._ledger, holder=holder, clock=self._clock, max_active=most)
        self._service.paces.share(paces)

    async def run(self) -> None:
        """Store them at intervals, until cancelled."""
        while True:
            await self._clock.sleep(_KEEP_EVERY)
            await self.keep()

    async def keep(self) -> None:
        """Store the paces; a failure is only logged, since nothing depends on them."""
        learned = self._service.paces.learned()
        if not learned:
            return
        try:
            await self._ledger.paces.keep(self._service.account, learned, at=self._clock.utcnow())
        except LedgerError as error:
            log.warning("pace_not_kept", error=str(error))
