"""
The steps of a launch as an async iterator.

Belongs here: handing them from the engine, which never waits, to a reader, who may be slow. Does not: what
the steps are (``model.entries.events``).
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Self

import anyio
import anyio.lowlevel

from batchrun.model.entries.events import kind

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from batchrun.errors import CallError
    from batchrun.model.entries.entry import Entry
    from batchrun.model.entries.events import Event
    from batchrun.model.tasks import FailedTasks


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One thing that happened to one entry; it is in the ledger already."""

    event: Event
    before: Entry
    entry: Entry  #: as it is now
    missed: int = 0  #: steps skipped right before this one, since the reader was too slow for them

    @property
    def kind(self) -> str:
        """What happened, as the ledger's history calls it: ``accepted``, ``progressed``, ``failed``, ..."""
        return kind(self.event)

    @property
    def at(self) -> datetime:
        """When it happened: wall time, aware, in UTC."""
        return self.event.at


class Steps:
    """
    Steps in their order; ends with the launch, by the launch's own error where there is one.

    The engine never waits for a reader, and memory does not grow for one that is slow: who falls behind by
    more than *most* steps loses the oldest, and the next one says how many they were (``Step.missed``). The
    ledger has them all.
    """

    def __init__(self, most: int, began: Callable[[], None]) -> None:
        self._kept: deque[Step] = deque(maxlen=most)
        self._missed = 0
        self._began = began
        self._arrived = anyio.Event()
        self._is_over = False
        self._failure: Exception | None = None

    def recorded(self, before: Entry, event: Event, after: Entry) -> None:
        """Keep a step for the reader."""
        self._missed += len(self._kept) == self._kept.maxlen
        self._kept.append(Step(event=event, before=before, entry=after))
        self._arrived.set()

    def look_failed(self, entry: Entry, error: CallError) -> None:
        """Do nothing: it is no step."""

    def tasks_found(self, entry_id: str, attempt: int, found: FailedTasks) -> None:
        """Do nothing: it is no step."""

    def end(self, failure: Exception | None) -> None:
        """Let the reader come to an end once it has read what is kept."""
        self._is_over, self._failure = True, failure
        self._arrived.set()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Step:
        self._began()
        await anyio.lowlevel.checkpoint()  # else a reader that awaits nothing would keep the engine waiting
        while not self._kept:
            if self._failure is not None:
                raise self._failure
            if self._is_over:
                raise StopAsyncIteration
            self._arrived = anyio.Event()
            await self._arrived.wait()
        step, missed = self._kept.popleft(), self._missed
        self._missed = 0
        return replace(step, missed=missed) if missed else step
