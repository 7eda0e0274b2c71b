"""Answers that are lost, a service that forgets, listings that lag: still one run per attempt."""

from __future__ import annotations

import anyio
import pytest

from batchrun.engine.launcher import Stop
from batchrun.errors import ServiceUnusableError
from batchrun.ledger import open_ledger
from batchrun.model.entries.states import State
from batchrun.model.planning.limits import Mode
from batchrun.simulator import Limit, parse_faults, server
from tests.builders import spec
from tests.engine.launching import Bench, bench, reconnected, rows
from tests.world import connected, simulated

HALF_LOST = "StartRun:drop_after=0.25,StartRun:error_after=0.15,StartRun:truncated_after=0.1"


def forgetful(faults: str = HALF_LOST, **changes):
    return simulated(faults, idempotency_window=2, max_active=None, **changes)


async def relaunch(it: Bench, count: int, **limits) -> None:
    """Launch as a new process would: with a client of its own."""
    async with connected(endpoint_url=it.simulator.url, clock=it.clock) as (service, _):
        it.service = service
        await it.launch(rows(count), **limits)


async def abandon_after(it: Bench, seconds: float, count: int, **limits) -> None:
    launcher = it.launcher(await it.take_in(rows(count)), **limits)
    async with anyio.create_task_group() as group:
        group.start_soon(launcher.run)
        await anyio.sleep(seconds)
        launcher.abandon()
    await launcher._held.release()


@pytest.mark.long
@pytest.mark.parametrize("lag", [0, 30])
async def test_a_service_that_forgets_in_two_seconds_is_not_asked_twice(tmp_path, lag):
    async with bench(tmp_path, forgetful(listing_lag=lag), rate=20) as it:
        await it.launch(rows(40), replay_window=1.0)
        await it.assert_agreement()
        assert it.simulator.state().calls["ListRuns"].calls > 10


@pytest.mark.long
async def test_killed_and_started_again_after_the_service_forgot(tmp_path):
    async with bench(tmp_path, forgetful(), rate=20) as it:
        for seconds in (0.7, 1.3, 2.1):
            await abandon_after(it, seconds, 80, replay_window=1.0)
            await anyio.sleep(3)
        await relaunch(it, 80, replay_window=1.0)
        await it.assert_agreement()


async def test_a_run_that_the_service_tells_of_for_two_rows_ends_the_launch(tmp_path, monkeypatch):
    async with bench(tmp_path) as it:
        monkeypatch.setattr(server, "draw_uuid", lambda *_: "6a9b54d6-0dba-4f5c-8c4c-5f0b7a1b2c3d")
        it.simulator.script(*parse_faults("StartRun:other_uuid_after=2x"))
        with pytest.raises(ServiceUnusableError, match=r"one run for two rows.*run the same command again"):
            await it.launch(rows(10))
        known = [entry.run.uuid for entry in (await it.entries()).values() if entry.run is not None]
        assert len(known) == len(set(known))


async def test_a_turn_that_comes_after_the_window_is_not_used(tmp_path):
    # Every first answer is lost, and the lane is so slow that each second try would come too late.
    settings = forgetful("StartRun:error_after=10x", limits={"StartRun": Limit(rate=1, burst=1), "*": None})
    async with bench(tmp_path, settings, rate=0.5) as it:
        await it.launch(rows(10), replay_window=1.0)
        await it.assert_agreement()


async def test_what_was_dropped_before_the_commit_is_sent_again_only_when_the_listing_has_caught_up(tmp_path):
    async with bench(tmp_path, forgetful("StartRun:drop_before=1x", listing_lag=30)) as it:
        await it.launch(rows(1), replay_window=0.001, listing_lag=60.0)
        await it.assert_agreement()
        first, second = (call.at for call in it.simulator.state().start_calls)
        assert second - first >= 60


async def test_a_conflict_with_our_own_call_in_flight_is_settled_by_looking(tmp_path):
    async with bench(tmp_path, simulated("StartRun:hang_after=5x", hang=200)) as it:
        await it.launch(rows(5))
        await it.assert_agreement()
        assert "accepted" in {event for _, event in it.told.steps}


