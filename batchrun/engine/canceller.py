"""
Carrying out what people asked to be cancelled, while a launch goes on.

Belongs here: withdrawing what was not sent, and telling the planner whose runs to cancel. Does not: asking
for it (``cli``), the call itself (``actor``), when it is made (``model.planner``).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from batchrun.model.cancelling import WITHDRAWN
from batchrun.model.events import Withdrawn
from batchrun.model.states import HOLDS_SLOT

if TYPE_CHECKING:
    from collections.abc import Iterable

    from batchrun.clock import Clock
    from batchrun.engine.actor import Actor
    from batchrun.engine.recorder import Recorder
    from batchrun.model.cancelling import Cancellation
    from batchrun.model.entry import Entry
    from batchrun.model.planner import Planner
    from batchrun.ports.ledger import Ledger

_PAGE: Final = 500


class Canceller:
    """The cancellations of one batch; :meth:`mind` is called between two plans, never beside one."""

    def __init__(
        self, ledger: Ledger, batch: str, recorder: Recorder, planner: Planner, actor: Actor, clock: Clock
    ) -> None:
        self._ledger = ledger
        self._batch = batch
        self._recorder = recorder
        self._planner = planner
        self._actor = actor
        self._clock = clock
        #: Somebody may have asked for something, or an entry waits once more that is to be cancelled.
        self.is_due = True

    async def carry_out(self) -> None:
        """
        Do what can be done now; what is on its way to the service is cancelled once it has arrived.

        Raises:
            LeaseLostError, LedgerError: Nothing more may or can be recorded.
        """
        self.is_due = False
        # Invariant: nothing is planned meanwhile, so what is not being sent now is not when it is read.
        sending = self._planner.sending
        after = -1
        while page := await self._ledger.cancellations(self._batch, limit=_PAGE, after=after):
            after = page[-1].entry.position
            self._planner.cancel([one.entry.id for one in page if one.entry.state in HOLDS_SLOT])
            await self._withdraw(one.entry for one in page if _is_unsent(one) and one.entry.id not in sending)
            self.is_due = self.is_due or any(_is_unsent(one) and one.entry.id in sending for one in page)
        if self.is_due:
            self._actor.hold_back()  # what still waits for its turn comes back at once

    async def _withdraw(self, entries: Iterable[Entry]) -> None:
        unsent = list(entries)
        self._planner.withdraw({entry.id for entry in unsent})
        event = Withdrawn(at=self._clock.utcnow(), message=WITHDRAWN)
        await self._recorder.record_all((entry, event) for entry in unsent)


def _is_unsent(one: Cancellation) -> bool:
    return one.entry.state not in HOLDS_SLOT
