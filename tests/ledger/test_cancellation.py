"""What cancellation does to a job in the ledger's thread."""

from __future__ import annotations

import asyncio
import threading
import time

import anyio
import pytest

from batchrun.clock import VirtualLoop
from batchrun.errors import LedgerError
from batchrun.ledger import open_ledger
from batchrun.ledger.worker import Worker
from tests.ledger.samples import AT, BATCH, TTL, filled, intended, move


@pytest.fixture
def worker():
    made = Worker()
    yield made
    made.stop()


class Slow:
    """A job that has begun and waits to be let on."""

    def __init__(self, error: Exception | None = None) -> None:
        self.begun = threading.Event()
        self.go_on = threading.Event()
        self.is_done = False
        self._error = error

    def __call__(self) -> str:
        self.begun.set()
        assert self.go_on.wait(10)
        self.is_done = True
        if self._error:
            raise self._error
        return "done"


async def started(worker: Worker, job: Slow) -> asyncio.Task[str]:
    task = asyncio.create_task(worker.run(job))
    await asyncio.get_running_loop().run_in_executor(None, job.begun.wait)
    return task


async def test_a_job_is_finished_before_its_task_is_cancelled(worker):
    job = Slow()
    task = await started(worker, job)
    for _ in range(3):
        task.cancel()
        await asyncio.sleep(0)
        assert not task.done()
    job.go_on.set()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert job.is_done


async def test_a_job_in_the_queue_is_finished_too(worker):
    first, second = Slow(), Slow()
    second.go_on.set()
    front = await started(worker, first)
    queued = asyncio.create_task(worker.run(second))
    await asyncio.sleep(0)
    queued.cancel()
    first.go_on.set()
    assert await front == "done"
    with pytest.raises(asyncio.CancelledError):
        await queued
    assert second.is_done


async def test_the_error_of_a_job_is_not_lost_in_its_cancellation(worker):
    job = Slow(LedgerError("the disk is full"))
    task = await started(worker, job)
    task.cancel()
    job.go_on.set()
    with pytest.raises(LedgerError, match="disk is full"):
        await task


async def test_a_cancelled_scope_is_told_after_the_job(worker):
    job = Slow()
    job.go_on.set()
    with anyio.CancelScope() as scope:
        scope.cancel()
        await worker.run(job)
        pytest.fail("not cancelled")
    assert scope.cancelled_caught
    assert job.is_done


async def test_a_timeout_around_a_job_comes_after_it(worker):
    job = Slow()
    threading.Timer(0.2, job.go_on.set).start()
    with anyio.CancelScope() as scope:
        asyncio.get_running_loop().call_soon(scope.cancel)
        await worker.run(job)
    assert job.is_done


async def test_a_claim_that_nobody_learns_of_is_given_back(ledger):
    await (await filled(ledger, "a")).release()
    with anyio.CancelScope() as scope:
        scope.cancel()
        await ledger.hold(BATCH, holder="host:1", ttl=TTL, at=AT)
    task = asyncio.create_task(ledger.hold(BATCH, holder="host:2", ttl=TTL, at=AT))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    held = await ledger.hold(BATCH, holder="host:3", ttl=TTL, at=AT)
    await move(held, "a", intended())


def test_virtual_time_stands_still_while_the_ledger_works(place):
    async def main() -> float:
        loop = asyncio.get_running_loop()
        async with await open_ledger(place) as ledger:
            begun = loop.time()
            with anyio.fail_after(1):
                await filled(ledger, "a")
                await ledger._read(lambda: time.sleep(0.05))
            return loop.time() - begun

    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        assert runner.run(main()) < 0.001
