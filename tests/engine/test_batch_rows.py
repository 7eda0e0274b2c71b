"""What becomes of each row of a batch, against the simulator in virtual time."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from batchrun.engine.launcher import Stop
from batchrun.errors import ServiceUnusableError
from batchrun.model.entries.states import ENDED, State
from batchrun.model.planning.limits import Mode
from batchrun.model.spec import Spec
from batchrun.model.submissions.grouping import Engine
from batchrun.simulator import Limit
from tests.engine.batches import SLOW, all_over, script, submissions
from tests.engine.launching import Bench, bench, reconnected, rows
from tests.world import simulated

MODES = pytest.mark.parametrize("mode", [Mode.WATCH, Mode.ONCE])


async def through(it: Bench, specs: Sequence[Spec], mode: Mode) -> None:
    """Launch until all is done: once, or by passes of two minutes each."""
    for _ in range(40):
        async with reconnected(it):
            await it.launch(specs, engine=Engine.BATCH, mode=mode)
        if all(entry.state in ENDED for entry in (await it.entries()).values()):
            return
        await it.clock.sleep(120)
    raise AssertionError("it never ends")


#: One row after the other goes wrong, each in a way of its own.
ODD_ROWS = (
    "SubmitRow:hide@cohort-row-0003=1,SubmitRow:skip@cohort-row-0005=2x,SubmitRow:show_late@cohort-row-0006=1,"
    "SubmitRow:ThrottlingException@cohort-row-0007=6x,SubmitRow:InternalServerException@cohort-row-0008=6x,"
    "SubmitRow:ServiceQuotaExceededException@cohort-row-0009=6x,SubmitRow:skip@cohort-row-0019=1x"
)


@pytest.mark.long
@MODES
@pytest.mark.parametrize(
    "faults", [ODD_ROWS, "SubmitRow:pass=7x,SubmitRow:fail_batch=1x", "SubmitRow:fail_batch=1x"]
)
async def test_every_row_has_one_run(tmp_path, faults, mode):
    async with bench(tmp_path, simulated(faults, **SLOW, hang=40.0, listing_lag=50.0)) as it:
        await through(it, rows(20), mode)
        await it.assert_agreement()
        assert {entry.state for entry in (await it.entries()).values()} == {State.SUCCEEDED}
        assert await all_over(it)


@pytest.mark.parametrize(
    ("code", "state"),
    [("ValidationException", State.REFUSED), ("AccessDeniedException", State.REFUSED)],
)
async def test_a_row_that_the_service_refuses_is_refused_and_the_others_run(tmp_path, code, state):
    async with bench(tmp_path, simulated(f"SubmitRow:{code}@cohort-row-0004=1", **SLOW)) as it:
        stop, _ = await it.launch(rows(20), engine=Engine.BATCH)
        assert stop is Stop.FINISHED
        await it.assert_agreement()
        refused = (await it.entries())["row-0004"]
        assert (refused.state, refused.code) == (state, code)
        assert len(it.simulator.state().runs) == 19


async def test_a_row_that_may_have_been_started_says_what_the_service_said_of_it(tmp_path):
    async with bench(
        tmp_path, simulated("SubmitRow:InternalServerException@cohort-row-0004=1", **SLOW)
    ) as it:
        stop, _ = await it.launch(rows(20), engine=Engine.BATCH, deadline=600.0)
        assert stop is Stop.DEADLINE
        await it.assert_agreement()
        waiting = (await it.entries())["row-0004"]
        assert waiting.code == "InternalServerException"
        assert waiting.deferrals > 1, "it was sent again once it was proven to have no run"


@pytest.mark.parametrize("engine", [Engine.STARTRUN, Engine.BATCH])
async def test_a_permission_that_is_lacking_ends_each_launch_and_refuses_no_row(tmp_path, engine):
    faults = "StartRun:AccessDeniedException=1,SubmitRow:AccessDeniedException=1"
    async with bench(tmp_path, simulated(faults, **SLOW)) as it:
        for _ in range(4):
            async with reconnected(it):
                with pytest.raises(ServiceUnusableError, match=r"StartRun is denied.*allow omics:StartRun"):
                    await it.launch(rows(5), engine=engine)
        assert State.REFUSED not in {entry.state for entry in (await it.entries()).values()}
        it.simulator.faults.replace(())
        async with reconnected(it):
            stop, _ = await it.launch(rows(5), engine=engine)
        assert stop is Stop.FINISHED
        await it.assert_agreement()
        assert {entry.state for entry in (await it.entries()).values()} == {State.SUCCEEDED}


async def test_a_batch_that_fails_again_and_again_is_refused(tmp_path):
    async with bench(tmp_path, simulated("SubmitRow:fail_batch=1", **SLOW)) as it:
        await it.launch(rows(20), engine=Engine.BATCH)
        assert {entry.state for entry in (await it.entries()).values()} == {State.REFUSED}
        assert len(it.simulator.state().batches) == 3
        assert await all_over(it)


async def test_rows_are_not_refused_for_batches_that_fail_after_some_of_them(tmp_path):
    faults = ",".join(["SubmitRow:pass=4x,SubmitRow:fail_batch=1x"] * 6)
    async with bench(tmp_path, simulated(faults, **SLOW)) as it:
        await it.launch(rows(30), engine=Engine.BATCH)
        await it.assert_agreement()
        assert {entry.state for entry in (await it.entries()).values()} == {State.SUCCEEDED}


@MODES
async def test_rows_of_a_batch_that_people_cancelled_are_not_sent_again(tmp_path, mode):
    async with bench(tmp_path, simulated(**SLOW)) as it:
        await it.launch(rows(40), engine=Engine.BATCH, mode=Mode.DETACH)
        await it.clock.sleep(22)
        (submission,) = await submissions(it)
        assert submission.batch_id is not None
        await it.service.run_batches.cancel(submission.batch_id)
        await through(it, rows(40), mode)
        assert {entry.state for entry in (await it.entries()).values()} == {State.CANCELLED}
        assert 10 < len(it.simulator.state().runs) < 40
        await it.assert_agreement()
        assert len(it.simulator.state().batches) == 1


async def test_a_batch_whose_record_somebody_deleted_is_not_sent_once_more(tmp_path):
    """Its rows that have runs are found by name; the others go by another submission."""
    async with bench(
        tmp_path, simulated("StartRunBatch:drop_after=1x,SubmitRow:skip@cohort-row-0004=1x", **SLOW)
    ) as it:
        await it.launch(rows(20), engine=Engine.BATCH, mode=Mode.DETACH)
        await it.clock.sleep(600)
        client = it.service._calls.client
        (batch,) = it.simulator.state().batches
        await client.delete_batch(batchId=batch.id)
        script(it, "StartRunBatch:forget=9x")  # the same bytes would start each row once more
        async with reconnected(it):
            await it.launch(rows(20), engine=Engine.BATCH)
        await it.assert_agreement()
        assert {entry.state for entry in (await it.entries()).values()} == {State.SUCCEEDED}


async def test_no_pass_takes_apart_what_the_service_has_just_submitted(tmp_path):
    """The last run is younger than listings lag, however long ago the call was."""
    slow = SLOW | {"limits": {"*": None, "StartRun": Limit(rate=0.02, burst=1)}, "listing_lag": 50.0}
    async with bench(tmp_path, simulated(**slow)) as it:
        await it.launch(rows(22), engine=Engine.BATCH, mode=Mode.DETACH)
        await it.clock.sleep(12 + 50 * 21 - 2)
        for _ in range(3):
            async with reconnected(it):
                await it.launch(rows(22), engine=Engine.BATCH, mode=Mode.ONCE)
            await it.clock.sleep(3)
        assert len(it.simulator.state().runs) == 22
        await through(it, rows(22), Mode.ONCE)
        await it.assert_agreement()
        assert len(it.simulator.state().batches) == 1


@pytest.mark.parametrize(
    "faults", ["ListRunsInBatch:other_uuid_after=1x", "ListRunsInBatch:mistyped_after=1"]
)
async def test_a_listing_that_tells_no_uuid_or_one_for_all_is_no_authority(tmp_path, faults):
    async with bench(tmp_path, simulated(faults, **SLOW)) as it:
        await it.launch(rows(20), engine=Engine.BATCH, mode=Mode.DETACH)
        await it.clock.sleep(600)
        async with reconnected(it):
            await it.launch(rows(20), engine=Engine.BATCH)
        await it.assert_agreement()
        assert {entry.state for entry in (await it.entries()).values()} == {State.SUCCEEDED}


async def test_a_run_that_was_deleted_before_its_uuid_was_told_holds_up_no_other(tmp_path):
    async with bench(tmp_path, simulated("ListRunsInBatch:mistyped_after=1", **SLOW)) as it:
        await it.launch(rows(20), engine=Engine.BATCH, mode=Mode.DETACH)
        await it.clock.sleep(600)
        gone = it.simulator.state().runs[0]
        async with reconnected(it):
            await it.service.delete_run(gone.id)
            await it.launch(rows(20), engine=Engine.BATCH)
        entries = await it.entries()
        assert len(it.simulator.state().runs) == 20, "it was started once"
        held = entries.pop(gone.tags["batchrun:id"])
        assert (held.state, {entry.state for entry in entries.values()}) == (
            State.SUBMITTING,
            {State.SUCCEEDED},
        )
        (batch,) = it.simulator.state().batches
        assert f"run batch {batch.id} started run {gone.id}" in (held.message or "")
        await it.service._calls.client.delete_batch(batchId=batch.id)
        async with reconnected(it):
            await it.launch(rows(20), engine=Engine.BATCH)
        assert (await it.entries())[held.id].state is State.SUCCEEDED
        assert len(it.simulator.state().runs) == 21, "what its message says gives it a new run"
