"""
HealthOmics as the engine needs it.

Belongs here: the contract and the values that cross it. Does not: HTTP, botocore, retries (``service``).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from datetime import datetime

    from batchrun.errors import CallError
    from batchrun.model.costs import Usage
    from batchrun.model.entries.entry import Run, Sighting
    from batchrun.model.paces.handing_on import Learned
    from batchrun.model.paces.quotas import Quotas
    from batchrun.model.planning.actions import Sending
    from batchrun.model.planning.listing import Listed
    from batchrun.model.planning.stimuli import Acted
    from batchrun.model.spec import Json
    from batchrun.model.submissions.submission import BatchListed, BatchRow, BatchSeen
    from batchrun.model.tasks import FailedTasks
    from batchrun.ports.stored import Commons, LeftPace, Stretch


class SharedPaces(ABC):
    """The paces of all launchers of one ledger; every method may raise LedgerError."""

    #: Whether all together may have so many active runs: then turns are taken alone too.
    is_capped: bool = False

    @abstractmethod
    async def are_shared(self, commons: Commons) -> bool:
        """Report whether anybody else works in the account and region now."""

    @abstractmethod
    async def room(self, commons: Commons) -> float:
        """Return how many more runs may be started there now; infinite without a bound."""

    @abstractmethod
    async def take(self, commons: Commons, seconds: float) -> Stretch:
        """Take the next *seconds* that are not taken yet."""

    @abstractmethod
    async def leave(self, commons: Commons, state: str, stretch: Stretch) -> None:
        """Leave the pace to the next launch, and what is left of the stretch."""

    @abstractmethod
    async def left(self, commons: Commons) -> LeftPace | None:
        """Return the pace as it was left last."""


class LaneTrouble(Enum):
    """Why nothing is sent to a lane now; the value is shown to people."""

    #: It has as many active runs as its account may; one call now and then shows when not.
    FULL = "quota full"
    WAITS = "waits"  #: for its service or its login
    STOPPED = "stopped"  #: this launch uses it no more


@dataclass(frozen=True, slots=True, kw_only=True)
class Troubles:
    """Calls that went wrong so far, whatever became of them later, and what is in the way now."""

    throttled: int = 0
    unanswered: int = 0  #: no usable answer: silence, 5xx, garbage
    others: int = 0  #: active runs of other batches, in accounts that are full by what was allowed
    lanes: Mapping[str, LaneTrouble] = field(default_factory=dict)  #: those to which nothing is sent now

    def __add__(self, other: Troubles) -> Troubles:
        return Troubles(
            throttled=self.throttled + other.throttled,
            unanswered=self.unanswered + other.unanswered,
            others=self.others + other.others,
            lanes={**self.lanes, **other.lanes},
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class CallCounts:
    """Requests of one operation so far, repeated ones too, and those of them that went wrong."""

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
    """
    The calls, paced and retried as those of :class:`HealthOmics`.

    They have its guard, its hurry and its troubles, and may raise what its methods do. A listing raises
    rather than leave out what it cannot read, and may lag: what was made in the last minute may be missing.
    """

    @abstractmethod
    async def start_turn(self) -> float:
        """Wait until StartRunBatch may be called once, and return the loop time at which, a moment early."""

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
        """
        Call StartRunBatch at its turn; each retry waits for a turn of its own.

        An error says by ``is_doubtful`` whether some try may have taken effect.

        Args:
            request: With its requestId, every row in it or the place of the file that has them.
            turn: From :meth:`start_turn`.
            trusted_until: The clock's latest time from which on nothing is sent: its rows are then to be
                proven anew.
            remembered_until: The same, once an outcome is unknown: until then the service is trusted to
                remember the requestId. None: for no moment, so that an unknown outcome is never repeated.
            is_repeat: The outcome of an earlier call is unknown already.
        """

    @abstractmethod
    async def get(self, batch_id: str) -> BatchSeen:
        """Call GetBatch, after waiting for a turn."""

    @abstractmethod
    def rows(self, batch_id: str) -> AsyncGenerator[Sequence[BatchRow]]:
        """
        List the rows of a batch, a page at a time, or raise.

        A row may come more than once, or not at all as long as it was not submitted.
        """

    @abstractmethod
    def named(self, name: str) -> AsyncGenerator[Sequence[BatchListed]]:
        """List every batch that bears exactly *name*, or has none in the listing, a page at a time."""

    @abstractmethod
    def unfinished(self) -> AsyncGenerator[Sequence[BatchListed]]:
        """
        List every batch that may still start runs, or is being stopped, a page at a time, or raise.

        State by state in the order of a batch's life, so that one which moves on meanwhile is not passed
        over. A batch may come more than once.
        """

    @abstractmethod
    async def cancel(self, batch_id: str) -> None:
        """
        Call CancelRunBatch, after waiting for a turn; it is answered before the runs have ended.

        An unknown outcome is not repeated: look whose the id is first.
        """

    @abstractmethod
    def refusal(self, row: BatchRow) -> CallError:
        """Return the error that StartRun would have raised for a row whose submission failed."""


class HealthOmics(ABC):
    """
    The calls, paced and retried.

    Every method may raise any :class:`~batchrun.errors.CallError`; what failed in passing was retried before,
    for as long as the implementation's retry policy says, or until :meth:`hurry`. A call that is cancelled
    may have taken effect.
    """

    @abstractmethod
    def guard(self, check: Callable[[], Awaitable[None]] | None) -> None:
        """Await *check* right before each request leaves; what it raises ends the call. None ends it."""

    @abstractmethod
    def on_wait(self, listener: Callable[[str | None], None]) -> None:
        """Call *listener*, at once, with why calls wait for service or login, and None when they pass."""

    @property
    @abstractmethod
    def place(self) -> tuple[str, str | None]:
        """The region and the account that is called; None where that is not known."""

    @property
    @abstractmethod
    def account(self) -> str:
        """What the rate limits belong to: the endpoint, which names the region, and whose account it is."""

    @property
    @abstractmethod
    def is_account_known(self) -> bool:
        """Whether answers are known to come from the account of the batch."""

    @property
    @abstractmethod
    def logins(self) -> int:
        """How many logins were in use so far: what an earlier one was shown says nothing of the next."""

    @abstractmethod
    async def recall(self, learned: Mapping[str, Learned], *, will_start: bool = True) -> None:
        """
        Go on at the pace that an earlier launch learned, by operation; before the first call.

        Where there is none of StartRun's and *will_start* says so, the service may be asked for the limit.
        """

    @abstractmethod
    def share(self, paces: SharedPaces) -> None:
        """Share the pace of what is called most with other launchers, for as long as there are any."""

    @abstractmethod
    async def quotas(self) -> Quotas:
        """Ask for the account's quotas; what may not be read, or not soon, is None. Raises nothing."""

    @abstractmethod
    def learned(self) -> Mapping[str, Learned]:
        """Return what was learned of the pace of each operation that was called."""

    @abstractmethod
    def known_rate(self, operation: str) -> float:
        """Say how many calls of *operation* per second can be counted on; may be infinite."""

    @abstractmethod
    async def start_turn(self) -> float:
        """
        Wait until StartRun may be called once, and return the loop time at which.

        Comes a moment early, so that the intent is on disk by then and calls leave evenly.
        """

    @abstractmethod
    async def start_run(
        self, request: Mapping[str, Json], *, turn: float, trusted_until: datetime, is_repeat: bool = False
    ) -> Run:
        """
        Call StartRun at its turn; each retry waits for a turn of its own.

        An error says by ``is_doubtful`` whether some try may have taken effect.

        Args:
            request: As :func:`batchrun.model.entries.entry.start_run_request` gives it, requestId included.
            turn: From :meth:`start_turn`.
            trusted_until: The clock's latest time until which the service is trusted to remember the
                requestId: once an outcome is unknown, nothing is sent later than that.
            is_repeat: The outcome of an earlier call is unknown already.
        """

    @abstractmethod
    async def get_run(self, run_id: str) -> Sighting:
        """Call GetRun, after waiting for a turn."""

    @abstractmethod
    async def cancel_run(self, run_id: str) -> None:
        """
        Call CancelRun, after waiting for a turn; it is answered before the run has ended.

        An unknown outcome is not repeated, here and in :meth:`delete_run`: look whose the id is first.
        """

    @abstractmethod
    async def delete_run(self, run_id: str) -> None:
        """Call DeleteRun, after waiting for a turn: the run's record goes, its outputs and logs stay."""

    @property
    @abstractmethod
    def run_batches(self) -> RunBatches:
        """The calls for many runs at once, which this one's guard, pace and hurry hold for."""

    @abstractmethod
    def going_runs(
        self, run_group: str | None = None, batch_id: str | None = None
    ) -> AsyncGenerator[Sequence[Listed]]:
        """
        List every run that has not ended, of one group, one run batch, or all, a page at a time, or raise.

        State by state in the order of a run's life, so that one which moves on meanwhile is not missed.
        A run may come more than once; one that began in the last minute may not come at all.
        """

    @abstractmethod
    def listed_runs(self, name: str | None) -> AsyncGenerator[Sequence[Listed]]:
        """
        List every run that bears exactly *name*, or every run, ended or not, a page at a time, or raise.

        A run may come more than once; one that began in the last minute may not come at all.
        """

    @abstractmethod
    async def failed_tasks(self, run: Run, *, limit: int) -> FailedTasks:
        """
        Call ListRunTasks for those of *run* that failed, and GetRunTask for up to *limit* of them.

        Each operation waits for turns of its own. Tasks of another run that has its id now are left out.
        """

    @abstractmethod
    async def usage(self, run: Run) -> Usage:
        """
        Call GetRun and ListRunTasks, all pages, for what *run*, which has ended, used.

        Each operation waits for turns of its own. NotFoundError also where another run has its id now.
        """

    @property
    @abstractmethod
    def troubles(self) -> Troubles:
        """What went wrong so far."""

    @property
    @abstractmethod
    def calls(self) -> Mapping[str, CallCounts]:
        """What was sent so far, by operation."""

    @abstractmethod
    def hurry(self) -> None:
        """From now on give up at the first failure instead of waiting to retry. For draining."""


class Submitter(Protocol):
    """Sends attempts, many at once, one action at a time for each entry."""

    async def submit(self, action: Sending) -> Acted:
        """
        Send, send again or settle an attempt, and record what came of it.

        The intent is durable before anything leaves, and nothing leaves after its proof has ended. What was
        let go of before it was sent comes back as it was.

        Raises:
            ServiceUnusableError: The launch as a whole lacks a permission, credentials or a service.
            LeaseLostError, LedgerError: Nothing more may or can be recorded.
        """


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
