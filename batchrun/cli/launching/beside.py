"""What accompanies a launch for those who do not watch it: notices, and a file of metrics.

Belongs here: when they are sent and written. Does not: whether something is worth a notice
(``model.notices``), the text (``report.summary``), delivery (``notify``), the metrics (``report.metrics``).
"""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import anyio
import structlog

from batchrun.cli.exits import Exit
from batchrun.cli.signals import heard
from batchrun.clock import Clock
from batchrun.errors import BatchrunError
from batchrun.ledger import LedgerPlace
from batchrun.model.notices import Notice
from batchrun.model.tally import Tally
from batchrun.notify.teller import Digests, Message, Teller, Words
from batchrun.ports.ledger import Ledger
from batchrun.ports.stored import Counts
from batchrun.report import summary
from batchrun.report.drafts import replacing
from batchrun.report.metrics import Reading, exposition
from batchrun.report.outputs import METRICS, OutputFile, ProtectedFiles
from batchrun.report.overview import lanes_of

if TYPE_CHECKING:
    from batchrun.api.launch import Ended, Launch
    from batchrun.cli.launching.options import Hooks
    from batchrun.cli.showing.progress import Progress

log = structlog.get_logger(__name__)


class Telling:
    """Sends the notices of one launch of one batch; no method raises."""

    def __init__(self, hooks: Hooks, batch: str, *, results: str, clock: Clock) -> None:
        self._hooks = hooks
        self._batch = batch
        self._results = results
        self._clock = clock
        self._started_at = clock.utcnow()
        self._digests = None if hooks.every is None else Digests(hooks.every, clock=clock)

    async def begin(self, held: Launch) -> None:
        """Forget notices that are out of date."""
        begun = self._started_at
        if self._digests is not None:
            with suppress(BatchrunError):  # the next read of the ledger raises it
                found = await held.ledger.find_batch(self._batch)
                begun = begun if found is None else found.created_at
        await self._teller(held.ledger).begin(held.tally, begun)

    async def watch(self, held: Launch) -> None:
        """Send the first failure, and digests, soon after they are due; runs until cancelled."""
        words = partial(self._words, held.ledger, self._facts())
        await self._teller(held.ledger).watch(lambda: held.tally, words)

    async def end(self, held: Launch, ended: Ended, code: Exit) -> None:
        """Send the notices of a launch that ended by itself."""
        facts = self._facts(ended_at=self._clock.utcnow(), exit_code=code.value, stop=ended.stop.value)
        words = partial(self._words, held.ledger, facts)
        await self._end(held.ledger, held.tally, words, needs_somebody=ended.is_held_back)

    async def fail(self, path: str, error: BatchrunError, code: Exit) -> None:
        """Send the notices of a launch that *error* ended, unless its batch is not in the ledger."""
        if not self._hooks.channels:
            return
        facts = self._facts(ended_at=self._clock.utcnow(), exit_code=code.value, error=str(error))
        try:
            place = LedgerPlace(path)
            if not place.is_there():
                return
            async with await place.open() as ledger:
                if await ledger.find_batch(self._batch) is not None:
                    counts = await ledger.batch(self._batch).counts()
                    tally = Tally(counts.by_state, counts.by_status)
                    words = partial(self._words, ledger, facts)
                    await self._end(ledger, tally, words, needs_somebody=True)
        except BatchrunError as trouble:
            log.warning("notice_not_told", batch=self._batch, reason=str(trouble))

    async def _end(self, ledger: Ledger, tally: Tally, words: Words, *, needs_somebody: bool) -> None:
        teller = self._teller(ledger)
        # A signal ends the hooks, not the launch: its exit code is decided.
        with heard(lambda _number: teller.cut_short()):
            await teller.end(tally, words, needs_somebody=needs_somebody)

    def _facts(self, **facts: Any) -> summary.LaunchFacts:
        return summary.LaunchFacts(started_at=self._started_at, results=self._results, **facts)

    def _teller(self, ledger: Ledger) -> Teller:
        hooks = self._hooks
        return Teller(
            ledger.batch(self._batch),
            hooks.channels,
            limit=hooks.limit,
            clock=self._clock,
            digests=self._digests,
        )

    async def _words(self, ledger: Ledger, facts: summary.LaunchFacts, notice: Notice) -> Message:
        found = await summary.summary(ledger, self._batch, notice, facts)
        return Message(
            notice=notice, batch=self._batch, title=found.title, text=found.text, summary=found.facts()
        )


#: Seconds between two writes: node exporter is scraped every 15 to 60 seconds.
_EVERY: Final = 15.0
_EVER: Final = datetime.fromtimestamp(0, UTC)


class MetricsFile:
    """Keeps the metrics file up to date; does nothing without one."""

    def __init__(self, path: Path | None, *, clock: Clock, protected: ProtectedFiles) -> None:
        """Keep the file at *path*, if any. Raises UsageError if it may not be written."""
        self._output = None
        if path is not None:
            self._output = OutputFile(
                path=path, kind=METRICS, option="--metrics-file FILE", protected=protected
            )
            self._output.check()
        self._clock = clock
        self._started_at = clock.utcnow()
        self._is_well = True

    async def run(self, held: Launch, progress: Progress) -> None:
        """Write the file at intervals, until cancelled."""
        while self._output is not None:
            await self.write(held, progress)
            await self._clock.sleep(_EVERY)

    async def write(self, held: Launch, progress: Progress, code: Exit | None = None) -> None:
        """Write the file, the last time with the exit *code*. Errors are logged."""
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
        stands = await stored.story.glance(since=_EVER, at=self._clock.utcnow(), limit=1)
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
