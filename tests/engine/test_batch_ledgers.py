"""Copies of a ledger, lost ones and other engines, while a submission is under way: one run per row."""

from __future__ import annotations

from datetime import timedelta
from functools import partial
from typing import Any

import anyio
import pytest
from structlog.testing import capture_logs

from batchrun.engine.launcher import Stop
from batchrun.engine.parts import LaunchParts
from batchrun.engine.proof.other_submissions import OtherSubmissions
from batchrun.model.entries.states import State
from batchrun.model.planning.limits import Limits, Mode
from batchrun.model.submissions.grouping import Engine
from batchrun.ports.held import HeldBatch
from batchrun.simulator import Durations, FailFirst, Limit, Span
from tests.builders import spec
from tests.engine.batches import SLOW, all_over, calls, script
from tests.engine.launching import Bench, bench, reconnected, rows
from tests.engine.test_rebuild import lost, rebuild
from tests.engine.test_two_ledgers import another, beside, copy, once_each, started
from tests.world import simulated

#: Listings lag too.
LAGGING = SLOW | {"listing_lag": 50.0}


def looking(it: Bench, held: HeldBatch) -> OtherSubmissions:
    """What looks for submissions of other ledgers."""
    links = it.launcher(held)._links
    parts = LaunchParts(held=held, ledger=it.ledger, links=links, clock=it.clock, limits=Limits())
    return OtherSubmissions(links[0], parts, is_needed=True)


@pytest.mark.long
@pytest.mark.parametrize("engine", [Engine.BATCH, Engine.STARTRUN])
async def test_a_copy_that_does_not_know_a_submission_waits_for_it(tmp_path, engine):
    async with bench(tmp_path, simulated(**LAGGING)) as it:
        await it.launch(rows(2), engine=Engine.BATCH)
        place = await copy(it, tmp_path / "copy.db")
        await it.launch(rows(90), engine=Engine.BATCH, mode=Mode.DETACH)
        await it.clock.sleep(55)
        async with another(it, place):
            with capture_logs() as logs:
                await it.launch(rows(90), engine=engine)
            assert [one for one in logs if one["event"] == "submission_of_another_ledger"]
            await it.assert_agreement()
            assert started(it) == once_each(90)
        async with reconnected(it):
            await it.launch(rows(90), engine=Engine.BATCH)
        await it.assert_agreement()


async def test_a_copy_s_proofs_count_for_nothing(tmp_path):
    """They are young, and the other ledger has used the time: all that it started is over by now."""
    async with bench(tmp_path, simulated(**SLOW)) as it:
        await it.launch(rows(60), engine=Engine.BATCH, max_active=30, deadline=20)
        place = await copy(it, tmp_path / "copy.db")
        async with reconnected(it):
            await it.launch(rows(60), engine=Engine.BATCH, max_active=30)
        async with another(it, place):
            await it.launch(rows(60), engine=Engine.BATCH, max_active=30)
            await it.assert_agreement()
            assert started(it) == once_each(60)


async def test_what_is_proven_is_void_once_another_ledger_s_submission_is_seen(tmp_path):
    async with bench(tmp_path, simulated(**SLOW)) as it:
        await it.launch(rows(1), engine=Engine.BATCH)
        place = await copy(it, tmp_path / "copy.db")
        async with beside(it, place) as other, anyio.create_task_group() as group:
            # It has proven all of its rows, and half of them wait for slots while the copy starts them.
            group.start_soon(lambda: it.launch(rows(61), engine=Engine.BATCH, max_active=30))
            await it.clock.sleep(10)
            await other.launch(rows(61), engine=Engine.BATCH)
        assert started(it) == once_each(61)
        await it.assert_agreement()


