"""
What a ledger knows of runs that others started: what keeps a row from being run twice.

Belongs here: the contract. Does not: how long a proof holds (``model.proofs``).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from datetime import datetime

    from batchrun.clock import Origin
    from batchrun.ports.lease import Lease


@dataclass(frozen=True, slots=True, kw_only=True)
class Unproven:
    """What a survey is to look for."""

    names: Mapping[str, tuple[str, ...]] = field(default_factory=dict)  #: ids of the entries, by run name
    last_calls: int | None = None  #: of ListRuns that the last whole listing for this batch took


class Proofs(ABC):
    """
    When it was last seen that the service has no run of an entry's name that this ledger does not know.

    A proof is also kept by an ``Intended`` event that carries one. It goes when the entry asks for a run of
    another name. :class:`~batchrun.ports.ledger.Ledger` says what holds for every method.
    """

    @abstractmethod
    async def unproven(self, batch: str, *, since: datetime, at: datetime) -> int:
        """Count the entries to be sent (PLANNED, BACKOFF) without a proof from between *since* and *at*."""

    @abstractmethod
    async def bind_proofs(self, lease: Lease, origin: Origin) -> None:
        """
        Forget the batch's proofs unless they were stamped by the clock that has this *origin*.

        Called before proofs are read or written, and again when the clock's origin has moved: how old a proof
        is, only the clock that stamped it can say.
        """

    @abstractmethod
    async def begin_survey(self, lease: Lease, *, since: datetime, at: datetime) -> Unproven:
        """
        Mark those entries as being looked for, and return them.

        What becomes an entry to be sent later, or asks for another name meanwhile, is not marked.
        """

    @abstractmethod
    async def end_survey(
        self, lease: Lease, *, at: datetime, calls: int | None, besides: Collection[str] = ()
    ) -> None:
        """
        Keep *at*, when the survey began, as the proof of the entries that are marked still.

        Args:
            lease: The batch.
            at: The clock's latest time when the look began.
            calls: Calls that the whole listing took; None where it was not gone through.
            besides: Entries whose runs were seen, and that nobody has taken over: they get no proof.
        """
