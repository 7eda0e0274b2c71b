"""Recording what an answer means, with what it begins by itself: content that waited, or another attempt."""

from __future__ import annotations

from typing import TYPE_CHECKING

from batchrun.model.entries.events import Deferred, Doubted, Failed, Moved, Revised
from batchrun.model.entries.transitions import apply
from batchrun.model.lanes import lanes_of

if TYPE_CHECKING:
    from datetime import datetime

    from batchrun.engine.recorder import Recorder
    from batchrun.model.entries.entry import Entry
    from batchrun.model.entries.events import Event, Retried
    from batchrun.model.entries.retrying import RetryPolicy


class Outcomes:
    """What comes of the attempts of one launch."""

    def __init__(self, retry: RetryPolicy, recorder: Recorder) -> None:
        self._retry = retry
        self._recorder = recorder

    async def record(self, entry: Entry, event: Event) -> Entry:
        """
        Record *event*, and return the entry once that is durable.

        Raises:
            LeaseLostError, LedgerError: Nothing was written.
        """
        if entry.next_request is not None and not isinstance(event, Doubted):
            # The attempt is settled now, so the content that waited for it may start a new one.
            return await self._recorder.record(entry, event, Revised(at=event.at, request=entry.next_request))
        if isinstance(event, Deferred) and entry.offers is not None and len(lanes_of(entry.offers)) > 1:
            return await self._recorder.record(entry, event, Moved(at=event.at))
        if isinstance(event, Failed):
            return await self._recorder.record(
                entry, event, *await self.retried(apply(entry, event), event.at)
            )
        return await self._recorder.record(entry, event)

    async def retried(self, failed: Entry, at: datetime) -> list[Retried]:
        """Return the event that begins another attempt of *failed*, a FAILED entry, if there is to be one."""
        if failed.run is None or self._retry.rule_for(failed.run) is None:
            return []
        earlier = await self._recorder.earlier(failed)
        runs = [attempt.run for attempt in earlier]
        tried = [attempt.lane for attempt in earlier if attempt.lane is not None]
        retried = self._retry.after_failure(failed, runs, at, tried=tried)
        return [] if retried is None else [retried]
