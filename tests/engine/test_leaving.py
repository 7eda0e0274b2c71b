"""Launches that end before their batch does: by a deadline, a signal, a lost lease, or after one pass."""

from __future__ import annotations

from datetime import timedelta

import anyio
import pytest

from batchrun.engine.launcher import Stop
from batchrun.errors import LeaseLostError
from batchrun.model.entries.states import State
from batchrun.model.planning.limits import Mode, StopAfter
from batchrun.simulator import Durations, Span
from tests.engine.launching import bench, rows
from tests.engine.test_launcher import open_again
from tests.world import simulated


async def test_the_deadline_stops_and_the_next_launch_goes_on(tmp_path):
    async with bench(tmp_path, rate=1) as it:
        stop, launcher = await it.launch(rows(30), deadline=10)
        assert stop is Stop.DEADLINE
        assert 5 < len(it.simulator.state().runs) < 15
        assert launcher.tally.open > 15
        assert all(entry.state is not State.SUBMITTING for entry in (await it.entries()).values())
        second = await open_again(it)
        assert second is Stop.FINISHED
        await it.assert_agreement()


async def test_draining_cancels_no_run_and_leaves_at_once_when_nothing_is_in_the_air(tmp_path):
    async with bench(tmp_path) as it:
        launcher = it.launcher(await it.take_in(rows(10)))
        async with anyio.create_task_group() as group:
            group.start_soon(launcher.run)
            await anyio.sleep(30)
            begun = anyio.current_time()
            launcher.drain()
        assert anyio.current_time() - begun < 1
        assert "CancelRun" not in it.simulator.state().calls
        assert {entry.state for entry in (await it.entries()).values()} == {State.ACTIVE}


async def test_draining_gives_up_on_a_call_that_hangs(tmp_path):
    async with bench(tmp_path, simulated("StartRun:hang_after", hang=1000)) as it:
        launcher = it.launcher(await it.take_in(rows(3)))
        async with anyio.create_task_group() as group:
            group.start_soon(launcher.run)
            await anyio.sleep(1)
            launcher.drain()
        assert anyio.current_time() <= 20
        assert {entry.state for entry in (await it.entries()).values()} == {State.SUBMITTING}


async def test_abandoning_leaves_at_once(tmp_path):
    async with bench(tmp_path, simulated("StartRun:hang_after", hang=1000)) as it:
        launcher = it.launcher(await it.take_in(rows(3)))
        async with anyio.create_task_group() as group:
            group.start_soon(launcher.run)
            await anyio.sleep(1)
            launcher.abandon()
        assert anyio.current_time() <= 2


async def test_once_makes_one_pass(tmp_path):
    async with bench(tmp_path) as it:
        stop, launcher = await it.launch(rows(6), mode=Mode.ONCE)
        assert stop is Stop.FINISHED
        assert launcher.tally.by_state[State.ACTIVE] == 6
        assert "GetRun" not in it.simulator.state().calls
        ticks = 0
        while launcher.tally.open:
            await anyio.sleep(60)
            _, launcher = await it.launch(rows(6), mode=Mode.ONCE)
            ticks += 1
        assert ticks == 3
        assert it.simulator.state().calls["GetRun"].calls == 18
        await it.assert_agreement()


async def test_detach_submits_and_does_not_watch(tmp_path):
    async with bench(tmp_path) as it:
        await it.launch(rows(6), mode=Mode.DETACH)
        await it.launch(rows(6), mode=Mode.DETACH)
        assert len(it.simulator.state().runs) == 6
        assert "GetRun" not in it.simulator.state().calls


async def test_a_pass_does_not_wait_for_a_full_quota(tmp_path):
    async with bench(tmp_path, simulated("StartRun:ServiceQuotaExceededException")) as it:
        stop, launcher = await it.launch(rows(100), mode=Mode.ONCE)
        assert stop is Stop.FINISHED
        assert launcher.tally.waiting == 100
        assert anyio.current_time() < 30


