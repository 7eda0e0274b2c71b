"""Permissions that are lacking: for a row, for all that use the same role or workflow, for the launch."""

from __future__ import annotations

from contextlib import suppress

import anyio
import pytest
from structlog.testing import capture_logs

from batchrun.engine.launcher import Stop
from batchrun.errors import ServiceUnusableError
from batchrun.model.entries.states import State
from batchrun.model.planning.cancelling import Scope
from batchrun.model.planning.limits import Changed, Mode
from batchrun.model.spec import Spec
from batchrun.model.submissions.grouping import Engine
from batchrun.simulator import parse_faults
from tests.builders import spec
from tests.engine.batches import SLOW
from tests.engine.launching import Bench, bench, reconnected, rows
from tests.world import simulated

OTHERS = "arn:aws:iam::999999999999:role/others"


async def test_a_role_without_permission_stops_the_launch_and_nothing_is_refused(tmp_path):
    async with bench(tmp_path, simulated("StartRun:AccessDeniedException")) as it:
        with pytest.raises(ServiceUnusableError, match="omics:StartRun"):
            await it.launch(rows(50))
        states = {entry.state for entry in (await it.entries()).values()}
        assert states <= {State.PLANNED, State.BACKOFF}
        assert it.simulator.state().calls["StartRun"].calls < 50


@pytest.mark.parametrize("engine", [Engine.STARTRUN, Engine.BATCH])
async def test_a_pass_that_may_start_nothing_looks_at_each_run_all_the_same(tmp_path, engine):
    """Seen: a pass ended at the third denial, and runs that had ended long ago were ACTIVE for ever."""
    async with bench(tmp_path) as it:
        await it.launch(rows(100), mode=Mode.DETACH)
        await anyio.sleep(24 * 3600)
        it.simulator.script(
            *parse_faults("StartRun:AccessDeniedException,StartRunBatch:AccessDeniedException")
        )
        async with reconnected(it):
            with pytest.raises(ServiceUnusableError, match=r"^StartRun(Batch)? is denied"):
                await it.launch(rows(150), mode=Mode.ONCE, engine=engine)
        await it.assert_agreement()
        states = [entry.state for entry in (await it.entries()).values()]
        assert (states.count(State.SUCCEEDED), states.count(State.ACTIVE)) == (100, 0)


@pytest.mark.parametrize(
    ("call", "count"), [("ListRuns", 80), ("ListBatch", 80), ("GetBatch", 80), ("ListRunsInBatch", 70)]
)
async def test_a_pass_that_may_not_learn_what_starting_needs_looks_at_each_run_all_the_same(
    tmp_path, call, count
):
    """Seen: as above, where another permission is lacking."""
    async with bench(tmp_path) as it:
        await it.launch(rows(50), mode=Mode.DETACH)
        async with reconnected(it):
            await it.launch(rows(70), mode=Mode.DETACH, engine=Engine.BATCH)
        await anyio.sleep(24 * 3600)
        it.simulator.script(*parse_faults(f"{call}:AccessDeniedException"))
        async with reconnected(it):
            with pytest.raises(ServiceUnusableError, match=rf"^{call} is denied: .*: allow omics:{call} "):
                await it.launch(rows(count), mode=Mode.ONCE, engine=Engine.BATCH)
        states = [entry.state for entry in (await it.entries()).values()]
        assert states.count(State.SUCCEEDED) >= 50
        assert states.count(State.ACTIVE) == 0
        assert len(it.simulator.state().runs) == 70


async def test_passes_with_one_row_that_is_denied_go_on_while_the_quota_is_full_for_others(tmp_path):
    faults = "StartRun:AccessDeniedException@cohort-row-0000,StartRun:ServiceQuotaExceededException@*-0001"
    async with bench(tmp_path, simulated(faults)) as it:
        for _ in range(6):
            async with reconnected(it):
                assert (await it.launch(rows(2), mode=Mode.ONCE))[0] is Stop.FINISHED
            await anyio.sleep(3600)


async def test_one_denied_row_among_good_ones_is_refused_in_the_end(tmp_path):
    async with bench(tmp_path, simulated("StartRun:AccessDeniedException@cohort-row-0002"), rate=2) as it:
        await it.launch(rows(20))
        assert (await it.entries())["row-0002"].state is State.REFUSED
        await it.assert_agreement()


