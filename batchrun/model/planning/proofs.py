"""Proofs that no run of an attempt was started elsewhere, and how long they are valid.

A *proof* is a look at the service, by name or by listing all runs, that showed no run of the attempt; its
time is the beginning of the look. A run that another ledger, or a lost call of ours, started after that, or
too shortly before it to be listed, is remembered by the service under its requestId for ``replay_window``:
sending the attempt again returns that run. So for ``replay_window`` less ``listing_lag`` after the look there
is no gap, and the attempt may be sent, also repeatedly.

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
#: The share of its life after which a proof is renewed.
_FRESH: Final = 0.9


@dataclass(frozen=True, slots=True, kw_only=True)
class Trust:
    """What is assumed of the service's memory and its listing."""

    replay_window: float  #: seconds for which the service is trusted to remember a requestId
    listing_lag: float  #: seconds by which ListRuns may lag behind StartRun
    most: float = math.inf  #: seconds that a proof is valid at most

    @property
    def is_seamless(self) -> bool:
        """Whether runs too new to be listed are remembered; else a look proves little."""
        return self.replay_window > self.listing_lag

    @property
    def life(self) -> timedelta:
        """How long a proof is valid."""
        return _life(self.replay_window, self.listing_lag, self.most)

    @property
    def freshness(self) -> timedelta:
        """After how long a proof is renewed: while it is still valid, so that nothing waits for the next."""
        return self.life * _FRESH

    def send_until(self, entry: Entry, at: datetime) -> datetime:
        """Return until when the entry, just proven or replayed, may be sent.

        If proofs have no life at all, that is a moment after *at*: nothing better is possible.
        """
        if entry.proven_at is None:
            return at
        return entry.proven_at + self.life if self.life else at + _A_MOMENT

    def holds(self, entry: Entry, at: datetime) -> bool:
        """Report whether the entry has a valid proof at *at*; one from the future is not."""
        proven_at = entry.proven_at
        return proven_at is not None and proven_at <= at < proven_at + self.life


@functools.cache  # asked for with each row, and again
def _life(replay_window: float, listing_lag: float, most: float) -> timedelta:
    overlap = replay_window - listing_lag
    return timedelta(seconds=min(most, overlap if overlap > 0 else replay_window))
