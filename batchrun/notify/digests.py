"""
When a digest is due: while a launch looks at its batch, and over the launches of a cron job.

Belongs here: what changed since the last look, and when something changed before this launch, which the
ledger's history says. Does not: the rule (``model.notices``), the words (``report``), telling (``teller``).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from batchrun.model.notices import is_digest_due

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime, timedelta

    from batchrun.clock import Clock
    from batchrun.model.tally import Tally
    from batchrun.ports.batch import StoredBatch


_GIVEN_BACK: Final = "reappeared"
_ASKED_FOR: Final = frozenset({"retried", _GIVEN_BACK})


class Digests:
    """The digests of one launch of one batch."""

    def __init__(self, every: timedelta, *, clock: Clock) -> None:
        """Take how often; nothing is due before :meth:`begin`."""
        self._every = every
        self._clock = clock
        self._begun: datetime | None = None
        self._changed_at = clock.utcnow()
        self._seen: tuple[object, object] | None = None

    async def begin(self, batch: StoredBatch, begun: datetime, tally: Tally) -> None:
        """
        Look when something last changed, before this launch does anything.

        Raises:
            LedgerError: The history cannot be read.
        """
        now = self._clock.utcnow()
        # What is older than a whole interval has a moment behind it, whenever it was.
        since = max(begun, now - self._every)
        glance = await batch.glance(since=since, at=now, limit=1)
        self._changed_at = max(_seen_by_launches(glance.events), default=since)
        self._begun, self._seen = begun, _seen(tally)

    def is_due(self, tally: Tally) -> bool:
        """Report whether a digest is to be told of a batch that stands so now; it is not due again then."""
        seen, now = _seen(tally), self._clock.utcnow()
        if self._begun is None or seen == self._seen:
            return False
        before, self._changed_at, self._seen = self._changed_at, now, seen
        return is_digest_due(begun=self._begun, every=self._every, before=before, at=now)


def _seen_by_launches(events: Sequence[tuple[datetime, str]]) -> Iterator[datetime]:
    """
    Go through the times of changes that a launch recorded, and told of where a digest was due.

    What people ask for between launches (retries, runs that are given back) is recorded by whoever asks, who
    tells nobody: the digest that it would bring is left to the next launch.
    """
    given_back = {at for at, kind in events if kind == _GIVEN_BACK}
    return (at for at, kind in events if kind not in _ASKED_FOR and at not in given_back)


def _seen(tally: Tally) -> tuple[object, object]:
    return dict(+tally.by_state), dict(+tally.by_status)
