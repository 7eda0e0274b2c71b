"""What a launch is made of, how it reaches each lane, and who learns what it does while it does it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from batchrun.engine.waits import Waits

if TYPE_CHECKING:
    from batchrun.clock import Clock
    from batchrun.engine.recognition import Recognition
    from batchrun.errors import CallError, ServiceUnusableError
    from batchrun.model.entries.entry import Entry
    from batchrun.model.entries.events import Event
    from batchrun.model.planning.limits import Limits
    from batchrun.model.tasks import FailedTasks
    from batchrun.ports.held import HeldBatch
    from batchrun.ports.ledger import Ledger
    from batchrun.ports.objects import SettingsStore
    from batchrun.ports.service import HealthOmics, WakeQueue

#: Awaited with a row's id and the lane that it goes to before its intent is recorded.
Prepare = Callable[[str, str | None], Awaitable[None]]


@dataclass(frozen=True, slots=True, kw_only=True)
class LaneLink:
    """One account and region: a batch without lanes has one, which has no name."""

    service: HealthOmics
    recognition: Recognition  #: what that service has shown of the batch
    name: str | None = None
    max_active: int | None = None  #: runs of the batch in it that have not ended; None is no cap
    #: Runs that all launchers of the ledger have active there; None likewise.
    account_max_active: int | None = None
    settings: SettingsStore | None = None  #: where the rows of large submissions are kept; None: nowhere
    settings_prefix: str = ""  #: of its files: ``s3://BUCKET/PREFIX/``
    waits: Waits = field(default_factory=Waits)

    @property
    def logged(self) -> dict[str, str]:
        """What a line of the log says of the lane: nothing in a batch without lanes."""
        return {} if self.name is None else {"lane": self.name}


@dataclass(frozen=True, slots=True, kw_only=True)
class WakeLink:
    """One queue of messages that say which runs have ended."""

    queues: Sequence[WakeQueue]  #: that queue by each login that may reach it, the one to try first first
    lanes: frozenset[str] | None = None  #: those whose messages it has; None: of whichever lane
    is_given: bool = True  #: whether the user said that it is for this, and not a manifest


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
    """Learns facts, in order, and must return at once. What it does cannot change what the engine does."""

    def recorded(self, before: Entry, event: Event, after: Entry) -> None:
        """Learn that *event* is durable and led from *before* to *after*."""

    def look_failed(self, entry: Entry, error: CallError) -> None:
        """Learn that a look at the entry's run got no answer; it is repeated later and decides nothing."""

    def tasks_found(self, entry_id: str, attempt: int, found: FailedTasks) -> None:
        """Learn which tasks failed in the run of an attempt, whose failure was recorded before."""
