"""What people ask of a batch of the service: cancel, retry, change, leave; in virtual time."""

from __future__ import annotations

from collections import Counter
from typing import Any

import anyio
import pytest
from structlog.testing import capture_logs

from batchrun.engine.launcher import Stop
from batchrun.errors import LeaseLostError
from batchrun.model.entries.retrying import RetryPolicy, RetryRule
from batchrun.model.entries.states import State
from batchrun.model.planning.limits import Changed, Mode
from batchrun.model.spec import canonical
from batchrun.model.submissions.grouping import Engine
from batchrun.simulator import FailFirst, Limit
from tests.engine.batches import SLOW, all_over, calls
from tests.engine.launching import Bench, bench, reconnected, rows
from tests.engine.test_cancelling import cancel, started
from tests.world import simulated

#: Hours per run.
LONG: dict[str, Any] = SLOW | {"time_scale": 50.0}


async def left_after(it: Bench, seconds: float, count: int = 40) -> None:
    """Submit, and leave the service alone with it for so long."""
    await it.launch(rows(count), engine=Engine.BATCH, mode=Mode.DETACH)
    await it.clock.sleep(seconds)


async def cancelling(it: Bench, count: int = 40) -> None:
    async with reconnected(it):
        stop, _ = await it.launch(rows(count), engine=Engine.BATCH, mode=Mode.CANCEL)
        assert stop is Stop.FINISHED


@pytest.mark.long
@pytest.mark.parametrize("seconds", [0.5, 60, 900])
async def test_a_whole_batch_is_cancelled_by_one_call_as_long_as_it_is_not_through(tmp_path, seconds):
    async with bench(tmp_path, simulated(**LONG, max_stored=1000)) as it:
        await left_after(it, seconds)
        await cancel(it)
        await cancelling(it)
        assert {entry.state for entry in (await it.entries()).values()} == {State.CANCELLED}
        assert {str(run.status) for run in it.simulator.state().runs} <= {"CANCELLED"}
        await it.assert_agreement()
        assert await all_over(it)
        if seconds == 0.5:
            assert started(it) == 0
            assert it.simulator.state().calls["CancelRunBatch"].calls == 1


@pytest.mark.parametrize(
    "code",
    [
        "ServiceQuotaExceededException",
        "ValidationException",
        "AccessDeniedException",
        "ThrottlingException",
    ],
)
async def test_where_a_batch_is_not_cancelled_whole_each_run_is_as_it_is_found(tmp_path, code):
    settings = SLOW | {"limits": {"*": None, "StartRun": Limit(rate=0.05, burst=1)}}
    async with bench(tmp_path, simulated(f"CancelRunBatch:{code}=1", **settings)) as it:
        await left_after(it, 60)
        await cancel(it)
        async with reconnected(it):
            await it.launch(rows(40), engine=Engine.BATCH, mode=Mode.CANCEL, deadline=300)
        states = Counter(entry.state for entry in (await it.entries()).values())
        assert states[State.CANCELLED] > 3
        assert states[State.SUBMITTING] > 3  # the service goes on with them, and so does whoever cancels next


@pytest.mark.parametrize("mode", [Mode.CANCEL, Mode.WATCH])
async def test_whoever_may_not_cancel_a_batch_cancels_each_of_its_runs_and_says_so_once(tmp_path, mode):
    async with bench(tmp_path, simulated("CancelRunBatch:AccessDeniedException=1", **SLOW)) as it:
        await left_after(it, 5)
        await cancel(it)
        with capture_logs() as logs:
            async with reconnected(it):
                stop, _ = await it.launch(rows(40), engine=Engine.BATCH, mode=mode)
        assert stop is Stop.FINISHED
        assert {entry.state for entry in (await it.entries()).values()} == {State.CANCELLED}
        told = [one for one in logs if one["event"] == "batch_not_cancelled"]
        assert [one["cure"] for one in told] == ["allow omics:CancelRunBatch"]


async def test_rows_that_may_not_be_started_are_cancelled_all_the_same(tmp_path):
    """Seen: a cancellation that ended with 5, and with the advice to allow omics:StartRun."""
    async with bench(tmp_path, simulated("SubmitRow:AccessDeniedException=1", **SLOW)) as it:
        await left_after(it, 600)
        await cancel(it)
        await cancelling(it)
        assert {entry.state for entry in (await it.entries()).values()} == {State.CANCELLED}


