"""Doing the same for many, some at once, and the one error that stands for those of all."""

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
    """
    Await *act* for each of *many*, *at_once* at a time: what is recorded at once shares a commit.

    Raises:
        Exception: The first that *act* raises.
    """
    with _plainly():
        for start in range(0, len(many), at_once):
            async with anyio.create_task_group() as group:
                for one in many[start : start + at_once]:
                    group.start_soon(act, one)


async def each(act: Callable[[T], Coroutine[Any, Any, None]], many: Iterable[T], *, at_once: int) -> None:
    """
    Await *act* for each of *many*, never more than *at_once* at a time.

    Raises:
        Exception: The first that *act* raises.
    """
    waiting = iter(many)

    async def work() -> None:
        for one in waiting:
            await act(one)

    with _plainly():
        async with anyio.create_task_group() as group:
            for _ in range(at_once):
                group.start_soon(work)


async def each_found(
    act: Callable[[T], Coroutine[Any, Any, None]], found: AsyncIterator[T], *, at_once: int
) -> None:
    """
    Await *act* for each that *found* brings, never more than *at_once* at a time, while it brings more.

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

    with _plainly():
        async with receive, anyio.create_task_group() as group:
            group.start_soon(find)
            for _ in range(at_once):
                group.start_soon(work)


@contextmanager
def _plainly() -> Iterator[None]:
    """Raise an error of tasks without its groups."""
    try:
        yield
    except ExceptionGroup as failures:
        raise first_of(failures) from failures


def first_of(failures: ExceptionGroup[Exception]) -> Exception:
    """Take an error out of its groups; one of ours says more than what it led to."""
    error: Exception = failures.subgroup(BatchrunError) or failures
    while isinstance(error, ExceptionGroup):
        error = error.exceptions[0]
    return error
