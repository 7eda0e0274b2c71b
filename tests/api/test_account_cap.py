"""How many runs all launchers of one ledger have active in an account: never more than were allowed."""

from __future__ import annotations

from contextlib import asynccontextmanager
from dataclasses import replace
from functools import partial

import anyio
import pytest
from structlog.testing import capture_logs

from batchrun import AUTO, UNLIMITED, Limits, Mode, Rate
from batchrun.engine.recorder import Recorder
from batchrun.model.entries.states import State
from batchrun.simulator.buckets import Limit
from tests.api.test_launching import Place, at
from tests.world import SELDOM, simulated

CAPPED = Limits(watch=SELDOM, account_max_active=7)
pytestmark = pytest.mark.usefixtures("hosts")


@asynccontextmanager
async def account(folder):
    limits = {"StartRun": Limit(rate=20, burst=8), "*": None}
    async with at(folder, simulated(limits=limits, max_active=None)) as place:
        yield place


async def launched(
    place: Place, name: str, rows: int, *, limits: Limits = CAPPED, rate: Rate = AUTO, after: float = 0.0
):
    """Launch a batch of its own in a session of its own, and return how it ended."""
    await anyio.sleep(after)
    manifest = place.manifest(rows, name, value=name)
    async with place.session(rate=rate) as session, session.launching(manifest, limits=limits) as launch:
        return await launch.wait()


@pytest.mark.long
@pytest.mark.parametrize(
    ("rate", "apart"), [(AUTO, 0.0), (UNLIMITED, 0.3)], ids=["at once", "one after the other"]
)
async def test_two_launchers_have_no_more_runs_active_than_were_allowed(tmp_path, rate, apart):
    async with account(tmp_path) as place, anyio.create_task_group() as group:
        group.start_soon(partial(launched, place, "one", 9, rate=rate))
        group.start_soon(partial(launched, place, "other", 9, rate=rate, after=apart))
    state = place.simulator.state()
    assert state.peak_unfinished == 7
    assert [run.status for run in state.runs] == ["COMPLETED"] * 18


@pytest.mark.long
async def test_what_is_on_its_way_to_a_slow_disk_counts_too(tmp_path, monkeypatch):
    """An intent that takes half a second is not there yet when the next launcher counts."""
    record = Recorder.record

    async def slowly(*what):
        await anyio.sleep(0.5)
        return await record(*what)

    monkeypatch.setattr(Recorder, "record", slowly)
    async with account(tmp_path) as place, anyio.create_task_group() as group:
        for number in range(3):
            group.start_soon(partial(launched, place, f"batch{number}", 5, after=number * 0.1))
    state = place.simulator.state()
    assert (state.peak_unfinished, len(state.runs)) == (7, 15)


@pytest.mark.long
async def test_a_pass_leaves_an_account_that_is_full_and_says_so(tmp_path):
    once = replace(CAPPED, mode=Mode.ONCE)
    async with account(tmp_path) as place:
        first = await launched(place, "one", 5, limits=once)
        with capture_logs() as logs:
            other = await launched(place, "other", 5, limits=once)
            third = await launched(place, "third", 5, limits=once)
        assert first.counts.by_state == {State.ACTIVE: 5}
        assert other.counts.by_state == {State.ACTIVE: 2, State.PLANNED: 3}
        assert third.counts.by_state == {State.PLANNED: 5}
        told = [log["of_other_batches"] for log in logs if log["event"] == "account_full"]
        assert {"one": 5, "other": 2} in told
        assert (first.troubles.others, third.troubles.others) == (0, 7)
        await anyio.sleep(600)
        for name in ("one", "other", "third"):
            ended = await launched(place, name, 5)
            assert ended.counts.by_state == {State.SUCCEEDED: 5}
        assert place.simulator.state().peak_unfinished == 7


@pytest.mark.long
async def test_what_a_launcher_left_behind_counts_until_somebody_sees_its_end(tmp_path):
    """Nobody launches that batch any more: its runs take their places, and no launch waits for ever."""
    async with account(tmp_path) as place:
        await launched(place, "left", 7, limits=replace(CAPPED, mode=Mode.DETACH))
        waiting = []

        async def wait() -> None:
            waiting.append(await launched(place, "one", 3))

        async with anyio.create_task_group() as group:
            group.start_soon(wait)
            await anyio.sleep(1000)
            assert not waiting
            assert len(place.simulator.state().runs) == 7
            await launched(place, "left", 7)
        assert waiting[0].counts.by_state == {State.SUCCEEDED: 3}


async def test_who_waits_for_others_ends_in_good_order_when_told_to(tmp_path):
    async with account(tmp_path) as place:
        await launched(place, "left", 7, limits=replace(CAPPED, mode=Mode.DETACH))
        async with (
            place.session() as session,
            session.launching(place.manifest(3, "one"), limits=CAPPED) as launch,
            anyio.create_task_group() as group,
        ):

            async def drain() -> None:
                await anyio.sleep(100)
                launch.stop()

            group.start_soon(drain)
            ended = await launch.wait()
        assert ended.counts.by_state == {State.PLANNED: 3}


async def test_a_launcher_that_dies_with_its_turn_holds_up_nobody_for_long(tmp_path):
    wide = replace(CAPPED, account_max_active=20)
    async with account(tmp_path) as place:
        async with anyio.create_task_group() as group:
            group.start_soon(partial(launched, place, "dead", 15, limits=wide))
            await anyio.sleep(0.3)
            group.cancel_scope.cancel()
        assert 0 < len(place.simulator.state().runs) < 15
        before = place.clock.monotonic()
        ended = await launched(place, "one", 5, limits=wide)
        assert ended.counts.by_state == {State.SUCCEEDED: 5}
        assert place.clock.monotonic() - before < 300


async def test_a_clock_that_was_a_day_ahead_makes_no_later_launch_wait(tmp_path):
    async with account(tmp_path) as place:
        place.clock.step(86_400)
        await launched(place, "one", 3)
        place.clock.step(-86_400)
        before = place.clock.monotonic()
        ended = await launched(place, "other", 3)
        assert ended.counts.by_state == {State.SUCCEEDED: 3}
        assert place.clock.monotonic() - before < 600


async def test_a_clock_set_back_by_a_day_makes_no_launch_under_way_wait(tmp_path):
    async with account(tmp_path) as place, anyio.create_task_group() as group:
        group.start_soon(launched, place, "one", 14)
        group.start_soon(launched, place, "other", 14)
        await anyio.sleep(2)
        place.clock.step(-86_400)
    state = place.simulator.state()
    assert (state.peak_unfinished, len(state.runs)) == (7, 28)
    assert place.clock.monotonic() < 86_400 / 2