@pytest.mark.parametrize("engine", [Engine.STARTRUN, Engine.BATCH])
async def test_passes_refuse_a_denied_row_in_the_end_only_where_others_have_passed_since(tmp_path, engine):
    """Seen: under cron a row without permission was tried for ever once it alone was left."""
    faults = "StartRun:AccessDeniedException@cohort-row-0000,SubmitRow:AccessDeniedException@cohort-row-0000"
    async with bench(tmp_path, simulated(faults)) as it:
        seen, told = [], []
        for number in [1] * 8 + [9] * 8:
            async with reconnected(it):
                try:
                    await it.launch(rows(number), mode=Mode.ONCE, engine=engine)
                    told.append("")
                except ServiceUnusableError as error:
                    told.append(str(error)[:18])
            await anyio.sleep(3600)
            seen.append((await it.entries())["row-0000"].state)
        assert State.REFUSED not in seen[:8]
        assert seen[-1] is State.REFUSED
    assert engine is Engine.BATCH or told[:8] == [""] * 2 + ["StartRun is denied"] * 6
    assert set(told[8:]) == {""}
    assert "StartRun is denied" in told, "seen: each pass ended with 3, as if the next could start it"


async def test_a_role_that_may_not_look_stops_the_launch_with_everything_recorded(tmp_path):
    async with bench(tmp_path, simulated("GetRun:AccessDeniedException")) as it:
        with pytest.raises(ServiceUnusableError, match="omics:GetRun"):
            await it.launch(rows(5))
        entries = (await it.entries()).values()
        assert all(entry.run is not None for entry in entries if entry.state is State.ACTIVE)


def mixed(count: int, denied: range) -> list[Spec]:
    """Return rows, of which some have a role that may not be passed."""
    return [
        other if place in denied else usual
        for place, (usual, other) in enumerate(zip(rows(count), rows(count, roleArn=OTHERS), strict=True))
    ]


def deny(it: Bench, denied: range) -> None:
    """Deny the rows with that role, whichever call starts them."""
    for call in ("StartRun", "SubmitRow"):
        it.simulator.script(
            *parse_faults(",".join(f"{call}:AccessDeniedException@cohort-row-{n:04}" for n in denied))
        )


@pytest.mark.parametrize(
    ("mode", "rate"), [(Mode.WATCH, 2), (Mode.WATCH, 200), (Mode.ONCE, 2), (Mode.DETACH, 2)]
)
@pytest.mark.parametrize("denied", [range(9), range(20, 29), range(31, 40)], ids=["first", "middle", "last"])
async def test_rows_whose_role_may_not_be_passed_hold_up_no_others(tmp_path, mode, rate, denied):
    """Seen: three rows in a row ended the launch, and those after them were started in none."""
    async with bench(tmp_path, simulated(), rate=rate) as it:
        deny(it, denied)
        specs = mixed(40, denied)
        with capture_logs() as said, pytest.raises(ServiceUnusableError, match=r"^StartRun is denied: "):
            await it.launch(specs, mode=mode)
        if mode is Mode.WATCH:
            await it.assert_agreement()
        entries = [*(await it.entries()).values()]
        waiting = {entry.position for entry in entries if entry.state in {State.PLANNED, State.BACKOFF}}
        assert waiting == {*denied}
        ended = [entry for entry in entries if entry.state is State.SUCCEEDED]
        assert len(ended) == (31 if mode is Mode.WATCH else 0), "a launch that watches watches the others"
        assert len(it.simulator.state().runs) == 31
        is_slow = rate < 10
        assert not is_slow or it.simulator.state().calls["StartRun"].calls <= 31 + 4, (
            "the rest of them was not tried"
        )
    (told,) = [line for line in said if line["event"] == "rows_withheld"]
    assert (told["roleArn"], told["log_level"]) == (OTHERS, "warning")
    assert told["why"].startswith("StartRun is denied: ")


