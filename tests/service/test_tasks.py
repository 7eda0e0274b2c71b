"""Which tasks of a run failed, as far as the service says."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from typing import Any

import anyio
import pytest

from batchrun.clock import VirtualClock
from batchrun.errors import AccessDeniedError, NotFoundError, OutcomeUnknownError
from batchrun.model.entries.entry import Run
from batchrun.model.paces.rates import UNLIMITED
from batchrun.model.tasks import FailedTask, FailedTasks
from batchrun.service.client import AwsHealthOmics
from batchrun.simulator import Simulator
from tests.builders import T0, run
from tests.world import connected, simulated, start

CREATED = T0.isoformat()
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"


@asynccontextmanager
async def failed_run(
    faults: str = "", *, request: Any = None, **changes: Any
) -> AsyncIterator[tuple[AwsHealthOmics, Simulator, Run]]:
    settings = simulated(faults, failures={"RUN_TASK_FAILED": 1.0}, **changes)
    async with connected(settings) as (service, simulator):
        started = await start(service, **(request or {}))
        await anyio.sleep(1_000)
        yield service, simulator, (await service.get_run(started.id)).run


@asynccontextmanager
async def answering(*answers: object) -> AsyncIterator[AwsHealthOmics]:
    """Connect to a service that gives these answers, one after the other, and the last one for ever."""
    told = list(answers)

    async def serve(reader: anyio.abc.SocketStream) -> None:
        async with reader:
            while True:
                asked = b""
                while b"\r\n\r\n" not in asked:
                    try:
                        asked += await reader.receive()
                    except (anyio.EndOfStream, anyio.BrokenResourceError):
                        return
                answer = told.pop(0) if len(told) > 1 else told[0]
                body = answer.encode() if isinstance(answer, str) else json.dumps(answer).encode()
                await reader.send(HEAD % len(body) + body)

    listener = await anyio.create_tcp_listener(local_host="127.0.0.1", local_port=0)
    async with listener, anyio.create_task_group() as group:
        group.start_soon(listener.serve, serve)
        port = listener.extra(anyio.abc.SocketAttribute.local_port)
        url = f"http://127.0.0.1:{port}"
        async with connected(endpoint_url=url, read_rate=UNLIMITED, clock=VirtualClock()) as (service, _):
            yield service
        group.cancel_scope.cancel()


def ended(**fields: Any) -> Run:
    return run("FAILED", creation_time=T0, stop_time=T0 + timedelta(minutes=1), **fields)


async def test_a_failed_task_says_why_and_where_its_log_is():
    async with failed_run() as (service, _, ours):
        (task,) = (await service.failed_tasks(ours, limit=5)).tasks
        assert (task.name, task.failure_reason, task.status_message) == (
            "step_2",
            "OUT_OF_MEMORY_ERROR",
            "The task's container exited with 1",
        )
        assert (task.log_stream or "").endswith(f":log-stream:run/{ours.id}/task/{task.id}")


async def test_a_run_without_logs_has_tasks_without():
    async with failed_run(request={"logLevel": "OFF"}) as (service, _, ours):
        (task,) = (await service.failed_tasks(ours, limit=5)).tasks
        assert task.log_stream is None


@pytest.mark.parametrize(("failed", "has_more"), [(3, False), (4, True), (130, True)])
async def test_no_more_is_asked_for_than_is_wanted(failed, has_more):
    async with failed_run(tasks_per_run=150, failed_tasks=failed) as (service, simulator, ours):
        found = await service.failed_tasks(ours, limit=3)
        assert (len(found.tasks), found.has_more) == (3, has_more)
        tallies = simulator.state().calls
        assert (tallies["ListRunTasks"].calls, tallies["GetRunTask"].calls) == (1, 3)


@pytest.mark.parametrize("away", [timedelta(hours=1), timedelta(hours=-1)])
async def test_a_task_from_outside_the_run_s_time_is_another_run_s(away):
    async with failed_run() as (service, simulator, ours):
        assert ours.creation_time is not None
        assert ours.stop_time is not None
        other = replace(ours, creation_time=ours.creation_time + away, stop_time=ours.stop_time + away)
        assert await service.failed_tasks(other, limit=5) == FailedTasks()
        assert "GetRunTask" not in simulator.state().calls


@pytest.mark.parametrize("operation", ["ListRunTasks", "GetRunTask"])
@pytest.mark.parametrize("fault", ["throttle", "error_before", "html_after", "empty_after", "cut_after"])
async def test_what_fails_in_passing_is_asked_again(operation, fault):
    async with failed_run(f"{operation}:{fault}=2x") as (service, simulator, ours):
        assert len((await service.failed_tasks(ours, limit=5)).tasks) == 1
        assert simulator.state().calls[operation].calls == 3


@pytest.mark.long
async def test_silence_here_is_no_outage():
    async with failed_run("ListRunTasks:drop_before") as (service, _, ours):
        for _try in range(40):
            with pytest.raises(OutcomeUnknownError):
                await service.failed_tasks(ours, limit=5)
        assert (await service.get_run(ours.id)).run == ours


async def test_a_run_that_is_gone_or_may_not_be_asked_for():
    async with failed_run() as (service, _, ours):
        with pytest.raises(NotFoundError):
            await service.failed_tasks(replace(ours, id="999"), limit=5)
    async with failed_run("GetRunTask:AccessDeniedException") as (service, _, ours):
        with pytest.raises(AccessDeniedError):
            await service.failed_tasks(ours, limit=5)


async def test_a_task_that_went_since_is_told_as_the_list_had_it():
    async with failed_run("GetRunTask:ResourceNotFoundException") as (service, _, ours):
        (task,) = (await service.failed_tasks(ours, limit=5)).tasks
        assert task == FailedTask(id=task.id, name="step_2")


async def test_what_the_service_may_never_say_is_left_out_or_cut():
    item = {"taskId": "7", "name": 5, "creationTime": CREATED}
    others = [
        None,
        {},
        {"taskId": 8, "creationTime": CREATED},
        {"taskId": "9"},
        {"taskId": "6", "creationTime": {}},
    ]
    said = {
        "taskId": "7",
        "name": "x" * 5_000,
        "failureReason": {},
        "statusMessage": "a\ud800b",
        "logStream": "",
    }
    async with answering({"items": [*others, item]}, said) as service:
        found = await service.failed_tasks(ended(), limit=5)
    (task,) = found.tasks
    assert (task.id, len(task.name or ""), task.failure_reason, task.log_stream) == ("7", 2_000, None, None)
    assert task.status_message == "a\ufffdb"
    assert not found.has_more


async def test_pages_that_never_end_are_not_followed_for_ever():
    async with answering({"items": [], "nextToken": "again"}) as service:
        assert await service.failed_tasks(ended(), limit=5) == FailedTasks()


@pytest.mark.parametrize("answer", ["{}", '{"items": 7}', "[]", "7"])
async def test_an_answer_that_is_none_is_no_answer(answer):
    async with answering(answer) as service:
        with pytest.raises(OutcomeUnknownError):
            await service.failed_tasks(ended(), limit=5)
