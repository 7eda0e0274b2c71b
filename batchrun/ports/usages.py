"""
What a ledger keeps of ended runs' usage, so that nobody is asked twice.

Belongs here: this part of the ledger's contract, and its values. Does not: asking (``engine``), what usage
costs (``model.costs``).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from batchrun.model.costs import Usage
    from batchrun.model.entry import Run


@dataclass(frozen=True, slots=True, kw_only=True)
class SpentRun:
    """A run that has ended, of any attempt, and what is known of its usage."""

    position: int  #: of its entry
    entry_id: str
    attempt: int
    run: Run
    name: str | None = None  #: that it was started with
    usage: Usage | None = None  #: None where it is not kept
    is_gone: bool = False  #: the service does not have the run any more: without usage nobody will ever know


class Usages(ABC):
    """The ended runs' usage, by the run's uuid."""

    @abstractmethod
    async def spent_runs(
        self, batch: str, *, limit: int, after: tuple[int, int] = (-1, 0)
    ) -> Sequence[SpentRun]:
        """
        Return up to *limit* runs that have ended by (position, attempt), above *after*.

        Those of earlier attempts and those that were removed before their end was seen are among them.
        """

    @abstractmethod
    async def keep_usage(self, run_uuid: str, usage: Usage | None, *, at: datetime) -> None:
        """
        Keep what the run used, None where the service does not have it any more. Needs no lease.

        What is kept stays, but for a None, which usage replaces.
        """

    @abstractmethod
    async def workflow_usages(self, workflow_id: str, *, limit: int) -> Sequence[Usage]:
        """Return up to *limit* usages of the workflow's COMPLETED runs, of any batch, the last kept first."""
