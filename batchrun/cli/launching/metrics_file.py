"""
The file with a launch's metrics, as it is kept.

Belongs here: when it is written, where its numbers come from, and what follows from a failure. Does not: its
text (``report.metrics``).
"""

from __future__ import annotations

import os
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

import anyio
import structlog

from batchrun.errors import BatchrunError, UsageError
from batchrun.ports.ledger import Counts
from batchrun.report.metrics import Reading, exposition
from batchrun.report.replacing import replacing

if TYPE_CHECKING:
    from collections.abc import Collection
    from pathlib import Path

    from batchrun.api.launch import Launch
    from batchrun.cli.exits import Exit
    from batchrun.cli.showing.progress import Progress
    from batchrun.clock import Clock

#: Seconds between two writings: node exporter is scraped every 15 to 60 seconds.
_EVERY: Final = 15.0
#: How such a file begins: what begins otherwise is somebody's, and is not replaced.
_BEGINNING: Final = b"# HELP batchrun_"
_EVER: Final = datetime.fromtimestamp(0, UTC)
log = structlog.get_logger(__name__)


class MetricsFile:
    """Keeps the file, or does nothing where there is none to keep."""

    def __init__(self, path: Path | None, *, clock: Clock, besides: Collection[Path] = ()) -> None:
        """
        Keep *path*, which may be none of *besides*.

        Raises:
            UsageError: It cannot be written, or may be no metrics but what is not to be replaced.
        """
        if path is not None and not _is_writable(path):
            raise UsageError(f"the metrics cannot be written to {path}; give another --metrics-file")
        others = {other.resolve() for other in besides}
        if path is not None and (path.resolve() in others or not _is_replaceable(path)):
            raise UsageError(f"{path} is for something else than metrics; give another --metrics-file")
        self._path = path
        self._clock = clock
        self._started_at = clock.utcnow()
        self._is_well = True

    async def run(self, held: Launch, progress: Progress) -> None:
        """Write it every so often; for ever, meant to be cancelled."""
        while self._path is not None:
            await self.write(held, progress)
            await self._clock.sleep(_EVERY)

    async def write(self, held: Launch, progress: Progress, code: Exit | None = None) -> None:
        """Write it once; with the exit code *code*, for the last time. A failure is logged."""
        if self._path is None:
            return
        try:
            text = exposition(await self._reading(held, progress, code))
            await anyio.to_thread.run_sync(_replace, self._path, text)
        except (OSError, BatchrunError) as error:
            if self._is_well:
                cure = "look at the disk and the folder's permissions; it is tried again"
                log.warning("metrics_not_written", path=str(self._path), reason=str(error), cure=cure)
            self._is_well = False
        else:
            self._is_well = True

    async def _reading(self, held: Launch, progress: Progress, code: Exit | None) -> Reading:
        now = progress.snapshot(held.tally)
        oldest = await held.ledger.oldest_active(held.batch, limit=1)
        run = oldest[0].run if oldest else None
        ends = await held.ledger.recent(held.batch, since=_EVER)
        return Reading(
            batch=held.batch,
            at=self._clock.utcnow(),
            started_at=self._started_at,
            counts=Counts(by_state=dict(held.tally.by_state), by_status=dict(held.tally.by_status)),
            starts_per_second=now.starts_per_second,
            seconds_left=now.left,
            oldest_active=(run.creation_time if run else None) or (oldest[0].accepted_at if oldest else None),
            last_success=next((at for at, kind in reversed(ends) if kind == "completed"), None),
            calls=held.calls,
            lease=held.lease if code is None else None,
            exit_code=None if code is None else code.value,
        )


def _is_writable(path: Path) -> bool:
    is_file = path.is_file() or not path.exists()
    return is_file and path.parent.is_dir() and os.access(path.parent, os.W_OK)


def _is_replaceable(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            return file.read(len(_BEGINNING)) in {b"", _BEGINNING}
    except FileNotFoundError:
        return True
    except OSError:
        return False


def _replace(path: Path, text: str) -> None:
    # Others read it: node exporter runs as a user of its own.
    with replacing(path, is_public=True) as file:
        file.write(text)
