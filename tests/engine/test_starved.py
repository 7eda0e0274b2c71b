"""Operations that next to nothing passes, over the real client, ledger and simulator, in virtual time."""

from __future__ import annotations

import anyio
import pytest
from structlog.testing import capture_logs

from batchrun.model.entries.states import State
from batchrun.model.paces.rates import AUTO
from batchrun.model.planning.limits import Mode
from batchrun.simulator import Limit, parse_faults
from tests.engine.launching import bench, rows
from tests.engine.test_sweeps import ROWS, settings


@pytest.mark.long
async def test_a_sweep_in_the_air_keeps_no_finished_batch_from_ending(tmp_path):
    limits = {"ListRuns": Limit(rate=0.001, burst=5), "*": None}
    async with bench(tmp_path, settings(limits=limits), read_rate=AUTO) as it:
        await it.launch(rows(ROWS))
        ends = [record.stopped for record in it.simulator.state().runs if record.stopped is not None]
        assert anyio.current_time() - max(ends) <= 60
        await it.assert_agreement()


@pytest.mark.long
async def test_listings_that_ask_to_wait_for_minutes_do_not_blind_the_watch(tmp_path):
    limits = {"ListRuns": Limit(rate=0.002, burst=1), "*": None}
    async with bench(tmp_path, settings(limits=limits, retry_after=True), read_rate=AUTO) as it:
        await it.launch(rows(ROWS))
        assert anyio.current_time() <= 300
        await it.assert_agreement()


@pytest.mark.long
async def test_a_lane_recovers_within_seconds_when_others_let_go(tmp_path):
    limits = {"StartRun": Limit(rate=8, burst=8), "*": None}
    async with bench(tmp_path, settings(limits=limits), rate=AUTO) as it:
        async with anyio.create_task_group() as group:
            group.start_soon(_starve, it)
            with capture_logs() as logs:
                await it.launch(rows(500), mode=Mode.DETACH)
        assert anyio.current_time() <= 500 / 8 + 30 + 25
        assert "pace_starved" in {one["event"] for one in logs}


async def _starve(it) -> None:
    await anyio.sleep(20)
    it.simulator.script(*parse_faults("StartRun:throttle"))
    await anyio.sleep(30)
    it.simulator.faults.replace(())


async def test_one_pass_does_not_spin_while_looks_wait_for_their_turn(tmp_path):
    limits = {"GetRun": Limit(rate=10, burst=10), "*": None}
    async with bench(tmp_path, settings(limits=limits), read_rate=AUTO) as it:
        await it.launch(rows(ROWS), mode=Mode.DETACH)
        await anyio.sleep(300)
        launcher = it.launcher(await it.take_in(rows(ROWS)), mode=Mode.ONCE)
        plans = 0
        plan = launcher._runner._planner.handle

        def counted(*stimuli, **times):
            nonlocal plans
            plans += 1
            return plan(*stimuli, **times)

        launcher._runner._planner.handle = counted  # type: ignore[method-assign]
        await launcher.run()
        assert {entry.state for entry in (await it.entries()).values()} == {State.SUCCEEDED}
        assert plans <= 4 * ROWS
