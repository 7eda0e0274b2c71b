"""Asking which tasks failed, for runs whose failure is recorded already.

Nothing waits for it or depends on it: few calls run at once, at turns of their own. Runs without an answer
are asked for again at intervals, once more at the end of the launch for a limited time, and then left to the
next launch. The ledger says which are missing, so memory does not grow with the failures.

Belongs here: when to ask and when to give up. Does not: the calls (``service``), which runs are worth asking
for (``model.tasks``).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
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
#: Tasks that are kept for one run: they hardly ever fail for different reasons.
_TASKS: Final = 5
#: Seconds after which a run is skipped for now, retries and turns included.
_PATIENCE: Final = 60.0
#: Seconds without a new failure after which runs without an answer are asked for again.
_AGAIN: Final = 900.0
#: Seconds that a launch that stops, or makes a single pass, waits for the answers.
_HURRIED: Final = 3.0
log = structlog.get_logger(__name__)


@dataclass(slots=True)
class TaskFinder:
    """Asks for the failed tasks of one batch's runs; :meth:`run` must be running."""

    held: HeldBatch
    service_of: Callable[[str | None], HealthOmics | None]  #: by lane; None where it cannot be used
    observer: Observer
    clock: Clock
    _after: int = -1  #: the number of the run that was last asked for
    _has_missed: bool = False  #: whether one of them got no answer
    _is_ending: bool = False  #: whether those without an answer are still to be asked for a last time
    _gone: set[int] = field(default_factory=set)  #: numbers of runs that were not found once
    _is_barred: bool = False
    _news: anyio.Event = field(default_factory=anyio.Event)
    _settled: anyio.Event = field(default_factory=anyio.Event)
    _waiting: anyio.CancelScope = field(default_factory=anyio.CancelScope)

    def noticed(self) -> None:
        """Note that a failure was recorded."""
        self._news.set()
        if not self._is_barred:
            self._settled = anyio.Event()

    def hurry(self, seconds: float = _HURRIED) -> None:
        """Let :meth:`settle` end within *seconds*; 0 is at once."""
        self._waiting.deadline = min(self._waiting.deadline, self.clock.monotonic() + seconds)

    async def settle(self, seconds: float) -> None:
        """Wait, for at most *seconds*, until all recorded failures have been asked for or given up."""
        self.hurry(seconds)
        self._is_ending = True
        self.noticed()
        with self._waiting:
            await self._settled.wait()

    async def run(self) -> None:
        """Ask for ever, to be cancelled; errors of service, ledger and lease are raised elsewhere."""
        try:
            while not self._is_barred:
                await self._step()
        except LedgerError as error:
            log.debug("failed_tasks_given_up", error=str(error))
        finally:
            self._is_barred = True
            self._settled.set()

    async def _step(self) -> None:
        """Ask for a few, or wait for another failure."""
        self._news = anyio.Event()
        page = await self.held.unasked(limit=_AT_ONCE, after=self._after)
        if page:
            self._after = page[-1].number
            async with anyio.create_task_group() as group:
                for failed in page:
                    group.start_soon(self._ask, failed)
        elif not self._news.is_set():
            await self._rest()

    async def _rest(self) -> None:
        """Wait for another failure, or until runs without an answer are due again."""
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
                at = self.clock.utcnow()
                await self.held.keep_tasks({failed.number: found}, at=at)
                self.observer.tasks_found(failed.id, failed.attempt, found)
        except (LeaseError, LedgerError) as error:
            self._is_barred = True
            log.debug("failed_tasks_given_up", error=str(error))
        self._has_missed = self._has_missed or found is None

    async def _found(self, failed: FailedRun) -> FailedTasks | None:
        """Return the run's failed tasks; None where another try may find them."""
        service = self.service_of(failed.lane)
        if service is None:
            return None
        try:
            return await service.failed_tasks(failed.run, limit=_TASKS)
        except AccessDeniedError as error:
            self._bar(error)
        except NotFoundError as error:
            log.debug("failed_tasks_gone", id=failed.id, run=failed.run.id, code=error.code)
            if failed.number in self._gone:  # deleted: they will never be known
                return FailedTasks()
            self._gone.add(failed.number)  # a single answer may be wrong
        except ServiceError as error:
            log.debug("failed_tasks_not_found", id=failed.id, run=failed.run.id, error=str(error))
        return None

    def _bar(self, error: AccessDeniedError) -> None:
        """Stop asking in this launch, and warn once."""
        if not self._is_barred:
            self._is_barred = True
            log.warning(
                "failed_tasks_denied",
                operation=error.operation,
                message=error.message,
                cure=f"allow omics:{error.operation}; nothing else is lost",
            )
