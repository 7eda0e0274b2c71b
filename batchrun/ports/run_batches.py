"""Run batches as the engine needs them: many runs that the service starts by itself, after one call."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, Mapping, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime

    from batchrun.errors import CallError
    from batchrun.model.spec import Json
    from batchrun.model.submissions.submission import BatchListed, BatchRow, BatchSeen


class RunBatches(ABC):
    """
    The calls, paced and retried as those of :class:`~batchrun.ports.service.HealthOmics`.

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


class SettingsStore(ABC):
    """Places in S3 where such files are kept."""

    @abstractmethod
    async def keep(self, uri: str, body: bytes) -> None:
        """
        Write a file, whole, to ``s3://BUCKET/KEY`` with a digest in it; it is there when this returns.

        To repeat it, or to give it up, does no harm. What is there already, as long as *body*, is left alone:
        a batch fails when its file changes.

        Raises:
            UsageError: The AWS configuration cannot be used.
            ServiceUnusableError: It cannot be written, or something else is there; says what to do.
        """
