"""Standing by: waiting for a batch that another launcher holds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import structlog

from batchrun.errors import LedgerError
from batchrun.ledger import LedgerPlace
from batchrun.model.policies import next_look

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from batchrun.clock import Clock
    from batchrun.ports.stored import Lease

#: Seconds until a ledger that could not be asked is asked again.
_AGAIN: Final = 2.0
log = structlog.get_logger(__name__)


async def until_free(ledger: str | Path, batch: str, *, clock: Clock, told: Callable[[Lease], None]) -> None:
    """
    Wait until nobody holds *batch*, by the word of the ledger at that place; only reads, and calls nobody.

    A ledger that cannot be asked for a while is waited for.

    Args:
        ledger: A path.
        batch: Its name.
        clock: The time.
        told: Told who holds it, at first and when that is another.

    Raises:
        LedgerUnusableError: There is no ledger any more.
    """
    told_of: int | None = None

    def tell(lease: Lease) -> None:
        nonlocal told_of
        if lease.fence != told_of:
            told_of = lease.fence
            told(lease)

    while True:
        try:
            await _asked_until_free(ledger, batch, clock, tell)
        except LedgerError as error:
            log.warning("ledger_not_asked", batch=batch, error=str(error), next_try_in_seconds=_AGAIN)
            await clock.sleep(_AGAIN)
        else:
            return


async def _asked_until_free(
    place: str | Path, batch: str, clock: Clock, tell: Callable[[Lease], None]
) -> None:
    async with await LedgerPlace(place).open(read_only=True) as ledger:
        stored = ledger.batch(batch)
        while (lease := await stored.holder(at=clock.utcnow())) is not None:
            tell(lease)
            await clock.sleep(next_look((lease.expires_at - clock.utcnow()).total_seconds()))
