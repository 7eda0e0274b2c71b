"""Clocks that are wrong, set, or stand still while the machine sleeps: still one run per row."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import anyio
import pytest

from batchrun.clock import SystemClock, VirtualClock, _boot
from batchrun.model.planning.limits import Mode
from batchrun.simulator import FailFirst, parse_faults
from batchrun.simulator.requests import RequestMemory
from tests.engine.launching import Bench, bench, reconnected, rows
from tests.engine.test_two_ledgers import HOUR, another, copy, forgetful, listings, once_each, started
from tests.world import simulated

BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


async def killed_after_sending(it: Bench, count: int, **limits) -> None:
    """A launch that dies before any answer reaches it."""
    it.simulator.script(*parse_faults(f"StartRun:hang_after={count}x"))
    launcher = it.launcher(await it.take_in(rows(count)), **limits)
    async with anyio.create_task_group() as group:
        group.start_soon(launcher.run)
        await anyio.sleep(5)
        launcher.abandon()
    await launcher._held.release()


async def test_a_clock_that_was_ahead_at_the_intent(tmp_path):
    async with bench(tmp_path, simulated(hang=10_000)) as it:
        it.clock.step(30)
        await killed_after_sending(it, 8, replay_window=120.0)
        it.clock.step(-30)
        await anyio.sleep(125)
        it.simulator.service.requests = RequestMemory(0)
        async with reconnected(it):
            await it.launch(rows(8), replay_window=120.0)
        assert started(it) == once_each(8)
        await it.assert_agreement()


async def test_a_machine_that_sleeps_while_lost_answers_are_repeated(tmp_path):
    async with (
        bench(tmp_path, simulated("StartRun:drop_after=24x")) as it,
        anyio.create_task_group() as group,
    ):

        async def sleep() -> None:
            await anyio.sleep(3)
            it.clock.step(2 * HOUR)  # loop time stood still
            it.simulator.service.requests = RequestMemory(0)

        group.start_soon(sleep)
        await it.launch(rows(12))
        assert started(it) == once_each(12)
        await it.assert_agreement()


async def test_a_clock_set_back_by_a_day_makes_no_retry_late_within_a_launch(tmp_path):
    settings = forgetful(fail_first=(FailFirst(reason="SERVICE_ERROR", times=1),))
    async with bench(tmp_path, settings) as it, anyio.create_task_group() as group:

        async def set_back() -> None:
            while not any(kind == "retried" for _, kind in it.told.steps):  # noqa: ASYNC110 (virtual time)
                await anyio.sleep(1)
            it.clock.step(-24 * HOUR)

        group.start_soon(set_back)
        await it.launch(rows(2))
        assert started(it) == dict.fromkeys(once_each(2), 2)
        assert anyio.current_time() < HOUR


async def test_a_clock_that_was_a_day_ahead_makes_no_retry_late_in_later_passes(tmp_path):
    settings = forgetful(fail_first=(FailFirst(reason="SERVICE_ERROR", times=1),))
    async with bench(tmp_path, settings) as it:
        await it.launch(rows(2), mode=Mode.ONCE)
        await anyio.sleep(600)
        it.clock.step(24 * HOUR)
        await it.launch(rows(2), mode=Mode.ONCE)
        it.clock.step(-24 * HOUR)
        await it.launch(rows(2), mode=Mode.ONCE)
        assert started(it) == dict.fromkeys(once_each(2), 2)


async def test_a_machine_that_sleeps_between_the_look_and_the_call_sends_nothing_on_the_old_proof(tmp_path):
    async with bench(tmp_path, forgetful()) as it:
        place = await copy(it, tmp_path / "copy.db")
        async with another(it, tmp_path / "first.db"):
            await it.launch(rows(3), mode=Mode.DETACH)
        await anyio.sleep(60)
        async with another(it, place):
            held, looked = await it.take_in(rows(3)), it.service.start_turn

            async def slept() -> float:
                turn = await looked()
                it.simulator.service.requests = RequestMemory(0)
                return turn

            launcher = it.launcher(held, trusts_ledger=True)
            before = launcher._recorder.record

            async def sleepy(entry, *events):
                recorded = await before(entry, *events)
                it.clock.step(2 * HOUR)
                return recorded

            it.service.start_turn, launcher._recorder.record = slept, sleepy  # type: ignore[method-assign]
            await launcher.run()
        assert started(it) == once_each(3)


async def test_a_clock_set_back_does_not_make_proofs_young_again(tmp_path):
    settings = simulated(idempotency_window=120, listing_lag=2, max_active=None)
    async with bench(tmp_path, settings, rate=0.3) as it, anyio.create_task_group() as group:

        async def set_back() -> None:
            await anyio.sleep(5)
            it.clock.step(-2 * HOUR)

        group.start_soon(set_back)
        await it.launch(rows(60), mode=Mode.DETACH, replay_window=120.0, listing_lag=2.0)  # 200 s
        assert started(it) == once_each(60)
        by_name_and_pass = 4 + 1
        assert listings(it) > by_name_and_pass


async def test_a_clock_that_is_slow_in_a_later_process_makes_no_proof_young_again(tmp_path):
    async with bench(tmp_path, forgetful(), rate=5) as it:
        await it.launch(rows(30), mode=Mode.DETACH, deadline=1)
        place = await copy(it, tmp_path / "copy.db")
        async with reconnected(it):
            await it.launch(rows(30), mode=Mode.DETACH)
        await anyio.sleep(2 * HOUR)
        slow = it.clock.utcnow() - timedelta(seconds=2 * HOUR - 60)
        it.clock = VirtualClock(slow)
        async with another(it, place):
            await it.launch(rows(30))
            assert started(it) == once_each(30)
            await it.assert_agreement()


async def test_a_later_pass_of_the_same_machine_looks_no_more(tmp_path):
    async with bench(tmp_path, forgetful(), rate=0.1) as it:
        await it.launch(rows(30), mode=Mode.DETACH, deadline=20)
        looked = listings(it)
        it.clock = VirtualClock(it.clock.utcnow())
        async with reconnected(it, rate=0.1):
            await it.launch(rows(30), mode=Mode.DETACH, deadline=100)
        assert len(started(it)) > 5
        assert listings(it) == looked


@pytest.mark.skipif(not BOOT_ID.exists(), reason="Linux names each start of a machine")
async def test_another_container_of_the_same_machine_need_not_look_again(monkeypatch):
    """Cron may start a container for each pass, with another host name each time."""
    origins = []
    for name in ("c1", "c2"):
        monkeypatch.setattr("platform.node", lambda name=name: name)
        _boot.cache_clear()
        origins.append(SystemClock().origin())
    first, second = origins
    assert first.is_same(second)
