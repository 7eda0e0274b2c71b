"""All batches of a ledger as they go on: how many rows of each stand where."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from batchrun.report.gathering import RowStanding
from batchrun.report.overview import numbers

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from batchrun.clock import Clock
    from batchrun.ports.ledger import Ledger
    from batchrun.ports.stored import Batch

_STANDINGS: Final = [standing.value for standing in RowStanding]
#: Batches that are shown: the newest.
MOST: Final = 200
#: Of the time that reading took, how many times as long it then rests.
_REST: Final = 30
_LEAST: Final = 1.0
#: Seconds after which it is read again though no event was recorded: a manifest taken in is none.
_AGAIN: Final = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ShelvedBatch:
    """One batch in the list."""

    batch: Batch
    numbers: Mapping[str, int]  #: how many rows stand where, as the report calls it
    total: int
    open: int  #: rows with work left
    holder: str | None  #: the launcher at work
    regions: Sequence[str]
    closed: str | None = None  #: where it is worked on instead

    @property
    def ended(self) -> int:
        """Rows that have ended."""
        return self.total - self.open


class Shelf:
    """The batches of a ledger."""

    def __init__(self, ledger: Ledger, clock: Clock) -> None:
        self.batches: Sequence[ShelvedBatch] = ()
        self.total = 0  #: of all batches
        self._ledger = ledger
        self._clock = clock
        self._seen = -1
        self._due = self._again = 0.0

    async def look(self) -> bool:
        """Read them again where it is time and something was recorded, and report whether they were."""
        now = self._clock.monotonic()
        if now < self._due:
            return False
        newest = await self._ledger.newest_event()
        if newest == self._seen and now < self._again:
            return False
        self._seen = newest
        found = await self._ledger.batches()
        self.total = len(found)
        self.batches = [await self._shelved(batch) for batch in found[:MOST]]
        ended = self._clock.monotonic()
        self._due = ended + max(_LEAST, (ended - now) * _REST)
        self._again = ended + max(_AGAIN, (ended - now) * _REST)
        return True

    async def _shelved(self, batch: Batch) -> ShelvedBatch:
        stored = self._ledger.batch(batch.name)
        counts = await stored.counts()
        told = numbers(counts)
        holder = await stored.holder(at=self._clock.utcnow())
        lanes = await stored.lanes()
        return ShelvedBatch(
            batch=batch,
            numbers={standing: told[standing] for standing in _STANDINGS},
            total=counts.total,
            open=counts.open,
            holder=None if holder is None else holder.holder,
            regions=sorted({lane.region for lane in lanes}) or [batch.region],
            closed=await stored.why_closed(),
        )
