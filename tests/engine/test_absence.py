"""Runs that an answer calls gone: one answer decides nothing, and what really is gone ends so."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import anyio
import pytest
from structlog.testing import capture_logs

from batchrun.errors import ServiceUnusableError
from batchrun.ledger import open_ledger
from batchrun.model.entries.entry import Entry
from batchrun.model.entries.events import Removed
from batchrun.model.entries.states import State
from batchrun.model.entries.transitions import apply
from batchrun.model.planning.cancelling import Scope
from batchrun.model.planning.limits import Mode
from batchrun.model.planning.sweeps import Way
from batchrun.ports.stored import Transition
from batchrun.simulator import parse_faults
from tests.engine.launching import Bench, bench, reconnected, rows
from tests.world import simulated, start

GONE = ["ResourceNotFoundException", "other_uuid_after", "deleted_after"]
LAG = 60.0


async def row(it: Bench, number: int = 0) -> Entry:
    return (await it.entries())[f"row-{number:04}"]


async def run_id(it: Bench, number: int = 0) -> str:
    run = (await row(it, number)).run
    assert run is not None
    return run.id


async def told(it: Bench, number: int = 0) -> list[tuple[str, float]]:
    """Return what was recorded of the row's run since it was there, and the seconds after the first of it."""
    events = await it.ledger.batch("cohort").history(f"row-{number:04}")
    found = [(kind, at) for at, _attempt, kind, _ in events if kind not in {"intended", "accepted"}]
    return [(kind, (at - found[0][1]).total_seconds()) for kind, at in found]


async def kinds(it: Bench, number: int = 0) -> list[str]:
    return [kind for kind, _ in await told(it, number)]


async def tick(it: Bench, count: int = 1, *, after: float = 0.0) -> int:
    """Make one pass, and say for how many rows it left work."""
    await anyio.sleep(after)
    _, launcher = await it.launch(rows(count), mode=Mode.ONCE)
    return launcher.tally.open


async def deleted(it: Bench, count: int = 1, **limits: Any) -> None:
    """Start rows, let their runs end unseen, and delete the first of them."""
    await it.launch(rows(count), mode=Mode.DETACH, **limits)
    await anyio.sleep(300)
    await it.service.delete_run(await run_id(it))


@pytest.mark.parametrize("fault", GONE)
@pytest.mark.parametrize("way", [Way.GET, Way.LIST])
async def test_one_answer_by_which_a_run_is_gone_decides_nothing(tmp_path, fault, way):
    async with bench(tmp_path, simulated(f"GetRun:{fault}@cohort-row-0001=1x")) as it:
        await it.launch(rows(4), way=way)
        await it.assert_agreement()
        assert (await row(it, 1)).state is State.SUCCEEDED
        assert "missed" in await kinds(it, 1)


@pytest.mark.parametrize("fault", GONE)
async def test_answers_of_a_minute_decide_nothing_where_the_run_is_listed(tmp_path, fault):
    """
    It is asked for again and again, each time a lag after the last, and ends as it ended.

    Seen: a launch that waited for such a run for ever, and did not say so.
    """
    async with bench(tmp_path, simulated(f"GetRun:{fault}@cohort-row-0001=40x")) as it:
        with capture_logs() as logs:
            await it.launch(rows(3))
        await it.assert_agreement()
        assert (await kinds(it, 1)) == ["missed", "completed"]
    told = [log for log in logs if log["log_level"] == "warning"]
    assert [(log["event"], log["id"]) for log in told] == [("run_listed_but_not_found", "row-0001")]


async def test_a_run_that_is_gone_ends_so_when_it_is_said_again_a_lag_later(tmp_path):
    async with bench(tmp_path) as it:
        await deleted(it, 2)
        await it.launch(rows(2))
        entry = await row(it)
        assert entry.state is State.DELETED
        assert entry.run is not None
        (first, _), (second, waited) = await told(it)
        assert (first, second) == ("missed", "removed")
        assert LAG <= waited < LAG + 5
        assert entry.missed_at is None


async def test_runs_that_make_room_for_others_end_as_deleted(tmp_path):
    settings = simulated(max_stored=4)
    async with bench(tmp_path, settings) as it:
        specs = rows(8, retentionMode="REMOVE")
        for part in (specs[:4], specs):
            await it.launch(part, mode=Mode.DETACH)
            await anyio.sleep(300)
        await it.launch(specs)
        states = [entry.state for entry in (await it.entries()).values()]
        assert states == [State.DELETED] * 4 + [State.SUCCEEDED] * 4


