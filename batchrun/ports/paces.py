"""The contract of the paces that a ledger keeps: what was learned, and what its launchers share.

What ``ports.ledger`` guarantees holds for each method. Does not belong here: learning a pace
(``model.paces``), any storage.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime

    from batchrun.model.paces.handing_on import Learned
    from batchrun.ports.stored import Commons, KeptPace, LeftPace, Stretch


class Paces(ABC):
    """The paces of accounts, by operation. No method needs a lease."""

    @abstractmethod
    async def learned(self, account: str, *, since: datetime) -> Mapping[str, Learned]:
        """Return the account's paces that were learned at *since* or later, by operation."""

    @abstractmethod
    async def all(self) -> Sequence[KeptPace]:
        """Return the paces of all accounts, by account and operation."""

    @abstractmethod
    async def keep(self, account: str, learned: Mapping[str, Learned], *, at: datetime) -> None:
        """Store paces, replacing those of any batch. Needs no lease."""

    @abstractmethod
    async def take_stretch(self, commons: Commons, seconds: float, *, at: datetime) -> Stretch:
        """Reserve the next free *seconds*, in one statement. Needs no lease.

        Time in the past is not given out, except for a twentieth of a second. Stretches over five minutes
        away were taken by a clock that was ahead, and do not count.
        """

    @abstractmethod
    async def leave(self, commons: Commons, state: str, *, until: int, at: datetime) -> None:
        """Hand the pace, as JSON text, on to the next launcher, with the rest of the stretch if possible.

        *until* is the stretch's. Does nothing where a pace of a later stretch was handed on already, unless
        by a clock that was ahead.
        """

    @abstractmethod
    async def left(self, commons: Commons, *, at: datetime) -> LeftPace | None:
        """Return the pace that was handed on last, or None."""
