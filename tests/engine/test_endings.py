"""Launches that a service lets wait for ever: each ends in time, says why, and the next one goes on."""

from __future__ import annotations

from typing import Any

import anyio
import pytest

from batchrun.engine.launcher import Stop
from batchrun.errors import LedgerError, ServiceUnusableError
from batchrun.ledger import open_ledger
from batchrun.model.entries.retrying import RetryPolicy, RetryRule
from batchrun.model.entries.states import State
from batchrun.model.planning.limits import Mode
from batchrun.model.planning.sweeps import Way
from batchrun.model.submissions.grouping import Engine
from batchrun.simulator import Durations, FailFirst, Span, parse_faults
from batchrun.simulator.wire import token_of
from tests.engine.batches import SLOW, all_over
from tests.engine.launching import bench, reconnected, rows
from tests.engine.test_hostile import spoilt
from tests.world import simulated, start

#: Seconds after which nothing is waited for that has no usable answer, with the waits in between.
IN_TIME = 2_000


def endless(operation: str, said: Any) -> Any:
    """Say of each page of ListRuns that the first one is next."""
    return said | {"nextToken": token_of(0)} if operation == "ListRuns" else said


async def test_a_listing_without_an_end_ends_a_launch_that_needs_it(tmp_path):
    is_endless = True

    def spoil(operation: str, said: Any) -> Any:
        return endless(operation, said) if is_endless else said

    async with spoilt(tmp_path, spoil) as it:
        with pytest.raises(ServiceUnusableError, match=r"ListRuns .*pages have no end.*--trust-ledger"):
            await it.launch(rows(8))
        assert anyio.current_time() < IN_TIME
        assert not it.simulator.state().runs
        is_endless = False
        async with reconnected(it):
            await it.launch(rows(8))
        await it.assert_agreement()


async def test_where_only_the_whole_listing_has_no_end_rows_are_looked_for_by_name(tmp_path):
    def spoil(operation: str, said: Any) -> Any:
        return endless(operation, said) if len(said.get("items", ())) > 1 else said

    async with spoilt(tmp_path, spoil, simulated()) as it:
        await it.launch(rows(8), trusts_ledger=True)
        await it.ledger.close()
        async with await open_ledger(tmp_path / "another.db") as it.ledger, reconnected(it):
            _, launcher = await it.launch(rows(16))
            assert launcher.taken_over.rows == 8
            await it.assert_agreement()
    assert anyio.current_time() < IN_TIME


async def test_a_run_that_is_listed_and_not_known_ends_a_launch_that_would_start_it_anew(tmp_path):
    async with bench(tmp_path) as it:
        await it.launch(rows(8), mode=Mode.DETACH)
        it.simulator.script(*parse_faults("GetRun:ResourceNotFoundException"))
        await it.ledger.close()
        async with await open_ledger(tmp_path / "another.db") as it.ledger, reconnected(it):
            with pytest.raises(ServiceUnusableError, match=r"GetRun .*, which ListRuns shows"):
                await it.launch(rows(8))
        assert anyio.current_time() < IN_TIME
        assert len(it.simulator.state().runs) == 8


async def test_a_run_that_is_gone_is_told_so_though_the_listing_has_no_end(tmp_path):
    async with spoilt(tmp_path, endless, simulated()) as it:
        await it.launch(rows(2), mode=Mode.DETACH, trusts_ledger=True)
        gone = (await it.entries())["row-0000"].run
        assert gone is not None
        await anyio.sleep(300)
        async with reconnected(it):
            await it.service.delete_run(gone.id)
            await it.launch(rows(2), trusts_ledger=True)
        states = [entry.state for entry in (await it.entries()).values()]
        assert states == [State.DELETED, State.SUCCEEDED]
        assert anyio.current_time() < IN_TIME


def anonymous(operation: str, said: Any) -> Any:
    """Leave the uuid out of whatever tells it."""
    return {**said, "uuid": None} if operation in {"StartRun", "GetRun"} else said


def nameless(operation: str, said: Any) -> Any:
    """Leave out of StartRun which run it is, and out of listings that it is there."""
    if operation == "ListRuns":
        return said | {"items": []}
    return {**said, "id": None} if operation == "StartRun" else said


@pytest.mark.long
@pytest.mark.parametrize(
    ("spoils", "why"), [(anonymous, "uuid|identifies"), (nameless, "StartRun.*no usable 'id'")]
)
@pytest.mark.parametrize("count", [1, 6])
async def test_a_service_that_never_says_which_run_it_started_ends_the_launch(tmp_path, spoils, why, count):
    is_odd = True

    def spoil(operation: str, said: Any) -> Any:
        return spoils(operation, said) if is_odd else said

    async with spoilt(tmp_path, spoil, simulated()) as it:
        with pytest.raises(ServiceUnusableError, match=rf"may have been started, 'row-0000' first.*{why}"):
            await it.launch(rows(count))
        assert anyio.current_time() < IN_TIME
        assert {entry.state for entry in (await it.entries()).values()} <= {State.SUBMITTING, State.PLANNED}
        is_odd = False
        async with reconnected(it):
            await it.launch(rows(count))
        await it.assert_agreement()


