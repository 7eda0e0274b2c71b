"""Launches over several accounts and regions: where rows go, and what happens when a lane cannot be used."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from functools import partial
from typing import Any

import anyio
import pytest
from anyio.abc import TaskGroup
from structlog.testing import capture_logs

from batchrun.engine.launcher import Stop
from batchrun.engine.parts import Wait, Waits
from batchrun.engine.reach import Reach, look_for
from batchrun.engine.upkeep.deleter import Deleter
from batchrun.engine.upkeep.usage import ask_usage
from batchrun.errors import LedgerError, ServiceUnusableError
from batchrun.ledger import open_ledger
from batchrun.model.entries.retrying import NO_CAPACITY, RetryPolicy, RetryRule
from batchrun.model.entries.states import State
from batchrun.model.planning.limits import Mode
from batchrun.model.submissions.grouping import Engine
from batchrun.ports.held import HeldBatch
from batchrun.ports.service import LaneTrouble
from batchrun.ports.stored import Counts
from batchrun.service.calling.outage import Patience
from batchrun.simulator import Span, parse_faults
from tests.engine.lanes import PLACES, LaneBench, lane_bench, row, rows
from tests.ledger.samples import connection_of
from tests.world import EVEN, simulated


async def test_each_row_runs_once_in_a_lane_that_it_may_take(tmp_path):
    specs = [
        *rows(10, "east", prefix="e"),
        *rows(10, "west", start=10, prefix="w"),
        *rows(20, "east", "west", start=20, prefix="free"),
    ]
    async with lane_bench(tmp_path) as it:
        stop, _ = await it.launch(specs)
        found = await it.assert_agreement()
    assert stop is Stop.FINISHED
    assert {id for id in found["east"] if id.startswith("w")} == set()
    assert {id for id in found["west"] if id.startswith("e")} == set()
    assert sum(len(ids) for ids in found.values()) == 40


@pytest.mark.long
async def test_rows_that_wait_for_a_silent_lane_go_to_the_others_and_its_own_wait_for_it(tmp_path):
    specs = [*rows(20, "east", prefix="e"), *rows(60, "east", "west", start=20, prefix="free")]
    async with lane_bench(tmp_path, east={"rate": 2}, west={"rate": 2}) as it, trouble(it, "east", 2, 300):
        stop, _ = await it.launch(specs)
        found = await it.assert_agreement()
        begun = it.simulators["west"].state().accepted_at
    assert stop is Stop.FINISHED
    assert set(found["east"]) >= {spec.id for spec in specs[:20]}
    assert max(begun) - min(begun) < 60, "free rows waited for a lane that was silent"


@pytest.mark.long
@pytest.mark.parametrize(
    "fault", ["*:ExpiredTokenException", "*:AccessDeniedException", "StartRun:AccessDeniedException"]
)
async def test_a_lane_that_stops_is_named_and_the_others_end(tmp_path, fault):
    specs = [*rows(5, "east", prefix="e"), *rows(20, "east", "west", start=5, prefix="free")]
    async with lane_bench(tmp_path, east={"rate": 5}, west={"rate": 5}) as it:
        it.simulators["east"].script(*parse_faults(fault))
        with pytest.raises(ServiceUnusableError, match=r"lane east: .*\([0-9]+ rows wait\)") as caught:
            await it.launch(specs, trusts_ledger=True)
        assert "west" not in str(caught.value)
        found = await it.assert_agreement()
        entries = await it.entries()
        assert "east" not in found
        waiting = [entry for entry in entries.values() if entry.state is not State.SUCCEEDED]
        assert all(entry.lane in {None, "east"} for entry in waiting)
        assert len(found["west"]) >= 12, "what had no intent yet went on in the other lane"
        it.simulators["east"].faults.replace(())
        it.services = {lane: service.apart() for lane, service in it.services.items()}
        assert (await it.launch(specs, trusts_ledger=True))[0] is Stop.FINISHED
        await it.assert_agreement()
        assert all(entry.state is State.SUCCEEDED for entry in (await it.entries()).values())


async def test_rows_that_may_have_a_run_in_a_lane_that_cannot_be_asked_wait_and_others_go_on(tmp_path):
    specs = [*rows(9, "west", prefix="w"), *rows(20, "east", "west", start=9, prefix="free")]
    async with lane_bench(tmp_path) as it:
        it.simulators["east"].script(*parse_faults("*:AccessDeniedException"))
        waits = r"^lane east: .*omics:ListRuns.*batch; 20 rows wait that may take several lanes,"
        with pytest.raises(ServiceUnusableError, match=waits):
            await it.launch(specs)
        found = await it.assert_agreement()
    assert {lane: sorted(ids) for lane, ids in found.items()} == {"west": [spec.id for spec in specs[:9]]}


@pytest.mark.parametrize(
    ("mode", "engine"),
    [(Mode.WATCH, Engine.STARTRUN), (Mode.ONCE, Engine.STARTRUN), (Mode.ONCE, Engine.BATCH)],
)
async def test_a_row_that_alone_is_denied_in_all_of_its_lanes_is_refused_in_the_end(tmp_path, mode, engine):
    """Seen: it went from lane to lane without a wait, 35 calls a second, and no launch ended."""
    specs = rows(9, "east", "west")
    async with lane_bench(tmp_path, east={"rate": 2}, west={"rate": 2}) as it:
        for simulator in it.simulators.values():
            for call in ("StartRun", "SubmitRow"):
                simulator.script(*parse_faults(f"{call}:AccessDeniedException@cohort-row-0004"))
        for _ in range(1 if mode is Mode.WATCH else 20):
            with anyio.fail_after(24 * 3600):
                await it.launch(specs, mode=mode, engine=engine)
            await anyio.sleep(3600)
            it.services = {lane: service.apart() for lane, service in it.services.items()}
        await it.assert_agreement()
        denied = (await it.entries())["row-0004"]
    assert (denied.state, denied.attempt) == (State.REFUSED, 4)


@pytest.mark.parametrize("engine", [Engine.STARTRUN, Engine.BATCH])
@pytest.mark.parametrize("mode", [Mode.WATCH, Mode.ONCE])
async def test_rows_that_a_lane_may_not_start_go_to_the_others_and_what_it_has_is_watched(
    tmp_path, mode, engine
):
    """Seen: the lane was not asked any more, so its rows waited for it, launch after launch."""
    own, free = rows(9, "east", prefix="e"), rows(30, "east", "west", start=9, prefix="free")
    async with lane_bench(tmp_path) as it:
        await it.launch(own[:4], mode=Mode.DETACH)
        for call in ("StartRun", "SubmitRow"):
            it.simulators["east"].script(*parse_faults(f"{call}:AccessDeniedException"))
        closed: set[str] = set()
        why = ""
        for _ in range(1 if mode is Mode.WATCH else 9):
            with capture_logs() as said:
                try:
                    await it.launch([*own, *free], mode=mode, engine=engine)
                except ServiceUnusableError as error:
                    why = str(error)
            await anyio.sleep(3600)
            it.services = {lane: service.apart() for lane, service in it.services.items()}
            closed |= {line["lane"] for line in said if line["event"] == "lane_closed"}
        assert closed == {"east"}
        if mode is Mode.WATCH:
            assert why.startswith("lane east: StartRun is denied: ")
            assert why.endswith(" (5 rows wait)")
        found = await it.assert_agreement()
        ended = {id for id, entry in (await it.entries()).items() if entry.state is State.SUCCEEDED}
    assert sorted(found["east"]) == [spec.id for spec in own[:4]]
    assert sorted(found["west"]) == [spec.id for spec in free]
    assert ended == {*found["east"], *found["west"]}


async def test_a_launch_ends_where_the_last_lane_that_could_start_runs_loses_its_login(tmp_path):
    """Seen: it watched on for a day, where it ended at once if the lanes were lost in the other order."""
    days = simulated(durations=replace(EVEN, running=Span(mean=86400)))
    of_each = {"settings": days, "patience": Patience(credentials=20.0)}
    going = [*rows(4, "east", prefix="e"), *rows(4, "west", start=4, prefix="w")]
    async with lane_bench(tmp_path, east=of_each, west=of_each) as it:
        await it.launch(going, mode=Mode.DETACH)
        begun = it.clock.monotonic()
        it.simulators["east"].script(*parse_faults("StartRun:AccessDeniedException"))
        async with trouble(it, "west", 600, 48 * 3600, "*:ExpiredTokenException"):
            with capture_logs() as said, suppress(ServiceUnusableError):
                await it.launch([*going, row("late", 8, "east")])
        assert it.clock.monotonic() - begun < 7200
    told = [line["event"] for line in said if line["event"] in {"lane_closed", "lane_stopped"}]
    assert sorted(told) == ["lane_closed", "lane_stopped"]


@pytest.mark.parametrize("engine", [Engine.STARTRUN, Engine.BATCH])
@pytest.mark.parametrize("mode", [Mode.WATCH, Mode.ONCE, Mode.DETACH])
async def test_where_no_lane_may_start_runs_the_cure_is_the_permission(tmp_path, mode, engine):
    """Seen: rows that may take both waited "until each can be asked", and --trust-ledger was the cure."""
    async with lane_bench(tmp_path) as it:
        for simulator in it.simulators.values():
            for call in ("StartRun", "StartRunBatch"):
                simulator.script(*parse_faults(f"{call}:AccessDeniedException"))
        with capture_logs() as said, pytest.raises(ServiceUnusableError) as caught:
            await it.launch(rows(20, "east", "west"), mode=mode, engine=engine)
        await it.assert_agreement()
    assert str(caught.value).count("is denied: ") == 2
    assert str(caught.value).endswith("; 20 rows wait that may take several lanes")
    told = [line["lane"] for line in said if line["event"].startswith("lane_")]
    assert sorted(told) == ["east", "west"], "each is told once, whichever is answered first"


async def test_a_lane_that_may_start_no_more_holds_up_no_run_that_it_has(tmp_path):
    """Seen: a pass ended with 5 for runs that were going, which were told as rows that wait."""
    own, free = rows(4, "east", prefix="e"), rows(6, "east", "west", start=4, prefix="free")
    async with lane_bench(tmp_path) as it:
        await it.launch(own, mode=Mode.DETACH)
        it.simulators["east"].script(*parse_faults("StartRun:AccessDeniedException"))
        it.simulators["west"].script(*parse_faults("StartRun:ValidationException"))
        with capture_logs() as said:
            stop, _ = await it.launch([*own, *free], mode=Mode.ONCE)
        states = [entry.state for entry in (await it.entries()).values()]
    assert (stop, states.count(State.ACTIVE), states.count(State.REFUSED)) == (Stop.FINISHED, 4, 6)
    (closed,) = [line for line in said if line["event"] == "lane_closed"]
    assert (closed["lane"], closed["rows_waiting"]) == ("east", 0)


async def test_a_pass_looks_at_the_runs_of_a_lane_that_may_not_be_asked_for_others(tmp_path):
    """Seen: the lane was stopped, so runs of it that had ended long ago were ACTIVE for ever."""
    own, free = rows(60, "east", prefix="e"), rows(6, "east", "west", start=60, prefix="free")
    async with lane_bench(tmp_path) as it:
        await it.launch([*own[:50], *rows(4, "west", start=66, prefix="w")], mode=Mode.DETACH)
        await anyio.sleep(24 * 3600)
        it.simulators["east"].script(*parse_faults("ListRuns:AccessDeniedException"))
        it.services = {lane: service.apart() for lane, service in it.services.items()}
        with pytest.raises(ServiceUnusableError) as caught:
            await it.launch([*own, *free], mode=Mode.ONCE)
        await it.assert_agreement()
        ended = [id for id, entry in (await it.entries()).items() if entry.state is State.SUCCEEDED]
        assert it.simulators["east"].state().calls["ListRuns"].calls < 9
    assert len(ended) == 54
    waits = r"^lane east: ListRuns is denied: .* \(10 rows wait\); 6 rows wait that may take several lanes,"
    assert re.match(waits, str(caught.value))


async def test_a_copy_of_the_ledger_finds_the_runs_of_both_lanes(tmp_path):
    specs = rows(30, "east", "west")
    async with lane_bench(tmp_path) as it:
        await it.launch(specs)
        before = await it.assert_agreement()
        async with await open_ledger(tmp_path / "copy.db") as it.ledger:
            _, launcher = await it.launch(specs)
            assert launcher.taken_over.rows == 30
            after = await it.assert_agreement()
    assert {lane: sorted(ids) for lane, ids in before.items()} == {
        lane: sorted(ids) for lane, ids in after.items()
    }


@pytest.mark.long
@pytest.mark.parametrize("mode", [Mode.WATCH, Mode.ONCE])
@pytest.mark.parametrize("stopped", [(), ("east",)])
async def test_a_backup_put_back_within_the_hour_starts_nothing_in_the_other_lane(tmp_path, stopped, mode):
    specs = rows(30, "east", "west")
    async with lane_bench(tmp_path, east={"rate": 1}, west={"rate": 1}) as it:
        await it.launch(specs, mode=Mode.DETACH, deadline=3)
        backup = str(tmp_path / "backup.db")
        await it.ledger._read(lambda: connection_of(it.ledger).execute("VACUUM INTO ?", (backup,)))
        await it.launch(specs)
        before = await it.assert_agreement()
        async with await open_ledger(tmp_path / "backup.db") as it.ledger:
            with suppress(ServiceUnusableError):  # the one that names the lane that has stopped
                await it.launch(specs, mode=mode, max_active={"east": 1}, stopped=stopped)
            await it.launch(specs)
            assert await it.assert_agreement() == before


@pytest.mark.parametrize("is_killed", [False, True])
@pytest.mark.parametrize("mode", [Mode.WATCH, Mode.ONCE, Mode.DETACH])
@pytest.mark.parametrize("count", [3, 50])
async def test_a_lost_ledger_starts_nothing_in_the_other_lane_whose_runs_are_listed_late(
    tmp_path, count, mode, is_killed
):
    specs = rows(count, "east", "west")
    late = {"settings": simulated(listing_lag=20.0), "rate": 1 / 3 if count > 3 else 1 / 25}
    async with lane_bench(tmp_path, east=late, west=late) as it:
        await it.launch(specs, mode=Mode.DETACH, deadline=75)
        async with await open_ledger(tmp_path / "lost.db") as it.ledger:
            if is_killed:
                await it.launch(specs, mode=mode, max_active={"east": 1}, deadline=5)
            await it.launch(specs, mode=mode, max_active={"east": 1})
            await it.launch(specs)
            await it.assert_agreement()


async def test_a_lost_ledger_of_whose_runs_none_is_listed_yet_sends_them_to_the_same_lanes_again(tmp_path):
    """As well as it can: the paces are far apart, so that another order would move some."""
    specs = rows(40, "east", "west")
    late = {"settings": simulated(listing_lag=600.0, latency=Span(mean=0.2, spread=0.8))}
    async with lane_bench(tmp_path, east=late | {"rate": 2}, west=late | {"rate": 0.3}) as it:
        await it.launch(specs, mode=Mode.DETACH, deadline=8)
        async with await open_ledger(tmp_path / "lost.db") as it.ledger:
            await it.launch(specs, mode=Mode.DETACH)
        assert sum(len(simulator.state().runs) for simulator in it.simulators.values()) == 40


async def test_a_lost_ledger_whose_rows_all_have_runs_waits_for_no_list(tmp_path):
    specs = rows(30, "east", "west")
    async with lane_bench(tmp_path) as it:
        await it.launch(specs)
        async with await open_ledger(tmp_path / "lost.db") as it.ledger:
            begun = it.clock.monotonic()
            with capture_logs() as logs:
                await it.launch(specs)
            assert "runs_of_another_ledger" not in {one["event"] for one in logs}
            assert it.clock.monotonic() < begun + 10


@pytest.mark.parametrize(("lanes", "asks"), [(("east",), False), (("east", "west"), True)])
async def test_passes_use_each_others_looks_for_rows_without_a_choice(tmp_path, lanes, asks):
    specs = [*rows(30, *lanes), row("other", 30, "west")]
    async with lane_bench(tmp_path) as it:
        await it.launch(specs, mode=Mode.DETACH, max_active={"east": 2, "west": 2})
        before = [one.state().calls["ListRuns"].calls for one in it.simulators.values()]
        await it.launch(specs, mode=Mode.DETACH, max_active={"east": 4, "west": 4})
        after = [one.state().calls["ListRuns"].calls for one in it.simulators.values()]
        assert sum(len(ids) for ids in (await it.assert_agreement()).values()) > 4
    assert (after > before) == asks


@pytest.mark.long
async def test_no_capacity_in_one_lane_is_tried_in_the_next(tmp_path):
    specs = rows(6, "east", "west")
    settings = simulated(failures={NO_CAPACITY: 1.0})
    async with lane_bench(tmp_path, east={"settings": settings}, west={}) as it:
        await it.launch(specs, retry=RetryPolicy(wait=1.0))
        entries = await it.entries()
        tried = {id: [one.lane for one in await it.ledger.batch("cohort").earlier(id)] for id in entries}
    assert {entry.lane for entry in entries.values()} == {"west"}
    assert {tuple(lanes) for lanes in tried.values()} <= {(), ("east",)}
    assert ["east"] in tried.values()


async def test_a_rule_moves_a_row_to_a_lane_that_it_could_not_take_before(tmp_path):
    specs = [row(f"row-{number}", number, "east", closed=("west",)) for number in range(4)]
    rule = RetryRule(reason="RUN_TASK_FAILED", times=1, change='{"lane":["west"]}')
    settings = simulated(failures={"RUN_TASK_FAILED": 1.0})
    async with lane_bench(tmp_path, east={"settings": settings}, west={}) as it:
        await it.launch(specs, retry=RetryPolicy(rules=(rule,), wait=1.0))
        entries = await it.entries()
    assert {(entry.lane, entry.attempt, entry.state) for entry in entries.values()} == {
        ("west", 2, State.SUCCEEDED)
    }


async def test_a_failed_run_that_is_taken_over_waits_for_its_retry_and_goes_where_the_rule_leads(tmp_path):
    specs = [row("row-0", 0, "east", closed=("west",))]
    rule = RetryRule(reason="RUN_TASK_FAILED", times=1, change='{"lane":["west"]}')
    settings = simulated(failures={"RUN_TASK_FAILED": 1.0})
    async with lane_bench(tmp_path, east={"settings": settings}, west={}) as it:
        await it.launch(specs, retry=RetryPolicy(rules=()))
        begun = it.clock.monotonic()
        async with await open_ledger(tmp_path / "copy.db") as it.ledger:
            await it.launch(specs, retry=RetryPolicy(rules=(rule,), wait=600.0))
            (entry,) = (await it.entries()).values()
            await it.assert_agreement()
        (accepted,) = it.simulators["west"].state().accepted_at
    assert (entry.lane, entry.attempt, entry.state) == ("west", 2, State.SUCCEEDED)
    assert accepted - begun >= 540, "the retry waits, however the failure was learned of"


async def test_services_that_know_nothing_of_each_other_may_give_the_same_ids_and_uuids(
    tmp_path, monkeypatch
):
    place = PLACES["east"]
    monkeypatch.setitem(PLACES, "west", place)
    async with lane_bench(tmp_path) as it:
        stop, _ = await it.launch([*rows(5, "east", prefix="e"), *rows(5, "west", start=5, prefix="w")])
        found = await it.assert_agreement()
        uuids = [{run.uuid for run in one.state().runs} for one in it.simulators.values()]
    assert stop is Stop.FINISHED
    assert uuids[0] == uuids[1], "else this says nothing"
    assert {lane: len(ids) for lane, ids in found.items()} == {"east": 5, "west": 5}


async def test_an_attempt_has_one_lane_and_a_requestid_of_it(tmp_path):
    specs = rows(4, "east", "west")
    async with lane_bench(tmp_path) as it:
        await it.launch(specs)
        runs = [run for one in it.simulators.values() for run in one.state().runs]
        entries = await it.entries()
    assert {run.request_id for run in runs} == {entry.request_id for entry in entries.values()}
    assert all(entry.request_id != replace(entry, lane=None).request_id for entry in entries.values())


@asynccontextmanager
async def trouble(
    it: LaneBench, lane: str, at: float, lasts: float, fault: str = "*:drop_before"
) -> AsyncIterator[TaskGroup]:
    """Have every call to a lane fail for a while."""

    async def come_and_go() -> None:
        await it.clock.sleep(at)
        it.simulators[lane].script(*parse_faults(fault))
        await it.clock.sleep(lasts)
        it.simulators[lane].faults.replace(())

    async with anyio.create_task_group() as group:
        group.start_soon(come_and_go)
        yield group
        group.cancel_scope.cancel()


async def test_rows_that_a_full_lane_put_off_go_to_the_one_that_has_room(tmp_path):
    specs = [*rows(6, "east", prefix="e"), *rows(10, "east", "west", start=6, prefix="free")]
    full, troubles = simulated(max_active=4), list[Mapping[str, LaneTrouble]]()
    async with lane_bench(tmp_path, east={"settings": full, "rate": 20}, west={"rate": 20}) as it:
        it.simulators["east"].script(*parse_faults("StartRun:ServiceQuotaExceededException=3x"))
        async with anyio.create_task_group() as beside:
            beside.start_soon(it.troubles_at, 10, troubles)
            stop, _ = await it.launch(specs)
        found = await it.assert_agreement()
        entries = await it.entries()
    assert stop is Stop.FINISHED
    assert troubles == [{"east": LaneTrouble.FULL}]
    assert all(entry.lane == "east" and entry.attempt == 1 for id, entry in entries.items() if id[0] == "e")
    moved = [entry for id, entry in entries.items() if id[0] == "f" and entry.attempt > 1]
    assert all(entry.lane == "west" for entry in moved)
    assert sum(map(len, found.values())) == 16


@pytest.mark.parametrize("count", [1, 2, 4, 30])
async def test_a_launch_ends_whose_lanes_all_lack_the_permission_to_look(tmp_path, count):
    async with lane_bench(tmp_path) as it:
        for one in it.simulators.values():
            one.script(*parse_faults("ListRuns:AccessDeniedException"))
        with pytest.raises(ServiceUnusableError, match=r"omics:ListRuns"):
            await it.launch(rows(count, "east", "west"), deadline=3600)
        assert await it.assert_agreement() == {}


@pytest.mark.long
async def test_a_lane_whose_login_expires_when_all_has_ended_fails_nothing(tmp_path):
    settings = simulated(failures={"RUN_TASK_FAILED": 1.0})
    async with lane_bench(tmp_path, east={"settings": settings}, west={}) as it:
        it.simulators["east"].script(*parse_faults("ListRunTasks:ExpiredTokenException"))
        stop, _ = await it.launch(rows(3, "east"), retry=RetryPolicy(rules=()))
        entries = await it.entries()
    assert stop is Stop.FINISHED
    assert {entry.state for entry in entries.values()} == {State.FAILED}


async def test_a_lane_that_refuses_the_question_whether_it_is_back_is_not_asked_on_and_on(tmp_path):
    async with lane_bench(tmp_path, east={"rate": 1}, west={}) as it:
        it.simulators["east"].script(*parse_faults("*:drop_before"))

        async def back() -> None:
            await it.clock.sleep(17)
            it.simulators["east"].faults.replace(parse_faults("ListRuns:AccessDeniedException"))

        async with anyio.create_task_group() as group:
            group.start_soon(back)
            stop, launcher = await it.launch(rows(5, "east"), trusts_ledger=True, deadline=3600)
        await it.assert_agreement()
    assert stop is Stop.FINISHED
    assert launcher.calls_by_lane["east"]["ListRuns"].sent <= 4, "the refusal is an answer"


async def test_a_lane_that_never_answers_holds_up_no_row_of_another(tmp_path):
    own = [row(f"own-{number}", 10 + number, "west") for number in range(9)]
    async with lane_bench(tmp_path) as it:
        it.simulators["east"].script(*parse_faults("*:drop_before"))
        with pytest.raises(ServiceUnusableError, match="lane east: no usable answer"):
            await it.launch([*rows(6, "east", "west"), *own])
        found = await it.assert_agreement()
    assert sorted(found["west"]) == sorted(one.id for one in own)


@pytest.mark.long
async def test_a_lane_that_loses_its_login_in_the_middle_slows_no_other_and_goes_on_once_it_is_back(tmp_path):
    specs = [
        *rows(40, "east", prefix="e"),
        *rows(75, "west", start=40, prefix="w"),
        *rows(60, "east", "west", start=115, prefix="free"),
    ]
    brief, troubles = Patience(credentials=20.0), list[Mapping[str, LaneTrouble]]()
    async with lane_bench(tmp_path, east={"rate": 8, "patience": brief}, west={"rate": 25}) as it:
        async with trouble(it, "east", 2, 3600, "*:ExpiredTokenException") as beside:
            beside.start_soon(it.troubles_at, 10, troubles)
            with pytest.raises(ServiceUnusableError, match=r"^lane east: .*\(Expired.*\([0-9]+ rows wait\)$"):
                await it.launch(specs)
        assert troubles == [{"east": LaneTrouble.WAITS}]
        assert it.launcher.troubles.lanes == {"east": LaneTrouble.STOPPED}
        entries, begun = await it.entries(), it.simulators["west"].state().accepted_at
        left = [id for id, entry in entries.items() if entry.state is not State.SUCCEEDED]
        assert all(id.startswith("e") or entries[id].lane == "east" for id in left)
        assert len(begun) >= 75 + 40, "what was free and unsent went west"
        assert max(begun) - min(begun) <= len(begun) / 25 * 1.05

        it.simulators["east"].faults.replace(())
        it.services = {lane: service.apart() for lane, service in it.services.items()}
        stop, launcher = await it.launch(specs)
        found = await it.assert_agreement()
    assert stop is Stop.FINISHED
    assert (launcher.tally.by_state[State.SUCCEEDED], sum(map(len, found.values()))) == (175, 175)


async def test_what_is_shut_out_is_let_go_of_until_it_is_opened():
    waits = Waits()
    waits.block(Wait.SURVEY)
    with waits.of(Wait.SURVEY) as scope:
        await anyio.sleep(3600)
    assert scope.cancelled_caught
    with waits.of(Wait.LOOK) as scope:
        await anyio.lowlevel.checkpoint()
    waits.unblock()
    with waits.of(Wait.SURVEY) as scope:
        await anyio.lowlevel.checkpoint()
    assert not scope.cancelled_caught


async def test_a_ledger_that_fails_where_a_lane_stops_ends_the_launch_with_its_own_error(
    tmp_path, monkeypatch
):
    async with lane_bench(tmp_path) as it:
        hold = it.ledger.hold

        async def failing(*batch: Any, **terms: Any) -> HeldBatch:
            held = await hold(*batch, **terms)
            answers = [held.counts]

            async def counts() -> Counts:
                if not answers:
                    raise LedgerError("it is away")
                return await answers.pop()()

            monkeypatch.setattr(held, "counts", counts)
            return held

        monkeypatch.setattr(it.ledger, "hold", failing)
        with pytest.raises(LedgerError, match="it is away"):
            await it.launch(rows(6, "west"), stopped=("east",))


@pytest.mark.long
@pytest.mark.parametrize("mode", [Mode.WATCH, Mode.ONCE, Mode.DETACH])
@pytest.mark.parametrize("free", [2, 30])
async def test_a_launch_ends_although_free_rows_may_have_runs_in_a_lane_that_never_was_there(
    tmp_path, mode, free
):
    specs = [*rows(6, "west", prefix="w"), *rows(free, "east", "west", start=6, prefix="free")]
    async with lane_bench(tmp_path) as it:
        with anyio.fail_after(3600), suppress(ServiceUnusableError):
            await it.launch(specs, stopped=("east",), mode=mode)
        found = await it.assert_agreement() if mode is Mode.WATCH else None
        begun = [run.tags["batchrun:id"] for run in it.simulators["west"].state().runs]
    assert sorted(begun) == [spec.id for spec in specs[:6]], "what may be in east waits for it"
    assert found is None or {*found} == {"west"}


@pytest.mark.long
@pytest.mark.parametrize(
    ("fault", "goes_west"),
    [
        ("StartRun:throttle", 15),
        ("StartRun:ServiceQuotaExceededException", 15),
        ("StartRun:html_after", 15),
        ("GetRun:error_before", 5),
        ("*:throttle", 0),  # nobody can look there for what is free
        ("ListRuns:hang_before", 0),
    ],
)
async def test_trouble_in_one_lane_slows_no_other(tmp_path, fault, goes_west):
    specs = [
        *rows(20, "east", prefix="e"),
        *rows(20, "west", start=20, prefix="w"),
        *rows(20, "east", "west", start=40, prefix="free"),
    ]
    async with lane_bench(tmp_path, east={"rate": 2}, west={"rate": 2}) as it:
        it.simulators["east"].script(*parse_faults(fault))
        begun = it.clock.monotonic()
        with suppress(ServiceUnusableError):
            await it.launch(specs, deadline=60)  # twice as long as either lane's pace takes for all of them
        west = it.simulators["west"].state()
        runs = [run for one in it.simulators.values() for run in one.state().runs]
    assert len({run.name for run in runs}) == len(runs), "a row was started twice"
    assert len([run for run in west.runs if run.tags["batchrun:id"].startswith("w")]) == 20
    assert len(west.runs) >= 20 + goes_west
    assert max(west.accepted_at) - begun <= 1 + len(west.runs) / 2 * 1.1


@pytest.mark.parametrize("others", [0, 3])
async def test_a_pass_ends_by_a_lane_only_where_all_that_is_left_lies_there(tmp_path, others):
    specs = [*rows(2, "east", prefix="e"), *rows(others, "west", start=2, prefix="w")]
    async with lane_bench(tmp_path) as it:
        once = it.launch(specs, stopped=("east",), mode=Mode.ONCE)
        if others:
            assert (await once)[0] is Stop.FINISHED
        else:
            with pytest.raises(ServiceUnusableError, match="lane east"):
                await once


def _reach(it: LaneBench) -> Reach:
    return Reach(services={"east": it.services["east"], "west": it.services["west"]}, home="east")


async def test_a_lane_without_answers_is_waited_for_once_when_its_runs_are_asked_for_or_deleted(tmp_path):
    brief = Patience(outage=20.0)  # as before the first answer
    async with lane_bench(tmp_path, east={}, west={"patience": brief}) as it:
        await it.launch([*rows(4, "east", prefix="e"), *rows(30, "west", start=4, prefix="w")])
        ended = await it.ledger.batch("cohort").story.ended_runs(limit=99)
        it.simulators["west"].script(*parse_faults("*:drop_before=1"))
        begun = it.clock.monotonic()
        reach = _reach(it)
        deleter = Deleter(ledger=it.ledger, reach=reach, clock=it.clock, concurrency=3, lag=60)
        done = await deleter.delete(ended)
        assert len(done.deleted) == 4
        assert {why for _, why in done.kept} == {f"lane west: {reach.stopped['west']}"}
        assert len(done.kept) == 30
        entries = [entry for entry in (await it.entries()).values() if entry.lane == "west"]
        looked = await look_for(entries, reach=_reach(it), at_once=3)
        assert (len(looked.unknown), len({why for _, why in looked.unknown})) == (30, 1)
        spent = await it.ledger.batch("cohort").story.ended_runs(limit=99)
        asking = partial(ask_usage, ledger=it.ledger, clock=it.clock, at_once=3, tell=lambda _: None)
        asked = await asking(spent, reach=_reach(it))
        assert (len(asked.unknown), len({why for _, why in asked.unknown})) == (30, 1)
        assert it.clock.monotonic() - begun < 120
