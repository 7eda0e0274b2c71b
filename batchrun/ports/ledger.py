"""
The contract of a ledger of many batches: what is durable when, what is atomic, what happens on cancellation.

Belongs here: the contract. Does not: any storage, the contracts of one batch (``batch``), the values that
cross (``stored``). Every store is held to what the docstrings say by ``tests/ledger/conformance.py``.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from datetime import datetime, timedelta
    from pathlib import Path

    from batchrun.model.costs import Usage
    from batchrun.model.paces.handing_on import Learned
    from batchrun.model.spec import Spec
    from batchrun.ports.batch import StoredBatch
    from batchrun.ports.held import HeldBatch
    from batchrun.ports.stored import Batch, Commons, KeptPace, LeftPace, Stretch


class Ledger(ABC):
    """
    Every batch's entries, their history, and who may write.

    For every method that writes, of a ledger or of a batch of its:

    - *Durable on return*: what it wrote survives a power cut (SQLite: ``synchronous=FULL``).
    - *Atomic*: all of it is written or none, whatever is raised.
    - *On cancellation*: a call that has begun is finished in the background of the cancelled task, whole;
      the cancellation is delivered after that. No transaction is ever left open.

    Errors: :class:`~batchrun.errors.LedgerError` for a disk that fails. Times are aware and in UTC.
    Concurrent calls are allowed and run one after the other. Other processes may read, and may write to other
    batches, at any time. *specs* are gone through in the ledger's own thread, once more where a connection is
    lost meanwhile (an iterator is refused), and must not touch the event loop.
    """

    path: Path | None = None  #: the file that it is, and which no output may replace

    @abstractmethod
    def hurry(self, seconds: float) -> None:
        """Wait no longer than so many seconds from now for a ledger's database that is away."""

    @abstractmethod
    async def open_batch(self, name: str, *, region: str, account: str | None = None, at: datetime) -> Batch:
        """
        Return the batch, made now if the ledger does not have it. Safe to repeat; the first region stays.

        Where *account* is given, the batch's becomes that, for as long as no run of it can be anywhere.
        """

    @abstractmethod
    async def find_batch(self, name: str) -> Batch | None:
        """Return the batch, or None."""

    @abstractmethod
    async def batches(self) -> Sequence[Batch]:
        """Return every batch, newest first."""

    @abstractmethod
    def batch(self, name: str) -> StoredBatch:
        """Return the batch to be read and asked; nothing is looked up yet."""

    @abstractmethod
    async def hold(self, batch: str, *, holder: str, ttl: timedelta, at: datetime) -> HeldBatch:
        """
        Take the batch for *ttl*, with a fence of one more than the last.

        Taken over at once: a lease that was released, that ran out, or whose launcher is known to be dead (it
        ran on this host and its process has gone).

        Raises:
            LeaseHeldError: Another launcher holds it; says who, and until when.
        """

    @abstractmethod
    async def rows_as_known(self, batch: str, specs: Iterable[Spec]) -> int:
        """Count the rows that *batch* has under their ids, with the same work or an unknown one."""

    @abstractmethod
    async def rows_elsewhere(self, batch: str, specs: Iterable[Spec]) -> Mapping[str, int]:
        """
        Count, by batch other than *batch*, the rows whose work stands there too.

        Under the same id; or under any, where no other of *specs* and no other row there asks for that work.
        What failed, was cancelled or refused, or left the manifest unsent does not stand there. Batches
        without such rows are left out, and those of which no run can be anywhere.
        """

    @abstractmethod
    async def paces(self, account: str, *, since: datetime) -> Mapping[str, Learned]:
        """Return what was learned of the account's paces at *since* or later, by operation."""

    @abstractmethod
    async def all_paces(self) -> Sequence[KeptPace]:
        """Return all that was learned of any account's paces, by account and operation."""

    @abstractmethod
    async def keep_paces(self, account: str, learned: Mapping[str, Learned], *, at: datetime) -> None:
        """Keep what was learned; the last word stays, whichever batch it comes from. Needs no lease."""

    @abstractmethod
    async def newest_event(self) -> int:
        """
        Return the number of the newest event of any batch, 0 where there is none; it comes at once.

        It grows with every event that is recorded.
        """

    @abstractmethod
    async def has_peers(self, region: str, account: str | None, *, besides: str, at: datetime) -> bool:
        """Report whether a launcher, other than the holder *besides*, works in the account at *at*."""

    @abstractmethod
    async def active_there(self, region: str, account: str | None) -> Mapping[str, int]:
        """
        Return how many runs of each batch may be active in the account: sent, and not known to have ended.

        Whether the batch is launched or not; but not of one that is closed here, whose ends would not be
        seen.
        """

    @abstractmethod
    async def take_stretch(self, commons: Commons, seconds: float, *, at: datetime) -> Stretch:
        """
        Take the next *seconds* that are not taken yet, in one statement. Needs no lease.

        Nothing that lies in the past is given out, but for a twentieth of a second.
        """

    @abstractmethod
    async def leave_pace(self, commons: Commons, state: str, *, until: int, at: datetime) -> None:
        """
        Leave the pace, as JSON text, to the next launch; what is left of the stretch goes back where it can.

        *until* is the stretch's. Nothing happens where the pace was left at a later stretch's end already.
        """

    @abstractmethod
    async def left_pace(self, commons: Commons, *, at: datetime) -> LeftPace | None:
        """Return the pace as it was left last; None where it never was."""

    @abstractmethod
    async def keep_usage(self, run_uuid: str, usage: Usage | None, *, at: datetime) -> None:
        """
        Keep what the run used, None where the service does not have it any more. Needs no lease.

        What is kept stays, but for a None, which usage replaces.
        """

    @abstractmethod
    async def workflow_usages(self, workflow_id: str, *, limit: int) -> Sequence[Usage]:
        """Return up to *limit* usages of the workflow's COMPLETED runs, of any batch, the last kept first."""

    @abstractmethod
    async def keep_deleted(self, uuids: Collection[str], *, at: datetime) -> None:
        """Remember that these runs are not at the service any more because somebody asked for that."""

    @abstractmethod
    async def close(self) -> None:
        """Close; safe to repeat. No other method may be called after it."""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_error: object) -> None:
        await self.close()
