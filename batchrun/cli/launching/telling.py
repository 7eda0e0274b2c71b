"""
What a launch tells those who do not watch, and at which moment.

Belongs here: the moments. Does not: whether something is worth telling (``model.notices``), the words
(``report.summary``), delivering them (``notify``), metrics (``metrics_file``).
"""

from __future__ import annotations

from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any

import structlog

from batchrun.cli.signals import heard
from batchrun.errors import BatchrunError
from batchrun.ledger import LedgerPlace
from batchrun.model.tally import Tally
from batchrun.notify import Digests, Message, Teller
from batchrun.report import summary

if TYPE_CHECKING:
    from batchrun.api.launch import Ended, Launch
    from batchrun.cli.exits import Exit
    from batchrun.cli.launching.hooks import Hooks
    from batchrun.clock import Clock
    from batchrun.model.notices import Notice
    from batchrun.notify.teller import Words
    from batchrun.ports.ledger import Ledger

log = structlog.get_logger(__name__)


class Telling:
    """Tells of one launch of one batch; no method raises."""

    def __init__(self, hooks: Hooks, batch: str, *, results: str, clock: Clock) -> None:
        self._hooks = hooks
        self._batch = batch
        self._results = results
        self._clock = clock
        self._started_at = clock.utcnow()
        self._digests = None if hooks.every is None else Digests(hooks.every, clock=clock)

    async def begin(self, held: Launch) -> None:
        """Forget what was told and is not so any more."""
        begun = self._started_at
        if self._digests is not None:
            with suppress(BatchrunError):  # who has to read the ledger next will tell
                found = await held.ledger.find_batch(self._batch)
                begun = begun if found is None else found.created_at
        await self._teller(held.ledger).begin(held.tally, begun)

    async def watch(self, held: Launch) -> None:
        """Announce the first failure, and digests, soon after they are due; for ever, to be cancelled."""
        words = partial(self._words, held.ledger, self._facts())
        await self._teller(held.ledger).watch(lambda: held.tally, words)

    async def end(self, held: Launch, ended: Ended, code: Exit) -> None:
        """Announce a launch that came to its own end."""
        facts = self._facts(ended_at=self._clock.utcnow(), exit_code=code.value, stop=ended.stop.value)
        words = partial(self._words, held.ledger, facts)
        await self._end(held.ledger, held.tally, words, needs_somebody=ended.is_held_back)

    async def fail(self, path: str, error: BatchrunError, code: Exit) -> None:
        """
        Announce a launch that *error* ended, maybe before it held the batch.

        Of a batch that the ledger at *path* does not have, nothing was submitted and nothing is told.
        """
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
        # A signal ends the hooks, not the launch, which has its exit code by now.
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
