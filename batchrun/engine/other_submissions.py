"""
Submissions of a batch that this ledger does not know, as a copy of it or a lost one may have made.

A run that the service has still to start can be found by nobody: neither its name nor its tags are anywhere.
So while the service goes on with a submission of this batch that is not in the ledger, nothing is proven to
have no run, nor until what it started last would be listed; and what was proven before counts for nothing.

Belongs here: the question. Does not: what a proof is (``prover``), our own submissions (``follower``).
"""

from __future__ import annotations

from contextlib import aclosing
from typing import TYPE_CHECKING, Final

import anyio
import structlog

from batchrun.errors import AccessDeniedError, NotFoundError
from batchrun.model.grouping import names_begin
from batchrun.model.spec import TAG_REQUEST_ID
from batchrun.model.submission import Stage, stage

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from datetime import datetime

    from batchrun.engine.link import LaneLink
    from batchrun.engine.parts import LaunchParts
    from batchrun.model.run_batches import BatchListed

#: Seconds for which an answer stands.
_FRESH: Final = 10.0
log = structlog.get_logger(__name__)


class OtherSubmissions:
    """Looks for them in one lane."""

    def __init__(self, link: LaneLink, parts: LaunchParts) -> None:
        self._link = link
        self._batches = link.service.run_batches
        self._held = parts.held
        self._clock = parts.clock
        self._lag = parts.limits.listing_lag
        self._done_at: dict[str, float] = {}  #: batches that have nothing left to start: since when, at worst
        self._ours: set[str] = set()  #: ids of batches that are in the ledger
        self._told: set[str] = set()
        self._asking = anyio.Lock()
        self._asked_at: float | None = None  #: loop time of the last answer that was whole
        self._are_going = False  #: whether it showed one that goes on
        self._last_at = float("-inf")  #: loop time at which one may have started a run last
        self.doubted_at: datetime | None = (
            None  #: the clock's latest time of the last doubt: older proofs are void
        )

    async def may_start_runs(self) -> bool:
        """
        Report whether there are any, or were a moment ago.

        Raises:
            CallError: Nobody can say.
        """
        async with self._asking:  # whoever comes meanwhile waits for the same answer
            begun = self._clock.monotonic()
            if self._asked_at is None or begun - self._asked_at >= _FRESH:
                await self._ask()
                self._asked_at = begun
        if not self._are_going and begun - self._last_at >= self._lag:
            return False
        self.doubted_at = self._clock.latest()
        return True

    async def _ask(self) -> None:
        are_going = False
        async for one in self._strangers():
            self._tell(one)
            seen_at = self._clock.monotonic()
            if stage(one.status) is Stage.DONE:
                seen_at = self._done_at.setdefault(one.id, seen_at)
            else:
                are_going = True
            self._last_at = max(self._last_at, seen_at)
        self._are_going = are_going
        if are_going:
            await self._held.forget_proofs()

    async def _strangers(self) -> AsyncIterator[BatchListed]:
        beginning = names_begin(self._held.name)
        async with aclosing(self._batches.unfinished()) as pages:
            async for page in pages:
                for one in page:
                    if one.name.startswith(beginning) and not await self._is_ours(one.id):
                        yield one

    async def _is_ours(self, batch_id: str) -> bool:
        if batch_id in self._ours:
            return True
        try:
            seen = await self._batches.get(batch_id)
        except (AccessDeniedError, NotFoundError):
            return False
        if await self._held.submission(seen.tags.get(TAG_REQUEST_ID, "")) is None:
            return False
        self._ours.add(batch_id)
        return True

    def _tell(self, one: BatchListed) -> None:
        if one.id in self._told:
            return
        self._told.add(one.id)
        lane = {} if self._link.name is None else {"lane": self._link.name}
        log.warning(
            "submission_of_another_ledger",
            batch=self._held.name,
            **lane,
            run_batch=one.id,
            status=one.status,
            meaning="it may start runs of these rows, so nothing is sent until it is done; "
            "if it is not wanted, cancel it with CancelRunBatch",
        )
