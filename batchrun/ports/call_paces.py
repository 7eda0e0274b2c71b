"""The contract of how fast one account's operations are called, and how launchers share that.

Does not belong here: what a ledger keeps of it (``paces``).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from batchrun.model.paces.handing_on import Learned
    from batchrun.ports.stored import Commons, LeftPace, Stretch


class SharedPaces(ABC):
    """The paces shared by all launchers of one ledger; every method may raise LedgerError."""

    #: Whether their active runs are limited together: then even a single launcher takes stretches.
    is_capped: bool = False

    @abstractmethod
    async def are_shared(self, commons: Commons) -> bool:
        """Report whether another launcher works in the account and region now."""

    @abstractmethod
    async def room(self, commons: Commons) -> float:
        """Return how many more runs may be started there now; infinite without a limit."""

    @abstractmethod
    async def take(self, commons: Commons, seconds: float) -> Stretch:
        """Reserve the next free *seconds*."""

    @abstractmethod
    async def leave(self, commons: Commons, state: str, stretch: Stretch) -> None:
        """Hand on the pace and the rest of the stretch."""

    @abstractmethod
    async def left(self, commons: Commons) -> LeftPace | None:
        """Return the pace that was handed on last, or None."""


class CallPaces(ABC):
    """The paces of one service's operations, learned while they are called."""

    @abstractmethod
    async def recall(self, learned: Mapping[str, Learned], *, will_start: bool = True) -> None:
        """Continue at the paces that an earlier launch learned, by operation; before the first call.

        Without one for StartRun, and with *will_start*, the service may be asked for the limit.
        """

    @abstractmethod
    def share(self, paces: SharedPaces) -> None:
        """Share StartRun's pace with other launchers while there are any."""

    @abstractmethod
    def learned(self) -> Mapping[str, Learned]:
        """Return what was learned of each operation's pace."""

    @abstractmethod
    def known_rate(self, operation: str) -> float:
        """Return how many calls of *operation* per second can be relied on; may be infinite."""
