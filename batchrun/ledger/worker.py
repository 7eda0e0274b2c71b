"""The one thread that touches a store."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import anyio
import anyio.lowlevel

from batchrun.errors import InvariantError

T = TypeVar("T")


class Worker:
    """
    Runs jobs one after the other in a thread of its own.

    A job that was handed in is finished, whatever happens to the task that waits for it; the cancellation is
    delivered after that. An error of the job goes before a cancellation, so that it is not lost.
    """

    def __init__(self) -> None:
        self._executor = ThreadPoolExecutor(max_workers=1, thread_name_prefix="batchrun-ledger")
        self.is_stopped = False  #: takes no more jobs

    async def run(self, job: Callable[[], T]) -> T:
        """Return what *job* returns."""
        if self.is_stopped:
            raise InvariantError("the ledger was used after it was closed")
        # Not anyio.to_thread: the virtual loop sees only run_in_executor.
        future: asyncio.Future[T] = asyncio.get_running_loop().run_in_executor(self._executor, job)
        with anyio.CancelScope(shield=True):
            cancellation = await _outwait(future)
        result = future.result()
        if cancellation is not None:
            raise cancellation
        await anyio.lowlevel.checkpoint_if_cancelled()
        return result

    def stop(self) -> None:
        """Take no more jobs; safe to repeat."""
        self.is_stopped = True
        self._executor.shutdown(wait=False)


async def _outwait(future: asyncio.Future[T]) -> asyncio.CancelledError | None:
    """Wait for *future* even when the task itself is cancelled, which no anyio shield holds off."""
    cancellation = None
    while not future.done():
        try:
            await asyncio.wait([future])
        except asyncio.CancelledError as error:
            cancellation = error
    return cancellation
