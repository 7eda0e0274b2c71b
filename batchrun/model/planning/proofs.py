"""
How long it is known that no run of an attempt was started elsewhere.

A *proof* is a look at the service, by name or over a whole listing, that showed no run of the attempt; its
time is when the look began. What another ledger, or a lost call of ours, started later than that, or too
shortly before it to be listed, the service still remembers by its requestId, for ``replay_window``: sent
again, it is answered with the run that is there. So the look and the memory leave no gap for
``replay_window`` less ``listing_lag`` after the look, and within that time an attempt may be sent, and again.

Times here are the clock's *latest* (:mod:`batchrun.clock`).
"""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from batchrun.model.entries.entry import Entry

_A_MOMENT: Final = timedelta(seconds=1)
#: The part of its life after which a proof is renewed.
_FRESH: Final = 0.9


@dataclass(slots=True)
class TakenOver:
    """How many rows had a run at the service already that another ledger started."""

    rows: int = 0
    first: datetime | None = None  #: when the oldest of these runs was created
    last: datetime | None = None

    def add(self, created: datetime | None) -> None:
        """Count a row, with the creation time of its run."""
        self.rows += 1
        if created is not None:
            self.first = created if self.first is None else min(self.first, created)
            self.last = created if self.last is None else max(self.last, created)


@dataclass(frozen=True, slots=True, kw_only=True)
class Trust:
    """What is believed of the service's memory and of its listing."""

    replay_window: float  #: seconds for which the service is trusted to remember a requestId
    listing_lag: float  #: seconds by which ListRuns may lag behind StartRun
    most: float = math.inf  #: seconds that a proof holds, whatever the service remembers

    @property
    def is_seamless(self) -> bool:
        """Whether what is too young to be listed is remembered; else a look proves little."""
        return self.replay_window > self.listing_lag

    @property
    def life(self) -> timedelta:
        """How long a proof holds."""
        return _life(self.replay_window, self.listing_lag, self.most)

    @property
    def freshness(self) -> timedelta:
        """After how long a proof is renewed: while it holds still, so that nothing waits for the next."""
        return self.life * _FRESH

    def send_until(self, entry: Entry, at: datetime) -> datetime:
        """
        Return until when the entry, just proven or replayed, may be sent.

        Where proofs end as soon as they are made, that is a moment after *at*: nothing better can be had.
        """
        if entry.proven_at is None:
            return at
        return entry.proven_at + self.life if self.life else at + _A_MOMENT

    def holds(self, entry: Entry, at: datetime) -> bool:
        """Report whether the entry's attempt may be sent at *at*; a proof from the future is none."""
        proven_at = entry.proven_at
        return proven_at is not None and proven_at <= at < proven_at + self.life


@functools.cache  # asked for with each row, and again
def _life(replay_window: float, listing_lag: float, most: float) -> timedelta:
    overlap = replay_window - listing_lag
    return timedelta(seconds=min(most, overlap if overlap > 0 else replay_window))
