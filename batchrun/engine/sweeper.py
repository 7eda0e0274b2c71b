"""Carrying out a sweep: lists the runs that are going."""

from __future__ import annotations

from contextlib import aclosing
from typing import TYPE_CHECKING

import structlog

from batchrun.engine.waits import Wait
from batchrun.errors import AccessDeniedError, CallError
from batchrun.model.stimuli import SweepFailed, Swept

if TYPE_CHECKING:
    from batchrun.clock import Clock
    from batchrun.engine.link import LaneLink
    from batchrun.model.actions import Sweep
    from batchrun.model.listing import Listed

log = structlog.get_logger(__name__)


class Sweeper:
    """Sweeps, one at a time."""

    def __init__(self, link: LaneLink, clock: Clock) -> None:
        self._service = link.service
        self._waits = link.waits
        self._clock = clock

    async def sweep(self, sweep: Sweep) -> Swept | SweepFailed:
        """
        List, and return what was seen; what is let go of, or takes too long, was not seen.

        Raises:
            ServiceUnusableError: The service cannot be used.
        """
        try:
            with self._waits.of(Wait.SWEEP) as scope:
                scope.deadline = self._clock.monotonic() + sweep.seconds
                return await self._swept(sweep)
        except CallError as error:
            return _failed(sweep, error)
        return SweepFailed(sweep=sweep)

    async def _swept(self, sweep: Sweep) -> Swept:
        found: dict[str, Listed] = {}
        calls = 0
        async with aclosing(self._service.going_runs(sweep.run_group)) as pages:
            async for page in pages:
                calls += 1
                found.update((run.id, run) for run in page if run.id in sweep.run_ids)
        return Swept(sweep=sweep, listed=found, calls=calls)


def _failed(sweep: Sweep, error: CallError) -> SweepFailed:
    is_denied = isinstance(error, AccessDeniedError)
    tell = log.warning if is_denied else log.info  # one that fails now and then costs a few calls
    cure = ", which costs more calls; allow omics:ListRuns" if is_denied else ""
    tell("sweep_failed", code=error.code, message=error.message, instead=f"looking at each run{cure}")
    return SweepFailed(sweep=sweep, is_denied=is_denied)
