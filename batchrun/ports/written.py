"""
The contract of what a ledger remembers of results that were written.

``ports.ledger`` says what holds for every method.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class WrittenResults:
    """A file of results as it was written."""

    place: str  #: its absolute path
    form: str  #: by which batchrun, and how
    digest: bytes  #: of all that is in it: 32 bytes
    event: int  #: the batch's newest that is told there


class RememberedResults(ABC):
    """Which results of a batch were written where. No method needs a lease."""

    @abstractmethod
    async def newest_told(self) -> int:
        """Return the number of the newest event of the batch's entries; 0 where there is none."""

    @abstractmethod
    async def written_results(self, place: str) -> WrittenResults | None:
        """
        Return what was written to *place* last; None where a manifest has changed since what it would tell.

        Where ``event`` is :meth:`newest_told`, the same results would be written again.
        """

    @abstractmethod
    async def keep_written(self, written: WrittenResults) -> None:
        """Remember results; ``event`` is what :meth:`newest_told` was before they were read."""