async def test_rows_that_wait_for_slots_go_only_once_another_ledger_s_submission_is_through(tmp_path):
    """All were proven to have no run before it was made."""
    slow = SLOW | {"limits": {"*": None, "StartRun": Limit(rate=0.1, burst=1)}}
    others = [spec(f"other-{number}", number) for number in range(40)]
    async with (
        bench(tmp_path, simulated(**slow)) as it,
        beside(it, tmp_path / "second.db") as second,
        anyio.create_task_group() as group,
    ):
        group.start_soon(lambda: it.launch(rows(4), engine=Engine.BATCH, max_active=2))
        await it.clock.sleep(30)
        await second.launch(others, engine=Engine.BATCH, mode=Mode.DETACH, trusts_ledger=True)
    assert started(it) == once_each(4) | {one.id: 1 for one in others}
    _, of_others, last = it.simulator.state().batches
    assert of_others.submitted is not None
    assert last.rows == 2
    assert last.created > of_others.submitted + Limits().listing_lag


async def test_what_was_proven_before_another_ledger_s_submission_is_forgotten_for_later_launches_too(
    tmp_path,
):
    async with bench(tmp_path, simulated(**SLOW)) as it:
        place = await copy(it, tmp_path / "copy.db")
        await it.launch(rows(40), engine=Engine.BATCH, mode=Mode.DETACH)
        async with another(it, place):
            held = await it.take_in(rows(40))
            at = it.clock.latest()
            window = {"since": at - timedelta(seconds=1), "at": at}
            await held.proofs.begin_survey(**window)
            await held.proofs.end_survey(at=at, calls={})
            assert await held.unproven(**window) == 0
            assert await looking(it, held).may_start_runs()
            assert await held.unproven(**window) == 40


@pytest.mark.parametrize("when", [5, 20])
async def test_a_ledger_that_is_lost_is_made_again_while_a_submission_is_under_way(tmp_path, when):
    async with bench(tmp_path, simulated(**SLOW)) as it:
        await it.launch(rows(40), engine=Engine.BATCH, mode=Mode.DETACH)
        await it.clock.sleep(when)
        async with lost(it, tmp_path), reconnected(it):
            await rebuild(it, rows(40))
            await it.launch(rows(40), engine=Engine.BATCH)
            await it.assert_agreement()
            assert started(it) == once_each(40)


async def test_a_run_batch_that_is_met_while_another_is_asked_about_is_asked_about_too(tmp_path):
    """It was done a moment ago: no list of unfinished ones has it, and listings may lack runs of it."""
    async with bench(tmp_path, simulated(hang=3.0, **LAGGING)) as it:
        await it.launch(rows(1), engine=Engine.BATCH)
        place = await copy(it, tmp_path / "copy.db")
        await it.launch(rows(2), engine=Engine.BATCH)
        known, unknown = [await it.service.get_run(run.id) for run in it.simulator.state().runs]
        async with another(it, place):
            script(it, "GetBatch:late=1")
            others = looking(it, await it.take_in(rows(2)))
            others.notice([known])
            answers = []

            async def ask() -> None:
                answers.append(await others.may_start_runs())

            async with anyio.create_task_group() as group:
                group.start_soon(ask)
                await it.clock.sleep(1)
                others.notice([unknown])
            assert [*answers, await others.may_start_runs()] == [True, True]


#: Runs of a few seconds, and a row started every two: the batch is done long before all are listed.
SHORT: dict[str, Any] = LAGGING | {
    "durations": Durations(**dict.fromkeys(("pending", "starting", "running", "stopping"), Span(mean=1))),
    "limits": {"*": None, "StartRun": Limit(rate=0.5, burst=1)},
}


@pytest.mark.long
@pytest.mark.parametrize("denied", ["", "ListBatch:AccessDeniedException"])
async def test_startrun_with_a_lost_ledger_waits_for_the_run_batch_that_a_run_came_from(tmp_path, denied):
    async with bench(tmp_path, simulated(**LAGGING)) as it:
        await it.launch(rows(120), engine=Engine.BATCH, mode=Mode.DETACH)
        await it.clock.sleep(65)
        script(it, denied)
        async with lost(it, tmp_path), reconnected(it):
            with capture_logs() as logs:
                await it.launch(rows(120))
            said = {one["event"] for one in logs}
            if denied:
                assert "run_batches_not_looked_for" in said
                return
            assert "submission_of_another_ledger" in said
            await it.assert_agreement()
            assert started(it) == once_each(120)


