"""The contract of a pace that launchers share."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from batchrun.ports.stored import Commons, LeftPace, Stretch


class SharedPaces(ABC):
    """The paces of all launchers of one ledger; every method may raise LedgerError."""

    is_capped: bool = (
        False  #: whether all together may have so many active runs: then turns are taken alone too
    )

    @abstractmethod
    async def are_shared(self, commons: Commons) -> bool:
        """Report whether anybody else works in the account and region now."""

    @abstractmethod
    async def room(self, commons: Commons) -> float:
        """Return how many more runs may be started there now; infinite where nobody set a bound."""

    @abstractmethod
    async def take(self, commons: Commons, seconds: float) -> Stretch:
        """Take the next *seconds* that nobody has taken yet."""

    @abstractmethod
    async def leave(self, commons: Commons, state: str, stretch: Stretch) -> None:
        """Leave the pace to whoever is next, and what is left of the stretch."""

    @abstractmethod
    async def left(self, commons: Commons) -> LeftPace | None:
        """Return the pace as it was left last."""
