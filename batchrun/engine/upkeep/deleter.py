"""Deleting ended runs from the service on request: their records go, outputs and logs stay.

A run that is not found is looked for once more, a listing's lag later, before the ledger counts it as gone.
Belongs here: the calls, in an order that never deletes another's run. Does not: which runs (``cli``).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Final

import anyio

from batchrun.clock import Clock
from batchrun.engine.proof.absence import is_listed
from batchrun.engine.reach import LISTED, Reach
from batchrun.errors import CallError, NotFoundError, OutcomeUnknownError, ServiceUnusableError
from batchrun.model.entries.entry import Run
from batchrun.model.entries.events import Missed, Removed
from batchrun.model.entries.states import Outlook, outlook
from batchrun.model.planning.listing import Sought
from batchrun.model.planning.verdicts import ANSWERS, decided, is_there
from batchrun.ports.ledger import Ledger
from batchrun.ports.stored import EndedRun

#: Seconds before each retry of a call whose answer was lost.
_WAITS: Final = (1.0, 4.0, 16.0)


@dataclass(slots=True, kw_only=True)
class Deleted:
    """What became of runs that were to be deleted."""

    deleted: list[EndedRun] = field(default_factory=list)
    gone: list[EndedRun] = field(default_factory=list)  #: had been deleted before
    kept: list[tuple[EndedRun, str]] = field(default_factory=list)  #: and why
    #: Not found, to be looked for once more.
    missed: list[EndedRun] = field(default_factory=list)


@dataclass(kw_only=True)
class Deleter:
    """Deletes runs, *concurrency* at once; for one call of :meth:`delete`.

    Runs that were not found are looked for once more after *lag* seconds; *tell* is called with their number
    before each wait.
    """

    ledger: Ledger
    reach: Reach
    clock: Clock
    concurrency: int
    lag: float
    tell: Callable[[int], None] = lambda _: None
    _done: Deleted = field(default_factory=Deleted, init=False)

    async def delete(self, runs: Sequence[EndedRun]) -> Deleted:
        """Delete *runs*, each right after GetRun showed that the id is still its own.

        Deletions are recorded in groups.

        Raises:
            ServiceUnusableError: The service cannot be used, or a permission is missing.
            LedgerError: It cannot be recorded.
        """
        for earlier in range(ANSWERS):
            self._done.missed = []
            for begin in range(0, len(runs), self.concurrency):
                await self._delete_part(runs[begin : begin + self.concurrency], earlier)
            runs = self._done.missed
            if not runs:
                break
            self.tell(len(runs))
            await self.clock.sleep(self.lag)
        return self._done

    async def _delete_part(self, part: Sequence[EndedRun], earlier: int) -> None:
        done = self._done
        try:
            async with anyio.create_task_group() as group:
                for run in part:
                    group.start_soon(self._delete, run, earlier)
        finally:
            gone = {run.run.uuid for run in (*done.deleted, *done.gone)}
            uuids = gone & {run.run.uuid for run in part}
            # Not shielded from a signal: the ledger does what it was asked for, and may then not wait long.
            await self.ledger.keep_deleted(uuids, at=self.clock.utcnow())

    async def _delete(self, run: EndedRun, earlier: int) -> None:
        was_asked = False
        for wait in (*_WAITS, None):
            try:
                await self._look_and_delete(run, earlier, was_asked=was_asked)
            except (OutcomeUnknownError, NotFoundError) as error:
                # It may have been deleted, and its id given to another run: look again first. A 404 may be
                # the answer to a call that the HTTP client has repeated unseen.
                if wait is None:
                    self._done.kept.append((run, self.reach.why_not(error, run.lane)))
                    return
                was_asked = was_asked or error.operation == "DeleteRun"
                await self.clock.sleep(wait)
            except (CallError, ServiceUnusableError) as error:
                self._done.kept.append((run, self.reach.why_not(error, run.lane)))
                return
            else:
                return

    async def _look_and_delete(self, run: EndedRun, earlier: int, *, was_asked: bool) -> None:
        found: Run | None = None
        service = self.reach.of(run.lane)
        with suppress(NotFoundError):
            found = (await service.get_run(run.run.id)).run
        if found is not None and is_there(run.run, found):
            await self._delete_found(run, found)
        elif was_asked:
            self._done.deleted.append(run)
        else:
            await self._miss(run, found, earlier)

    async def _delete_found(self, run: EndedRun, found: Run) -> None:
        if outlook(found.status) is Outlook.GOING:
            self._done.kept.append((run, f"it is {found.status}"))
            return
        await self.reach.of(run.lane).delete_run(run.run.id)
        self._done.deleted.append(run)

    async def _miss(self, run: EndedRun, found: Run | None, earlier: int) -> None:
        """Sort a run that was not found by the number of *earlier* such answers and by a listing."""
        missed = Missed(at=self.clock.utcnow(), message="")
        event: Missed | Removed | None = missed
        if earlier:
            sought = Sought(run=run.run, name=run.name)
            listed = await is_listed(self.reach.of(run.lane), sought, found)
            event = decided(missed, kept=earlier, is_listed=listed)
        if event is None:
            self._done.kept.append((run, LISTED))
        else:
            (self._done.missed if event is missed else self._done.gone).append(run)
