"""Submissions whose times in the ledger are by a clock that was wrong: one run per row, none forgotten."""

from __future__ import annotations

from contextlib import asynccontextmanager
from datetime import timedelta

import pytest

from batchrun.clock import VirtualClock
from batchrun.model.entries.states import State
from batchrun.model.planning.limits import Mode
from batchrun.model.submissions.grouping import Engine
from tests.engine.batches import SLOW, all_over, calls
from tests.engine.launching import Bench, bench, reconnected, rows
from tests.world import simulated

pytestmark = pytest.mark.long

DAY = 86_400.0
#: The service soon forgets a requestId, and lists late.
FORGETFUL = SLOW | {"batch_idempotency_window": 5.0, "listing_lag": 40.0}


@asynccontextmanager
async def by_a_right_clock(it: Bench, wrong: float):
    """Let the next process have the right time, where the one before was *wrong* by so many seconds."""
    it.clock = VirtualClock(it.clock.utcnow() - timedelta(seconds=wrong))
    async with reconnected(it):
        yield


@pytest.mark.parametrize("wrong", [-DAY, DAY])
@pytest.mark.parametrize("faults", ["StartRunBatch:drop_after=1x", "StartRunBatch:drop_before=1x"])
async def test_what_was_lost_by_a_wrong_clock_is_looked_for_and_not_just_sent_again(tmp_path, faults, wrong):
    async with bench(tmp_path, simulated(faults, **FORGETFUL)) as it:
        it.clock.step(wrong)
        await it.launch(rows(20), engine=Engine.BATCH, mode=Mode.DETACH)
        await it.clock.sleep(60)
        async with by_a_right_clock(it, wrong):
            await it.launch(rows(20), engine=Engine.BATCH)
        await it.assert_agreement()
        assert len(it.simulator.state().batches) == 1


@pytest.mark.parametrize("wrong", [-DAY, DAY])
async def test_passes_settle_what_was_lost_by_a_wrong_clock(tmp_path, wrong):
    async with bench(tmp_path, simulated("StartRunBatch:drop_before=1x", **FORGETFUL)) as it:
        it.clock.step(wrong)
        await it.launch(rows(20), engine=Engine.BATCH, mode=Mode.ONCE)
        it.clock = VirtualClock(it.clock.utcnow() - timedelta(seconds=wrong))
        for _ in range(30):
            async with reconnected(it):
                await it.launch(rows(20), engine=Engine.BATCH, mode=Mode.ONCE)
            await it.clock.sleep(120)
        await it.assert_agreement()
        assert {entry.state for entry in (await it.entries()).values()} == {State.SUCCEEDED}
        assert await all_over(it)
        assert calls(it)["StartRunBatch"] <= 2
