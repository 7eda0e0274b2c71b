"""
One try of a call: within its time, and with its lane learning from how it went.

Belongs here: that. Does not: waiting for the turn (``pacing``), another try (``retry``).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from batchrun.service.classify import classify
from batchrun.service.deadline import in_time

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from batchrun.clock import Clock
    from batchrun.service.pacing import Lane

T = TypeVar("T")


async def one_try(call: Awaitable[T], operation: str, *, lane: Lane, clock: Clock, longest: float) -> T:
    """
    Await a call that has its turn in *lane*, for at most *longest* seconds.

    Raises:
        CallError: It failed, or its outcome is not known.
    """
    sent, is_answered = clock.monotonic(), False
    try:
        answer = await in_time(call, operation, longest)
        is_answered = True
        lane.answered(sent)
    except Exception as raw:
        error = classify(raw, operation)
        is_answered = True
        lane.answered(sent, error)
        if error is raw:
            raise
        raise error from raw
    finally:
        if not is_answered:
            lane.lost()
    return answer
