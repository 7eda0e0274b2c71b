"""One try of a call: within its time, and with its turns learning from how it went."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import TYPE_CHECKING, TypeVar

import anyio

from batchrun.errors import OutcomeUnknownError
from batchrun.service.classify import classify

if TYPE_CHECKING:
    from batchrun.clock import Clock
    from batchrun.service.calling.pacing import Turns

T = TypeVar("T")


async def one_try(call: Awaitable[T], operation: str, *, turns: Turns, clock: Clock, longest: float) -> T:
    """
    Await a call that has its turn, for at most *longest* seconds.

    Raises:
        CallError: It failed, or its outcome is not known.
    """
    sent, is_answered = clock.monotonic(), False
    try:
        answer = await in_time(call, operation, longest)
        is_answered = True
        turns.answered(sent)
    except Exception as raw:
        error = classify(raw, operation)
        is_answered = True
        turns.answered(sent, error)
        if error is raw:
            raise
        raise error from raw
    finally:
        if not is_answered:
            turns.lost()
    return answer


async def in_time(call: Awaitable[T], operation: str, seconds: float) -> T:
    """Await *call* for at most *seconds*. Raises OutcomeUnknownError where it has not ended by then."""
    with anyio.move_on_after(seconds):
        return await call
    raise OutcomeUnknownError(
        f"the call has not ended after {seconds:g} s, its signature included",
        operation=operation,
        code="CallTimeout",
    )
