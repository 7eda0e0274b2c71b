"""Launches that list instead of looking, over the real client, ledger and simulator, in virtual time."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import anyio
import pytest
from structlog.testing import capture_logs

from batchrun.engine.lanes.looker import Sweeper
from batchrun.engine.parts import LaneLink
from batchrun.engine.recognition import Recognition
from batchrun.model.entries.states import State
from batchrun.model.paces.handing_on import Phase
from batchrun.model.paces.rates import AUTO
from batchrun.model.planning.actions import Sweep
from batchrun.model.planning.limits import Mode
from batchrun.model.planning.sweeps import Way
from batchrun.model.submissions.grouping import Engine
from batchrun.simulator import BatchDurations, Durations, Limit, Settings, Span, parse_faults
from tests.engine.launching import OFTEN, Bench, bench, reconnected, rows
from tests.run_batches import request
from tests.run_batches import start as start_together
from tests.world import simulated

ROWS = 120
#: Where it is not the point what listing saves, and so it is asked for.
FEW = 24
#: Ends that are spread over more than a minute, and queues, starts and stops on the way there.
SPREAD = Durations(
    pending=Span(mean=5, spread=0.5),
    starting=Span(mean=5, spread=0.5),
    running=Span(mean=100, spread=0.4),
    stopping=Span(mean=6, spread=0.5),
)


def settings(**changes: Any) -> Settings:
    faults = changes.pop("faults", "")
    return simulated(faults, **{"durations": SPREAD, "max_active": None, **changes})


def calls(it: Bench, operation: str) -> int:
    tallies = it.simulator.state().calls
    return tallies[operation].calls if operation in tallies else 0


@pytest.mark.long
async def test_many_runs_cost_hardly_more_than_one_look_each(tmp_path):
    async with bench(tmp_path, settings(), read_rate=10) as it:
        await it.launch(rows(ROWS))
        await it.assert_agreement()
        assert calls(it, "GetRun") <= 1.06 * ROWS
        assert calls(it, "ListRuns") <= 2.2 * ROWS


@pytest.mark.long
async def test_one_by_one_costs_many_times_more(tmp_path):
    async with bench(tmp_path, settings(), read_rate=10) as it:
        await it.launch(rows(FEW), way=Way.GET)
        await it.assert_agreement()
        assert calls(it, "ListRuns") == 1  # the proof that none of them is there already
        assert calls(it, "GetRun") > 3 * FEW


@pytest.mark.long
async def test_an_end_is_seen_within_seconds(tmp_path):
    limits = {"GetRun": Limit(rate=20, burst=20), "ListRuns": Limit(rate=10, burst=10), "*": None}
    async with bench(tmp_path, settings(limits=limits), read_rate=AUTO) as it:
        await it.launch(rows(ROWS), watch=OFTEN)
        ends = [record.stopped for record in it.simulator.state().runs if record.stopped is not None]
        assert anyio.current_time() - max(ends) <= 15
        assert it.simulator.state().calls["GetRun"].throttled <= 10
        await it.assert_agreement()


@pytest.mark.long
async def test_what_a_sweep_shows_is_told_before_the_end(tmp_path):
    async with bench(tmp_path, settings(), read_rate=10) as it:
        _, launcher = await it.launch(rows(FEW), deadline=60)
        assert calls(it, "GetRun") == 0
        assert launcher.tally.by_status["RUNNING"] > FEW * 0.9
        stored = await it.ledger.batch("cohort").counts()
        assert stored.by_status["RUNNING"] == launcher.tally.by_status["RUNNING"]


@pytest.mark.long
@pytest.mark.parametrize(
    "faults",
    [
        "ListRuns:empty_after=0.3,ListRuns:error_after=0.2,ListRuns:html_after=0.1",
        "ListRuns:hang_before=0.1,GetRun:error_before=0.2",
        "*:throttle=0.1",
    ],
)
async def test_a_listing_that_fails_costs_calls_and_nothing_else(tmp_path, faults):
    async with bench(tmp_path, settings(faults=faults, hang=40), read_rate=20) as it:
        await it.launch(rows(FEW), way=Way.LIST)
        await it.assert_agreement()
        assert sum(it.simulator.state().calls["ListRuns"].faults.values()) > 1


@pytest.mark.long
@pytest.mark.parametrize("faults", ["ListRuns:AccessDeniedException", "ListRuns:drop_before"])
async def test_where_nothing_is_listed_ever_a_ledger_that_is_trusted_does_without(tmp_path, faults):
    async with bench(tmp_path, settings(faults=faults), read_rate=20) as it:
        await it.launch(rows(FEW), way=Way.LIST, trusts_ledger=True)
        await it.assert_agreement()


async def test_where_listing_is_denied_it_is_said_once_with_the_cure(tmp_path):
    async with bench(tmp_path, settings(faults="ListRuns:AccessDeniedException"), read_rate=20) as it:
        with capture_logs() as logs:
            await it.launch(rows(FEW), way=Way.LIST, trusts_ledger=True)
        (said,) = [one for one in logs if one["event"] == "sweep_failed"]
        assert "omics:ListRuns" in said["instead"]
        assert calls(it, "ListRuns") == 1


@pytest.mark.long
@pytest.mark.parametrize("lag", [30.0, 10_000.0])
async def test_a_listing_that_lags_decides_nothing(tmp_path, lag):
    async with bench(tmp_path, settings(listing_lag=lag), read_rate=20) as it:
        await it.launch(rows(FEW), way=Way.LIST)
        await it.assert_agreement()


@pytest.mark.long
async def test_a_run_that_was_deleted_and_whose_id_went_to_another_is_seen_to_be_gone(tmp_path):
    async with bench(tmp_path, settings(), read_rate=20) as it:
        await it.launch(rows(FEW), deadline=60)
        victim = next(
            record for record in it.simulator.state().runs if record.tags["batchrun:id"] == "row-0007"
        )
        await _cancel_and_delete(it, victim.id)
        stranger = await _started_by_another(it)
        assert stranger == victim.id
        async with reconnected(it):
            await it.launch(rows(FEW))
        entries = await it.entries()
        assert entries["row-0007"].state is State.DELETED
        assert all(one.state is State.SUCCEEDED for id, one in entries.items() if id != "row-0007")


@pytest.mark.long
async def test_one_pass_lists_and_looks_only_at_what_has_ended(tmp_path):
    async with bench(tmp_path, settings(), read_rate=20) as it:
        await it.launch(rows(ROWS), mode=Mode.DETACH)
        await anyio.sleep(100)
        await it.launch(rows(ROWS), mode=Mode.ONCE)
        ended = sum(1 for record in it.simulator.state().runs if record.stopped is not None)
        assert 0 < ended < ROWS
        assert 0.7 * ended <= calls(it, "GetRun") <= ended + 12
        assert calls(it, "ListRuns") <= 8


async def test_the_next_launch_goes_on_at_the_pace_of_the_last(tmp_path):
    limits = {"StartRun": Limit(rate=8, burst=8), "*": None}
    async with bench(tmp_path, settings(limits=limits), rate=AUTO) as it:
        await it.launch(rows(150), mode=Mode.DETACH)
        (kept,) = (
            await it.ledger.paces.learned(it.service.account, since=it.clock.utcnow().replace(year=2000))
        ).values()
        assert kept.phase is Phase.HOLDING
        assert 7 < kept.base < 9
        throttled = it.simulator.state().calls["StartRun"].throttled
        async with reconnected(it, rate=AUTO):
            await it.launch(rows(300), mode=Mode.DETACH)
        assert it.simulator.state().calls["StartRun"].throttled - throttled <= 3


async def test_draining_lets_go_of_a_sweep(tmp_path):
    async with bench(tmp_path, settings(faults="ListRuns:hang_before", hang=1000), read_rate=20) as it:
        launcher = it.launcher(await it.take_in(rows(FEW)), way=Way.LIST, trusts_ledger=True)
        async with anyio.create_task_group() as group:
            group.start_soon(launcher.run)
            # Nothing but sweeps lists: without a survey all rows are sent.
            while not calls(it, "ListRuns"):  # noqa: ASYNC110 (the simulator tells nobody)
                await anyio.sleep(1)
            assert launcher.tally.by_state[State.ACTIVE] == FEW
            begun = anyio.current_time()
            launcher.drain()
        assert anyio.current_time() - begun < 2


async def _cancel_and_delete(it: Bench, run_id: str) -> None:
    async with reconnected(it):
        await it.service._calls.client.cancel_run(id=run_id)
        await anyio.sleep(30)
        await it.service._calls.client.delete_run(id=run_id)


async def _started_by_another(it: Bench) -> str:
    async with reconnected(it):
        answer = await it.service._calls.client.start_run(
            workflowId="7654321",
            roleArn="arn:aws:iam::123456789012:role/omics",
            outputUri="s3://other/x/",
            name="somebody-elses",
            requestId="other",
        )
        return str(answer["id"])


async def crowd(it: Bench, batches: int) -> None:
    """Have somebody else start a hundred runs in each of so many run batches, and wait until they run."""
    for number in range(batches):
        asked = request(rows=100, requestId=f"other-{number}", batchName="other")
        await it.service._calls.client.start_run_batch(**asked)
    await anyio.sleep(300)


@pytest.mark.long
async def test_runs_of_one_run_batch_are_watched_without_those_of_others(tmp_path):
    """Beside 500 runs of others: a launch that lists them all calls ListRuns 830 times for the same."""
    minutes = Durations(
        pending=Span(mean=20),
        starting=Span(mean=20),
        running=Span(mean=900, spread=0.5),
        stopping=Span(mean=6),
    )
    async with bench(tmp_path, settings(durations=minutes), read_rate=10) as it:
        await crowd(it, 5)
        before = calls(it, "ListRuns")
        _, launcher = await it.launch(rows(100), engine=Engine.BATCH, watch=OFTEN, deadline=900)
        assert 0 < launcher.tally.by_state[State.SUCCEEDED] < 100
        assert calls(it, "ListRuns") - before + calls(it, "GetBatch") < 400
        seen = {id: entry.state is State.SUCCEEDED for id, entry in (await it.entries()).items()}
        ended = {
            record.tags["batchrun:id"]
            for record in it.simulator.state().runs
            if "batchrun:id" in record.tags and record.stopped and record.stopped < anyio.current_time() - 90
        }
        assert all(seen[id] for id in ended)


@pytest.fixture
async def going(tmp_path):
    """A sweeper, the sweep over a run batch of five runs that go on, and the bench."""
    counted = BatchDurations(counts_lag=0)
    minutes = replace(SPREAD, running=Span(mean=400))
    async with bench(tmp_path, settings(batch_durations=counted, durations=minutes)) as it:
        batch = await start_together(it.service, request(rows=5))
        await anyio.sleep(80)
        link = LaneLink(service=it.service, recognition=Recognition(await it.take_in([]), it.service))
        ids = [record.id for record in it.simulator.state().runs]
        sweep = Sweep(begun=0.0, seconds=60, run_ids=ids, run_batches=(batch.id,))
        yield Sweeper(link, it.clock), sweep, it


async def test_while_the_counts_of_a_run_batch_have_not_moved_its_listing_stands_for_a_minute(going):
    sweeper, sweep, _ = going
    first = await sweeper.sweep(sweep)
    assert {one.batch_id for one in first.listed.values()} == set(sweep.run_batches)
    assert (len(first.listed), first.calls) == (5, 5)
    assert await sweeper.sweep(sweep) == replace(first, calls=1)
    await anyio.sleep(60)
    assert (await sweeper.sweep(sweep)).calls == 5
    await anyio.sleep(400)
    assert (await sweeper.sweep(sweep)).listed == {}


@pytest.mark.parametrize("faults", ["GetBatch:AccessDeniedException", "GetBatch:html_after"])
async def test_a_run_batch_that_cannot_be_counted_is_listed(going, faults):
    sweeper, sweep, it = going
    it.simulator.script(*parse_faults(faults))
    for _ in range(2):
        assert len((await sweeper.sweep(sweep)).listed) == 5
