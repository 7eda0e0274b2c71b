"""The contract of what became of a batch's entries, as users are told.

What ``ports.ledger`` guarantees holds for each method. Does not belong here: what a launch reads (``batch``),
how it is told (``report``), any storage.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime

    from batchrun.model.tasks import FailedTasks
    from batchrun.ports.stored import By, EndedRun, Failures, Glance, Outcome


class Story(ABC):
    """What became of the entries of one batch, each answer bounded or in pages. No method needs a lease."""

    @abstractmethod
    def outcomes(self) -> AsyncIterator[Outcome]:
        """Yield the batch's outcomes: in manifest order, then entries that left the manifest but were sent.

        Reads one consistent snapshot, in pages; memory does not grow with the batch.

        Raises:
            SnapshotLostError: The snapshot cannot be read to its end; begin again with a new one.
        """

    @abstractmethod
    async def changed(self, *, after: int, upto: int) -> Sequence[Outcome]:
        """Return the current outcomes of entries with events numbered above *after* and up to *upto*.

        The numbers are those of :meth:`Ledger.newest_event`. Changes without an event (new rows of a
        manifest) are not among them. Takes time in proportion to the events between the two.
        """

    @abstractmethod
    async def glance(self, *, since: datetime, at: datetime, limit: int) -> Glance:
        """Return *limit* notable entries of each kind, events *since* then, and what is due after *at*."""

    @abstractmethod
    async def find_ids(self, text: str, by: By, *, limit: int = 20) -> Sequence[str]:
        """Return ids of entries.

        - RUN: those that had a run of this uuid, short id or ARN, in any attempt, in order. A short id may
          have several: the service reuses it once its run was deleted.
        - BEGINNING: up to *limit* that begin with *text*, in order, by code point.
        - LIKENESS: some that *text*, which is no id, may be a misspelling of, in no order: a few each of its
          neighbours in the order of ids, of ids that contain it in either case, and of those that differ from
          it in one character, or in the zeros before a number.
        """

    @abstractmethod
    async def ended_runs(self, *, limit: int, after: tuple[int, int] = (-1, 0)) -> Sequence[EndedRun]:
        """Return up to *limit* runs that have ended, by (position, attempt), above *after*.

        Runs of earlier attempts, and runs that were removed before their end was seen, are included.
        """

    @abstractmethod
    async def failures(self, *, limit: int) -> Sequence[Failures]:
        """Return the entries that ended without success by state and reason, the most frequent first.

        Each group counts all of its entries, and has the first *limit* of them by position and the reasons
        why tasks of their runs failed, at most 50, those with most rows.
        """

    @abstractmethod
    async def failed_tasks(self, ids: Collection[str]) -> Mapping[str, Mapping[int, FailedTasks]]:
        """Return these entries' failed tasks, by id and attempt, where they were asked for."""
