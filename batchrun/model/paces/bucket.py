"""What the times of calls tell of the token bucket that counts them: its burst, and its limit."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


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
        full: What a full bucket let pass; None where nobody knows.
    """
    limit = (passed + 0.5) / (refused - since)
    if full is None:
        return limit
    burst = max(1.0, full.calls - limit * full.seconds)
    for calls, time in enumerate(reversed(times), 1):
        if calls > 1 and refused > time:
            limit = max(limit, (calls + 1 - burst) / (refused - time))
    return limit
