"""Cancelling, over the real client, ledger and simulator, in virtual time."""

from __future__ import annotations

import anyio
import pytest

from batchrun.engine.launcher import Stop
from batchrun.engine.upkeep.deleter import Deleter
from batchrun.errors import OutcomeUnknownError, ServiceUnusableError
from batchrun.ledger import open_ledger
from batchrun.model.entries.states import State
from batchrun.model.planning.cancelling import Scope
from batchrun.model.planning.limits import Mode
from batchrun.simulator import Durations, FailFirst, Span, parse_faults
from tests.engine.launching import Bench, bench, reached, rows
from tests.world import simulated, start

SLOW = simulated(max_active=None, time_scale=50.0)  # hours per run


async def cancel(it: Bench, *ids: str, scope: Scope = Scope.RUN) -> None:
    await it.ledger.batch("cohort").requests.ask_to_cancel(ids or None, scope=scope, at=it.clock.utcnow())


async def states(it: Bench) -> set[tuple[State, bool]]:
    """Return what there is: states, and whether there is a run."""
    return {(entry.state, entry.run is not None) for entry in (await it.entries()).values()}


def started(it: Bench) -> int:
    return len(it.simulator.state().runs)


async def cancelled_after(it: Bench, seconds: float, *, scope: Scope = Scope.RUN) -> None:
    """Cancel as another process does, over a ledger of its own."""
    await anyio.sleep(seconds)
    async with await open_ledger(it.path) as ledger:
        await ledger.batch("cohort").requests.ask_to_cancel(None, scope=scope, at=it.clock.utcnow())


async def test_a_running_launch_takes_note_withdraws_and_cancels_and_ends(tmp_path):
    async with bench(tmp_path, SLOW, rate=1) as it, anyio.create_task_group() as group:
        it.notice = 2.0
        group.start_soon(cancelled_after, it, 20)
        stop, launcher = await it.launch(rows(60))
        assert stop is Stop.FINISHED
        assert +launcher.tally.by_state == {State.CANCELLED: 60}
        assert 20 <= started(it) <= 24
        assert {str(record.status) for record in it.simulator.state().runs} == {"CANCELLED"}
        assert await states(it) == {(State.CANCELLED, True), (State.CANCELLED, False)}
        await it.assert_agreement()
        calls = it.simulator.state().calls["CancelRun"].calls
        assert calls == started(it)


async def test_what_was_cancelled_stays_so_and_nothing_is_started_again(tmp_path):
    async with bench(tmp_path, SLOW, rate=1) as it:
        await it.launch(rows(5), deadline=2.5)
        assert started(it) < 5
        runs = started(it)
        await cancel(it)
        _, launcher = await it.launch(rows(5), mode=Mode.CANCEL)
        assert +launcher.tally.by_state == {State.CANCELLED: 5}
        await it.launch(rows(5))
        assert started(it) == runs


async def test_a_launch_that_only_cancels_leaves_the_rest_alone(tmp_path):
    async with bench(tmp_path, SLOW) as it:
        await it.launch(rows(6), mode=Mode.DETACH)
        await cancel(it, "row-0002", "row-0004")
        stop, launcher = await it.launch(rows(9), mode=Mode.CANCEL)
        assert stop is Stop.FINISHED
        assert +launcher.tally.by_state == {State.CANCELLED: 2, State.ACTIVE: 4, State.PLANNED: 3}
        assert started(it) == 6
        assert it.simulator.state().calls["GetRun"].calls <= 20
        entries = await it.entries()
        cancelled = {id for id, entry in entries.items() if entry.state is State.CANCELLED}
        assert cancelled == {"row-0002", "row-0004"}


