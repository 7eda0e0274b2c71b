"""Submissions of a batch that this ledger does not know, made from a copy of it or from a lost ledger.

A run that the service has yet to start cannot be found by name or tags. So while the service works on a
submission of this batch that is not in the ledger, and until its last runs would be listed, no row is proven
to have no run, and earlier proofs are void. A submission that is done is not among the unfinished ones: it is
noticed by the runs that came from it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import aclosing
from datetime import datetime, timedelta
from typing import Final

import anyio
import structlog

from batchrun.engine.parts import LaneLink, LaunchParts
from batchrun.errors import AccessDeniedError, NotFoundError
from batchrun.model.entries.entry import Sighting
from batchrun.model.planning.listing import CLOCK_SLACK
from batchrun.model.spec import TAG_BATCH, TAG_REQUEST_ID
from batchrun.model.submissions.grouping import names_begin
from batchrun.model.submissions.submission import BatchSeen, Stage, stage

#: Seconds for which an answer stands, counted from its end: asking takes five calls, each at its turn, and
#: counted from their beginning every row would ask anew where they are slow.
_FRESH: Final = 10.0
#: The status of one that is not listed, and may not be asked about.
_UNKNOWN: Final = "unknown"
log = structlog.get_logger(__name__)


class OtherSubmissions:
    """Looks for such submissions in one lane."""

    def __init__(self, link: LaneLink, parts: LaunchParts, *, is_needed: bool) -> None:
        """Look in the lane of *link*; unless *is_needed*, a denied listing is skipped."""
        self._link = link
        self._batches = link.service.run_batches
        self._held = parts.held
        self._clock = parts.clock
        self._lag = parts.limits.listing_lag
        self._is_needed = is_needed
        self._is_denied = False
        self._noticed: set[str] = set()  #: ids of run batches that runs of the batch came from
        self._settled: set[str] = set()  #: of those, the ones in the ledger or done long ago
        #: Those with nothing left to start, and since when, at the latest.
        self._done_at: dict[str, float] = {}
        self._warned_of: set[str] = set()
        self._asking = anyio.Lock()
        self._asked_at: float | None = None  #: loop time of the last complete answer
        self._are_going = False  #: whether it showed one that is not done
        self._last_at = float("-inf")  #: loop time at which one may have started its last run
        #: The clock's latest time at which there were some: older proofs are void.
        self.doubted_at: datetime | None = None

    @property
    def are_possible(self) -> bool:
        """Whether there is a reason to look."""
        return self._is_needed or bool(self._noticed)

    def notice(self, sightings: Iterable[Sighting]) -> None:
        """Notice the run batches of runs of this batch that no entry has."""
        for sighting in sightings:
            is_ours = sighting.tags.get(TAG_BATCH) == self._held.name
            batch_id = sighting.batch_id
            if batch_id is not None and is_ours and batch_id not in self._noticed | self._settled:
                self._noticed.add(batch_id)
                self._asked_at = None

    async def may_start_runs(self) -> bool:
        """Report whether one may still start runs, or could a moment ago. Raises CallError where unknown."""
        if not self.are_possible:
            return False
        async with self._asking:  # callers that come meanwhile wait for the same answer
            begun = self._clock.monotonic()
            while self._asked_at is None or begun - self._asked_at >= _FRESH:
                noticed = len(self._noticed)
                await self._ask()
                if len(self._noticed) == noticed:  # else some were noticed meanwhile, and not asked about
                    self._asked_at = self._clock.monotonic()
        if not self._are_going and begun - self._last_at >= self._lag:
            return False
        self.doubted_at = self._clock.latest()
        return True

    async def _ask(self) -> None:
        are_going = False
        listed = await self._listed()
        for batch_id in {*listed, *self._noticed} - self._settled:
            seen = await self._seen(batch_id)
            if seen is not None and (await self._is_ours(seen) or self._was_done_long_ago(seen)):
                self._settled.add(batch_id)
                continue
            status = listed.get(batch_id, _UNKNOWN) if seen is None else seen.status
            self._warn(batch_id, status)
            seen_at = self._clock.monotonic()
            if status == _UNKNOWN or stage(status) is Stage.DONE:
                seen_at = self._done_at.setdefault(batch_id, seen_at)
            else:
                are_going = True
            self._last_at = max(self._last_at, seen_at)
        self._are_going = are_going
        if are_going:
            await self._held.proofs.forget()

    async def _listed(self) -> Mapping[str, str]:
        """Return the status of those that are not done, by id, this ledger's own included."""
        beginning, found = names_begin(self._held.name), dict[str, str]()
        if self._is_denied:
            return found
        try:
            async with aclosing(self._batches.unfinished()) as pages:
                async for page in pages:
                    ours = [batch for batch in page if batch.name.startswith(beginning)]
                    found.update((batch.id, batch.status) for batch in ours)
        except AccessDeniedError as error:
            if self._is_needed:
                raise
            self._is_denied = True
            log.warning(
                "run_batches_not_looked_for",
                **self._where,
                message=error.message,
                meaning="runs of these rows came from run batches; what others that are under way have still "
                "to start would be started twice: allow omics:ListBatch",
            )
        return found

    async def _seen(self, batch_id: str) -> BatchSeen | None:
        try:
            return await self._batches.get(batch_id)
        except (AccessDeniedError, NotFoundError):
            return None

    async def _is_ours(self, seen: BatchSeen) -> bool:
        return await self._held.submissions.find(seen.tags.get(TAG_REQUEST_ID, "")) is not None

    def _was_done_long_ago(self, seen: BatchSeen) -> bool:
        """Report whether all that it started is surely listed by now, going by the service's time."""
        lag = timedelta(seconds=self._lag) + CLOCK_SLACK
        if stage(seen.status) is not Stage.DONE or seen.done_at is None:
            return False
        return self._clock.utcnow() >= seen.done_at + lag

    @property
    def _where(self) -> dict[str, str]:
        return {"batch": self._held.name, **self._link.logged}

    def _warn(self, batch_id: str, status: str) -> None:
        if batch_id in self._warned_of:
            return
        self._warned_of.add(batch_id)
        log.warning(
            "submission_of_another_ledger",
            **self._where,
            run_batch=batch_id,
            status=status,
            meaning="it may start runs of these rows, so nothing is sent until it is done; "
            "if it is not wanted, cancel it with CancelRunBatch",
        )
