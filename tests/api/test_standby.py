"""Waiting for a batch that another launcher holds, in virtual time."""

from __future__ import annotations

from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path

import anyio
import pytest

from batchrun.cli.launching.standby import until_free
from batchrun.clock import VirtualClock
from batchrun.errors import LedgerUnusableError
from batchrun.ledger.place import open_ledger
from batchrun.ports.stored import Lease

TTL = timedelta(seconds=30)


@asynccontextmanager
async def held(path, clock, *, host="elsewhere"):
    """Hold a batch as a launcher on another host does, which nobody here knows to be alive or dead."""
    async with await open_ledger(path) as ledger:
        ledger._store.host = host or ledger._store.host
        await ledger.open_batch("cohort", region="us-east-1", at=clock.utcnow())
        yield ledger, await ledger.hold("cohort", holder=f"{host}:1", ttl=TTL, at=clock.utcnow())


async def waited(path: Path, clock: VirtualClock, told: list[Lease] | None = None) -> float:
    """Return how long it took until the batch was free."""
    begun, told = clock.monotonic(), [] if told is None else told
    await until_free(path, "cohort", clock=clock, told=told.append)
    return clock.monotonic() - begun


async def test_a_batch_is_free_as_soon_as_its_lease_is_over(tmp_path):
    clock = VirtualClock()
    told: list[Lease] = []
    async with held(tmp_path / "batchrun.db", clock):
        assert 30 <= await waited(tmp_path / "batchrun.db", clock, told) <= 30.5
    assert [lease.holder for lease in told] == ["elsewhere:1"]


async def test_it_is_waited_for_as_long_as_it_is_renewed(tmp_path):
    clock = VirtualClock()
    told: list[Lease] = []
    async with held(tmp_path / "batchrun.db", clock) as (_, batch), anyio.create_task_group() as group:

        async def live():
            for _ in range(5):
                await clock.sleep(10)
                await batch.renew(ttl=TTL, at=clock.utcnow())
            await batch.release()

        group.start_soon(live)
        assert 50 <= await waited(tmp_path / "batchrun.db", clock, told) <= 52.5
    assert len(told) == 1


async def test_a_launcher_that_died_on_this_host_is_not_waited_for(tmp_path):
    clock = VirtualClock()
    async with anyio.create_task_group() as group:

        async def die():
            async with held(tmp_path / "batchrun.db", clock, host=""):
                await clock.sleep(5)

        group.start_soon(die)
        await clock.sleep(1)
        assert 4 <= await waited(tmp_path / "batchrun.db", clock) <= 6.5


async def test_another_holder_is_told_of(tmp_path):
    clock = VirtualClock()
    told: list[Lease] = []
    async with held(tmp_path / "batchrun.db", clock) as (ledger, first), anyio.create_task_group() as group:

        async def hand_over():
            await clock.sleep(1)
            await first.release()
            await ledger.hold("cohort", holder="third:1", ttl=TTL, at=clock.utcnow())

        group.start_soon(hand_over)
        assert 31 <= await waited(tmp_path / "batchrun.db", clock, told) <= 31.5
    assert [lease.holder for lease in told] == ["elsewhere:1", "third:1"]


async def test_what_is_free_is_not_waited_for(tmp_path):
    clock = VirtualClock()
    told: list[Lease] = []
    async with held(tmp_path / "batchrun.db", clock) as (_, batch):
        await batch.release()
        assert await waited(tmp_path / "batchrun.db", clock, told) == pytest.approx(0, abs=0.01)
    assert told == []


async def test_a_ledger_that_is_not_there_is_an_error(tmp_path):
    with pytest.raises(LedgerUnusableError, match="no ledger at"):
        await waited(tmp_path / "batchrun.db", VirtualClock())