@pytest.mark.long
async def test_a_request_id_that_the_service_refuses_for_good_refuses_its_row_alone(tmp_path):
    async with bench(tmp_path) as it:
        it.simulator.script(*parse_faults("StartRun:ConflictException@cohort-row-0001"))
        stop, _ = await it.launch(rows(3))
        assert stop is Stop.FINISHED
        assert anyio.current_time() < IN_TIME
        entries = await it.entries()
        states = [entry.state for entry in entries.values()]
        assert states == [State.SUCCEEDED, State.REFUSED, State.SUCCEEDED]
        assert entries["row-0001"].code == "ConflictException"
        assert "'batchrun retry' sends the row with another requestId" in (entries["row-0001"].message or "")
        it.simulator.faults.replace(())
        await it.ledger.batch("cohort").requests.retry(["row-0001"], at=it.clock.utcnow(), why="asked for")
        async with reconnected(it):
            await it.launch(rows(3))
        await it.assert_agreement()
        assert len(it.simulator.state().runs) == 3


async def test_passes_come_to_the_same_end_where_a_request_id_is_refused_for_good(tmp_path):
    """Seen: a row that was SUBMITTING for ever, at each pass of cron, without a word."""
    async with bench(tmp_path) as it:
        it.simulator.script(*parse_faults("StartRun:ConflictException@cohort-row-0001"))
        states = []
        for _ in range(6):
            async with reconnected(it):
                await it.launch(rows(2), mode=Mode.ONCE)
            states.append((await it.entries())["row-0001"].state)
            await anyio.sleep(300)
        assert states == [State.SUBMITTING] * 3 + [State.REFUSED] * 3
        assert (await it.entries())["row-0000"].state is State.SUCCEEDED


async def test_a_conflict_is_not_the_last_word_on_a_run_that_is_listed_late(tmp_path):
    async with bench(tmp_path, simulated("StartRun:drop_after=1x", listing_lag=700)) as it:
        it.simulator.script(*parse_faults("StartRun:drop_after=1x,StartRun:ConflictException"))
        stop, _ = await it.launch(rows(1))
        assert stop is Stop.FINISHED
        await it.assert_agreement()
        assert len(it.simulator.state().runs) == 1


async def test_one_row_of_which_nobody_tells_the_run_holds_up_no_other_and_is_told_last(tmp_path):
    def spoil(operation: str, said: Any) -> Any:
        is_meant = said.get("tags", {}).get("batchrun:id") == "row-0003"
        return anonymous(operation, said) if is_meant else said

    failing = (FailFirst(times=1, match="*-row-0005", reason="SERVICE_ERROR"),)
    rule = RetryRule(reason="SERVICE_ERROR", times=1, wait=1_000.0)
    async with spoilt(tmp_path, spoil, simulated(fail_first=failing)) as it:
        with pytest.raises(ServiceUnusableError, match=r"^1 row may have been started, 'row-0003'"):
            await it.launch(rows(8), retry=RetryPolicy(rules=(rule,)))
        states = [entry.state for id, entry in (await it.entries()).items() if id != "row-0003"]
        assert set(states) == {State.SUCCEEDED}
    assert anyio.current_time() < IN_TIME


@pytest.mark.long
@pytest.mark.parametrize("fault", ["AccessDeniedException", "ConflictException", "InternalServerException"])
async def test_a_run_of_which_nothing_is_told_is_named_and_holds_up_no_other(tmp_path, fault):
    async with bench(tmp_path) as it:
        await it.launch(rows(4), mode=Mode.DETACH)
        it.simulator.script(*parse_faults(f"GetRun:{fault}@cohort-row-0002"))
        async with reconnected(it):
            run = (await it.entries())["row-0002"].run
            assert run is not None
            with pytest.raises(ServiceUnusableError, match=rf"row-0002.*{run.id}.*{fault}"):
                await it.launch(rows(4))
        assert anyio.current_time() < IN_TIME
        states = {id: entry.state for id, entry in (await it.entries()).items()}
        assert states.pop("row-0002") is State.ACTIVE
        assert set(states.values()) == {State.SUCCEEDED}
        it.simulator.faults.replace(())
        async with reconnected(it):
            await it.launch(rows(4))
        await it.assert_agreement()


@pytest.mark.long
async def test_a_run_that_is_told_again_is_waited_for(tmp_path):
    hours = simulated(durations=Durations(running=Span(mean=5_000)))
    async with bench(tmp_path, hours) as it:
        it.simulator.script(*parse_faults("GetRun:AccessDeniedException@cohort-row-0000"))

        async def heal() -> None:
            await anyio.sleep(600)
            it.simulator.faults.replace(())

        async with anyio.create_task_group() as group:
            group.start_soon(heal)
            stop, _ = await it.launch(rows(2))
        assert stop is Stop.FINISHED
        await it.assert_agreement()


