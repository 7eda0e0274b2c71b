"""The contract of a held batch's proofs: when it was last seen that entries have no run that nobody knows of.

What ``ports.ledger`` guarantees holds for each method. Does not belong here: how long a proof is valid
(``model.planning.proofs``), any storage.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime

    from batchrun.clock import ClockOrigin
    from batchrun.ports.stored import Unproven


class Proofs(ABC):
    """The proofs of one batch, and what they follow from; fenced like the held batch."""

    @abstractmethod
    async def bind(self, origin: ClockOrigin) -> None:
        """Forget proofs, and send times of open submissions, unless the clock of *origin* stamped them.

        Called before proofs are read or written, and again when the clock's origin has moved: only the clock
        that stamped a proof can tell its age.
        """

    @abstractmethod
    async def forget(self) -> None:
        """Forget all of the batch's proofs: runs may have been started since, unseen."""

    @abstractmethod
    async def has_found(self, *, since: datetime) -> bool:
        """Report whether runs were taken over since then that this ledger had not started."""

    @abstractmethod
    async def begin_survey(self, *, since: datetime, at: datetime) -> Mapping[str | None, Unproven]:
        """Mark the entries that :meth:`unproven` counts, and return what to look for, by lane.

        The key None is for entries without lanes. Entries that are added later, or change their name or lanes
        meanwhile, are not marked.
        """

    @abstractmethod
    async def end_survey(
        self,
        *,
        at: datetime,
        calls: Mapping[str | None, int],
        besides: Collection[str] = (),
        unreached: Collection[str | None] = (),
    ) -> None:
        """Store *at* as the proof of the entries that are still marked.

        Args:
            at: The clock's latest time when the survey began.
            calls: Calls that a complete listing took, by lane.
            besides: Entries whose runs were seen but not adopted: they get no proof.
            unreached: Lanes that were not seen completely: entries that may be sent there get no proof.
        """
