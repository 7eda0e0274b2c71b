"""
The contract of a batch's submissions: rows' attempts that go to the service in one StartRunBatch.

``ports.ledger`` says what holds for every method.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from batchrun.model.entries.entry import Entry
    from batchrun.model.submissions.grouping import Choice
    from batchrun.model.submissions.submission import OpenSubmission, Submission, Waiting
    from batchrun.ports.stored import Transition


class StoredSubmissions(ABC):
    """A batch's submissions, to be read. No method needs a lease."""

    @abstractmethod
    async def open_submissions(self) -> Sequence[OpenSubmission]:
        """
        Return the submissions that are not OVER, oldest first, each with the rows that wait for it.

        A row waits for the submission by which it was intended last; one that was intended by itself since
        waits for none. A submission for which no row waits is among them: it is to be closed.
        """

    @abstractmethod
    async def count_waiting(self) -> Sequence[Waiting]:
        """Count the rows of :meth:`open_submissions`, by the standing of these; without those of no rows."""

    @abstractmethod
    async def submission(self, request_id: str) -> Submission | None:
        """Return the batch's submission of that requestId, or None."""

    @abstractmethod
    async def last_submission(self, entry_id: str, attempt: int) -> Submission | None:
        """Return the submission by which the attempt went last; None where it went by itself, or not yet."""

    @abstractmethod
    async def has_wanted_runs(self, request_id: str) -> bool:
        """Report whether an attempt that went by it has a run which goes on, and is not to be cancelled."""

    @abstractmethod
    async def submission_count(self) -> int:
        """Count the batch's submissions, those that are OVER too."""

    @abstractmethod
    async def entries(self, ids: Collection[str]) -> Mapping[str, Entry]:
        """Return many entries at once, by position; ids that the batch does not have are left out."""


class Submissions(StoredSubmissions):
    """The submissions of a batch that this launcher alone may write to. Methods that write are *fenced*."""

    @abstractmethod
    async def intend_together(self, submission: Submission, steps: Sequence[Transition]) -> None:
        """
        Keep a new submission and its rows, and record the steps, each an ``Intended``, in one transaction.

        Raises:
            InvariantError: It is not the steps' submission (batch, lane, number of rows), there was one of
                its requestId or name already, or a step cannot be recorded.
        """

    @abstractmethod
    async def keep_submission(self, submission: Submission) -> None:
        """
        Keep where the submission stands, and what the service said of it; its request no more once OVER.

        Raises:
            InvariantError: The batch has no such submission, it was OVER or TAKEN before and would go back,
                or it would be OVER while a row waits for it.
        """

    @abstractmethod
    async def unshaped(self, *, limit: int, after: int = -1) -> Sequence[Entry]:
        """
        Return up to *limit* entries for which no shape is kept, with a position above *after*, by position.

        These are PLANNED and BACKOFF entries that the manifest names.
        """

    @abstractmethod
    async def keep_shapes(self, shapes: Mapping[str, str]) -> None:
        """
        Keep what tells which rows may share a submission, by id; short, a digest rather than a request.

        It is forgotten where an entry's request, offers, lane or attempt become others. Ids that the batch
        does not have are ignored.
        """

    @abstractmethod
    async def shaped_choices(self) -> Sequence[Choice]:
        """
        Count what is to be sent by lanes and shape, in the order of these: PLANNED and BACKOFF entries.

        Leaves out what the manifest does not name any more, what is to be cancelled, and what has no shape.
        """
