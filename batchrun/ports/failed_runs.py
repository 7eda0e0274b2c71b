"""
What a ledger keeps of failed runs beyond their end: whose tasks are still to be asked for, and the tasks.

Belongs here: this part of the ledger's contract, and its values. Does not: the end itself, which is recorded
before (``ledger``), and asking (``engine``).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence
    from datetime import datetime

    from batchrun.model.entry import Run
    from batchrun.model.tasks import FailedTasks
    from batchrun.ports.lease import Lease


@dataclass(frozen=True, slots=True, kw_only=True)
class FailedRun:
    """A run that failed, of which nobody has asked for the tasks yet."""

    number: int  #: grows in the order in which the ends were recorded
    id: str  #: the entry's
    attempt: int
    run: Run


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskFailures:
    """Entries that stand FAILED, whose runs failed for one reason and tasks of them for another."""

    run_reason: str | None  #: the run's ``failureReason``
    reason: str | None  #: the tasks'
    rows: int  #: entries with such a task
    names: int  #: how many different names these tasks have
    name: str | None  #: one of them


class FailedRuns(ABC):
    """
    The failed runs' tasks.

    A run comes in when its ``Failed`` is recorded, in the same transaction, if its tasks may be asked for
    (:func:`batchrun.model.tasks.may_be_asked`).
    """

    @abstractmethod
    async def unasked(self, batch: str, *, limit: int, after: int = -1) -> Sequence[FailedRun]:
        """Return up to *limit* failed runs numbered above *after* whose tasks were not kept, by number."""

    @abstractmethod
    async def keep_tasks(self, lease: Lease, found: Mapping[int, FailedTasks], *, at: datetime) -> None:
        """
        Keep what was found, by the failed run's number; what is kept already stays. Raises LeaseLostError.

        Numbers that are not the batch's are passed over.
        """

    @abstractmethod
    async def failed_tasks(self, batch: str, ids: Collection[str]) -> Mapping[str, Mapping[int, FailedTasks]]:
        """Return these entries' failed tasks, by id and attempt, where they were asked for."""

    @abstractmethod
    async def task_failures(self, batch: str) -> Sequence[TaskFailures]:
        """
        Return the kept tasks of entries that stand FAILED, by the run's reason and theirs, most rows first.

        Of very many groups the first 50.
        """