@pytest.mark.long
async def test_a_run_that_is_wanted_is_not_cancelled_with_what_is_left_of_its_batch(tmp_path):
    async with bench(tmp_path, simulated(**SLOW)) as it:
        await left_after(it, 20)
        async with reconnected(it):
            await it.launch(rows(40), engine=Engine.BATCH, mode=Mode.ONCE)
        entries = await it.entries()
        waiting = [id for id, entry in entries.items() if entry.state is State.SUBMITTING]
        wanted = {id for id, entry in entries.items() if entry.state is State.ACTIVE}
        assert waiting
        assert wanted
        await cancel(it, *waiting)
        await cancelling(it)
        async with reconnected(it):
            await it.launch(rows(40), engine=Engine.BATCH)
        entries = await it.entries()
        assert {entries[id].state for id in wanted} == {State.SUCCEEDED}
        assert {entries[id].state for id in waiting} == {State.CANCELLED}
        await it.assert_agreement()


async def test_cancelling_starts_nothing_that_was_lost_before_it_arrived(tmp_path):
    async with bench(tmp_path, simulated("StartRunBatch:drop_before=1x", **LONG)) as it:
        await left_after(it, 0)
        await cancel(it, "row-0001")
        await cancelling(it)
        assert started(it) == 0
        states = {id: entry.state for id, entry in (await it.entries()).items()}
        assert states["row-0001"] is State.CANCELLED
        assert states["row-0002"] is State.BACKOFF


@pytest.mark.long
async def test_rows_that_change_while_their_submission_is_open_run_once_with_each_content(tmp_path):
    async with bench(tmp_path, simulated("StartRunBatch:drop_after=1x", **SLOW)) as it:
        await left_after(it, 5)
        changed = rows(20, parameters={"x": 1}) + rows(40)[20:]
        async with reconnected(it):
            await it.launch(changed, engine=Engine.BATCH, changed=Changed.RESUBMIT)
        runs = [(run.tags["batchrun:id"], run.tags["batchrun:attempt"]) for run in it.simulator.state().runs]
        assert len(runs) == len(set(runs)) == 60
        entries = await it.entries()
        assert {entry.attempt for entry in entries.values()} == {1, 2}
        assert all(entry.request == one.request for one, entry in zip(changed, entries.values(), strict=True))
        assert await all_over(it)


@pytest.mark.long
@pytest.mark.parametrize(
    ("engine", "count", "change"),
    [(Engine.AUTO, 100, {}), (Engine.BATCH, 40, {"storageType": "STATIC"})],
)
async def test_failed_runs_are_retried(tmp_path, engine, count, change):
    failing = (FailFirst(times=1, match="*-row-000?", reason="SERVICE_ERROR"),)
    rule = RetryRule(reason="SERVICE_ERROR", times=2, wait=60.0, change=canonical(change) if change else None)
    async with bench(tmp_path, simulated(**SLOW, fail_first=failing, max_active_static=None)) as it:
        await it.launch(rows(count), engine=engine, retry=RetryPolicy(rules=(rule,)))
        entries = await it.entries()
        assert {entry.state for entry in entries.values()} == {State.SUCCEEDED}
        assert sum(entry.attempt == 2 for entry in entries.values()) == 10
        assert started(it) == count + 10
        assert (calls(it)["StartRun"] >= 10) is (engine is Engine.AUTO)


async def test_passes_a_deadline_and_a_lease_that_is_lost_lose_nothing(tmp_path):
    async with bench(tmp_path, simulated(**SLOW)) as it:
        stop, _ = await it.launch(rows(40), engine=Engine.BATCH, deadline=8)
        assert stop is Stop.DEADLINE
        launcher = it.launcher(await it.take_in(rows(40)), engine=Engine.BATCH)
        async with reconnected(it), anyio.create_task_group() as group:
            group.start_soon(_loses, launcher)
            await it.clock.sleep(15)
            await launcher._held.release()
            held = await it.take_in(rows(40))
            await it.clock.sleep(400)
            await held.release()
        async with reconnected(it):
            await it.launch(rows(40), engine=Engine.BATCH)
        await it.assert_agreement()
        assert len(it.simulator.state().batches) == 1


async def _loses(launcher) -> None:
    with pytest.raises(LeaseLostError):
        await launcher.run()


@pytest.mark.long
async def test_passes_wait_for_listings_anew_where_the_clock_was_set_between_them(tmp_path):
    async with bench(tmp_path, simulated(**SLOW, listing_lag=50)) as it:
        await left_after(it, 45)
        for seconds in (0, 3600):
            it.clock.step(seconds)
            async with reconnected(it):
                await it.launch(rows(40), engine=Engine.BATCH, mode=Mode.ONCE)
            await it.clock.sleep(1)
        waiting = [entry for entry in (await it.entries()).values() if entry.state is State.SUBMITTING]
        assert waiting
        async with reconnected(it):
            await it.launch(rows(40), engine=Engine.BATCH)
        await it.assert_agreement()
