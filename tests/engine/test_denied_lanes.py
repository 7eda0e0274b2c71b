"""Rows of several lanes that use what may not be used, in one of the lanes or in all: others go on."""

from __future__ import annotations

from contextlib import suppress

import anyio
import pytest
from structlog.testing import capture_logs

from batchrun.engine.launcher import Stop
from batchrun.errors import ServiceUnusableError
from batchrun.model.entries.states import State
from batchrun.model.planning.limits import Mode
from batchrun.model.submissions.grouping import Engine
from batchrun.simulator import parse_faults
from tests.engine.lanes import LaneBench, lane_bench, rows

OTHERS = "arn:aws:iam::999999999999:role/others"
BAD, GOOD = 12, 20
SPECS = [
    *rows(BAD, "east", "west", prefix="bad", roleArn=OTHERS),
    *rows(GOOD, "east", "west", start=BAD, prefix="good"),
]


def deny(it: LaneBench, *lanes: str) -> None:
    for lane in lanes:
        for call in ("StartRun", "SubmitRow"):
            it.simulators[lane].script(*parse_faults(f"{call}:AccessDeniedException@cohort-bad-*"))


@pytest.mark.parametrize("engine", [Engine.STARTRUN, Engine.BATCH])
@pytest.mark.parametrize("mode", [Mode.WATCH, Mode.ONCE, Mode.DETACH])
async def test_rows_whose_role_no_lane_may_pass_hold_up_no_others(tmp_path, mode, engine):
    """Seen: the first of them closed both lanes in each launch, and rows after them were never sent."""
    async with lane_bench(tmp_path, east={"rate": 2}, west={"rate": 2}) as it:
        deny(it, "east", "west")
        told: list[str] = []
        for _ in range(1 if mode is Mode.WATCH else 4):
            try:
                await it.launch(SPECS, mode=mode, engine=engine, concurrency=4)
            except ServiceUnusableError as error:
                told.append(str(error))
            await anyio.sleep(3600)
            it.services = {lane: service.apart() for lane, service in it.services.items()}
        if mode is not Mode.DETACH:  # which looks at no run
            await it.assert_agreement()
        entries = await it.entries()
        runs = [run for simulator in it.simulators.values() for run in simulator.state().runs]
    assert len(runs) == GOOD
    assert {entry.state for id, entry in entries.items() if id.startswith("bad")} <= {
        *(State.PLANNED, State.BACKOFF, State.SUBMITTING)
    }
    is_answered_at_once = engine is Engine.STARTRUN or mode is Mode.WATCH
    assert not is_answered_at_once or any("StartRun is denied: " in why for why in told)


@pytest.mark.long
async def test_very_many_rows_that_wait_for_the_other_lane_hold_up_none_behind_them(tmp_path):
    """Seen: from a thousand on no row behind them was read, and the lane that was free started none."""
    many = rows(1100, "east", "west", prefix="bad", roleArn=OTHERS)
    specs = [*many, *rows(GOOD, "east", "west", start=len(many), prefix="good")]
    async with lane_bench(tmp_path, east={"rate": 5}, west={"rate": 5}) as it:
        deny(it, "east")
        await it.launch(specs, mode=Mode.DETACH, max_active={"west": 2})
        started = it.simulators["east"].state().runs
    assert len(started) == GOOD


async def test_passes_try_east_where_west_is_full_and_refuse_none(tmp_path):
    """Seen: runs that west had started counted against a row that east denies, and it was refused."""
    specs = [*rows(30, "west", prefix="w"), *rows(1, "east", "west", start=30, prefix="bad", roleArn=OTHERS)]
    async with lane_bench(tmp_path, east={"rate": 2}, west={"rate": 2}) as it:
        deny(it, "east")
        for _ in range(9):
            with suppress(ServiceUnusableError):
                await it.launch(specs, mode=Mode.ONCE, max_active={"west": 1})
            await anyio.sleep(3600)
            it.services = {name: service.apart() for name, service in it.services.items()}
        states = [entry.state for entry in (await it.entries()).values()]
    assert State.REFUSED not in states


async def test_a_run_batch_that_failed_once_drives_no_row_out_of_its_lane(tmp_path):
    """Seen: all of its rows went to the other lane, which took one at a time."""
    specs = rows(10, "east", "west")
    async with lane_bench(tmp_path) as it:
        it.simulators["east"].script(*parse_faults("SubmitRow:fail_batch=1x"))
        await it.launch(specs, engine=Engine.BATCH, max_active={"west": 1})
        found = await it.assert_agreement()
    assert len(found["east"]) > len(found.get("west", ()))


async def test_what_one_lane_may_not_start_goes_to_the_other_and_the_lane_takes_the_rest(tmp_path):
    """Seen: the lane was closed for all rows."""
    async with lane_bench(tmp_path, east={"rate": 2}, west={"rate": 2}) as it:
        deny(it, "east")
        with capture_logs() as said:
            assert (await it.launch(SPECS, concurrency=4))[0] is Stop.FINISHED
        found = await it.assert_agreement()
        states = {entry.state for entry in (await it.entries()).values()}
        denied = it.simulators["east"].state().calls["StartRun"].calls - len(found["east"])
    assert states == {State.SUCCEEDED}
    assert len(found["east"]) >= GOOD // 4
    assert denied <= 4
    told = [line["event"] for line in said if line["event"] in {"lane_closed", "rows_withheld"}]
    assert told == ["rows_withheld"]


async def test_passes_try_one_of_the_rows_that_no_lane_may_start_and_refuse_none(tmp_path):
    """Seen: each pass tried three in each lane, and refused them one by one, as others had passed."""
    async with lane_bench(tmp_path, east={"rate": 2}, west={"rate": 2}) as it:
        deny(it, "east", "west")
        calls = []
        for number in range(10):
            others = rows(number, "east", "west", start=BAD + GOOD, prefix="late")
            with suppress(ServiceUnusableError):
                await it.launch([*SPECS, *others], mode=Mode.ONCE)
            await anyio.sleep(300)
            it.services = {lane: service.apart() for lane, service in it.services.items()}
            calls.append(sum(one.state().calls["StartRun"].calls for one in it.simulators.values()))
        states = [entry.state for entry in (await it.entries()).values()]
    assert State.REFUSED not in states
    assert calls[-1] - calls[4] <= 5 * (1 + 2)


@pytest.mark.parametrize("engine", [Engine.STARTRUN, Engine.BATCH])
@pytest.mark.parametrize("mode", [Mode.WATCH, Mode.ONCE])
@pytest.mark.parametrize("lane", ["east", "west"])
@pytest.mark.parametrize("count", [1, 2])
async def test_a_row_that_one_lane_alone_may_not_start_goes_to_the_other(tmp_path, count, lane, mode, engine):
    """Seen: the first lane was tried three times more, and then the row was refused."""
    specs = [
        *rows(GOOD, "east", "west", prefix="good"),
        *rows(count, "east", "west", start=GOOD, prefix="bad", roleArn=OTHERS),
    ]
    async with lane_bench(tmp_path, east={"rate": 2}, west={"rate": 2}) as it:
        deny(it, lane)
        for _ in range(1 if mode is Mode.WATCH else 4):
            assert (await it.launch(specs, mode=mode, engine=engine))[0] is Stop.FINISHED
            await anyio.sleep(3600)
            it.services = {name: service.apart() for name, service in it.services.items()}
        await it.assert_agreement()
        states = {entry.state for entry in (await it.entries()).values()}
    assert states == {State.SUCCEEDED}
