"""
Asking which tasks failed, for runs whose failure is recorded already.

Nothing waits for it, and nothing is decided by it: its calls have turns of their own, few are in the air.
What was not answered is asked for again now and then, once more at the launch's end, for a bounded time, and
then left to the next launch. What is to be asked stands in the ledger, so that memory does not grow with the
failures.

Belongs here: when it is asked and when it is given up. Does not: the calls (``service``), which runs are
worth asking for (``model.tasks``).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import anyio
import structlog

from batchrun.clock import Clock
from batchrun.engine.parts import Observer
from batchrun.errors import AccessDeniedError, LeaseError, LedgerError, NotFoundError, ServiceError
from batchrun.model.tasks import FailedTasks
from batchrun.ports.held import HeldBatch
from batchrun.ports.service import HealthOmics
from batchrun.ports.stored import FailedRun

#: Runs that are asked for at once.
_AT_ONCE: Final = 4
#: Tasks that are kept of one run: they hardly ever fail for different reasons.
_TASKS: Final = 5
#: Seconds after which a run is skipped for now, retries and turns included.
_PATIENCE: Final = 60.0
#: Seconds without news after which what was not answered is asked for again.
_AGAIN: Final = 900.0
#: Seconds that a launch that stops, or only passes, waits for what is outstanding.
_HURRIED: Final = 3.0
log = structlog.get_logger(__name__)


class TaskFinder:
    """Asks for the failed tasks of one batch's runs; :meth:`run` must be running."""

    def __init__(
        self,
        held: HeldBatch,
        service_of: Callable[[str | None], HealthOmics | None],
        observer: Observer,
        clock: Clock,
    ) -> None:
        """Ask whom *service_of* says, by lane; None where it cannot be used."""
        self._held = held
        self._service_of = service_of
        self._observer = observer
        self._clock = clock
        self._after = -1  #: the number of the run that was last asked for
        self._has_missed = False  #: one was, and it is not known
        self._is_ending = False  #: what was not answered is still to be asked for once more
        self._gone: set[int] = set()  #: numbers of runs of which it was said once that they are not there
        self._is_barred = False
        self._news = anyio.Event()
        self._settled = anyio.Event()
        self._waiting = anyio.CancelScope()

    def noticed(self) -> None:
        """Take note that a failure was recorded."""
        self._news.set()
        if not self._is_barred:
            self._settled = anyio.Event()

    def hurry(self, seconds: float = _HURRIED) -> None:
        """Let :meth:`settle` end at most so many seconds from now; 0 is at once."""
        self._waiting.deadline = min(self._waiting.deadline, self._clock.monotonic() + seconds)

    async def settle(self, seconds: float) -> None:
        """Wait until all that is recorded has been asked for, or given up, for at most *seconds*."""
        self.hurry(seconds)
        self._is_ending = True
        self.noticed()
        with self._waiting:
            await self._settled.wait()

    async def run(self) -> None:
        """Ask for ever; meant to be cancelled. Errors of service, ledger and lease are for others to meet."""
        try:
            while not self._is_barred:
                await self._step()
        except LedgerError as error:
            log.debug("failed_tasks_given_up", error=str(error))
        finally:
            self._is_barred = True
            self._settled.set()

    async def _step(self) -> None:
        """Ask for a few, or wait for more to fail."""
        self._news = anyio.Event()
        page = await self._held.unasked(limit=_AT_ONCE, after=self._after)
        if page:
            self._after = page[-1].number
            async with anyio.create_task_group() as group:
                for failed in page:
                    group.start_soon(self._ask, failed)
        elif not self._news.is_set():
            await self._rest()

    async def _rest(self) -> None:
        """Wait for more to fail, or until what was not answered is to be asked for again."""
        if not (self._is_ending and self._has_missed):
            self._settled.set()
            with anyio.move_on_after(_AGAIN if self._has_missed else None):
                await self._news.wait()
                return
        self._is_ending, self._has_missed, self._after = False, False, -1
        self.noticed()

    async def _ask(self, failed: FailedRun) -> None:
        found = None
        try:
            with anyio.move_on_after(_PATIENCE):
                found = await self._found(failed)
            if found is not None:
                at = self._clock.utcnow()
                await self._held.keep_tasks({failed.number: found}, at=at)
                self._observer.tasks_found(failed.id, failed.attempt, found)
        except (LeaseError, LedgerError) as error:
            self._is_barred = True
            log.debug("failed_tasks_given_up", error=str(error))
        self._has_missed = self._has_missed or found is None

    async def _found(self, failed: FailedRun) -> FailedTasks | None:
        """Ask; None where there may be an answer another time."""
        service = self._service_of(failed.lane)
        if service is None:
            return None
        try:
            return await service.failed_tasks(failed.run, limit=_TASKS)
        except AccessDeniedError as error:
            self._bar(error)
        except NotFoundError as error:
            log.debug("failed_tasks_gone", id=failed.id, run=failed.run.id, code=error.code)
            if failed.number in self._gone:  # the run was deleted: it will never be known
                return FailedTasks()
            self._gone.add(failed.number)  # said once, it may be wrong
        except ServiceError as error:
            log.debug("failed_tasks_not_found", id=failed.id, run=failed.run.id, error=str(error))
        return None

    def _bar(self, error: AccessDeniedError) -> None:
        """Ask no more in this launch, and say so once."""
        if not self._is_barred:
            self._is_barred = True
            log.warning(
                "failed_tasks_denied",
                operation=error.operation,
                message=error.message,
                cure=f"allow omics:{error.operation}; nothing else is lost",
            )