@pytest.mark.parametrize("engine", [Engine.STARTRUN, Engine.BATCH])
@pytest.mark.parametrize("mode", [Mode.WATCH, Mode.ONCE])
async def test_rows_whose_role_may_not_be_passed_wait_however_often_they_are_tried(tmp_path, mode, engine):
    """Seen: each third launch refused two of them, as the others had passed since."""
    async with bench(tmp_path, simulated(), rate=2) as it:
        deny(it, range(9))
        for number in range(12, 20):
            async with reconnected(it, rate=2):
                with suppress(ServiceUnusableError):
                    await it.launch(mixed(number, range(9)), mode=mode, engine=engine)
            await anyio.sleep(3600)
        states = [entry.state for entry in (await it.entries()).values()]
        assert State.REFUSED not in states
        assert {*states[:9]} <= {State.PLANNED, State.BACKOFF, State.SUBMITTING}
        if engine is Engine.STARTRUN:
            begun = it.simulator.state().calls["StartRun"].calls
            assert begun <= 10 + 9 + 8, "it is known from the launch before"


async def test_a_launch_after_many_that_may_start_nothing_ends_at_once(tmp_path):
    """Seen: its first two rows waited longer in each, up to a quarter of an hour, and it for them."""
    async with bench(tmp_path, simulated("StartRun:AccessDeniedException")) as it:
        for _ in range(12):
            async with reconnected(it):
                begun = it.clock.monotonic()
                with pytest.raises(ServiceUnusableError, match="omics:StartRun"):
                    await it.launch(rows(5))
            assert it.clock.monotonic() - begun < 5


@pytest.mark.parametrize("concurrency", [1, 32])
async def test_several_roles_that_may_not_be_passed_hold_up_no_others(tmp_path, concurrency):
    """Seen: a role that may not be passed, with three workflows, closed the lane in each launch."""
    async with bench(tmp_path, simulated()) as it:
        deny(it, range(12))
        specs = [spec(f"row-{n:04}", n, workflowId=str(n % 3 + 1), roleArn=OTHERS) for n in range(12)]
        for _ in range(4):
            async with reconnected(it):
                with pytest.raises(ServiceUnusableError):
                    await it.launch([*specs, *rows(20)[12:]], concurrency=concurrency)
        states = [entry.state for entry in (await it.entries()).values()]
        assert (states.count(State.SUCCEEDED), states.count(State.REFUSED)) == (8, 0)


async def test_what_was_sent_is_withheld_and_not_what_a_row_asks_for_now(tmp_path):
    """Seen: rows that got another role while their outcome was unknown were not started with it."""
    async with bench(tmp_path, simulated("StartRun:close_before")) as it:
        await it.launch(rows(4, roleArn=OTHERS), deadline=1.0)
        it.simulator.faults.replace(parse_faults("StartRun:AccessDeniedException=4x"))
        async with reconnected(it):
            stop, _ = await it.launch(rows(4), changed=Changed.RESUBMIT)
        assert stop is Stop.FINISHED
        assert {entry.state for entry in (await it.entries()).values()} == {State.SUCCEEDED}


async def test_a_launch_that_only_cancels_does_not_tell_of_rows_that_may_not_be_started(tmp_path):
    """Seen: cancel ended with 5, for the role of rows that were not its own."""
    faults = "SubmitRow:AccessDeniedException"
    async with bench(tmp_path, simulated(faults, **SLOW)) as it:
        await it.launch(rows(8), mode=Mode.DETACH, engine=Engine.BATCH)
        await anyio.sleep(600)
        requests = it.ledger.batch("cohort").requests
        await requests.ask_to_cancel(["row-0000"], scope=Scope.RUN, at=it.clock.utcnow())
        async with reconnected(it):
            with capture_logs() as said:
                assert (await it.launch(rows(8), mode=Mode.CANCEL))[0] is Stop.FINISHED
    assert "rows_withheld" not in {line["event"] for line in said}


async def test_two_rows_whose_role_may_not_be_passed_are_refused_like_one(tmp_path):
    """Seen: the second of them waited, as both had been denied so often together."""
    async with bench(tmp_path, simulated()) as it:
        deny(it, range(2))
        assert (await it.launch(mixed(20, range(2))))[0] is Stop.FINISHED
        states = [entry.state for entry in (await it.entries()).values()]
        assert states == [State.REFUSED] * 2 + [State.SUCCEEDED] * 18