async def test_pending_alone_leaves_runs_alone(tmp_path):
    async with bench(tmp_path, simulated(max_active=None), rate=1) as it, anyio.create_task_group() as group:
        group.start_soon(lambda: cancelled_after(it, 10, scope=Scope.SENDING))
        _, launcher = await it.launch(rows(30))
        assert launcher.tally.by_state[State.SUCCEEDED] == started(it)
        assert launcher.tally.by_state[State.CANCELLED] == 30 - started(it)
        assert "CancelRun" not in it.simulator.state().calls


async def test_an_outcome_that_is_unknown_is_settled_and_then_cancelled(tmp_path):
    settings = simulated("StartRun:drop_after=3x", max_active=None, time_scale=50.0)
    async with bench(tmp_path, settings, rate=1) as it:
        launcher = it.launcher(await it.take_in(rows(3)), mode=Mode.DETACH)
        async with anyio.create_task_group() as group:
            group.start_soon(launcher.run)
            await anyio.sleep(1.5)
            launcher.abandon()
        await launcher._held.release()
        assert State.SUBMITTING in {entry.state for entry in (await it.entries()).values()}
        await cancel(it)
        await it.launch(rows(3), mode=Mode.CANCEL)
        assert {entry.state for entry in (await it.entries()).values()} == {State.CANCELLED}
        assert {str(record.status) for record in it.simulator.state().runs} == {"CANCELLED"}


async def test_a_run_that_fails_meanwhile_gets_no_other_attempt(tmp_path):
    settings = simulated(fail_first=(FailFirst(times=9, match="*", reason="SERVICE_ERROR"),), max_active=None)
    async with bench(tmp_path, settings) as it, anyio.create_task_group() as group:
        group.start_soon(lambda: cancelled_after(it, 30, scope=Scope.SENDING))
        _, launcher = await it.launch(rows(4))
        assert started(it) == 4
        assert +launcher.tally.by_state == {State.CANCELLED: 4}


@pytest.mark.long
@pytest.mark.parametrize(
    "faults",
    [
        "CancelRun:throttle=0.5",
        "CancelRun:error_before=0.5",
        "CancelRun:drop_after=0.5",
        "GetRun:error_before=0.3",
    ],
)
async def test_trouble_with_the_calls_delays_and_no_more(tmp_path, faults):
    async with bench(tmp_path, simulated(faults, max_active=None, time_scale=50.0)) as it:
        await it.launch(rows(12), mode=Mode.DETACH)
        await cancel(it)
        await it.launch(rows(12), mode=Mode.CANCEL)
        assert await states(it) == {(State.CANCELLED, True)}
        await it.assert_agreement()


async def test_without_the_permission_the_verb_says_so_and_a_launch_goes_on(tmp_path):
    async with bench(tmp_path, simulated("CancelRun:AccessDeniedException", max_active=None)) as it:
        await it.launch(rows(2), mode=Mode.DETACH)
        await cancel(it)
        with pytest.raises(ServiceUnusableError, match="allow omics:CancelRun"):
            await it.launch(rows(2), mode=Mode.CANCEL)
        _, launcher = await it.launch(rows(2))
        assert launcher.tally.has_only_succeeded


async def test_nobody_elses_run_is_cancelled_under_a_reused_id(tmp_path):
    async with bench(tmp_path, SLOW) as it:
        await it.launch(rows(2), mode=Mode.DETACH)
        run = (await it.entries())["row-0001"].run
        assert run is not None
        await it.service.cancel_run(run.id)
        await anyio.sleep(3600)
        await it.service.delete_run(run.id)
        stranger = await start(it.service, requestId="theirs", name="theirs")
        assert stranger.id == run.id
        await cancel(it)
        await it.launch(rows(2), mode=Mode.CANCEL)
        assert await states(it) == {(State.CANCELLED, True), (State.DELETED, True)}
        assert str(it.simulator.state().runs[-1].status) not in {"CANCELLED", "STOPPING"}


