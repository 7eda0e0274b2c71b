"""What a launch is made of, how it reaches each lane, and who learns what it does while it does it."""

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
from batchrun.model.planning.limits import Limits
from batchrun.model.tasks import FailedTasks
from batchrun.ports.held import HeldBatch
from batchrun.ports.ledger import Ledger
from batchrun.ports.objects import SettingsStore
from batchrun.ports.service import HealthOmics, WakeQueue


class Wait(enum.Enum):
    """What is waited for."""

    UNSENT = "unsent"  #: a turn, or whatever comes before it, for what was never sent
    UNSETTLED = "unsettled"  #: a turn for what may have been sent
    LOOK = "look"  #: how a run is
    NAME = "name"  #: whether a row has a run already: a survey may say so first
    SWEEP = "sweep"
    SURVEY = "survey"


class Waits:
    """The waits of one lane, each in a scope that can be cancelled without its task."""

    def __init__(self) -> None:
        self._scopes: dict[Wait, set[anyio.CancelScope]] = {kind: set() for kind in Wait}
        self._is_hurried = False
        self._shut: set[Wait] = set()

    @contextmanager
    def of(self, kind: Wait) -> Iterator[anyio.CancelScope]:
        """Let the block end when its kind is let go of; ``cancelled_caught`` says whether it was."""
        with anyio.CancelScope() as scope:
            if self._is_hurried or kind in self._shut:
                scope.cancel()
            self._scopes[kind].add(scope)
            try:
                yield scope
            finally:
                self._scopes[kind].discard(scope)

    def let_go(self, *kinds: Wait) -> None:
        """Let go of what waits now for one of these."""
        for kind in kinds:
            for scope in self._scopes[kind]:
                scope.cancel()

    def shut(self, *kinds: Wait) -> None:
        """Let go of these, also of what comes to wait, until they are opened."""
        self._shut.update(kinds)
        self.let_go(*kinds)

    def open(self) -> None:
        """Let come to wait again what was shut out."""
        self._shut.clear()

    def hurry(self) -> None:
        """Let go of everything, also of what comes to wait from now on."""
        self._is_hurried = True
        self.let_go(*Wait)


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
