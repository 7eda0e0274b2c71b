"""Doing the same for many, some at once, and the one error that stands for those of all."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

import anyio

from batchrun.errors import BatchrunError

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Sequence

T = TypeVar("T")


async def in_groups(
    act: Callable[[T], Coroutine[Any, Any, None]], many: Sequence[T], *, at_once: int = 200
) -> None:
    """
    Await *act* for each of *many*, *at_once* at a time: what is recorded at once shares a commit.

    Raises:
        Exception: The first that *act* raises.
    """
    try:
        for start in range(0, len(many), at_once):
            async with anyio.create_task_group() as group:
                for one in many[start : start + at_once]:
                    group.start_soon(act, one)
    except ExceptionGroup as failures:
        raise first_of(failures) from failures


def first_of(failures: ExceptionGroup[Exception]) -> Exception:
    """Take an error out of its groups; one of ours says more than what it led to."""
    error: Exception = failures.subgroup(BatchrunError) or failures
    while isinstance(error, ExceptionGroup):
        error = error.exceptions[0]
    return error