@pytest.mark.parametrize("engine", [Engine.BATCH, Engine.STARTRUN])
async def test_a_run_batch_of_a_lost_ledger_that_has_just_ended_may_have_runs_in_no_list_yet(
    tmp_path, engine
):
    async with bench(tmp_path, simulated(**SHORT)) as it:
        await it.launch(rows(40), engine=Engine.BATCH, mode=Mode.DETACH)
        while it.simulator.state().batches[0].status != "PROCESSED":
            await it.clock.sleep(1)
        async with lost(it, tmp_path), reconnected(it):
            await it.launch(rows(40), engine=engine)
            await it.assert_agreement()
            assert started(it) == once_each(40)


async def test_two_ledgers_that_submit_the_same_rows_at_the_same_time_make_one_run_batch(tmp_path):
    async with (
        bench(tmp_path, simulated(**LAGGING)) as it,
        beside(it, tmp_path / "second.db") as second,
        anyio.create_task_group() as group,
    ):
        for one in (it, second):
            group.start_soon(partial(one.launch, rows(40), engine=Engine.BATCH, mode=Mode.DETACH))
        await it.clock.sleep(60)
        assert len(it.simulator.state().batches) == 1
        assert calls(it)["StartRunBatch"] + calls(second)["StartRunBatch"] == 2
    assert started(it) == once_each(40)


async def test_a_run_batch_of_a_lost_ledger_that_ended_long_ago_is_waited_for_by_nobody(tmp_path):
    async with bench(tmp_path, simulated(**LAGGING)) as it:
        await it.launch(rows(40), engine=Engine.BATCH)
        await it.clock.sleep(3600)
        async with lost(it, tmp_path), reconnected(it):
            begun = it.clock.monotonic()
            await it.launch(rows(40))
            assert it.clock.monotonic() < begun + 10
            await it.assert_agreement()


async def test_what_had_failed_before_the_ledger_was_lost_is_retried_in_the_same_launch(tmp_path):
    world = simulated(**SLOW, fail_first=(FailFirst(match="*-row-0003", reason="SERVICE_ERROR", times=1),))
    async with bench(tmp_path, world) as it:
        await it.launch(rows(20), engine=Engine.BATCH, mode=Mode.DETACH)
        await it.clock.sleep(300)
        async with lost(it, tmp_path), reconnected(it):
            stop, _ = await it.launch(rows(20), engine=Engine.BATCH)
            assert stop is Stop.FINISHED
            assert {entry.state for entry in (await it.entries()).values()} == {State.SUCCEEDED}
            assert (await it.entries())["row-0003"].attempt == 2


@pytest.mark.parametrize("faults", ["", "StartRunBatch:drop_after=1x", "StartRunBatch:drop_before=1x"])
async def test_both_of_a_ledger_and_its_copy_go_on_with_one_submission(tmp_path, faults):
    async with bench(tmp_path, simulated(**LAGGING)) as it:
        await it.launch(rows(2), engine=Engine.BATCH)
        script(it, faults)
        await it.launch(rows(20), engine=Engine.BATCH, mode=Mode.DETACH)
        place = await copy(it, tmp_path / "copy.db")
        async with another(it, place):
            await it.launch(rows(20), engine=Engine.BATCH)
            await it.assert_agreement()
        async with reconnected(it):
            await it.launch(rows(20), engine=Engine.BATCH)
        await it.assert_agreement()
        assert await all_over(it)


@pytest.mark.long
@pytest.mark.parametrize("engines", [(Engine.BATCH, Engine.STARTRUN), (Engine.STARTRUN, Engine.BATCH)])
async def test_the_engine_may_be_another_one_with_every_launch(tmp_path, engines):
    first, second = engines
    faults = "StartRunBatch:drop_after=1x,StartRun:drop_after=3x"
    async with bench(tmp_path, simulated(faults, **LAGGING)) as it:
        await it.launch(rows(20), engine=first, mode=Mode.DETACH)
        await it.clock.sleep(20)
        async with reconnected(it):
            await it.launch(rows(40), engine=second)
        await it.assert_agreement()
        assert {entry.state for entry in (await it.entries()).values()} == {State.SUCCEEDED}
        assert calls(it)["StartRunBatch"] <= 1
