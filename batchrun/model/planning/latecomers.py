"""Runs that another ledger started moments ago, and that no list shows yet.

In the lane that it was sent to before, a row's requestId makes one run of both sendings. A row that may take
several lanes could be started in another one. So once a run of another ledger is found, such rows wait until
a listing shows all that was started before this launch held the batch.

Does not belong here: run batches of other ledgers (``engine.proof.other_submissions``).
"""

from __future__ import annotations


class Latecomers:
    """The late runs of one batch."""

    def __init__(self, *, have_choice: bool, began: float, lag: float) -> None:
        """Begin without any.

        Args:
            have_choice: Whether rows are to be sent that may take several lanes.
            began: Loop time at which the launch held the batch: no other ledger's launch is under way.
            lag: Seconds after which a started run is listed.
        """
        self._have_choice = have_choice
        self._all_listed_at = began + lag
        self._are_expected = False

    @property
    def are_possible(self) -> bool:
        """Whether it matters what is found: some rows may take several lanes."""
        return self._have_choice

    def expect(self) -> None:
        """Note that a run was found that this ledger did not start."""
        self._are_expected = self._have_choice

    def wait_until(self, looked_at: float) -> float | None:
        """Return when to look again, if a look that began at *looked_at* may have missed some; loop times."""
        return self._all_listed_at if self._are_expected and looked_at < self._all_listed_at else None
