"""What a launch is made of: its lanes, its waits, its queues, and who observes it."""

from __future__ import annotations

import enum
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Protocol

import anyio

from batchrun.clock import Clock
from batchrun.engine.recognition import Recognition
from batchrun.errors import CallError, ServiceUnusableError
from batchrun.model.entries.entry import Entry
from batchrun.model.entries.events import Event
from batchrun.model.planning.limits import LaneLimits, Limits
from batchrun.model.tasks import FailedTasks
from batchrun.ports.held import HeldBatch
from batchrun.ports.ledger import Ledger
from batchrun.ports.objects import SettingsPlace
from batchrun.ports.service import HealthOmics, WakeQueue


class Wait(enum.Enum):
    """What a task waits for."""

    UNSENT = "unsent"  #: a turn, or what comes before it, for a row that was never sent
    UNSETTLED = "unsettled"  #: a turn for a row that may have been sent
    LOOK = "look"  #: the status of a run
    NAME = "name"  #: whether a row has a run already, which a survey may answer first
    SWEEP = "sweep"
    SURVEY = "survey"


class Waits:
    """The waits of one lane, each in a scope that can be cancelled without ending its task."""

    def __init__(self) -> None:
        self._scopes: dict[Wait, set[anyio.CancelScope]] = {kind: set() for kind in Wait}
        self._is_hurried = False
        self._blocked: set[Wait] = set()

    @contextmanager
    def of(self, kind: Wait) -> Iterator[anyio.CancelScope]:
        """End the block early when its kind is cancelled; ``cancelled_caught`` says whether it was."""
        with anyio.CancelScope() as scope:
            if self._is_hurried or kind in self._blocked:
                scope.cancel()
            self._scopes[kind].add(scope)
            try:
                yield scope
            finally:
                self._scopes[kind].discard(scope)

    def cancel(self, *kinds: Wait) -> None:
        """Cancel what waits now for one of these."""
        for kind in kinds:
            for scope in self._scopes[kind]:
                scope.cancel()

    def block(self, *kinds: Wait) -> None:
        """Cancel waits for these, new ones too, until :meth:`unblock`."""
        self._blocked.update(kinds)
        self.cancel(*kinds)

    def unblock(self) -> None:
        """Allow all waits again."""
        self._blocked.clear()

    def hurry(self) -> None:
        """Cancel all waits, now and from now on."""
        self._is_hurried = True
        self.cancel(*Wait)


#: Awaited with a row's id and the lane that it goes to before its intent is recorded.
Prepare = Callable[[str, str | None], Awaitable[None]]


@dataclass(frozen=True, slots=True, kw_only=True)
class LaneLink:
    """One account and region; the only one of a batch without lanes has no name."""

    service: HealthOmics
    recognition: Recognition  #: what the service has shown of the batch
    limits: LaneLimits = field(default_factory=LaneLimits)
    settings: SettingsPlace | None = None  #: where the rows of large submissions are kept; None: nowhere
    waits: Waits = field(default_factory=Waits)

    @property
    def name(self) -> str | None:
        """The lane's name."""
        return self.limits.name

    @property
    def logged(self) -> dict[str, str]:
        """The lane, as log lines name it: nothing in a batch without lanes."""
        return {} if self.name is None else {"lane": self.name}


@dataclass(frozen=True, slots=True, kw_only=True)
class WakeLink:
    """One queue of messages that say which runs have ended."""

    queues: Sequence[WakeQueue]  #: the queue by each login that may reach it, in the order to try
    lanes: frozenset[str] | None = None  #: the lanes whose messages it has; None: all
    is_given: bool = True  #: whether the user named it, and not only a manifest


@dataclass(frozen=True, slots=True, kw_only=True)
class LaunchParts:
    """A held batch and everything that its launch works with."""

    ledger: Ledger  #: the batch's
    held: HeldBatch
    links: Sequence[LaneLink]  #: its lanes; in a batch without lanes a single one without a name
    limits: Limits
    clock: Clock
    home: str | None = None  #: the lane of rows that were sent before the batch had lanes
    stopped: Mapping[str, ServiceUnusableError] = field(default_factory=dict)  #: lanes that cannot be used
    prepare: Prepare | None = None  #: what a row needs before its run starts
    wakes: Sequence[WakeLink] = ()  #: queues of messages that say which runs have ended


class Observer(Protocol):
    """Is told facts in order, and must return at once; it cannot change what the engine does."""

    def recorded(self, before: Entry, event: Event, after: Entry) -> None:
        """Be told that *event* is durable and led from *before* to *after*."""

    def look_failed(self, entry: Entry, error: CallError) -> None:
        """Be told that a look at the entry's run got no answer; it is repeated later and decides nothing."""

    def tasks_found(self, entry_id: str, attempt: int, found: FailedTasks) -> None:
        """Be told which tasks failed in an attempt's run, whose failure was recorded before."""
