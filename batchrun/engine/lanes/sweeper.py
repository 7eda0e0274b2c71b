"""
Carrying out a sweep: lists the runs that are going, all of them or those of run batches of the service.

A run batch says how many of its runs are in which state: while these counts are what they were, its last
listing stands, and one call does for its pages. Counts lag, by an undocumented time, so it stands for a
minute.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import aclosing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import structlog

from batchrun.engine.waits import Wait
from batchrun.errors import AccessDeniedError, CallError
from batchrun.model.planning.stimuli import SweepFailed, Swept

if TYPE_CHECKING:
    from batchrun.clock import Clock
    from batchrun.engine.parts import LaneLink
    from batchrun.model.planning.actions import Sweep
    from batchrun.model.planning.listing import Listed

#: Seconds for which a listing stands while counts say that nothing has moved.
_STANDS: Final = 60.0
log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Shown:
    """What the last listing of a run batch showed."""

    at: float  #: loop time
    by_status: Mapping[str, int]  #: its counts, asked for before
    listed: Mapping[str, Listed]


class Sweeper:
    """Sweeps, one at a time."""

    def __init__(self, link: LaneLink, clock: Clock) -> None:
        self._service = link.service
        self._waits = link.waits
        self._clock = clock
        self._shown: dict[str, _Shown] = {}
        self._may_count = True

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
        if not sweep.run_batches:
            found, calls = await self._listed(sweep)
            return Swept(sweep=sweep, listed=found, calls=calls)
        self._shown = {one: shown for one, shown in self._shown.items() if one in sweep.run_batches}
        found, calls = {}, 0
        for batch_id in sweep.run_batches:
            listed, asked = await self._listed_of(batch_id, sweep)
            found.update(listed)
            calls += asked
        return Swept(sweep=sweep, listed=found, calls=calls)

    async def _listed(self, sweep: Sweep, batch_id: str | None = None) -> tuple[dict[str, Listed], int]:
        found: dict[str, Listed] = {}
        calls = 0
        async with aclosing(self._service.going_runs(sweep.run_group, batch_id)) as pages:
            async for page in pages:
                calls += 1
                found.update((run.id, run) for run in page if run.id in sweep.run_ids)
        return found, calls

    async def _listed_of(self, batch_id: str, sweep: Sweep) -> tuple[Mapping[str, Listed], int]:
        """List a run batch, unless its counts say that its last listing stands; return the calls too."""
        by_status = await self._counts(batch_id)
        shown = self._shown.get(batch_id)
        if shown and shown.by_status == by_status and self._clock.monotonic() < shown.at + _STANDS:
            return shown.listed, 1
        begun = self._clock.monotonic()
        listed, calls = await self._listed(sweep, batch_id)
        if by_status:
            self._shown[batch_id] = _Shown(at=begun, by_status=by_status, listed=listed)
        return listed, calls + 1

    async def _counts(self, batch_id: str) -> Mapping[str, int]:
        """Ask how many runs of a batch are in which state; nothing where that is not known."""
        if not self._may_count:
            return {}
        try:
            return (await self._service.run_batches.get(batch_id)).by_status
        except AccessDeniedError:
            self._may_count = False
        except CallError as error:
            log.info("run_batch_not_counted", run_batch=batch_id, code=error.code, message=error.message)
        return {}


def _failed(sweep: Sweep, error: CallError) -> SweepFailed:
    is_denied = isinstance(error, AccessDeniedError)
    tell = log.warning if is_denied else log.info  # one that fails now and then costs a few calls
    cure = ", which costs more calls; allow omics:ListRuns" if is_denied else ""
    tell("sweep_failed", code=error.code, message=error.message, instead=f"looking at each run{cure}")
    return SweepFailed(sweep=sweep, is_denied=is_denied)
