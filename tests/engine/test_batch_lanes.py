"""Rows of several lanes that go together: each once, where it may go, whatever another lane does."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import anyio
import pytest

from batchrun.engine.launcher import Stop
from batchrun.errors import ServiceUnusableError
from batchrun.ledger import open_ledger
from batchrun.model.entries.retrying import RetryPolicy, RetryRule
from batchrun.model.entries.states import State
from batchrun.model.planning.limits import Mode
from batchrun.model.submissions.grouping import Engine
from batchrun.simulator import parse_faults
from tests.engine.batches import SLOW
from tests.engine.lanes import LaneBench, lane_bench, rows
from tests.engine.test_two_ledgers import copy
from tests.world import simulated

FAULTS = "StartRunBatch:drop_after=1x,StartRunBatch:error_after=1x,SubmitRow:hide=0.2,SubmitRow:skip=0.1"


def slow(faults: str = "", **changes: Any) -> dict[str, Any]:
    return {"settings": simulated(faults, **(SLOW | changes))}


def runs_in(it: LaneBench, lane: str) -> list[str]:
    return sorted(run.tags["batchrun:id"] for run in it.simulators[lane].state().runs)


async def again(it: LaneBench, specs: list[Any], **options: Any) -> None:
    """Launch as the next process does, whose clients have not been let go of."""
    it.services = {lane: service.apart() for lane, service in it.services.items()}
    await it.launch(specs, **{"engine": Engine.BATCH, **options})


@pytest.mark.long
@pytest.mark.parametrize("mode", [Mode.WATCH, Mode.ONCE, Mode.DETACH])
@pytest.mark.parametrize("free", [2, 30])
async def test_a_launch_ends_although_free_rows_may_have_runs_in_a_lane_that_never_was_there(
    tmp_path, mode, free
):
    specs = [*rows(6, "west", prefix="w"), *rows(free, "east", "west", start=6, prefix="free")]
    async with lane_bench(tmp_path) as it:
        with anyio.fail_after(3600), suppress(ServiceUnusableError):
            await it.launch(specs, stopped=("east",), mode=mode, engine=Engine.BATCH)
        await it.clock.sleep(60)
        assert runs_in(it, "west") == [spec.id for spec in specs[:6]], "what may be in east waits for it"


@pytest.mark.long
async def test_rows_of_one_lane_wait_for_no_survey_that_another_never_lets_end(tmp_path):
    specs = [*rows(120, "west", prefix="w"), *rows(20, "east", "west", start=120, prefix="free")]
    async with lane_bench(tmp_path) as it:
        it.simulators["east"].script(*parse_faults("*:throttle"))
        with suppress(ServiceUnusableError):
            await it.launch(specs, deadline=300, engine=Engine.BATCH)
        assert runs_in(it, "west") == [spec.id for spec in specs[:120]]


@pytest.mark.long
@pytest.mark.parametrize(("engine", "free"), [(Engine.BATCH, 30), (Engine.AUTO, 100)])
async def test_what_is_lost_in_one_lane_runs_once_over_both(tmp_path, engine, free):
    specs = [
        *rows(10, "east", prefix="e"),
        *rows(5, "west", start=10, prefix="w"),
        *rows(free, "east", "west", start=15, prefix="free"),
    ]
    async with lane_bench(tmp_path, east=slow(FAULTS, listing_lag=45.0), west=slow()) as it:
        await it.launch(specs, engine=engine, deadline=40)
        place = await copy(it, tmp_path / "copy.db")
        await again(it, specs, engine=engine, deadline=60)
        async with await open_ledger(place) as it.ledger:  # an older copy of it is put back
            await again(it, specs, engine=engine)
            found = await it.assert_agreement()
            entries = await it.entries()
    assert {entry.state for entry in entries.values()} == {State.SUCCEEDED}
    assert sum(map(len, found.values())) == len(specs)


async def test_a_lost_ledger_sends_again_under_the_same_request_ids_whichever_lane_was_first(tmp_path):
    """No list has anything yet, so only the requestIds keep rows from being started twice."""
    specs = [*rows(10, "east", prefix="e"), *rows(10, "west", start=10, prefix="w")]
    late = slow(listing_lag=600.0)
    async with lane_bench(tmp_path, east=late, west=late) as it:
        with suppress(ServiceUnusableError):
            await it.launch(specs, stopped=("east",), mode=Mode.DETACH, engine=Engine.BATCH)
        await again(it, specs, mode=Mode.DETACH)
        async with await open_ledger(tmp_path / "lost.db") as it.ledger:
            await again(it, specs, mode=Mode.DETACH)
        await it.clock.sleep(300)
        assert [runs_in(it, lane) for lane in ("east", "west")] == [
            [spec.id for spec in specs[:10]],
            [spec.id for spec in specs[10:]],
        ]


@pytest.mark.long
async def test_a_rule_moves_rows_that_failed_together_to_another_lane(tmp_path):
    rule = RetryRule(reason="INSTANCE_RESERVATION_FAILED", times=1, change='{"lane":["west"]}')
    failing = slow(failures={"INSTANCE_RESERVATION_FAILED": 1.0})
    specs = rows(20, "east", "west")
    async with lane_bench(tmp_path, east=failing, west=slow()) as it:
        stop, _ = await it.launch(
            specs, engine=Engine.BATCH, max_active={"west": 5}, retry=RetryPolicy(rules=(rule,), wait=1.0)
        )
        await it.assert_agreement()
        entries = await it.entries()
    assert stop is Stop.FINISHED
    assert {(entry.lane, entry.state) for entry in entries.values()} == {("west", State.SUCCEEDED)}
