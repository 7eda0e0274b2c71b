"""Failed tasks, asked for beside the launch, over the real client, ledger and simulator, in virtual time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

import anyio
import pytest
from structlog.testing import capture_logs

from batchrun.engine.launcher import Stop
from batchrun.model.entries.entry import Entry
from batchrun.model.entries.events import Event, Failed
from batchrun.model.entries.states import State
from batchrun.model.planning.limits import Mode
from batchrun.model.tasks import FailedTasks, stream_name
from batchrun.simulator import FailFirst, Limit, Settings, Span
from tests.engine.launching import Bench, Told, bench, reconnected, rows
from tests.world import EVEN, simulated

#: What no launch may spend on tasks beyond its end.
AT_THE_END = 15.0
#: What a run takes in the simulated service, and a look at it after its end.
RUN_AND_LOOK = 190.0


class Expecting(Told):
    """An observer that says when the first run has failed."""

    def __init__(self) -> None:
        super().__init__()
        self.has_failed = anyio.Event()

    def recorded(self, before: Entry, event: Event, after: Entry) -> None:
        super().recorded(before, event, after)
        if isinstance(event, Failed):
            self.has_failed.set()


def failing(faults: str = "", **changes: Any) -> Settings:
    return simulated(faults, **{"failures": {"RUN_TASK_FAILED": 1.0}, "max_active": None, **changes})


def calls(it: Bench, operation: str) -> int:
    tallies = it.simulator.state().calls
    return tallies[operation].calls if operation in tallies else 0


async def found(it: Bench, count: int) -> Mapping[str, Mapping[int, FailedTasks]]:
    return await it.ledger.batch("cohort").story.failed_tasks([row.id for row in rows(count)])


async def test_a_failed_run_s_tasks_are_in_the_ledger_at_its_end(tmp_path):
    async with bench(tmp_path, failing()) as it:
        stop, launcher = await it.launch(rows(3))
        assert (stop, launcher.tally.by_state[State.FAILED]) == (Stop.FINISHED, 3)
        told = await found(it, 3)
        entries = await it.entries()
        for id_, entry in entries.items():
            (task,) = told[id_][1].tasks
            assert (task.name, task.failure_reason) == ("step_2", "OUT_OF_MEMORY_ERROR")
            assert entry.run is not None
            assert f"id: {task.id}, " in (entry.run.status_message or "")
            assert stream_name(task.log_stream or "") == f"run/{entry.run.id}/task/{task.id}"
        assert it.told.failed_tasks == {(id_, 1): told[id_][1] for id_ in entries}
        assert (calls(it, "ListRunTasks"), calls(it, "GetRunTask")) == (3, 3)
        await it.assert_agreement()


async def test_a_launch_without_failures_asks_for_nothing(tmp_path):
    async with bench(tmp_path, simulated(max_active=None)) as it:
        begun = anyio.current_time()
        await it.launch(rows(5))
        assert set(it.simulator.state().calls) <= {"StartRun", "GetRun", "ListRuns"}
        assert anyio.current_time() - begun < RUN_AND_LOOK


async def test_what_was_asked_for_is_not_asked_for_again(tmp_path):
    async with bench(tmp_path, failing()) as it:
        await it.launch(rows(3))
        await it.launch(rows(4))
        assert calls(it, "ListRunTasks") == 4


async def test_each_attempt_has_its_tasks(tmp_path):
    first = (FailFirst(times=1, match="*", reason="SERVICE_ERROR"),)
    async with bench(tmp_path, simulated(fail_first=first, max_active=None)) as it:
        _, launcher = await it.launch(rows(2))
        assert launcher.tally.has_only_succeeded
        assert {id_: set(attempts) for id_, attempts in (await found(it, 2)).items()} == {
            "row-0000": {1},
            "row-0001": {1},
        }


async def test_few_of_many_failed_tasks_are_told(tmp_path):
    async with bench(tmp_path, failing(tasks_per_run=150, failed_tasks=140)) as it:
        await it.launch(rows(1))
        told = (await found(it, 1))["row-0000"][1]
        assert (len(told.tasks), told.has_more) == (5, True)
        assert (calls(it, "ListRunTasks"), calls(it, "GetRunTask")) == (1, 5)


@pytest.mark.long
@pytest.mark.parametrize(
    "fault",
    [
        "hang_before",
        "late",
        "throttle",
        "error_before",
        "drop_before",
        "empty_after",
        "html_after",
        "cut_after",
    ],
)
@pytest.mark.parametrize("operation", ["ListRunTasks", "GetRunTask"])
async def test_whatever_keeps_the_tasks_back_the_launch_ends_in_time(tmp_path, operation, fault):
    async with bench(tmp_path, failing(f"{operation}:{fault}", hang=100_000.0)) as it:
        begun = anyio.current_time()
        with capture_logs() as logs:
            stop, launcher = await it.launch(rows(9))
        assert "no_usable_answer" not in {one["event"] for one in logs}, "runs are looked at all the while"
        assert anyio.current_time() - begun < RUN_AND_LOOK + AT_THE_END
        assert (stop, launcher.tally.by_state[State.FAILED]) == (Stop.FINISHED, 9)
        assert await found(it, 9) == {}
        assert len(await launcher._held.unasked(limit=99)) == 9
        await it.assert_agreement()


async def test_the_next_launch_asks_for_what_was_not_told(tmp_path):
    async with bench(tmp_path, failing("GetRunTask:error_before")) as it:
        await it.launch(rows(6))
        assert await found(it, 6) == {}
        it.simulator.faults.replace(())
        async with reconnected(it):
            await it.launch(rows(7))
        assert set(await found(it, 7)) == {row.id for row in rows(7)}


async def test_what_failed_in_passing_is_asked_for_once_more_at_the_end(tmp_path):
    # The first run's tasks are kept back for as long as one is patient, long before the other run ends.
    settings = failing("ListRunTasks:hang_before=2x", hang=100_000.0)
    async with bench(tmp_path, settings) as it:
        await it.launch(rows(2), max_active=1)
        assert set(await found(it, 2)) == {"row-0000", "row-0001"}


async def test_a_launch_of_days_asks_again_for_what_failed_in_passing(tmp_path):
    settings = simulated(
        "ListRunTasks:hang_before=2x",
        hang=100_000.0,
        fail_first=(FailFirst(times=1, match="*row-0000", reason="RUN_TASK_FAILED"),),
        durations=replace(EVEN, running=Span(mean=10_000)),
    )
    async with bench(tmp_path, settings) as it:
        it.told = told = Expecting()
        it.ttl = timedelta(hours=9)
        launcher = it.launcher(await it.take_in(rows(2)))
        async with anyio.create_task_group() as group:
            group.start_soon(launcher.run)
            await told.has_failed.wait()
            await anyio.sleep(100)
            assert await found(it, 2) == {}
            await anyio.sleep(900)
            assert set(await found(it, 2)) == {"row-0000"}
            assert launcher.tally.open == 1
            launcher.drain()


@pytest.mark.parametrize("operation", ["ListRunTasks", "GetRunTask"])
async def test_where_it_is_denied_that_is_said_once_with_the_cure(tmp_path, operation):
    async with bench(tmp_path, failing(f"{operation}:AccessDeniedException")) as it:
        with capture_logs() as logs:
            stop, launcher = await it.launch(rows(20))
        (said,) = [one for one in logs if one["event"] == "failed_tasks_denied"]
        assert (said["log_level"], f"allow omics:{operation}" in said["cure"]) == ("warning", True)
        assert calls(it, operation) <= 4
        assert (stop, launcher.tally.by_state[State.FAILED]) == (Stop.FINISHED, 20)


async def test_a_run_is_not_given_up_for_one_answer_that_it_is_gone(tmp_path):
    async with bench(tmp_path, failing("ListRunTasks:ResourceNotFoundException=1x")) as it:
        await it.launch(rows(1))
        (task,) = (await found(it, 1))["row-0000"][1].tasks
        assert task.failure_reason == "OUT_OF_MEMORY_ERROR"


async def test_a_run_that_was_deleted_has_no_tasks_any_more(tmp_path):
    async with bench(tmp_path, failing("ListRunTasks:error_before")) as it:
        await it.launch(rows(1))
        it.simulator.faults.replace(())
        async with reconnected(it):
            await _delete(it, it.simulator.state().runs[0].id)
            await it.launch(rows(2))
        told = await found(it, 2)
        assert (told["row-0000"][1], len(told["row-0001"][1].tasks)) == (FailedTasks(), 1)


async def test_tasks_of_another_run_that_has_the_id_now_are_not_taken_for_ours(tmp_path):
    async with bench(tmp_path, failing("ListRunTasks:error_before")) as it:
        await it.launch(rows(1))
        ours = it.simulator.state().runs[0].id
        await _delete(it, ours)
        request: Any = {
            "workflowId": "1234567",
            "roleArn": "arn:aws:iam::123456789012:role/omics",
            "outputUri": "s3://elsewhere/",
            "requestId": "another",
        }
        answer = await it.service._calls.client.start_run(**request)
        assert answer["id"] == ours
        await anyio.sleep(1_000)
        it.simulator.faults.replace(())
        async with reconnected(it):
            await it.launch([*rows(1), *rows(2)[1:]])
        told = await found(it, 2)
        assert told["row-0000"][1] == FailedTasks()
        assert calls(it, "GetRunTask") == 1  # for the other row


@pytest.mark.long
async def test_many_failures_take_nothing_from_starts_and_looks(tmp_path):
    limits = {"ListRunTasks": Limit(rate=2, burst=2), "GetRunTask": Limit(rate=2, burst=2), "*": None}
    ends = []
    for failures in ({}, {"RUN_TASK_FAILED": 1.0}):
        folder = tmp_path / str(len(failures))
        folder.mkdir()
        async with bench(folder, failing(failures=failures, limits=limits), read_rate=10) as it:
            begun = anyio.current_time()
            await it.launch(rows(80))
            ends.append(anyio.current_time() - begun)
    assert ends[1] <= ends[0] + AT_THE_END


@pytest.mark.parametrize("mode", [Mode.ONCE, Mode.DETACH])
async def test_a_pass_waits_but_a_moment(tmp_path, mode):
    async with bench(tmp_path, failing("GetRunTask:hang_before", hang=100_000.0)) as it:
        await it.launch(rows(2), mode=Mode.ONCE)
        await anyio.sleep(200)
        begun = anyio.current_time()
        await it.launch(rows(2), mode=mode)
        await it.launch(rows(2), mode=mode)
        assert anyio.current_time() - begun <= 2 * 3.1


async def test_passes_tell_the_tasks_too(tmp_path):
    async with bench(tmp_path, failing()) as it:
        await it.launch(rows(3), mode=Mode.ONCE)
        await anyio.sleep(200)
        await it.launch(rows(3), mode=Mode.ONCE)
        assert set(await found(it, 3)) == {row.id for row in rows(3)}


@pytest.mark.parametrize("signals", [1, 2])
async def test_a_signal_while_tasks_are_waited_for_changes_nothing_but_the_wait(tmp_path, signals):
    async with bench(tmp_path, failing("GetRunTask:hang_before", hang=100_000.0)) as it:
        it.told = told = Expecting()
        launcher = it.launcher(await it.take_in(rows(1)))
        stops: list[Stop] = []

        async def launch() -> None:
            stops.append(await launcher.run())

        async with anyio.create_task_group() as group:
            group.start_soon(launch)
            await told.has_failed.wait()
            await anyio.sleep(1)
            begun = anyio.current_time()
            assert not stops
            launcher.drain()
            if signals > 1:
                launcher.abandon()
        assert anyio.current_time() - begun <= (3.1 if signals == 1 else 0.1)
        assert stops == [Stop.FINISHED]


async def test_a_batch_that_was_taken_over_keeps_nothing_more(tmp_path):
    async with bench(tmp_path, failing("ListRunTasks:late", hang=10.0)) as it:
        it.ttl, it.told = timedelta(seconds=9_000), (told := Expecting())
        launcher = it.launcher(await it.take_in(rows(1)))
        late = it.clock.utcnow() + timedelta(days=1)
        async with anyio.create_task_group() as group:
            group.start_soon(launcher.run)
            await told.has_failed.wait()
            await it.ledger.hold("cohort", holder="test:2", ttl=it.ttl, at=late)
        assert calls(it, "GetRunTask") == 1
        assert await found(it, 1) == {}


async def _delete(it: Bench, run_id: str) -> None:
    await it.service._calls.client.delete_run(id=run_id)
