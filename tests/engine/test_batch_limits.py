"""Waves under a cap, lanes, large submissions: against simulators in virtual time."""

from __future__ import annotations

import pytest

from batchrun.engine.launcher import Stop
from batchrun.errors import ServiceUnusableError
from batchrun.model.entries.states import State
from batchrun.model.submissions.grouping import Engine
from batchrun.ports.objects import SettingsPlace
from batchrun.service.calling.outage import Patience
from batchrun.service.login import Login
from batchrun.service.s3.patient_writing import S3SettingsStore
from batchrun.service.target import Target
from batchrun.simulator import parse_faults
from batchrun.simulator.s3 import StoredBucket
from tests.builders import spec
from tests.engine.batches import SLOW, all_over, calls
from tests.engine.lanes import lane_bench
from tests.engine.lanes import rows as lane_rows
from tests.engine.launching import Bench, bench, reconnected, rows
from tests.world import simulated

#: Rows become runs as soon as their turn has come.
FAST = SLOW | {"limits": {"*": None}, "storage": (StoredBucket(name="lab"),)}


def peak(it: Bench) -> int:
    """How many runs were active at once."""
    state = it.simulator.state()
    ends = [(run.stopped or float("inf"), -1) for run in state.runs]
    steps = sorted([*((run.created, 1) for run in state.runs), *ends])
    most = now = 0
    for _, step in steps:
        now += step
        most = max(most, now)
    return most


@pytest.mark.long
@pytest.mark.parametrize("faults", ["", "SubmitRow:skip=5x,StartRunBatch:drop_after=2x"])
async def test_waves_stay_under_the_cap_and_go_on(tmp_path, faults):
    async with bench(tmp_path, simulated(faults, **FAST)) as it:
        begun = it.clock.monotonic()
        await it.launch(rows(45), engine=Engine.BATCH, max_active=15)
        await it.assert_agreement()
        assert {entry.state for entry in (await it.entries()).values()} == {State.SUCCEEDED}
        assert peak(it) <= 15
        assert it.clock.monotonic() - begun < 3 * 500
        assert await all_over(it)


async def test_a_lane_that_dies_in_the_middle_keeps_its_rows_and_the_other_takes_the_rest(tmp_path):
    lane = {"settings": simulated(**SLOW)}
    async with lane_bench(tmp_path, east=lane, west=lane) as it:
        specs = [*lane_rows(20, "east", "west"), *lane_rows(10, "west", start=20, prefix="west")]
        west = it.simulators["west"]
        west.script(
            *parse_faults("StartRunBatch:drop_after=1x,ListBatch:pass=10x,ListBatch:AccessDeniedException=1")
        )
        await it.launch(specs, engine=Engine.BATCH)
        west.faults.replace(())
        await it.launch(specs, engine=Engine.BATCH)
        found = await it.assert_agreement()
        assert {entry.state for entry in (await it.entries()).values()} == {State.SUCCEEDED}
        assert set(found) == {"east", "west"}


def in_s3(it: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", it.simulator.url)
    store = S3SettingsStore(Login(Target()), Patience(outage=900), it.clock)
    it.settings = SettingsPlace(store=store, prefix="s3://lab/settings/")


@pytest.mark.long
@pytest.mark.parametrize("faults", ["", "PutObject:error_before=12x"])
async def test_a_large_submission_goes_by_a_file(tmp_path, monkeypatch, faults):
    async with bench(tmp_path, simulated(faults, **FAST)) as it:
        in_s3(it, monkeypatch)
        await it.launch(rows(110), engine=Engine.BATCH, batch_rows=1000)
        await it.assert_agreement()
        assert calls(it)["StartRunBatch"] == 1
        assert it.simulator.state().calls["PutObject"].answered == 1


@pytest.mark.long
async def test_where_the_file_may_not_be_written_nothing_is_sent(tmp_path, monkeypatch):
    async with bench(tmp_path, simulated("PutObject:AccessDenied=1", **FAST)) as it:
        in_s3(it, monkeypatch)
        with pytest.raises(ServiceUnusableError, match="s3:PutObject"):
            await it.launch(rows(110), engine=Engine.BATCH, batch_rows=1000)
        assert {entry.state for entry in (await it.entries()).values()} == {State.PLANNED}
        it.simulator.faults.replace(())
        async with reconnected(it):
            await it.launch(rows(110), engine=Engine.BATCH, batch_rows=1000)
        await it.assert_agreement()


@pytest.mark.long
async def test_rows_that_are_large_go_in_as_many_calls_as_can_carry_them(tmp_path):
    async with bench(tmp_path, simulated(**FAST)) as it:
        large = rows(8, parameters={"text": "x" * 240_000})  # the service takes 256,000 bytes of a row's
        await it.launch(large, engine=Engine.BATCH)
        await it.assert_agreement()
        assert {entry.state for entry in (await it.entries()).values()} == {State.SUCCEEDED}
        assert calls(it)["StartRunBatch"] == 3


@pytest.mark.parametrize("shapes", [2, 5])
async def test_rows_whose_proof_ends_before_their_turn_comes_are_looked_for_once_more_and_go(
    tmp_path, shapes
):
    """One StartRunBatch a second, and proofs that hold for half of one."""
    specs = [
        spec(f"row-{shape}-{number}", 2 * shape + number, workflowId=str(1_000_000 + shape))
        for shape in range(shapes)
        for number in range(2)
    ]
    async with bench(tmp_path, simulated(**FAST)) as it:
        stop, _ = await it.launch(
            specs, engine=Engine.BATCH, replay_window=0.5, listing_lag=0.0, deadline=600.0
        )
        assert stop is Stop.FINISHED
        await it.assert_agreement()
        assert calls(it)["StartRunBatch"] == shapes


@pytest.mark.long
async def test_rows_go_where_to_ask_for_other_submissions_takes_longer_than_an_answer_stands(tmp_path):
    """Five calls of ListBatch, three seconds each, for all rows together and not for each."""
    async with bench(tmp_path, simulated("ListBatch:late=1", hang=3.0, **FAST)) as it:
        stop, _ = await it.launch(rows(40), engine=Engine.BATCH, deadline=600.0)
        assert stop is Stop.FINISHED
        await it.assert_agreement()
        assert calls(it)["ListBatch"] <= 20
