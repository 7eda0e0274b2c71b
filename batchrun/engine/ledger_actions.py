"""The planner's actions that need the ledger alone: reading what is open, recording what needs no call."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from batchrun.clock import Clock
from batchrun.engine.recorder import Recorder
from batchrun.model.entries.events import Withdrawn
from batchrun.model.entries.states import State
from batchrun.model.planning.actions import Note, ReadCancellations, ReadDue, ReadInFlight, Withdraw
from batchrun.model.planning.cancelling import WITHDRAWN
from batchrun.model.planning.limits import Limits
from batchrun.model.planning.stimuli import CancellationsRead, ChoicesRead, DueRead, InFlightRead, Withdrew
from batchrun.model.submissions.grouping import Choice, Engine, shape_of
from batchrun.ports.held import HeldBatch

#: Entries in a page.
_PAGE: Final = 500


@dataclass(frozen=True)
class LedgerActions:
    """Carries out the planner's actions on the ledger of one batch.

    Actions that record raise LeaseLostError or LedgerError.
    """

    held: HeldBatch
    recorder: Recorder
    clock: Clock
    limits: Limits

    async def choices(self) -> ChoicesRead:
        """Return what there is to send, by the lanes that may take it."""
        if self.limits.engine is Engine.STARTRUN:
            return ChoicesRead(choices=[Choice(lanes=lanes) for lanes in await self.held.choices()])
        after = -1
        while unshaped := await self.held.submissions.unshaped(limit=_PAGE, after=after):
            after = unshaped[-1].position
            shapes = {entry.id: shape_of(entry.id, entry.asked) for entry in unshaped}
            await self.held.submissions.keep_shapes(shapes)
        return ChoicesRead(choices=await self.held.submissions.choices())

    async def due(self, read: ReadDue) -> DueRead:
        """Return a page of what is due, and after the last page, when the next entry becomes due."""
        lanes, shape = read.lanes, read.shape
        entries = await self.held.due(
            at=read.at, limit=read.limit, skip=read.besides, horizon=read.horizon, lanes=lanes, shape=shape
        )
        is_all = len(entries) < read.limit
        next_due = await self.held.next_due(after=read.at, lanes=lanes, shape=shape) if is_all else None
        return DueRead(read=read, entries=entries, next_due=next_due)

    async def in_flight(self, read: ReadInFlight) -> InFlightRead:
        """Return a page of entries that hold a slot, read between two commits."""
        is_first = read.state is State.SUBMITTING and read.after < 0
        submissions = await self.recorder.open_submissions() if is_first else ()
        entries = await self.recorder.in_state(read.state, limit=_PAGE, after=read.after)
        return InFlightRead(read=read, entries=entries, submissions=submissions)

    async def cancellations(self, read: ReadCancellations) -> CancellationsRead:
        """Return a page of what users asked to cancel."""
        page = await self.held.cancellations(limit=_PAGE, after=read.after)
        return CancellationsRead(read=read, page=page)

    async def withdraw(self, withdraw: Withdraw) -> Withdrew:
        """Record as cancelled entries that were never sent."""
        event = Withdrawn(at=self.clock.utcnow(), message=WITHDRAWN)
        await self.recorder.record_all((entry, event) for entry in withdraw.entries)
        return Withdrew(withdraw=withdraw)

    async def note(self, note: Note) -> None:
        """Record the progress of runs."""
        await self.recorder.record_all(note.news)
