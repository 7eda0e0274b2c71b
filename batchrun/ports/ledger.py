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
    from batchrun.model.paces.handing_on import Learned
    from batchrun.model.spec import Spec
    from batchrun.ports.batch import StoredBatch
    from batchrun.ports.held import HeldBatch
    from batchrun.ports.stored import Batch, Commons, KeptPace, LeftPace, Stretch


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
    async def paces(self, account: str, *, since: datetime) -> Mapping[str, Learned]:
        """Return the account's paces that were learned at *since* or later, by operation."""

    @abstractmethod
    async def all_paces(self) -> Sequence[KeptPace]:
        """Return the paces of all accounts, by account and operation."""

    @abstractmethod
    async def keep_paces(self, account: str, learned: Mapping[str, Learned], *, at: datetime) -> None:
        """Store paces, replacing those of any batch. Needs no lease."""

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
    async def take_stretch(self, commons: Commons, seconds: float, *, at: datetime) -> Stretch:
        """Reserve the next free *seconds*, in one statement. Needs no lease.

        Time in the past is not given out, except for a twentieth of a second. Stretches over five minutes
        away were taken by a clock that was ahead, and do not count.
        """

    @abstractmethod
    async def leave_pace(self, commons: Commons, state: str, *, until: int, at: datetime) -> None:
        """Hand the pace, as JSON text, on to the next launcher, with the rest of the stretch if possible.

        *until* is the stretch's. Does nothing where a pace of a later stretch was handed on already, unless
        by a clock that was ahead.
        """

    @abstractmethod
    async def left_pace(self, commons: Commons, *, at: datetime) -> LeftPace | None:
        """Return the pace that was handed on last, or None."""

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
