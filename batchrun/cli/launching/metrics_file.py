"""The file with a launch's metrics, as it is kept."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

import anyio
import structlog

from batchrun.errors import BatchrunError
from batchrun.ports.stored import Counts
from batchrun.report.kinds import METRICS
from batchrun.report.metrics import Reading, exposition
from batchrun.report.outputs import OutputFile, replacing
from batchrun.report.overview import lanes_of

if TYPE_CHECKING:
    from pathlib import Path

    from batchrun.api.launch import Launch
    from batchrun.cli.exits import Exit
    from batchrun.cli.showing.progress import Progress
    from batchrun.clock import Clock
    from batchrun.report.outputs import Inputs

#: Seconds between two writings: node exporter is scraped every 15 to 60 seconds.
_EVERY: Final = 15.0
_EVER: Final = datetime.fromtimestamp(0, UTC)
log = structlog.get_logger(__name__)


class MetricsFile:
    """Keeps the file, or does nothing where there is none to keep."""

    def __init__(self, path: Path | None, *, clock: Clock, inputs: Inputs) -> None:
        """Keep *path*. Raises UsageError where it may not be written."""
        self._output = None
        if path is not None:
            self._output = OutputFile(path=path, kind=METRICS, option="--metrics-file FILE", inputs=inputs)
            self._output.check()
        self._clock = clock
        self._started_at = clock.utcnow()
        self._is_well = True

    async def run(self, held: Launch, progress: Progress) -> None:
        """Write it every so often; for ever, meant to be cancelled."""
        while self._output is not None:
            await self.write(held, progress)
            await self._clock.sleep(_EVERY)

    async def write(self, held: Launch, progress: Progress, code: Exit | None = None) -> None:
        """Write it once; with the exit code *code*, for the last time. A failure is logged."""
        if self._output is None:
            return
        try:
            text = exposition(await self._reading(held, progress, code))
            await anyio.to_thread.run_sync(_replace, self._output, text)
        except (OSError, BatchrunError) as error:
            if self._is_well:
                cure = "check the disk and the folder's permissions; it will be retried"
                log.warning("metrics_not_written", path=str(self._output.path), reason=str(error), cure=cure)
            self._is_well = False
        else:
            self._is_well = True

    async def _reading(self, held: Launch, progress: Progress, code: Exit | None) -> Reading:
        now = progress.snapshot(held.tally)
        stored = held.ledger.batch(held.batch)
        stands = await stored.glance(since=_EVER, at=self._clock.utcnow(), limit=1)
        oldest = stands.oldest
        run = oldest[0].run if oldest else None
        return Reading(
            batch=held.batch,
            at=self._clock.utcnow(),
            started_at=self._started_at,
            counts=Counts(by_state=dict(held.tally.by_state), by_status=dict(held.tally.by_status)),
            lanes=await lanes_of(stored),
            starts_per_second=now.starts_per_second,
            seconds_left=now.left,
            oldest_active=(run.creation_time if run else None) or (oldest[0].accepted_at if oldest else None),
            last_success=next((at for at, kind in reversed(stands.events) if kind == "completed"), None),
            calls=held.calls_by_lane,
            troubles=held.troubles.lanes,
            lease=held.lease if code is None else None,
            exit_code=None if code is None else code.value,
        )


def _replace(output: OutputFile, text: str) -> None:
    with replacing(output) as file:
        file.write(text)
