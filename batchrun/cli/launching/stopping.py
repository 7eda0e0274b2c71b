"""
What signals do to launches: the first drains, the second leaves their calls, the third leaves everything.

Belongs here: that. Does not: hearing of signals (``signals``), what draining is (``api``).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from batchrun.cli.signals import leave_at_once
from batchrun.cli.speak import complain

if TYPE_CHECKING:
    import signal
    from collections.abc import Sequence

    from batchrun.api.launch import Launch


class Stopping:
    """Hears of signals for *launches*, from their beginning until their results are written."""

    def __init__(self, launches: Sequence[Launch]) -> None:
        self.launches = launches
        self._count = 0

    @property
    def was_told(self) -> bool:
        """Whether a signal came."""
        return self._count > 0

    def __call__(self, number: signal.Signals) -> None:
        """Do what this signal, the first, the second or a later one, is for."""
        self._count += 1
        match self._count:
            case 1:
                self._stop(number)
            case 2:
                for held in self.launches:
                    held.abandon()
            case _:
                leave_at_once()

    def _stop(self, number: signal.Signals) -> None:
        # Else they end by themselves, and write their results already.
        if any(held.goes_on for held in self.launches):
            complain(
                f"stopping on {number.name}: finishing calls in flight; runs continue; "
                "a second signal exits at once"
            )
        for held in self.launches:
            held.stop()
