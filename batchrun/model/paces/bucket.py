"""Estimates the service's token bucket, its burst and its limit, from the times of calls."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

#: A time between two calls that is at most this share of another is clearly shorter, despite varying
#: latencies.
_SOONER: Final = 0.65
#: Seconds by which the times of other launchers' calls may be wrong.
_ELSEWHERE: Final = 0.03
#: Measured limits in a row, proved wrong by a few calls, after which the burst is doubled, and up to how many
#: calls: it was found too small if the bucket was not full at the beginning.
_HASTY: Final = 2
LARGEST_GUESS: Final = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Rush:
    """Calls that passed in quick succession until a full bucket was empty."""

    calls: int
    seconds: float


def rush(times: Sequence[float], refused: float, longest_gap: float) -> Rush:
    """Return the calls just before one *refused* then, with no gap longer than *longest_gap*."""
    calls, begun = 0, refused
    for time in reversed(times):
        if begun - time > longest_gap:
            break
        calls, begun = calls + 1, time
    return Rush(calls=max(1, calls), seconds=max(refused - begun, 1e-3))


def opening(times: Sequence[float], refused: float, longest_gap: float) -> Rush:
    """Return the calls that emptied a full bucket, out of all calls since the first.

    If they passed one by one, and the first that came much sooner was refused, the burst is one.
    """
    gaps = [later - time for time, later in pairwise([*times, refused])]
    is_sudden = len(gaps) > 1 and gaps[-1] < _SOONER * min(gaps[:-1])
    return rush(times, refused, gaps[-1] if is_sudden else longest_gap)


def shown(before: float, sent: float) -> float:
    """Return the rate, in calls per second, at which a call was *sent* after the one *before*."""
    return 1 / (sent - before) if sent > before else math.inf


class Burst:
    """How many calls a full bucket lets pass, and the spacing of recent calls. Times are loop time."""

    def __init__(self, calls: int = 0, seconds: float = 0.0) -> None:
        self.calls = calls  #: 0: unknown
        self.seconds = seconds  #: in which they passed
        self.hasty = 0  #: limits measured in a row that a few calls proved wrong
        self.fastest = 0.0  #: the highest recent rate, by the spacing of two calls that passed
        self.passed_at = -math.inf  #: when the last call that passed was sent
        self._error = 0.0  #: seconds by which that may be wrong

    @property
    def is_one(self) -> bool:
        """Whether the bucket stores nothing."""
        return self.calls == 1

    @property
    def full(self) -> Rush | None:
        """The calls that emptied a full bucket; None if unknown."""
        return Rush(calls=self.calls, seconds=self.seconds) if self.calls else None

    def passed(self, sent: float) -> float:
        """Note that a call passed, and return the rate that its spacing shows in a bucket of one."""
        rate = shown(self.passed_at - self._error, sent) if sent > self.passed_at else 0.0
        self.fastest = max(self.fastest, rate)
        self._error = self._error if sent < self.passed_at else 0.0
        self.passed_at = max(self.passed_at, sent)
        return rate

    def passed_elsewhere(self, sent: float) -> None:
        """Note that another launcher's call passed, with a time from the ledger."""
        self.passed_at = max(self.passed_at, sent)
        self._error = _ELSEWHERE

    def too_fast(self, sent: float) -> float:
        """Return the rate that a refusal shows to be too high in a bucket of one."""
        return shown(self.passed_at + self._error, sent)

    def refused(self, sent: float, *, is_hasty: bool) -> None:
        """Double the burst if it was found too small, since the bucket was not full at the beginning.

        It was if calls have passed at a much closer spacing than this one, or measured limits repeatedly fail
        at once.
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
    """Return the limit, in calls per second, that explains a refusal.

    Either the bucket was never full since it was last empty, or it filled up in between, and was drained from
    some later moment on; this matters if the burst is small.

    Args:
        times: When the last calls that passed were sent, in order, none after the refused one.
        refused: When that one was sent.
        passed: Calls since the bucket was last empty.
        since: When it was last empty.
        full: The calls that a full bucket let pass; None if unknown.
    """
    limit = (passed + 0.5) / (refused - since)
    if full is None:
        return limit
    burst = max(1.0, full.calls - limit * full.seconds)
    for calls, time in enumerate(reversed(times), 1):
        if calls > 1 and refused > time:
            limit = max(limit, (calls + 1 - burst) / (refused - time))
    return limit