async def test_untagged_runs_are_found_by_what_was_asked_for(tmp_path):
    async with bench(tmp_path, forgetful(), rate=20) as it:
        await it.launch(rows(30), tag=False, replay_window=1.0)
        runs = it.simulator.state().runs
        entries = await it.entries()
        assert len(runs) == 30
        assert not any(record.tags for record in runs)
        assert {entry.run.uuid for entry in entries.values() if entry.run} == {record.uuid for record in runs}


async def test_an_untagged_row_does_not_take_the_run_of_another_that_asks_for_the_same(tmp_path):
    twins = [spec(id, number, name="same") for number, id in enumerate(["first", "twin"])]
    async with bench(tmp_path, forgetful()) as it:
        await it.launch(twins[:1], tag=False, replay_window=1.0)
        async with reconnected(it):
            await it.launch(twins, tag=False, replay_window=1.0)
        runs = {record.uuid for record in it.simulator.state().runs}
        entries = await it.entries()
        assert len(runs) == 2
        assert {entry.run.uuid for entry in entries.values() if entry.run} == runs


@pytest.mark.long
async def test_untagged_rows_of_one_name_never_share_a_run(tmp_path):
    same = [spec(f"r{n}", n, name="same", outputUri=f"s3://lab/{n}/") for n in range(12)]
    async with bench(tmp_path, forgetful(), rate=20) as it:
        await it.launch(same, tag=False, replay_window=1.0)
        runs = {record.output_uri: record.uuid for record in it.simulator.state().runs}
        assert len(runs) == len(it.simulator.state().runs) == 12
        for number in range(12):
            run = (await it.entries())[f"r{number}"].run
            assert run is not None
            assert runs[f"s3://lab/{number}/"] == run.uuid


async def test_what_cannot_be_told_apart_is_held_and_never_guessed(tmp_path):
    async with bench(tmp_path, forgetful("StartRun:drop_after")) as it:
        # Somebody else starts two runs that look just like ours.
        theirs = {"name": "cohort-row-0000", "workflowId": "1234567", "outputUri": "s3://lab-results/x/"}
        role = "arn:aws:iam::123456789012:role/omics"
        it.simulator.faults.replace(())
        for number in range(2):
            await it.service._calls.client.start_run(roleArn=role, requestId=f"their-{number}", **theirs)  # type: ignore[arg-type]
        it.simulator.script(*parse_faults("StartRun:drop_after=1x"))
        await it.launch(rows(1), tag=False, replay_window=0.001, trusts_ledger=True)
        entry = (await it.entries())["row-0000"]
        assert (entry.state, entry.code) == (State.SUBMITTING, "AmbiguousRuns")
        assert len(it.simulator.state().runs) == 3


@pytest.mark.parametrize("operation", ["ListRuns", "GetRun"])
async def test_without_permission_to_look_nothing_is_sent_unless_the_ledger_is_trusted(tmp_path, operation):
    async with bench(tmp_path) as it:
        await it.launch(rows(3), mode=Mode.DETACH)
        await it.ledger.close()
        it.simulator.script(*parse_faults(f"{operation}:AccessDeniedException"))
        async with await open_ledger(tmp_path / "another.db") as it.ledger:
            with pytest.raises(ServiceUnusableError, match=f"allow omics:{operation}.*--trust-ledger"):
                await it.launch(rows(3))
            assert it.simulator.state().calls["StartRun"].calls == 3


async def test_without_permission_to_list_a_conflict_is_settled_by_sending_again(tmp_path):
    async with bench(
        tmp_path, simulated("ListRuns:AccessDeniedException,StartRun:hang_after=3x", hang=100)
    ) as it:
        stop, _ = await it.launch(rows(3), trusts_ledger=True)
        assert stop is Stop.FINISHED
        await it.assert_agreement()


async def test_without_permission_to_list_young_outcomes_are_settled_and_old_ones_held(tmp_path):
    denied = "ListRuns:AccessDeniedException"
    async with bench(tmp_path, forgetful(f"{denied},StartRun:drop_after=3x")) as it:
        await it.launch(rows(3), trusts_ledger=True)
        await it.assert_agreement()
    (tmp_path / "old").mkdir()
    async with bench(tmp_path / "old", forgetful(f"{denied},StartRun:drop_after=3x")) as it:
        await it.launch(rows(3), replay_window=0.01, trusts_ledger=True)
        entries = (await it.entries()).values()
        assert {entry.code for entry in entries} == {"ListRunsDenied"}
        assert len(it.simulator.state().runs) == 3