@pytest.mark.long
async def test_a_launch_of_many_pages_is_withdrawn_whole(tmp_path):
    async with bench(tmp_path, SLOW, rate=10) as it, anyio.create_task_group() as group:
        group.start_soon(cancelled_after, it, 5)
        await it.launch(rows(1300))
        assert {state for state, _ in await states(it)} == {State.CANCELLED}
        assert started(it) < 120


@pytest.mark.parametrize("fault", ["error_before", "error_after", "drop_before", "drop_after", "close_after"])
async def test_a_deletion_whose_answer_was_lost_looks_again_whose_the_id_is(tmp_path, fault):
    async with bench(tmp_path, simulated(max_active=None)) as it:
        await it.launch(rows(1))
        ended = await it.ledger.batch("cohort").story.ended_runs(limit=9)
        it.simulator.script(*parse_faults(f"DeleteRun:{fault}=1x"))
        looks = it.simulator.state().calls["GetRun"].calls
        deleter = Deleter(ledger=it.ledger, reach=reached(it.service), clock=it.clock, concurrency=1, lag=60)
        done = await deleter.delete(ended)
        assert (len(done.deleted), done.gone, done.kept) == (1, [], [])
        # Where a connection is dropped, the HTTP client sends it again unseen.
        assert it.simulator.state().calls["DeleteRun"].calls == 1 + (fault != "error_after")
        assert it.simulator.state().calls["GetRun"].calls == looks + 2 - (fault == "drop_before")


async def test_a_cancellation_whose_answer_was_lost_is_not_repeated_unseen(tmp_path):
    async with bench(tmp_path, SLOW) as it:
        await it.launch(rows(1), mode=Mode.DETACH)
        run = (await it.entries())["row-0000"].run
        assert run is not None
        it.simulator.script(*parse_faults("CancelRun:drop_after=1x"))
        with pytest.raises(OutcomeUnknownError):
            await it.service.cancel_run(run.id)
        assert it.simulator.state().calls["CancelRun"].calls == 1


async def test_what_is_asked_for_beside_a_launch_that_only_cancels_is_carried_out_by_it(tmp_path):
    async with bench(tmp_path, SLOW) as it, anyio.create_task_group() as group:
        await it.launch(rows(3), mode=Mode.DETACH)
        await cancel(it, "row-0000")
        it.simulator.script(*parse_faults("CancelRun:ConflictException=4x"))
        group.start_soon(cancelled_after, it, 3)
        await it.launch(rows(3), mode=Mode.CANCEL)
        assert await states(it) == {(State.CANCELLED, True)}
        assert it.clock.monotonic() < 600


@pytest.mark.long
@pytest.mark.parametrize("fault", ["AccessDeniedException", "ConflictException", "ValidationException"])
async def test_a_run_that_cannot_be_cancelled_is_waited_for_to_its_end(tmp_path, fault):
    """Seen: after 15 minutes the launch had nothing left to wait for, and ended as if all were over."""
    async with bench(tmp_path, simulated(durations=Durations(running=Span(mean=2_000)))) as it:
        it.simulator.script(*parse_faults(f"CancelRun:{fault}"))
        async with anyio.create_task_group() as group:
            group.start_soon(cancelled_after, it, 100)
            _, launcher = await it.launch(rows(2))
        assert +launcher.tally.by_state == {State.SUCCEEDED: 2}
        await it.assert_agreement()


async def test_a_run_of_which_nothing_is_told_is_named_by_who_was_to_cancel_it(tmp_path):
    async with bench(tmp_path, SLOW) as it:
        await it.launch(rows(2), mode=Mode.DETACH)
        await cancel(it)
        it.simulator.script(*parse_faults("GetRun:ConflictException@cohort-row-0001"))
        with pytest.raises(ServiceUnusableError, match=r"row-0001.*nothing is told"):
            await it.launch(rows(2), mode=Mode.CANCEL)
        states = [entry.state for entry in (await it.entries()).values()]
        assert states == [State.CANCELLED, State.ACTIVE]
