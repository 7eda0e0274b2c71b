"""Launches from end to end, over the real client, ledger and simulator, in virtual time."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import anyio
import pytest
import structlog

from batchrun.engine.launch_errors import not_permitted
from batchrun.engine.launcher import Stop
from batchrun.errors import AccessDeniedError, ServiceUnusableError
from batchrun.model.entries.events import Progressed
from batchrun.model.entries.policies import WatchPolicy
from batchrun.model.entries.states import State
from batchrun.model.planning.limits import Changed, Mode
from batchrun.simulator import Durations, Limit, Span, parse_faults
from tests.builders import active, at, planned, run, spec
from tests.engine.launching import Bench, bench, rows
from tests.world import simulated

FAULTS = (
    "StartRun:drop_after=0.1,StartRun:error_after=0.1,StartRun:drop_before=0.05,StartRun:truncated_after=0.05,"
    "StartRun:hang_after=0.02,*:throttle=0.05,GetRun:error_before=0.1,GetRun:html_after=0.05"
)


async def test_every_row_is_run_once_and_watched_to_its_end(tmp_path):
    async with bench(tmp_path, simulated(failures={"RUN_TASK_FAILED": 0.2})) as it:
        stop, launcher = await it.launch(rows(40))
        assert stop is Stop.FINISHED
        await it.assert_agreement()
        ends = {entry.state for entry in (await it.entries()).values()}
        assert ends == {State.SUCCEEDED, State.FAILED}
        assert launcher.tally.open == 0
        assert not launcher.tally.has_only_succeeded


async def test_a_finished_batch_costs_no_call(tmp_path):
    async with bench(tmp_path) as it:
        await it.launch(rows(5))
        calls = it.simulator.state().calls
        stop, _ = await it.launch(rows(5))
        assert stop is Stop.FINISHED
        assert it.simulator.state().calls == calls


async def test_the_laws_hold_under_every_fault_at_once(tmp_path):
    async with bench(tmp_path, simulated(FAULTS, hang=40, max_active=None)) as it:
        await it.launch(rows(60))
        await it.assert_agreement()
        faults = it.simulator.state().calls["StartRun"].faults
        assert sum(faults.values()) > 10


@pytest.mark.long
@pytest.mark.parametrize(
    "fault", ["hang_after", "late", "hang_before", "drop_after", "empty_after", "cut_after"]
)
async def test_a_start_whose_every_first_answer_is_lost_ends_with_one_run(tmp_path, fault):
    async with bench(tmp_path, simulated(f"StartRun:{fault}=4x", hang=100)) as it:
        await it.launch(rows(4))
        await it.assert_agreement()


async def test_the_cap_on_active_runs_holds_at_the_service(tmp_path):
    async with bench(tmp_path, simulated(max_active=None)) as it:
        await it.launch(rows(30), max_active=7)
        state = it.simulator.state()
        assert state.peak_unfinished == 7
        await it.assert_agreement()


@pytest.mark.long
async def test_the_pace_is_the_rate(tmp_path):
    settings = simulated(limits={"StartRun": Limit(rate=5, burst=1), "*": None}, max_active=None)
    async with bench(tmp_path, settings, rate=4.9) as it:
        await it.launch(rows(100))
        state = it.simulator.state()
        took = state.accepted_at[-1] - state.accepted_at[0]
        assert state.calls["StartRun"].throttled <= 1
        assert 99 / 4.9 - 1e-6 <= took <= 1.03 * 99 / 4.9


async def open_again(it: Bench) -> Stop:
    from tests.world import connected  # noqa: PLC0415

    # A launcher that drained has told its client to hurry, so the next one gets a client of its own.
    async with connected(endpoint_url=it.simulator.url, clock=it.clock) as (service, _):
        it.service = service
        stop, _ = await it.launch(rows(30))
        return stop


async def test_new_rows_are_added_and_gone_rows_are_left_alone(tmp_path):
    async with bench(tmp_path) as it:
        await it.launch(rows(3), mode=Mode.DETACH)
        await it.launch([*rows(2), spec("late", 2)])
        assert sorted(await it.entries()) == ["late", "row-0000", "row-0001", "row-0002"]
        assert len(it.simulator.state().runs) == 4
        await it.assert_agreement()


async def test_a_row_that_left_the_manifest_unsent_is_never_sent(tmp_path):
    async with bench(tmp_path, rate=1) as it:
        await (await it.take_in(rows(3))).release()
        stop, _ = await it.launch(rows(1))
        assert stop is Stop.FINISHED
        assert len(it.simulator.state().runs) == 1


async def test_changed_content_is_run_as_a_new_attempt_and_the_old_is_kept(tmp_path):
    async with bench(tmp_path) as it:
        await it.launch(rows(2))
        await it.launch(rows(2, priority=5), changed=Changed.KEEP)
        assert len(it.simulator.state().runs) == 2
        await it.launch(rows(2, priority=5), changed=Changed.RESUBMIT)
        assert len(it.simulator.state().runs) == 4
        async for outcome in it.ledger.batch("cohort").story.outcomes():
            assert outcome.entry.attempt == 2
            assert [past.attempt for past in outcome.earlier] == [1]
            assert outcome.earlier[0].run is not None
            assert outcome.entry.run is not None
            assert outcome.earlier[0].run.uuid != outcome.entry.run.uuid


async def test_changed_content_of_an_unsettled_attempt_waits_until_it_is_settled(tmp_path):
    async with bench(tmp_path, simulated("StartRun:drop_after=1x")) as it:
        launcher = it.launcher(await it.take_in(rows(1)))
        it.service.hurry()  # the first failure is the last, so the outcome stays unknown
        await run_for(launcher, 1)
        assert (await it.entries())["row-0000"].state is State.SUBMITTING
        await it.launch(rows(1, priority=5), changed=Changed.RESUBMIT)
        runs = it.simulator.state().runs
        assert len(runs) == 2
        assert {record.tags["batchrun:attempt"] for record in runs} == {"1", "2"}
        (outcome,) = [outcome async for outcome in it.ledger.batch("cohort").story.outcomes()]
        assert outcome.earlier[0].run is not None
        assert {outcome.entry.run.uuid, outcome.earlier[0].run.uuid} == {record.uuid for record in runs}  # type: ignore[union-attr]


async def run_for(launcher, seconds: float) -> None:
    async with anyio.create_task_group() as group:
        group.start_soon(launcher.run)
        await anyio.sleep(seconds)
        launcher.abandon()
    await launcher._held.release()


async def test_a_refused_row_does_not_hold_up_the_rest(tmp_path):
    async with bench(tmp_path, simulated("StartRun:ValidationException@cohort-row-0001")) as it:
        await it.launch(rows(4))
        entry = (await it.entries())["row-0001"]
        assert (entry.state, entry.code) == (State.REFUSED, "ValidationException")
        await it.assert_agreement()


@pytest.mark.long
async def test_a_full_quota_is_probed_and_not_hammered(tmp_path):
    async with bench(tmp_path, simulated("StartRun:ServiceQuotaExceededException")) as it:
        launcher = it.launcher(await it.take_in(rows(100)))
        async with anyio.create_task_group() as group:
            group.start_soon(launcher.run)
            await anyio.sleep(600)
            assert it.simulator.state().calls["StartRun"].calls < 60
            it.simulator.faults.replace(())
        await it.assert_agreement()
        assert len(it.simulator.state().runs) == 100


@pytest.mark.long
@pytest.mark.parametrize("max_active", [1, 2, 5])
async def test_one_row_that_hangs_does_not_stop_the_others_under_a_small_cap(tmp_path, max_active):
    settings = simulated("StartRun:error_before@cohort-row-0000", max_active=None)
    async with bench(tmp_path, settings) as it:
        with pytest.raises(ServiceUnusableError, match=r"1 row may have been started, 'row-0000'"):
            await it.launch(rows(8), max_active=max_active, deadline=1500)
        states = [entry.state for entry in (await it.entries()).values()]
        if max_active > 1:
            assert states.count(State.SUCCEEDED) == 7


async def test_a_status_that_nobody_knows_is_no_end_and_is_told(tmp_path):
    with structlog.testing.capture_logs() as logs:
        async with bench(tmp_path) as it:
            launcher = it.launcher(await it.take_in(rows(1)))
            odd = active(replace(planned("row-0000")), status="HIBERNATING")
            launcher.recorded(odd, Progressed(at=at(1), run=run("HIBERNATING")), odd)
            launcher.recorded(odd, Progressed(at=at(2), run=run("HIBERNATING")), odd)
    assert [log["status"] for log in logs if log["event"] == "unknown_status"] == ["HIBERNATING"]


async def test_a_full_quota_is_waited_for(tmp_path):
    async with bench(tmp_path, simulated("StartRun:ServiceQuotaExceededException=3x")) as it:
        stop, _ = await it.launch(rows(5))
        assert stop is Stop.FINISHED
        assert anyio.current_time() > 54
        await it.assert_agreement()


async def test_a_poll_error_never_decides_a_run(tmp_path):
    async with bench(
        tmp_path, simulated("GetRun:ValidationException=30x,GetRun:InternalServerException=30x")
    ) as it:
        await it.launch(rows(3))
        assert it.told.failed_looks
        await it.assert_agreement()


async def test_a_run_that_somebody_deletes_ends_as_deleted_and_keeps_what_was_known(tmp_path):
    async with bench(tmp_path) as it:
        await it.launch(rows(2), mode=Mode.DETACH)
        entries = await it.entries()
        run = entries["row-0000"].run
        assert run is not None
        await anyio.sleep(300)
        await it.service._calls.client.delete_run(id=run.id)
        await it.launch(rows(2))
        entry = (await it.entries())["row-0000"]
        assert entry.state is State.DELETED
        assert entry.run is not None
        assert entry.run.uuid == run.uuid


async def test_a_run_id_that_was_given_to_another_run_is_not_believed(tmp_path):
    async with bench(tmp_path) as it:
        await it.launch(rows(1), mode=Mode.DETACH)
        run = (await it.entries())["row-0000"].run
        assert run is not None
        await anyio.sleep(300)
        await it.service._calls.client.delete_run(id=run.id)
        await it.service.start_turn()
        from tests.world import start  # noqa: PLC0415

        theirs = await start(it.service, requestId="theirs")
        assert theirs.id == run.id
        await it.launch(rows(1))
        entry = (await it.entries())["row-0000"]
        assert entry.state is State.DELETED
        assert entry.run is not None
        assert entry.run.uuid == run.uuid


async def test_an_unreachable_service_stops_the_launch_and_loses_nothing(tmp_path):
    async with bench(tmp_path) as it:
        it.simulator.script(*parse_faults("*:drop_before"))
        with pytest.raises(ServiceUnusableError):
            await it.launch(rows(3))
        it.simulator.faults.replace(())
        assert {entry.state for entry in (await it.entries()).values()} == {State.PLANNED}
        assert await open_again(it) is Stop.FINISHED
        await it.assert_agreement()


@pytest.mark.long
async def test_forty_runs_over_three_days(tmp_path):
    durations = Durations(
        pending=Span(mean=300),
        starting=Span(mean=300),
        running=Span(mean=12000, spread=0.5),
        stopping=Span(mean=300),
    )
    async with bench(tmp_path, simulated(durations=durations, max_active=None)) as it:
        it.ttl, it.notice = timedelta(hours=2), 3600.0  # these would else be most of the work
        stop, _ = await it.launch(rows(40), max_active=2, watch=WatchPolicy(shortest=1800, longest=7200))
        assert stop is Stop.FINISHED
        assert timedelta(days=2.8) < timedelta(seconds=anyio.current_time()) < timedelta(days=4)
        await it.assert_agreement()
        assert it.simulator.state().calls["GetRun"].calls < 338


async def test_a_role_that_may_not_tag_is_told_which_action_is_missing(tmp_path):
    async with bench(tmp_path, simulated("StartRun:AccessDeniedException")) as it:
        message = "User: arn:x is not authorized to perform: omics:TagResource on resource: y"
        error = AccessDeniedError(message, operation="StartRun", code="AccessDeniedException")
        assert "allow omics:TagResource, or leave the tags off with --no-tags" in str(
            not_permitted("StartRun", error)
        )
        with pytest.raises(ServiceUnusableError, match="allow omics:StartRun"):
            await it.launch(rows(3))


async def test_a_clock_that_jumps_an_hour_and_back_harms_nothing(tmp_path):
    async with bench(tmp_path, simulated("StartRun:drop_after=0.3"), rate=2) as it:
        launcher = it.launcher(await it.take_in(rows(20)))
        async with anyio.create_task_group() as group:
            group.start_soon(launcher.run)
            for hours in (1, -1, -1, 1):
                await anyio.sleep(3)
                it.clock._start += timedelta(hours=hours)
        entries = (await it.entries()).values()
        assert {entry.state for entry in entries} == {State.SUCCEEDED}
        assert len(it.simulator.state().runs) == 20


@pytest.mark.long
async def test_the_same_story_is_told_twice(tmp_path):
    stories = []
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        async with bench(tmp_path / name, simulated("StartRun:drop_after=0.2"), rate=10) as it:
            begun = anyio.current_time()
            await it.launch(rows(30), max_active=10)
            runs = it.simulator.state().runs
            stories.append(
                (it.told.steps, [(run.name, run.uuid) for run in runs], anyio.current_time() - begun)
            )
    assert stories[0][:2] == stories[1][:2]
    assert stories[0][2] == pytest.approx(stories[1][2], abs=0.01)
