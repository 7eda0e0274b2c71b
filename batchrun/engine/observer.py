"""How others learn what the engine does while it does it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from batchrun.errors import CallError
    from batchrun.model.entry import Entry
    from batchrun.model.events import Event
    from batchrun.model.tasks import FailedTasks


class Observer(Protocol):
    """Is told facts, in order, and must return at once. What it does cannot change what the engine does."""

    def recorded(self, before: Entry, event: Event, after: Entry) -> None:
        """Learn that *event* is durable and led from *before* to *after*."""

    def look_failed(self, entry: Entry, error: CallError) -> None:
        """Learn that a look at the entry's run got no answer; it is repeated later and decides nothing."""

    def tasks_found(self, entry_id: str, attempt: int, found: FailedTasks) -> None:
        """Learn which tasks failed in the run of an attempt, whose failure was recorded before."""