@pytest.mark.parametrize("name", ["theirs", "cohort-row-0000"])
@pytest.mark.parametrize("was_seen", [True, False])
async def test_an_id_that_is_another_runs_for_good_ends_the_row(tmp_path, name, was_seen):
    async with bench(tmp_path) as it:
        await it.launch(rows(1), mode=Mode.ONCE if was_seen else Mode.DETACH)
        await anyio.sleep(5)
        assert await tick(it) == 1 if was_seen else True
        await anyio.sleep(300)
        await it.service.delete_run(await run_id(it))
        stranger = await start(it.service, requestId="theirs", name=name)
        assert stranger.id == await run_id(it)
        await it.launch(rows(1))
        assert (await row(it)).state is State.DELETED


@pytest.mark.parametrize("fault", GONE)
async def test_who_may_not_list_needs_three_answers_each_a_lag_after_the_last(tmp_path, fault):
    faults = f"ListRuns:AccessDeniedException,GetRun:{fault}@cohort-row-0001=2x"
    async with bench(tmp_path, simulated(faults)) as it:
        await it.launch(rows(3), trusts_ledger=True)
        await it.assert_agreement()
        assert (await kinds(it, 1))[:2] == ["missed", "missed"]


async def test_who_may_not_list_learns_all_the_same_that_a_run_is_gone(tmp_path):
    async with bench(tmp_path, simulated("ListRuns:AccessDeniedException")) as it:
        await deleted(it, trusts_ledger=True)
        await it.launch(rows(1), trusts_ledger=True)
        assert (await row(it)).state is State.DELETED
        assert [(kind, wait // LAG) for kind, wait in await told(it)] == [
            ("missed", 0),
            ("missed", 1),
            ("removed", 2),
        ]


async def test_a_listing_that_fails_decides_nothing(tmp_path):
    async with bench(tmp_path, simulated("ListRuns:empty_after=40x")) as it:
        await deleted(it, trusts_ledger=True)
        await it.launch(rows(1), trusts_ledger=True)
        assert (await kinds(it)) == ["missed", "removed"]
        assert it.told.failed_looks == ["row-0000"] * len(it.told.failed_looks) != []


async def test_tick_by_tick_a_run_is_gone_when_a_later_tick_says_so_too(tmp_path):
    async with bench(tmp_path) as it:
        await deleted(it)
        assert await tick(it) == 1
        assert (await row(it)).missed_at is not None
        assert await tick(it, after=LAG - 1) == 1
        assert await tick(it, after=1) == 0
        assert (await kinds(it)) == ["missed", "removed"]


async def test_tick_by_tick_an_answer_that_shows_the_run_takes_the_mark_away(tmp_path):
    slow = simulated(time_scale=1000.0)
    async with bench(tmp_path, slow) as it:
        await it.launch(rows(1), mode=Mode.DETACH)
        for fault in GONE:
            it.simulator.script(*parse_faults(f"GetRun:{fault}=1x"))
            assert await tick(it, after=300) == 1
            assert (await row(it)).misses == 1
            assert await tick(it, after=300) == 1
            assert (await row(it)).misses == 0
        await it.assert_agreement()


@pytest.mark.parametrize("seconds", [86_400, -86_400])
async def test_a_clock_that_is_set_between_two_answers_makes_them_no_further_apart(tmp_path, seconds):
    async with bench(tmp_path) as it:
        await deleted(it)
        begun = anyio.current_time()
        async with anyio.create_task_group() as group:
            group.start_soon(it.launch, rows(1))
            await anyio.sleep(5)
            assert (await row(it)).misses == 1
            it.clock._start += timedelta(seconds=seconds)
        assert (await row(it)).state is State.DELETED
        assert anyio.current_time() - begun >= LAG


@pytest.mark.parametrize("mode", [Mode.WATCH, Mode.ONCE])
async def test_a_run_whose_uuid_was_told_wrong_at_its_start_is_known_by_its_tag(tmp_path, mode):
    """Seen: a launch that waited for such a run for ever, since it is listed."""
    async with bench(tmp_path) as it:
        it.simulator.script(*parse_faults("StartRun:other_uuid_after=1x"))
        await it.launch(rows(2), mode=Mode.DETACH)
        if mode is Mode.ONCE:
            for _ in range(4):
                await tick(it, 2, after=100)
        else:
            await it.launch(rows(2), deadline=3600)
        assert {entry.state for entry in (await it.entries()).values()} == {State.SUCCEEDED}
        await it.assert_agreement()


async def test_a_run_under_the_id_of_one_that_is_gone_is_not_taken_for_it_by_its_name(tmp_path):
    async with bench(tmp_path) as it:
        await deleted(it)
        stranger = await start(it.service, requestId="theirs", name="cohort-row-0000")
        assert stranger.id == await run_id(it)
        await it.launch(rows(1))
        assert (await row(it)).state is State.DELETED


async def test_what_an_answer_called_gone_holds_its_slot_and_is_not_cancelled(tmp_path):
    async with bench(tmp_path, simulated(time_scale=1000.0)) as it:
        await it.launch(rows(1), mode=Mode.DETACH)
        it.simulator.script(*parse_faults("GetRun:other_uuid_after=3x"))
        await it.launch(rows(3), max_active=1, deadline=50)
        assert [entry.state for entry in (await it.entries()).values()] == [
            State.ACTIVE,
            State.PLANNED,
            State.PLANNED,
        ]
        assert "CancelRun" not in it.simulator.state().calls


async def test_nobody_elses_run_is_cancelled_for_one_that_an_answer_called_gone(tmp_path):
    async with bench(tmp_path) as it:
        await deleted(it)
        stranger = await start(it.service, requestId="theirs", name="theirs")
        assert stranger.id == await run_id(it)
        await it.ledger.batch("cohort").requests.ask_to_cancel(None, scope=Scope.RUN, at=it.clock.utcnow())
        await it.launch(rows(1), mode=Mode.CANCEL)
        assert (await row(it)).state is State.DELETED
        assert it.simulator.state().calls.get("CancelRun") is None


async def test_many_that_are_gone_are_told_apart_from_many_that_are_not(tmp_path):
    async with bench(tmp_path, simulated(max_active=None), read_rate=20) as it:
        await it.launch(rows(120), mode=Mode.DETACH)
        await anyio.sleep(300)
        for number in range(0, 120, 3):
            await it.service.delete_run(await run_id(it, number))
        it.simulator.script(*parse_faults("GetRun:ResourceNotFoundException=0.2"))
        async with reconnected(it):
            await it.launch(rows(120))
        states = [entry.state for entry in (await it.entries()).values()]
        assert states == [State.DELETED, State.SUCCEEDED, State.SUCCEEDED] * 40


@pytest.mark.parametrize("way", [Way.GET, Way.LIST])
async def test_what_a_launch_saw_of_the_batch_speaks_for_the_run_that_is_gone(tmp_path, way):
    """Nobody knows the account; those that ended would be asked for, and none of these is there."""
    async with bench(tmp_path) as it:
        await it.launch(rows(5))
        await it.launch(rows(7), mode=Mode.DETACH)
        for number in range(6):
            it.simulator.service._forget(it.simulator.service.shelf.by_id[await run_id(it, number)])
        async with reconnected(it):
            assert not it.service.is_account_known
            await it.launch(rows(7), way=way)
        states = [entry.state for entry in (await it.entries()).values()]
        assert states == [State.SUCCEEDED] * 5 + [State.DELETED, State.SUCCEEDED]


async def test_where_nothing_was_seen_of_the_batch_its_last_run_is_not_gone(tmp_path):
    async with bench(tmp_path) as it:
        await it.launch(rows(3))
        await it.launch(rows(4), mode=Mode.DETACH)
        for number in range(4):
            it.simulator.service._forget(it.simulator.service.shelf.by_id[await run_id(it, number)])
        async with reconnected(it):
            with pytest.raises(ServiceUnusableError, match="none of 4 runs"):
                await it.launch(rows(4))
        assert (await row(it, 3)).state is State.ACTIVE


async def test_a_launch_watches_what_is_given_back_meanwhile(tmp_path):
    """While it submits others, at full concurrency, so that whatever it counts is never equal for long."""
    async with bench(tmp_path, simulated(max_active=None), rate=1) as it:
        await it.launch(rows(1), mode=Mode.DETACH)
        entry, held = await row(it), await it.take_in(rows(1))
        removed = Removed(at=it.clock.utcnow(), message="404")
        await held.record([Transition(event=removed, entry=apply(entry, removed))])
        await held.release()
        assert entry.run is not None
        async with anyio.create_task_group() as group, await open_ledger(it.path) as another:
            group.start_soon(it.launch, rows(40))
            await anyio.sleep(20)
            run = (await it.service.get_run(entry.run.id)).run
            requests = another.batch("cohort").requests
            assert await requests.give_back([run], at=it.clock.utcnow()) == ["row-0000"]
            await anyio.sleep(300)
        await it.assert_agreement()
        assert {entry.state for entry in (await it.entries()).values()} == {State.SUCCEEDED}
        assert (await kinds(it))[:2] == ["removed", "reappeared"]
