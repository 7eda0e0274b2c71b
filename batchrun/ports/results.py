"""The contract of what is kept of a batch's results: which were written where.

What ``ports.ledger`` guarantees holds for each method. Does not belong here: what results say
(``report.results``), any storage.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class WrittenResults:
    """A file of results that was written."""

    place: str  #: its absolute path
    form: str  #: the version of batchrun and the options
    digest: bytes  #: of its content: 32 bytes
    event: int  #: the batch's newest event that is in it


class Results(ABC):
    """The files of results that were written of one batch. No method needs a lease."""

    @abstractmethod
    async def newest_told(self) -> int:
        """Return the number of the newest event of the batch's entries; 0 where there is none."""

    @abstractmethod
    async def written(self, place: str) -> WrittenResults | None:
        """Return what was last written to *place*; None where a manifest has changed the batch since.

        Where ``event`` is :meth:`newest_told`, the same results would be written again.
        """

    @abstractmethod
    async def keep(self, written: WrittenResults) -> None:
        """Store what was written; ``event`` is :meth:`newest_told` from before the results were read."""
