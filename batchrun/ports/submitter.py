"""The contract of whoever has runs started: StartRun is the first of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from batchrun.model.actions import Sending
    from batchrun.model.stimuli import Acted


class Submitter(Protocol):
    """Sends attempts, many at once, one action at a time for each entry."""

    async def submit(self, action: Sending) -> Acted:
        """
        Send, send again or settle an attempt, and record what came of it.

        The intent is durable before anything leaves, and nothing leaves after its proof has ended. What was
        let go of before it was sent comes back as it was.

        Raises:
            ServiceUnusableError: The launch as a whole lacks a permission, credentials or a service.
            LeaseLostError, LedgerError: Nothing more may or can be recorded.
        """
