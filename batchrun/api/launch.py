"""One batch that is held and can be launched: the callers' side of the engine.

Does not belong here: opening what it needs (``session``), the launch itself (``engine``).
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Final, Self

import anyio
import anyio.lowlevel

from batchrun.engine.launcher import Launcher, Stop
from batchrun.engine.parts import Observer
from batchrun.errors import CallError, InputError, ServiceUnusableError, UsageError
from batchrun.model.entries.entry import Entry
from batchrun.model.entries.events import Event, kind
from batchrun.model.entries.states import UNSENT, State
from batchrun.model.paces.quotas import Quotas
from batchrun.model.tally import TakenOver, Tally
from batchrun.model.tasks import FailedTasks
from batchrun.ports.held import HeldBatch
from batchrun.ports.ledger import Ledger
from batchrun.ports.service import CallCounts, Troubles
from batchrun.ports.stored import Counts, Lease, Sync
from batchrun.report.overview import WithService, with_service

#: Seconds that calls in flight may take after the launch was told to stop.
_DRAINING: Final = 15.0
#: Steps that a reader may fall behind: some seconds of the fastest launch.
_BEHIND: Final = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """How a launch ended, and how its batch stands."""

    batch: str
    stop: Stop
    counts: Counts
    troubles: Troubles
    taken_over: TakenOver = field(default_factory=TakenOver)  #: runs that another ledger had started

    @property
    def is_over(self) -> bool:
        """Whether every entry has ended; if not, the same launch again continues."""
        return not self.counts.open

    @property
    def is_held_back(self) -> bool:
        """Whether rows wait for a decision: ``stop_after`` was reached."""
        return self.stop is Stop.FAILURES and any(self.counts.by_state.get(state) for state in UNSENT)

    @property
    def has_only_succeeded(self) -> bool:
        """Whether every entry's run was seen as COMPLETED."""
        return self.counts.by_state.get(State.SUCCEEDED, 0) == self.counts.total


class Audience:
    """An engine observer that passes everything on to any number of others, who may join at any time."""

    def __init__(self) -> None:
        self._observers: list[Observer] = []

    def join(self, observer: Observer) -> None:
        """Pass everything from now on to *observer* too."""
        self._observers.append(observer)

    def recorded(self, before: Entry, event: Event, after: Entry) -> None:
        """Pass it on."""
        for observer in self._observers:
            observer.recorded(before, event, after)

    def look_failed(self, entry: Entry, error: CallError) -> None:
        """Pass it on."""
        for observer in self._observers:
            observer.look_failed(entry, error)

    def tasks_found(self, entry_id: str, attempt: int, found: FailedTasks) -> None:
        """Pass it on."""
        for observer in self._observers:
            observer.tasks_found(entry_id, attempt, found)


