"""The contract of a batch's submissions: what is read of them, and what only the batch's launcher may write.

What ``ports.ledger`` guarantees holds for each method. Does not belong here: any storage, rows that are sent
each by itself (``held``).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from batchrun.model.entries.entry import Entry
    from batchrun.model.submissions.grouping import Choice
    from batchrun.model.submissions.submission import OpenSubmission, Submission, Waiting
    from batchrun.ports.stored import Transition


class Submissions(ABC):
    """The submissions of one batch: what was, or is to be, sent by one StartRunBatch each."""

    @abstractmethod
    async def open(self) -> Sequence[OpenSubmission]:
        """Return the submissions that are not OVER, oldest first, each with the rows that wait for it.

        A row waits for the last submission by which it was intended, unless it was intended by itself since.
        A submission without waiting rows is included: it is to be closed.
        """

    @abstractmethod
    async def count_waiting(self) -> Sequence[Waiting]:
        """Count the waiting rows of :meth:`open` by standing, where there are any."""

    @abstractmethod
    async def find(self, request_id: str) -> Submission | None:
        """Return the batch's submission of that requestId, or None."""

    @abstractmethod
    async def last(self, entry_id: str, attempt: int) -> Submission | None:
        """Return the last submission that sent the attempt; None where it was sent by itself, or not yet."""

    @abstractmethod
    async def have_wanted_runs(self, request_id: str) -> bool:
        """Report whether an attempt that it sent has a run that has not ended and is not to be cancelled."""

    @abstractmethod
    async def count(self) -> int:
        """Count the batch's submissions, those that are OVER included."""


class HeldSubmissions(Submissions):
    """The submissions of a held batch, and which of its rows may share one; fenced like the batch."""

    @abstractmethod
    async def intend(self, submission: Submission, steps: Sequence[Transition]) -> None:
        """Store a new submission and its rows, and record the steps, all ``Intended``, in one transaction.

        Raises:
            InvariantError: It does not match the steps (batch, lane, number of rows), there is one with its
                requestId or name already, or a step cannot be recorded.
        """

    @abstractmethod
    async def keep(self, submission: Submission, *, account: str | None = None) -> None:
        """Store the submission's standing and the service's answers; once OVER, its request is dropped.

        The *account* that has it becomes that of its lane, or of the batch, where that is unknown: as for a
        run (:meth:`record`).

        Raises:
            InvariantError: The batch has no such submission, its standing would go back, or it would be OVER
                while a row waits for it.
        """

    @abstractmethod
    async def unshaped(self, *, limit: int, after: int = -1) -> Sequence[Entry]:
        """Return up to *limit* entries without a stored shape, with a position above *after*, by position.

        These are PLANNED and BACKOFF entries that the manifest names.
        """

    @abstractmethod
    async def keep_shapes(self, shapes: Mapping[str, str]) -> None:
        """Store shapes by id, short digests: rows with equal shapes may share a submission.

        A shape is forgotten when an entry's request, offers, lane or attempt change. Unknown ids are ignored.
        """

    @abstractmethod
    async def choices(self) -> Sequence[Choice]:
        """Count PLANNED and BACKOFF entries by lanes and shape, in the order of these.

        Leaves out entries that the manifest no longer names, are to be cancelled, or have no shape.
        """
