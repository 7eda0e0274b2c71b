"""What a launch is made of, and who learns what it does while it does it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from batchrun.clock import Clock
    from batchrun.engine.link import LaneLink, Prepare, WakeLink
    from batchrun.errors import CallError, ServiceUnusableError
    from batchrun.model.entries.entry import Entry
    from batchrun.model.entries.events import Event
    from batchrun.model.planning.limits import Limits
    from batchrun.model.tasks import FailedTasks
    from batchrun.ports.held import HeldBatch
    from batchrun.ports.ledger import Ledger


@dataclass(frozen=True, slots=True, kw_only=True)
class LaunchParts:
    """One batch that is held, and everything that its launch acts with."""

    ledger: Ledger  #: it has the batch
    held: HeldBatch
    links: Sequence[LaneLink]  #: its lanes; one without a name in a batch that has none
    limits: Limits
    clock: Clock
    home: str | None = None  #: the lane of what was sent before the batch had lanes
    stopped: Mapping[str, ServiceUnusableError] = field(default_factory=dict)  #: lanes that cannot be used
    prepare: Prepare | None = None  #: what a row needs before its run is started
    wakes: Sequence[WakeLink] = ()  #: where messages come from that say which runs have ended


class Observer(Protocol):
    """Is told facts, in order, and must return at once. What it does cannot change what the engine does."""

    def recorded(self, before: Entry, event: Event, after: Entry) -> None:
        """Learn that *event* is durable and led from *before* to *after*."""

    def look_failed(self, entry: Entry, error: CallError) -> None:
        """Learn that a look at the entry's run got no answer; it is repeated later and decides nothing."""

    def tasks_found(self, entry_id: str, attempt: int, found: FailedTasks) -> None:
        """Learn which tasks failed in the run of an attempt, whose failure was recorded before."""
