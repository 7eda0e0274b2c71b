"""What the times of calls tell of the token bucket that counts them: its burst, and its limit."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

#: The share of another time between two calls that makes one sooner, however long answers take.
_SOONER: Final = 0.65
#: Seconds by which the times of others' calls may be wrong.
_ELSEWHERE: Final = 0.03
#: Measured limits in a row that a few calls prove wrong, until the burst is guessed anew, and up to how many
#: calls: it is found too small where the bucket was not full at the beginning.
_HASTY: Final = 2
LARGEST_GUESS: Final = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Rush:
    """Calls that passed one upon the other until a full bucket was empty."""

    calls: int
    seconds: float


def rush(times: Sequence[float], refused: float, longest_gap: float) -> Rush:
    """Return the last calls before one that was *refused*, with no gap among them that is longer."""
    calls, begun = 0, refused
    for time in reversed(times):
        if begun - time > longest_gap:
            break
        calls, begun = calls + 1, time
    return Rush(calls=max(1, calls), seconds=max(refused - begun, 1e-3))


def opening(times: Sequence[float], refused: float, longest_gap: float) -> Rush:
    """
    Return the calls that emptied a full bucket, of all since the first.

    Where they passed one by one, and the first that came much sooner was refused, nothing was stored: one.
    """
    gaps = [later - time for time, later in pairwise([*times, refused])]
    is_sudden = len(gaps) > 1 and gaps[-1] < _SOONER * min(gaps[:-1])
    return rush(times, refused, gaps[-1] if is_sudden else longest_gap)


def shown(before: float, sent: float) -> float:
    """Return the rate, in calls per second, at which a call was *sent* after the one *before*."""
    return 1 / (sent - before) if sent > before else math.inf


class Burst:
    """How many calls a full bucket lets pass, and how soon calls followed each other. Times are loop time."""

    def __init__(self, calls: int = 0, seconds: float = 0.0) -> None:
        self.calls = calls  #: 0 where nobody knows
        self.seconds = seconds  #: that it took to use it
        self.hasty = 0  #: limits in a row that were measured, and that a few calls proved wrong
        self.fastest = 0.0  #: calls per second, as two that passed show it; of late
        self.passed_at = -math.inf  #: when the last call was sent that passed
        self._error = 0.0  #: seconds by which that may be wrong

    @property
    def is_one(self) -> bool:
        """Whether nothing is stored."""
        return self.calls == 1

    @property
    def full(self) -> Rush | None:
        """The calls that emptied a full bucket; None where nobody knows."""
        return Rush(calls=self.calls, seconds=self.seconds) if self.calls else None

    def passed(self, sent: float) -> float:
        """Learn that a call passed, and return the rate that it shows where nothing is stored."""
        rate = shown(self.passed_at - self._error, sent) if sent > self.passed_at else 0.0
        self.fastest = max(self.fastest, rate)
        self._error = self._error if sent < self.passed_at else 0.0
        self.passed_at = max(self.passed_at, sent)
        return rate

    def passed_elsewhere(self, sent: float) -> None:
        """Learn that somebody else's call passed, by times that went through a ledger."""
        self.passed_at = max(self.passed_at, sent)
        self._error = _ELSEWHERE

    def too_fast(self, sent: float) -> float:
        """Return the rate that a refusal shows not to be allowed where nothing is stored."""
        return shown(self.passed_at + self._error, sent)

    def refused(self, sent: float, *, is_hasty: bool) -> None:
        """
        Take the burst for larger where it was found too small, as the bucket was not full at the beginning.

        Calls passed much sooner one after the other than this one, or limits end at once again and again.
        """
        if self.is_one:
            is_small = self.too_fast(sent) < _SOONER * self.fastest
        else:
            self.hasty += is_hasty
            is_small = self.hasty >= _HASTY
        if is_small:
            self.hasty = 0
            self.calls = max(self.calls, min(2 * self.calls, LARGEST_GUESS))


def measured(
    times: Sequence[float], refused: float, *, passed: int, since: float, full: Rush | None
) -> float:
    """
    Return the calls per second that explain a refusal.

    Either the bucket was drained since it was last empty, or it had filled up in between and was drained from
    some later moment on, of which its burst is known. The latter matters where the burst is small.

    Args:
        times: When the last calls that passed were sent, in their order, none after the refused one.
        refused: When that was sent.
        passed: Calls since the bucket was last empty.
        since: When that was.
        full: What a full bucket let pass; None where that is unknown.
    """
    limit = (passed + 0.5) / (refused - since)
    if full is None:
        return limit
    burst = max(1.0, full.calls - limit * full.seconds)
    for calls, time in enumerate(reversed(times), 1):
        if calls > 1 and refused > time:
            limit = max(limit, (calls + 1 - burst) / (refused - time))
    return limit
