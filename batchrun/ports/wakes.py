"""The contract of what brings messages that say where to look."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class WakeMessage:
    """A message that was received, and comes again unless it is deleted."""

    body: str
    receipt: str  #: what it is deleted by
    age: float  #: seconds since it was sent


class WakeQueue(ABC):
    """
    A queue of messages, each of which comes again some time after it was received, until it is deleted.

    Its calls raise CallError where the queue cannot be asked, and ServiceUnusableError where there is no
    login.
    """

    @property
    @abstractmethod
    def name(self) -> str:
        """What logs call it."""

    @abstractmethod
    async def receive(self) -> Sequence[WakeMessage]:
        """Return some messages, as soon as there are any; none after some seconds without."""

    @abstractmethod
    async def delete(self, receipts: Sequence[str]) -> None:
        """Delete messages; what fails comes again, and does no harm."""
