"""
Carrying out a sweep: lists the runs that are going, and records what that shows.

Belongs here: one sweep. Does not: when it is due and what follows from it (``model.watch``).
"""

from __future__ import annotations

from contextlib import aclosing
from typing import TYPE_CHECKING

import anyio
import structlog

from batchrun.errors import AccessDeniedError, CallError

if TYPE_CHECKING:
    from batchrun.clock import Clock
    from batchrun.engine.recognition import Recognition
    from batchrun.engine.recorder import Recorder
    from batchrun.model.actions import Sweep
    from batchrun.model.listing import Listed
    from batchrun.model.watch import Watch
    from batchrun.ports.service import HealthOmics

log = structlog.get_logger(__name__)


class Sweeper:
    """Sweeps, one at a time."""

    def __init__(
        self,
        service: HealthOmics,
        recorder: Recorder,
        watch: Watch,
        recognition: Recognition,
        clock: Clock,
    ) -> None:
        self._service = service
        self._recognition = recognition
        self._recorder = recorder
        self._watch = watch
        self._clock = clock
        self._scope = anyio.CancelScope()

    def hurry(self) -> None:
        """Let go of the sweep: what was not listed decides nothing."""
        self._scope.cancel()

    async def sweep(self, sweep: Sweep) -> None:
        """
        List, tell the watch, and record how far runs have come.

        Raises:
            LeaseLostError, LedgerError: Nothing more may or can be recorded.
            ServiceUnusableError: The service cannot be used.
        """
        news = []
        try:
            with anyio.move_on_after(sweep.seconds) as self._scope:
                found, calls = await self._listed(sweep)
                now, at = self._clock.monotonic(), self._clock.utcnow()
                news = self._watch.swept(sweep, found, calls, now=now, at=at)
                if self._watch.was_listed:
                    self._recognition.shown()
        except CallError as error:
            self._failed(sweep, error)
        if self._scope.cancelled_caught:
            self._watch.sweep_failed(sweep, now=self._clock.monotonic(), is_denied=False)
        await self._recorder.record_all(news)

    async def _listed(self, sweep: Sweep) -> tuple[dict[str, Listed], int]:
        """Return those of the runs that are ours, by id, and how many calls it took."""
        found: dict[str, Listed] = {}
        calls = 0
        async with aclosing(self._service.going_runs(sweep.run_group)) as pages:
            async for page in pages:
                calls += 1
                found.update((run.id, run) for run in page if self._watch.is_ours(run.id))
        return found, calls

    def _failed(self, sweep: Sweep, error: CallError) -> None:
        is_denied = isinstance(error, AccessDeniedError)
        self._watch.sweep_failed(sweep, now=self._clock.monotonic(), is_denied=is_denied)
        tell = log.warning if is_denied else log.info  # one that fails now and then costs a few calls
        cure = ", which costs more calls; allow omics:ListRuns" if is_denied else ""
        tell("sweep_failed", code=error.code, message=error.message, instead=f"looking at each run{cure}")
