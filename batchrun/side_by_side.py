"""Running one coroutine for many items, some at a time, and raising one error for all."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Coroutine, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

import anyio

from batchrun.errors import BatchrunError

T = TypeVar("T")


async def in_groups(
    act: Callable[[T], Coroutine[Any, Any, None]], many: Sequence[T], *, at_once: int = 200
) -> None:
    """Await *act* for each of *many*, in groups of *at_once*, so that what they record shares a commit.

    Raises:
        Exception: The first that *act* raises.
    """
    with plainly():
        for start in range(0, len(many), at_once):
            async with anyio.create_task_group() as group:
                for one in many[start : start + at_once]:
                    group.start_soon(act, one)


async def each(act: Callable[[T], Coroutine[Any, Any, None]], many: Iterable[T], *, at_once: int) -> None:
    """Await *act* for each of *many*, at most *at_once* at a time.

    Raises:
        Exception: The first that *act* raises.
    """
    waiting = iter(many)

    async def work() -> None:
        for one in waiting:
            await act(one)

    with plainly():
        async with anyio.create_task_group() as group:
            for _ in range(at_once):
                group.start_soon(work)


async def each_found(
    act: Callable[[T], Coroutine[Any, Any, None]], found: AsyncIterator[T], *, at_once: int
) -> None:
    """Await *act* for each item of *found*, at most *at_once* at a time, while *found* is iterated.

    Raises:
        Exception: The first that either raises.
    """
    send, receive = anyio.create_memory_object_stream[T](at_once)

    async def find() -> None:
        async with send:
            async for one in found:
                await send.send(one)

    async def work() -> None:
        async for one in receive:
            await act(one)

    with plainly():
        async with receive, anyio.create_task_group() as group:
            group.start_soon(find)
            for _ in range(at_once):
                group.start_soon(work)


@contextmanager
def plainly() -> Iterator[None]:
    """Raise an error of a task group without the group."""
    try:
        yield
    except ExceptionGroup as failures:
        raise _first_of(failures) from failures


def _first_of(failures: ExceptionGroup[Exception]) -> Exception:
    """Return the error to raise for an exception group; batchrun's own ones come first."""
    error: Exception = failures.subgroup(BatchrunError) or failures
    while isinstance(error, ExceptionGroup):
        error = error.exceptions[0]
    return error
