"""Submissions of unknown outcome, in virtual time: one run per row, whatever was lost."""

from __future__ import annotations

import pytest
from structlog.testing import capture_logs

from batchrun.cli.showing.progress import Progress
from batchrun.cli.showing.reporters import LogLines
from batchrun.engine.launcher import Stop
from batchrun.errors import ServiceUnusableError
from batchrun.model.entries.events import Doubted
from batchrun.model.entries.states import State
from batchrun.model.planning.limits import Mode
from batchrun.model.submissions.grouping import Engine
from batchrun.ports.service import Troubles
from batchrun.simulator import BatchDurations, Span
from batchrun.simulator.settings import NameFilter
from tests.engine.batches import SLOW, all_over, calls, script
from tests.engine.launching import bench, reconnected, rows
from tests.world import simulated


@pytest.mark.long
@pytest.mark.parametrize(
    ("faults", "changes", "sent"),
    [
        ("StartRunBatch:drop_after=1x", {}, 1),
        ("StartRunBatch:drop_before=1x", {}, 2),
        ("StartRunBatch:truncated_after=1x", {"listing_lag": 45.0}, 1),
        ("StartRunBatch:drop_after=1x,StartRunBatch:forget=1x", {}, 1),
        ("StartRunBatch:hang_after=1x,ListBatch:error_before=2x,GetBatch:drop_before=3x", {}, 1),
        ("StartRunBatch:ConflictException=1x", {}, 2),
        ("StartRunBatch:throttle=2x", {}, 3),
        ("StartRunBatch:drop_after=1x", {"name_filter": NameFilter.PREFIX}, 1),
    ],
)
async def test_a_lost_answer_is_settled_by_looking(tmp_path, faults, changes, sent):
    async with bench(tmp_path, simulated(faults, **(SLOW | changes))) as it:
        stop, _ = await it.launch(rows(20), engine=Engine.BATCH)
        assert stop is Stop.FINISHED
        await it.assert_agreement()
        assert calls(it)["StartRunBatch"] == sent
        assert {entry.state for entry in (await it.entries()).values()} == {State.SUCCEEDED}
        assert await all_over(it)


@pytest.mark.parametrize("faults", ["StartRunBatch:drop_after=1x", "StartRunBatch:drop_before=1x"])
async def test_within_its_window_a_submission_is_repeated_with_the_same_bytes(tmp_path, faults):
    async with bench(tmp_path, simulated(faults, **SLOW)) as it:
        await it.launch(rows(20), engine=Engine.BATCH, batch_replay_window=600.0)
        await it.assert_agreement()
        assert calls(it)["StartRunBatch"] == 2
        assert len(it.simulator.state().batches) == 1


async def test_what_may_not_be_looked_for_is_held_and_told(tmp_path):
    async with bench(tmp_path, simulated("StartRunBatch:drop_after=1x", **SLOW)) as it:
        script(it, "ListBatch:pass=5x,ListBatch:AccessDeniedException=1")
        stop, launcher = await it.launch(rows(20), engine=Engine.BATCH)
        assert stop is Stop.FINISHED
        assert +launcher.tally.by_state == {State.SUBMITTING: 20}
        entries = await it.entries()
        assert {entry.code for entry in entries.values()} == {"ListBatchDenied"}
        with capture_logs() as logs:
            reporter = LogLines("cohort", Progress(it.clock, Troubles), it.clock)
            for entry in entries.values():
                assert entry.code
                assert entry.message
                reporter.step(Doubted(at=it.clock.utcnow(), code=entry.code, message=entry.message), entry)
        assert [log["log_level"] for log in logs] == ["warning", *["info"] * 19]
        assert "allow omics:ListBatch" in logs[0]["message"]
        it.simulator.faults.replace(())
        async with reconnected(it):
            await it.launch(rows(20), engine=Engine.BATCH)
        await it.assert_agreement()
        assert await all_over(it)


@pytest.mark.parametrize("faults", ["", "StartRunBatch:drop_after=1x"])
async def test_the_account_of_a_run_batch_is_kept_before_there_is_a_run(tmp_path, faults):
    pending = SLOW | {"batch_durations": BatchDurations(creating=Span(mean=2), pending=Span(mean=3600))}
    async with bench(tmp_path, simulated(faults, **pending)) as it:
        stop, _ = await it.launch(rows(2), engine=Engine.BATCH, deadline=300.0)
        assert stop is Stop.DEADLINE
        assert not it.simulator.state().runs
        batch = await it.ledger.find_batch("cohort")
        assert batch is not None
        assert batch.account == it.service.number


@pytest.mark.parametrize("operation", ["GetBatch", "ListRunsInBatch"])
async def test_where_its_rows_may_not_be_read_the_launch_stops_and_nothing_is_lost(tmp_path, operation):
    async with bench(tmp_path, simulated(f"{operation}:AccessDeniedException=1", **SLOW)) as it:
        with pytest.raises(ServiceUnusableError, match=operation):
            await it.launch(rows(20), engine=Engine.BATCH)
        it.simulator.faults.replace(())
        async with reconnected(it):
            await it.launch(rows(20), engine=Engine.BATCH)
        await it.assert_agreement()
        assert calls(it)["StartRunBatch"] == 1


@pytest.mark.long
async def test_passes_settle_a_lost_submission_and_send_it_once_more(tmp_path):
    async with bench(tmp_path, simulated("StartRunBatch:drop_before=1x", **SLOW)) as it:
        for _ in range(40):
            async with reconnected(it):
                await it.launch(rows(20), engine=Engine.BATCH, mode=Mode.ONCE)
            await it.clock.sleep(60)
        await it.assert_agreement()
        assert {entry.state for entry in (await it.entries()).values()} == {State.SUCCEEDED}
        assert len(it.simulator.state().batches) == 1


@pytest.mark.long
@pytest.mark.parametrize(
    "faults", ["StartRunBatch:drop_before=1x", "SubmitRow:pass=5x,SubmitRow:fail_batch=1x"]
)
async def test_launches_that_detach_send_once_more_what_came_to_nothing(tmp_path, faults):
    async with bench(tmp_path, simulated(faults, **SLOW)) as it:
        for _ in range(30):
            async with reconnected(it):
                await it.launch(rows(20), engine=Engine.BATCH, mode=Mode.DETACH)
            await it.clock.sleep(120)
        assert len(it.simulator.state().runs) == 20
        async with reconnected(it):
            await it.launch(rows(20), engine=Engine.BATCH)
        await it.assert_agreement()
        assert await all_over(it)
