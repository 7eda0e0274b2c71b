"""The contract of a ledger of many batches: what is durable when, what is atomic, what a cancellation does.

Does not belong here: any storage, the contracts of one batch (``batch``), the values (``stored``).
``tests/ledger/conformance.py`` checks every store against these docstrings.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from datetime import datetime, timedelta
    from pathlib import Path

    from batchrun.model.costs import Usage
    from batchrun.model.spec import Spec
    from batchrun.ports.batch import StoredBatch
    from batchrun.ports.held import HeldBatch
    from batchrun.ports.paces import Paces
    from batchrun.ports.stored import Batch


class Ledger(ABC):
    """All batches: their entries and histories, and who may write them.

    For every method that writes, of a ledger or of one of its batches:

    - *Durable on return*: what it wrote survives a power cut (SQLite: ``synchronous=FULL``).
    - *Atomic*: all is written or nothing, whatever is raised.
    - *On cancellation*: a call that has begun is completed in the background of the cancelled task; the
      cancellation is delivered after that. No transaction is ever left open.

    Errors: :class:`~batchrun.errors.LedgerError` for a failing disk. Times are aware and in UTC. Concurrent
    calls are allowed and run one after the other. Other processes may read, and may write to other batches,
    at any time. *specs* are iterated in the ledger's own thread, again where a connection is lost meanwhile
    (an iterator is refused), and must not touch the event loop.
    """

    path: Path | None = None  #: its file, if it is one, which no output may replace
    paces: Paces

    @abstractmethod
    def hurry(self, seconds: float) -> None:
        """From now on wait at most *seconds* for a database that is unreachable."""

    @abstractmethod
    async def open_batch(
        self, name: str, *, region: str, account: str | None = None, holder: str | None = None, at: datetime
    ) -> Batch:
        """Return the batch, created if the ledger does not have it. Safe to repeat.

        *region*, and *account* if given, become the batch's while it cannot have a run yet, unless a launcher
        other than *holder* holds it. What was looked up elsewhere is forgotten then.
        """

    @abstractmethod
    async def find_batch(self, name: str) -> Batch | None:
        """Return the batch, or None."""

    @abstractmethod
    async def batches(self) -> Sequence[Batch]:
        """Return every batch, newest first."""

    @abstractmethod
    def batch(self, name: str) -> StoredBatch:
        """Return the batch without a lease; nothing is looked up yet."""

    @abstractmethod
    async def hold(self, batch: str, *, holder: str, ttl: timedelta, at: datetime) -> HeldBatch:
        """Claim the batch for *ttl*, with a fence one higher than the last.

        A lease is taken over at once if it was released, has expired, or its launcher is known to be dead (it
        ran on this host and its process is gone).

        Raises:
            LeaseHeldError: Another launcher holds it; says who, and until when.
        """

    @abstractmethod
    async def rows_as_known(self, batch: str, specs: Iterable[Spec]) -> int:
        """Count the rows that *batch* has under the same ids with the same work, or an unknown one."""

    @abstractmethod
    async def rows_elsewhere(self, batch: str, specs: Iterable[Spec]) -> Mapping[str, int]:
        """Count, for each batch other than *batch*, the rows whose work it has too.

        Under the same id; or under any id, where no other of *specs* and no other row there asks for that
        work. Rows that failed, were cancelled or refused, or left the manifest unsent do not count. Batches
        without such rows, or that cannot have a run yet, are left out.
        """

    @abstractmethod
    async def newest_event(self) -> int:
        """Return the number of the newest event of any batch, 0 where there is none; quick.

        It grows with every recorded event.
        """

    @abstractmethod
    async def has_peers(self, region: str, account: str | None, *, besides: str, at: datetime) -> bool:
        """Report whether a launcher other than the holder *besides* works in the account at *at*."""

    @abstractmethod
    async def active_there(self, region: str, account: str | None) -> Mapping[str, int]:
        """Return how many runs of each batch may be active in the account: sent, and not known to have ended.

        Batches that are not being launched count too; batches that are closed here do not.
        """

    @abstractmethod
    async def keep_usage(self, run_uuid: str, usage: Usage | None, *, at: datetime) -> None:
        """Store what the run used; None where the service no longer has it. Needs no lease.

        A stored usage stays; a stored None is replaced.
        """

    @abstractmethod
    async def workflow_usages(self, workflow_id: str, *, limit: int) -> Sequence[Usage]:
        """Return up to *limit* usages of the workflow's COMPLETED runs, of any batch, latest stored first."""

    @abstractmethod
    async def keep_deleted(self, uuids: Collection[str], *, at: datetime) -> None:
        """Record that these runs were deleted from the service on request."""

    @abstractmethod
    async def close(self) -> None:
        """Close; safe to repeat. No other method may be called after it."""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_error: object) -> None:
        await self.close()
