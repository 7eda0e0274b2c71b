"""
HealthOmics as the engine needs it.

Belongs here: the contract and the values that cross it. Does not: HTTP, botocore, retries (``service``).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

    from batchrun.model.entry import Run
    from batchrun.model.spec import Json


@dataclass(frozen=True, slots=True, kw_only=True)
class Sighting:
    """One GetRun: the run, and what identifies it beyond its id."""

    run: Run
    name: str | None = None
    tags: Mapping[str, str] = field(default_factory=dict)


class HealthOmics(ABC):
    """
    The calls, paced and retried.

    Every method may raise any :class:`~batchrun.errors.CallError`; what failed in passing was retried before,
    for as long as the implementation's retry policy says, or until :meth:`hurry`. A call that is cancelled
    may have taken effect.
    """

    @abstractmethod
    async def start_turn(self) -> None:
        """Wait until StartRun may be called once. Take a turn before the intent is recorded."""

    @abstractmethod
    async def start_run(self, request: Mapping[str, Json]) -> Run:
        """
        Call StartRun, after :meth:`start_turn`; each retry waits for a turn of its own.

        Args:
            request: As :func:`batchrun.model.request.start_run_request` gives it, requestId included.
        """

    @abstractmethod
    async def get_run(self, run_id: str) -> Sighting:
        """Call GetRun, after waiting for a turn."""

    @abstractmethod
    def runs_named(self, name: str) -> AsyncIterator[str]:
        """List the ids of the runs that bear exactly *name*, all pages of ListRuns."""

    @abstractmethod
    def hurry(self) -> None:
        """From now on give up at the first failure instead of waiting to retry. For draining."""