POISON = [
    "StartRun:ValidationException@cohort-row-0001",
    "StartRun:truncated_after@cohort-row-0001",
    "StartRun:html_after@cohort-row-0001",
    "StartRun:hang_after@cohort-row-0001",
]


@pytest.mark.long
@pytest.mark.parametrize("poison", POISON)
async def test_one_poisonous_row_does_not_hold_up_the_rest(tmp_path, poison):
    async with bench(tmp_path, simulated(poison, hang=300)) as it:
        stop, _ = await it.launch(rows(6))
        assert stop is Stop.FINISHED
        await it.assert_agreement()
        assert anyio.current_time() < 900


@pytest.mark.long
@pytest.mark.parametrize("poison", ["GetRun:html_after", "GetRun:InternalServerException"])
async def test_a_run_whose_looks_never_succeed_leaves_the_rest_to_end(tmp_path, poison):
    async with bench(tmp_path) as it:
        await it.launch(rows(6), mode=Mode.DETACH)
        it.simulator.script(*parse_faults(f"{poison}@cohort-row-0001"))
        stop, launcher = await it.launch(rows(6), deadline=600)
        assert stop is Stop.DEADLINE
        assert launcher.tally.by_state[State.SUCCEEDED] == 5
        assert launcher.tally.by_state[State.ACTIVE] == 1


TURNED_AWAY = ["Throttling", "ServiceQuotaExceeded", "AccessDenied", "Validation"]


@pytest.mark.long
@pytest.mark.parametrize("then", [f"{name}Exception" for name in TURNED_AWAY])
async def test_a_definite_answer_after_a_lost_one_settles_nothing(tmp_path, then):
    lost, turned_away = "StartRun:drop_after=2x", f"StartRun:{then}=2x"
    async with bench(tmp_path, forgetful(f"{lost},{turned_away}")) as it:
        await it.launch(rows(2), replay_window=1.0)
        await it.assert_agreement()
        assert {entry.state for entry in (await it.entries()).values()} == {State.SUCCEEDED}


async def test_a_throttle_after_a_lost_answer_does_not_make_it_planned_when_draining(tmp_path):
    async with bench(tmp_path, forgetful("StartRun:drop_after=5x,StartRun:throttle=9999x")) as it:
        await abandon_after(it, 3, 5, replay_window=3600.0)
        assert {entry.state for entry in (await it.entries()).values()} == {State.SUBMITTING}
        it.simulator.faults.replace(())
        await anyio.sleep(7200)
        await relaunch(it, 5)
        await it.assert_agreement()


async def test_a_request_that_is_refused_for_good_is_refused_although_an_answer_was_lost(tmp_path):
    refused = "StartRun:drop_before=1x,StartRun:ValidationException"
    async with bench(tmp_path, simulated(refused)) as it:
        await it.launch(rows(1))
        assert (await it.entries())["row-0000"].state is State.REFUSED
        assert not it.simulator.state().runs
        assert anyio.current_time() < 600


async def test_runs_that_are_listed_without_a_name_are_looked_at_too(tmp_path, monkeypatch):
    async with bench(tmp_path, forgetful("StartRun:drop_after=0.5"), rate=20) as it:
        listed = it.service._calls.client.list_runs

        async def nameless(**parameters):
            page = await listed(**parameters)
            return {**page, "items": [{**item, "name": None} for item in page["items"]]}

        monkeypatch.setattr(it.service._calls.client, "list_runs", nameless)
        await it.launch(rows(10), replay_window=0.5)
        await it.assert_agreement()


async def test_a_row_that_left_the_manifest_and_is_put_off_holds_nobody_up(tmp_path):
    async with bench(tmp_path, simulated("StartRun:drop_before=9x")) as it:
        await it.launch(rows(1), deadline=1.0)
        assert (await it.entries())["row-0000"].state is State.SUBMITTING
        it.simulator.faults.replace(parse_faults("StartRun:ServiceQuotaExceededException@*-0000=1x"))
        async with reconnected(it):
            await it.launch(rows(2)[1:], replay_window=0.0, trusts_ledger=True)
        assert [entry.state for entry in (await it.entries()).values()] == [State.SUCCEEDED, State.BACKOFF]
