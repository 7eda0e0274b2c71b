"""
The deadline of one call, from its signature to the end of its answer.

Belongs here: the deadline, and what passing it means. Does not: how long one answer may take (``http``).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

import anyio

from batchrun.errors import OutcomeUnknownError

if TYPE_CHECKING:
    from collections.abc import Awaitable

T = TypeVar("T")


async def in_time(call: Awaitable[T], operation: str, seconds: float) -> T:
    """
    Await *call* for at most *seconds*.

    Raises:
        OutcomeUnknownError: It has not ended by then.
    """
    with anyio.move_on_after(seconds):
        return await call
    raise OutcomeUnknownError(
        f"the call has not ended after {seconds:g} s, its signature included",
        operation=operation,
        code="CallTimeout",
    )
