"""Keeping what was learned of the pace, so that the next launch goes on where this one stood."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Final

import structlog

from batchrun.engine.commons import LedgerPaces
from batchrun.errors import LedgerError

if TYPE_CHECKING:
    from batchrun.clock import Clock
    from batchrun.ports.ledger import Ledger
    from batchrun.ports.service import HealthOmics

#: Seconds between two writes: so much is forgotten at most where the launcher is killed.
_EVERY: Final = 30.0
#: What is older is not gone by: limits change, and finding one again takes seconds.
_FRESH: Final = timedelta(days=1)
log = structlog.get_logger(__name__)


class PaceKeeper:
    """The paces of one account's operations, beside the ledger that has them."""

    def __init__(
        self,
        ledger: Ledger,
        service: HealthOmics,
        clock: Clock,
        *,
        holder: str,
        account_max_active: int | None = None,
    ) -> None:
        self._ledger = ledger
        self._holder = holder
        self._most = account_max_active
        self._service = service
        self._clock = clock

    async def recall(self, *, will_start: bool) -> None:
        """Let the paces go on where they stood, shared with other launchers; before the first call."""
        since = self._clock.utcnow() - _FRESH
        learned = await self._ledger.paces(self._service.account, since=since)
        await self._service.recall(learned, will_start=will_start)
        paces = LedgerPaces(self._ledger, holder=self._holder, clock=self._clock, max_active=self._most)
        self._service.share(paces)

    async def run(self) -> None:
        """Write every so often, until cancelled."""
        while True:
            await self._clock.sleep(_EVERY)
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