async def test_draining_lets_go_of_looks_that_wait_for_their_turn(tmp_path):
    async with bench(tmp_path, read_rate=0.01) as it:
        launcher = it.launcher(await it.take_in(rows(10)))
        async with anyio.create_task_group() as group:
            group.start_soon(launcher.run)
            await anyio.sleep(30)
            begun = anyio.current_time()
            launcher.drain()
        assert anyio.current_time() - begun < 1


async def test_a_lease_that_was_taken_over_stops_the_launch(tmp_path):
    async with bench(tmp_path) as it:
        launcher = it.launcher(await it.take_in(rows(50)))
        await launcher._held.release()
        await it.ledger.hold("cohort", holder="other:2", ttl=timedelta(days=1), at=it.clock.utcnow())
        with pytest.raises(LeaseLostError):
            await launcher.run()
        assert not it.simulator.state().runs


async def test_the_lease_is_renewed_for_as_long_as_the_launch_lasts(tmp_path):
    durations = Durations(running=Span(mean=7200))
    async with bench(tmp_path, simulated(durations=durations)) as it:
        stop, launcher = await it.launch(rows(1))
        assert stop is Stop.FINISHED
        assert launcher._held.lease.expires_at - it.clock.utcnow() > timedelta(seconds=15)


async def test_too_many_failures_stop_the_submission_and_leave_the_runs_alone(tmp_path):
    settings = simulated("StartRun:ValidationException@cohort-row-000*", max_active=None)
    async with bench(tmp_path, settings, rate=2) as it:
        stop, launcher = await it.launch(rows(40), stop_after=StopAfter(count=5))
        assert stop is Stop.FAILURES
        assert launcher.tally.failed == 5
        assert launcher.tally.waiting == 35
        assert "CancelRun" not in it.simulator.state().calls
        calls = it.simulator.state().calls["StartRun"].calls
        again, _ = await it.launch(rows(40), stop_after=StopAfter(percent=10))
        assert again is Stop.FAILURES
        assert it.simulator.state().calls["StartRun"].calls == calls
        last, _ = await it.launch(rows(40))
        assert last is Stop.FINISHED
        await it.assert_agreement()


async def test_a_launcher_that_slept_past_its_lease_finds_out_before_its_next_call(tmp_path):
    async with bench(tmp_path) as it:
        launcher = it.launcher(await it.take_in(rows(3)))
        async with anyio.create_task_group() as group:
            group.start_soon(raises_lease_lost, launcher)
            await anyio.sleep(15)
            calls = it.simulator.state().calls
            await launcher._held.release()
            await it.ledger.hold("cohort", holder="other:2", ttl=timedelta(days=1), at=it.clock.utcnow())
            it.clock._start += timedelta(hours=8)  # the machine slept: wall time jumps, loop time does not
        assert it.simulator.state().calls == calls


async def test_a_launcher_whose_clock_was_ahead_and_that_slept_then_finds_out_before_its_next_call(tmp_path):
    """Its wall clock, set right, says that the lease has an hour left, and its loop time stood still."""
    async with bench(tmp_path) as it:
        it.clock.step(3600)
        launcher = it.launcher(await it.take_in(rows(3)))
        async with anyio.create_task_group() as group:
            group.start_soon(raises_lease_lost, launcher)
            await anyio.sleep(15)
            calls = it.simulator.state().calls
            await launcher._held.release()
            await it.ledger.hold("cohort", holder="other:2", ttl=timedelta(days=1), at=it.clock.utcnow())
            slept = it.clock.readings
            it.clock.step(-3600)
            it.clock.readings = lambda: (*slept(), 8 * 3600.0)  # type: ignore[method-assign]
            it.clock._readings = (*it.clock._readings, 0.0)
        assert it.simulator.state().calls == calls


async def raises_lease_lost(launcher) -> None:
    with pytest.raises(LeaseLostError):
        await launcher.run()
