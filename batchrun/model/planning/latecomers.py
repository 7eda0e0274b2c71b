"""Runs that another ledger started moments ago, and that no list shows yet.

In the lane that it was sent to before, a row's requestId makes one run of both sendings. A row that may take
several lanes could be started in another one. So once a run of another ledger is found, such rows wait until
a listing shows all that was started before this launch held the batch.

Does not belong here: run batches of other ledgers (``engine.proof.other_submissions``).
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True, kw_only=True)
class Latecomers:
    """The late runs of one batch."""

    have_choice: bool  #: whether rows are to be sent that may take several lanes: else they do not matter
    began: float  #: loop time at which the launch held the batch: no other ledger's launch is under way
    lag: float  #: seconds after which a started run is listed
    _are_expected: bool = False

    def expect(self) -> None:
        """Note that a run was found that this ledger did not start."""
        self._are_expected = self.have_choice

    def wait_until(self, looked_at: float) -> float | None:
        """Return when to look again, if a look that began at *looked_at* may have missed some; loop times."""
        all_listed_at = self.began + self.lag
        return all_listed_at if self._are_expected and looked_at < all_listed_at else None