async def test_a_run_that_was_told_of_since_is_not_named_where_something_else_ends_the_launch(tmp_path):
    hours = simulated(durations=Durations(running=Span(mean=5_000)))
    async with bench(tmp_path, hours, rate=1 / 30) as it:
        it.simulator.script(*parse_faults("GetRun:error_before@cohort-row-0000,ListRuns:error_before"))

        async def change() -> None:
            await anyio.sleep(100)
            it.simulator.faults.replace(parse_faults("GetRun:error_before"))
            await anyio.sleep(600)
            it.simulator.faults.replace(parse_faults("StartRun:AccessDeniedException"))

        async with anyio.create_task_group() as group:
            group.start_soon(change)
            with pytest.raises(ServiceUnusableError, match="omics:StartRun") as caught:
                await it.launch(rows(40), way=Way.LIST, trusts_ledger=True)
        assert "row-0000" not in str(caught.value)


async def test_a_service_that_is_silent_is_told_with_the_runs_that_were_asked_for(tmp_path):
    async with bench(tmp_path, simulated(time_scale=50.0)) as it:
        await it.launch(rows(2), mode=Mode.DETACH)
        it.simulator.script(*parse_faults("GetRun:hang_before,ListRuns:hang_before"))
        with pytest.raises(ServiceUnusableError, match=r"no usable answer.*of the run of 2 rows, 'row-0000'"):
            await it.launch(rows(2))


@pytest.mark.long
async def test_a_service_that_starts_again_is_used_by_the_launch_that_waits_for_its_runs(tmp_path):
    def spoil(operation: str, said: Any) -> Any:
        is_away = 60 < anyio.current_time() < 3_600
        return nameless(operation, said) if is_away else said

    hours = simulated(durations=Durations(running=Span(mean=5_000)))
    async with spoilt(tmp_path, spoil, hours) as it:
        await it.launch(rows(2), mode=Mode.DETACH)
        await anyio.sleep(60)
        stop, _ = await it.launch(rows(8), trusts_ledger=True)
        assert stop is Stop.FINISHED
        await it.assert_agreement()
        assert {entry.state for entry in (await it.entries()).values()} == {State.SUCCEEDED}


@pytest.mark.long
@pytest.mark.parametrize(
    ("operation", "field", "why"),
    [
        ("StartRunBatch", "id", r"20 rows may have been started.*StartRunBatch .*no usable 'id'"),
        ("GetBatch", "status", r"GetBatch.*no usable 'status'"),
        ("ListRunsInBatch", "runs", r"20 rows may have .*StartRunBatch [0-9]+ .*no usable 'runs'"),
    ],
)
async def test_a_run_batch_of_which_nothing_is_told_ends_the_launch(tmp_path, operation, field, why):
    is_odd = True

    def spoil(asked: str, said: Any) -> Any:
        if is_odd and operation == "StartRunBatch" and asked in {"ListBatch", "ListRuns"}:
            return said | {"items": []}
        return {**said, field: None} if is_odd and asked == operation else said

    async with spoilt(tmp_path, spoil, simulated(**SLOW)) as it:
        with pytest.raises(ServiceUnusableError, match=why):
            await it.launch(rows(20), engine=Engine.BATCH)
        assert anyio.current_time() < IN_TIME
        is_odd = False
        async with reconnected(it):
            await it.launch(rows(20), engine=Engine.BATCH)
        await it.assert_agreement()
        assert await all_over(it)
        assert len(it.simulator.state().batches) == 1


@pytest.mark.long
async def test_a_run_without_a_uuid_that_no_listing_of_its_batch_shows_is_not_started_once_more(tmp_path):
    is_odd = True

    def spoil(operation: str, said: Any) -> Any:
        return anonymous(operation, said) if is_odd else said

    hidden = simulated("SubmitRow:hide@cohort-row-0003=1", **SLOW)
    async with spoilt(tmp_path, spoil, hidden) as it:
        with pytest.raises(ServiceUnusableError, match=r"'row-0003' first.*RunWithoutUuid: run [0-9]+ is"):
            await it.launch(rows(8), engine=Engine.BATCH)
        assert len(it.simulator.state().runs) == 8
        is_odd = False
        async with reconnected(it):
            await it.launch(rows(8), engine=Engine.BATCH)
        await it.assert_agreement()


async def test_a_ledger_that_fails_while_rows_are_looked_for_ends_the_launch_with_its_own_error(
    tmp_path, monkeypatch
):
    async def fail(*_uuids: object, **_lane: object) -> None:
        raise LedgerError("it is away")

    async with bench(tmp_path) as it:
        for number in range(6):
            await start(it.service, requestId=f"theirs-{number}", name=f"cohort-row-{number:04}")
        held = await it.take_in(rows(6))
        monkeypatch.setattr(held, "known_runs", fail)
        with pytest.raises(LedgerError, match="it is away"):
            await it.launcher(held).run()
        await held.release()