class Launch:
    """One held batch, with its manifest in the ledger. Made by ``launching`` and ``Session.launching``.

    Nothing is submitted before :meth:`wait` or the first step is awaited, so that ``sync`` can be inspected.
    Leaving the ``async with`` before it has ended stops it cleanly; runs continue at the service.
    """

    def __init__(
        self,
        *,
        ledger: Ledger,
        held: HeldBatch,
        sync: Sync,
        counts: Counts,
        launcher: Launcher | None,
        audience: Audience,
    ) -> None:
        """Take what ``session`` has opened; *launcher* is None if there is nothing to launch."""
        self.batch = held.name
        self.sync = sync  #: how the manifest differed from the ledger
        self.ledger = ledger  #: for reading; only the launch writes to its batch
        self._held = held
        self._taken_in = Tally(counts.by_state, counts.by_status, counts.by_lane)
        self._changed = counts.changed
        self._audience = audience
        self._launcher = launcher
        self._readers: list[Steps] = []
        self._begun = anyio.Event()
        self._over = anyio.Event()
        self._stop = Stop.SIGNAL  #: unless it ends for another reason
        self._failure: Exception | None = None
        self._is_failure_told = False

    @property
    def has_work(self) -> bool:
        """False if the batch had ended before: nothing is called, and :meth:`wait` returns at once."""
        return self._launcher is not None

    @property
    def goes_on(self) -> bool:
        """Whether there is something to stop."""
        return self._launcher is not None and not self._over.is_set()

    @property
    def tally(self) -> Tally:
        """The batch in numbers, live."""
        live = None if self._launcher is None else self._launcher.tally
        # The launcher's tally is empty until it has counted the rows.
        return live if live is not None and live.by_state else self._taken_in

    @property
    def troubles(self) -> Troubles:
        """Calls of this launch that failed so far."""
        return self._launcher.troubles if self._launcher is not None else Troubles()

    @property
    def calls(self) -> Mapping[str, CallCounts]:
        """Calls of this launch so far, by operation."""
        calls: defaultdict[str, CallCounts] = defaultdict(CallCounts)
        for lane in self.calls_by_lane.values():
            for operation, counts in lane.items():
                calls[operation] += counts
        return calls

    @property
    def calls_by_lane(self) -> Mapping[str | None, Mapping[str, CallCounts]]:
        """The same by lane; None is the lane of a batch without lanes."""
        return self._launcher.calls_by_lane if self._launcher is not None else {}

    @property
    def taken_over(self) -> TakenOver:
        """Runs that another ledger had started, and that this launch took over so far."""
        return self._launcher.taken_over if self._launcher is not None else TakenOver()

    async def quotas(self) -> Quotas:
        """Return the account's quotas, by a few calls to Service Quotas; unreadable ones are None."""
        return Quotas() if self._launcher is None else await self._launcher.quotas()

    async def with_service(self) -> WithService:
        """Return how many rows the service continues to start by itself, as far as the ledger knows."""
        return await with_service(self._held, self.tally.by_state)

    @property
    def lease(self) -> Lease:
        """The right to write to the batch, as it was last renewed."""
        return self._held.lease

    def observe(self, observer: Observer) -> None:
        """Call *observer* for every step as soon as it is recorded, without loss; it must return at once."""
        self._audience.join(observer)

    def steps(self, *, most: int = _BEHIND) -> Steps:
        """Return the steps from now on, for ``async for``; see :class:`Steps` for slow readers.

        Args:
            most: Steps that may wait for the reader.
        """
        reader = Steps(most, self._begun.set)
        self._readers.append(reader)
        self._audience.join(reader)
        if self._over.is_set():
            reader.end(self._failure)
        return reader

    async def wait(self) -> Ended:
        """Launch, and wait until nothing is left to do or something stops it.

        Raises:
            ServiceUnusableError: The service cannot be used; nothing is lost.
            LeaseLostError: Another launcher took the batch over.
            LedgerError: The ledger cannot be written any more.
            UsageError: The ``async with`` was left before the launch began.
        """
        self._begun.set()
        await self._over.wait()
        if self._failure is not None:
            self._is_failure_told = True
            raise self._failure
        tally = self.tally
        by_state, by_status = dict(+tally.by_state), dict(+tally.by_status)
        return Ended(
            batch=self.batch,
            stop=self._stop,
            counts=Counts(by_state=by_state, by_status=by_status, changed=self._changed),
            troubles=self.troubles,
            taken_over=self.taken_over,
        )

    def stop(self) -> None:
        """Start nothing more; the launch ends when calls in flight have been answered, in 15 seconds at most.

        It waits no longer than that for a ledger's database that cannot be reached either.
        """
        self._held.hurry(_DRAINING)
        self._drain()

    def abandon(self) -> None:
        """End at once; the next launch settles calls that were not answered."""
        if self._launcher is not None:
            self._launcher.abandon()

    async def conduct(self) -> None:
        """Launch once somebody waits or reads steps; run as a task by whoever made this."""
        await self._begun.wait()
        try:
            self._stop = await self._launcher.run() if self._launcher is not None else Stop.FINISHED
        except InputError as error:
            self._failure = self._as_late(error)
        except Exception as error:  # noqa: BLE001 (raised to the one who waits or reads)
            self._failure = error
        finally:
            self._end()

    def _as_late(self, error: InputError) -> Exception:
        """Return an error that does not claim that nothing was submitted, if something may have been."""
        if not self.calls.get("StartRun", CallCounts()).sent:
            return error
        late = ServiceUnusableError(str(error))
        late.__cause__ = error
        return late

    async def leave(self) -> None:
        """Stop if it still runs, and wait for the end; called by whoever made this."""
        if self._begun.is_set():
            self._drain()
            await self._over.wait()

    def left(self) -> None:
        """Let nobody wait for a launch that was left before it began; called by whoever made this."""
        if not self._over.is_set():
            says = f"the launch of batch '{self.batch}' was left before it began, and nothing was submitted"
            self._failure = UsageError(f"{says}; await wait() or its steps within the 'async with'")
            self._is_failure_told = True
            self._end()

    def _end(self) -> None:
        self._over.set()
        for reader in self._readers:
            reader.end(self._failure)

    def _drain(self) -> None:
        if self._launcher is not None:
            self._launcher.drain()

    def raise_untold(self) -> None:
        """Raise the error that ended the launch, unless it was raised already."""
        if self._failure is not None and not self._is_failure_told:
            raise self._failure


@asynccontextmanager
async def under_way(launch: Launch) -> AsyncIterator[None]:
    """Run *launch* in the background while the block lasts, and end it with the block."""
    failure: Exception | None = None
    try:
        async with anyio.create_task_group() as background:
            background.start_soon(launch.conduct)
            try:
                yield
            except Exception as error:  # noqa: BLE001 (raised again below: a task group would wrap it)
                failure = error
            await launch.leave()
            background.cancel_scope.cancel()
    finally:
        launch.left()
    if failure is not None:
        raise failure
    launch.raise_untold()


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One event of one entry; it is in the ledger already."""

    event: Event
    before: Entry
    entry: Entry  #: its state after the event
    missed: int = 0  #: steps lost right before this one, because the reader was too slow

    @property
    def kind(self) -> str:
        """What happened, by its name in the history: ``accepted``, ``progressed``, ``failed``, ..."""
        return kind(self.event)

    @property
    def at(self) -> datetime:
        """When it happened: wall time, aware, in UTC."""
        return self.event.at


class Steps:
    """Steps in their order; ends with the launch, and raises the launch's error if there is one.

    The engine never waits for a reader, and memory does not grow for a slow one: a reader that is more than
    *most* steps behind loses the oldest, and the next step says how many (``Step.missed``). The ledger has
    all of them.
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
        """Do nothing: it is not a step."""

    def tasks_found(self, entry_id: str, attempt: int, found: FailedTasks) -> None:
        """Do nothing: it is not a step."""

    def end(self, failure: Exception | None) -> None:
        """End the iteration after the steps that are still queued."""
        self._is_over, self._failure = True, failure
        self._arrived.set()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Step:
        self._began()
        await anyio.lowlevel.checkpoint()  # else a reader that awaits nothing else would block the engine
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
