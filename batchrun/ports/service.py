"""The contracts of HealthOmics, run batches and wake-up queues, as the engine needs them.

Does not belong here: HTTP, botocore, retries (``service``).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime

    from batchrun.errors import CallError
    from batchrun.model.costs import Usage
    from batchrun.model.entries.entry import Run, Sighting
    from batchrun.model.paces.quotas import Quotas
    from batchrun.model.planning.listing import Listed
    from batchrun.model.spec import Json
    from batchrun.model.submissions.submission import BatchListed, BatchRow, BatchSeen
    from batchrun.model.tasks import FailedTasks
    from batchrun.ports.call_paces import CallPaces


class LaneTrouble(Enum):
    """Why nothing is sent to a lane now; the value is shown to people."""

    #: Its account has as many active runs as it may; an occasional call shows when that ends.
    FULL = "quota full"
    WAITS = "waits"  #: for its service or its login
    STOPPED = "stopped"  #: this launch starts no more runs there


@dataclass(frozen=True, slots=True, kw_only=True)
class Troubles:
    """Calls that failed so far, even if retried with success, and what holds up sending now."""

    throttled: int = 0
    unanswered: int = 0  #: no usable answer: silence, 5xx, garbage
    others: int = 0  #: active runs of other batches in accounts that have as many as were allowed
    lanes: Mapping[str, LaneTrouble] = field(default_factory=dict)  #: lanes to which nothing is sent now

    def __add__(self, other: Troubles) -> Troubles:
        return Troubles(
            throttled=self.throttled + other.throttled,
            unanswered=self.unanswered + other.unanswered,
            others=self.others + other.others,
            lanes={**self.lanes, **other.lanes},
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class CallCounts:
    """Requests of one operation so far, retries included, and those that failed."""

    sent: int = 0
    throttled: int = 0
    unanswered: int = 0

    def __add__(self, other: CallCounts) -> CallCounts:
        return CallCounts(
            sent=self.sent + other.sent,
            throttled=self.throttled + other.throttled,
            unanswered=self.unanswered + other.unanswered,
        )


class RunBatches(ABC):
    """Run batches of HealthOmics: many runs that the service starts by itself after one call.

    Paced, retried and guarded like the calls of :class:`HealthOmics`, with its hurry, troubles and errors. A
    listing raises rather than leave out what it cannot read, and may lack what was created in the last
    minute.
    """

    @abstractmethod
    async def start_turn(self) -> float:
        """Wait until a moment before StartRunBatch may be called once; return that loop time."""

    @abstractmethod
    async def start(
        self,
        request: Mapping[str, Json],
        *,
        turn: float,
        trusted_until: datetime,
        remembered_until: datetime | None = None,
        is_repeat: bool = False,
    ) -> BatchSeen:
        """Call StartRunBatch at its turn; each retry waits for a turn of its own.

        An error says by ``is_doubtful`` whether some try may have taken effect.

        Args:
            request: With its requestId, and its rows or the place of the file that has them.
            turn: From :meth:`start_turn`.
            trusted_until: The clock's latest time from which nothing is sent: the rows need new proofs then.
            remembered_until: The same, once an outcome is unknown: until then the service is trusted to
                remember the requestId. None: an unknown outcome is never retried.
            is_repeat: The outcome of an earlier call is unknown already.
        """

    @abstractmethod
    async def get(self, batch_id: str) -> BatchSeen:
        """Call GetBatch, after waiting for a turn."""

    @abstractmethod
    def rows(self, batch_id: str) -> AsyncGenerator[Sequence[BatchRow]]:
        """Yield the rows of a batch, a page at a time, or raise.

        A row may come more than once, and not at all until it was submitted.
        """

    @abstractmethod
    def named(self, name: str) -> AsyncGenerator[Sequence[BatchListed]]:
        """Yield every batch with exactly this *name*, or listed without one, a page at a time."""

    @abstractmethod
    def unfinished(self) -> AsyncGenerator[Sequence[BatchListed]]:
        """Yield every batch that may still start runs, or is being stopped, a page at a time, or raise.

        State by state in the order of a batch's life, so that one that moves on meanwhile is not missed. A
        batch may come more than once.
        """

    @abstractmethod
    async def cancel(self, batch_id: str) -> None:
        """Call CancelRunBatch, after waiting for a turn; it is answered before the runs have ended.

        An unknown outcome is not retried: check first whose the id is.
        """

    @abstractmethod
    def refusal(self, row: BatchRow) -> CallError:
        """Return the error that StartRun would have raised for a row whose submission failed."""


class HealthOmics(ABC):
    """HealthOmics, with calls paced and retried.

    Every method may raise any :class:`~batchrun.errors.CallError`; temporary failures were retried before,
    for as long as the implementation's retry policy says, or until :meth:`hurry`. A cancelled call may have
    taken effect.
    """

    @abstractmethod
    def guard(self, check: Callable[[], Awaitable[None]] | None) -> None:
        """Await *check* right before each request is sent; what it raises ends the call. None: no check."""

    @abstractmethod
    def on_wait(self, listener: Callable[[str | None], None]) -> None:
        """Call *listener* with why calls wait for service or login, and with None when they pass again."""

    @property
    @abstractmethod
    def place(self) -> tuple[str, str | None]:
        """The region and the account that is called; None where unknown."""

    @property
    @abstractmethod
    def account(self) -> str:
        """What the rate limits belong to: the endpoint, which has the region, and the account's login."""

    @property
    @abstractmethod
    def is_account_known(self) -> bool:
        """Whether answers are known to come from the account of the batch."""

    @property
    @abstractmethod
    def logins(self) -> int:
        """How many logins were in use so far; what one was shown says nothing about the next."""

    @abstractmethod
    async def quotas(self) -> Quotas:
        """Return the account's quotas; those that cannot be read in time are None. Raises nothing."""

    @property
    @abstractmethod
    def paces(self) -> CallPaces:
        """How fast each operation is called."""

    @abstractmethod
    async def start_turn(self) -> float:
        """Wait until a moment before StartRun may be called once; return that loop time.

        The moment is for writing the intent to disk, so that calls leave evenly.
        """

    @abstractmethod
    async def start_run(
        self, request: Mapping[str, Json], *, turn: float, trusted_until: datetime, is_repeat: bool = False
    ) -> Run:
        """Call StartRun at its turn; each retry waits for a turn of its own.

        An error says by ``is_doubtful`` whether some try may have taken effect.

        Args:
            request: From :func:`batchrun.model.entries.entry.start_run_request`, requestId included.
            turn: From :meth:`start_turn`.
            trusted_until: The clock's latest time until which the service is trusted to remember the
                requestId: once an outcome is unknown, nothing is sent after it.
            is_repeat: The outcome of an earlier call is unknown already.
        """

    @abstractmethod
    async def get_run(self, run_id: str) -> Sighting:
        """Call GetRun, after waiting for a turn."""

    @abstractmethod
    async def cancel_run(self, run_id: str) -> None:
        """Call CancelRun, after waiting for a turn; it is answered before the run has ended.

        An unknown outcome is not retried, here and in :meth:`delete_run`: check first whose the id is.
        """

    @abstractmethod
    async def delete_run(self, run_id: str) -> None:
        """Call DeleteRun, after waiting for a turn: the run's record is deleted, outputs and logs stay."""

    @property
    @abstractmethod
    def run_batches(self) -> RunBatches:
        """The operations on run batches, with the same guard, pace and hurry."""

    @abstractmethod
    def going_runs(
        self, run_group: str | None = None, batch_id: str | None = None
    ) -> AsyncGenerator[Sequence[Listed]]:
        """Yield every run that has not ended, of one group, one run batch or all, page by page, or raise.

        State by state in the order of a run's life, so that one that moves on meanwhile is not missed. A run
        may come more than once; one that began in the last minute may be missing.
        """

    @abstractmethod
    def listed_runs(self, name: str | None) -> AsyncGenerator[Sequence[Listed]]:
        """Yield every run with exactly this *name*, or every run, ended or not, a page at a time, or raise.

        A run may come more than once; one that began in the last minute may be missing.
        """

    @abstractmethod
    async def failed_tasks(self, run: Run, *, limit: int) -> FailedTasks:
        """Call ListRunTasks for the failed tasks of *run*, and GetRunTask for up to *limit* of them.

        Each operation waits for turns of its own. Tasks of another run that has its id now are left out.
        """

    @abstractmethod
    async def usage(self, run: Run) -> Usage:
        """Call GetRun and ListRunTasks, all pages, for the usage of *run*, which has ended.

        Each operation waits for turns of its own. Raises NotFoundError also where another run has its id now.
        """

    @property
    @abstractmethod
    def troubles(self) -> Troubles:
        """Calls that failed so far."""

    @property
    @abstractmethod
    def calls(self) -> Mapping[str, CallCounts]:
        """Requests so far, by operation."""

    @abstractmethod
    def hurry(self) -> None:
        """From now on fail at the first error instead of retrying. For draining."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WakeMessage:
    """A message that was received, and will come again unless it is deleted."""

    body: str
    receipt: str  #: for deleting it
    age: float  #: seconds since it was sent


class WakeQueue(ABC):
    """A queue whose messages come again some time after they were received, until they are deleted.

    Its calls raise CallError where the queue cannot be used, and ServiceUnusableError without a login.
    """

    @property
    @abstractmethod
    def name(self) -> str:
        """The queue's name in logs."""

    @abstractmethod
    async def receive(self) -> Sequence[WakeMessage]:
        """Return messages as soon as there are any, or none after some seconds."""

    @abstractmethod
    async def delete(self, receipts: Sequence[str]) -> None:
        """Delete messages; one that is not deleted comes again, which does no harm."""
