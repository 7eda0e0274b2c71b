"""What a run used, as far as the service says."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import anyio
import pytest

from batchrun.errors import AccessDeniedError, NotFoundError, OutcomeUnknownError
from batchrun.model.costs import Usage, Work
from batchrun.model.entries.entry import Run
from tests.builders import T0, run
from tests.service.test_tasks import answering
from tests.world import connected, simulated, start

END = T0 + timedelta(hours=3)


def ours(**fields: Any) -> Run:
    return run("COMPLETED", creation_time=T0, stop_time=END, **fields)


def told(time: datetime) -> str:
    return time.isoformat()


def got(**changes: Any) -> dict[str, Any]:
    """Return GetRun's answer."""
    answer = {
        "id": "1000001",
        "uuid": "u-1",
        "status": "COMPLETED",
        "workflowId": "77",
        "workflowType": "PRIVATE",
        "storageType": "STATIC",
        "storageCapacity": 1300,
        "creationTime": told(T0),
        "startTime": told(T0 + timedelta(hours=1)),
        "stopTime": told(END),
    }
    return {name: value for name, value in (answer | changes).items() if value is not None}


def task(number: int, begun: float, ended: float | None, **changes: Any) -> dict[str, Any]:
    """Return one of ListRunTasks' items; times are minutes after the run's creation."""
    item = {
        "taskId": str(number),
        "instanceType": "omics.m.xlarge",
        "creationTime": told(T0 + timedelta(minutes=begun)),
        "startTime": told(T0 + timedelta(minutes=begun)),
        "stopTime": None if ended is None else told(T0 + timedelta(minutes=ended)),
    }
    return {name: value for name, value in (item | changes).items() if value is not None}


def listed(*items: Any, **more: Any) -> dict[str, Any]:
    return {"items": list(items), **more}


async def test_it_is_what_the_simulator_did():
    async with connected(simulated(tasks_per_run=130)) as (service, simulator):
        begun = await start(service, storageType="STATIC", storageCapacity=2500)
        await anyio.sleep(1_000)
        (record,) = simulator.state().runs
        found = await service.usage(begun)
        assert simulator.state().calls["ListRunTasks"].calls == 2
    assert (record.started, record.stopped) != (None, None)
    length = timedelta(seconds=(record.stopped or 0) - (record.started or 0))
    assert abs(found.running - length) <= timedelta(milliseconds=1)
    # Each of 130 tasks took less than a minute.
    assert found.work == (Work(instance_type="omics.c.large", tasks=130, billed=timedelta(minutes=130)),)
    assert (found.storage_type, found.storage_gib, found.workflow_id) == ("STATIC", 4800, "1234567")


async def test_tasks_count_by_type_cached_ones_not_and_what_never_ran_neither():
    page = listed(
        task(1, 60, 90),
        task(2, 60, 60.5, instanceType="omics.c.large"),
        task(3, 70, 80, instanceType="omics.c.large"),
        task(4, 70, 80, cacheHit=True),
        task(5, 70, None),
        task(6, 100, None),
        nextToken="more",
    )
    page["items"][4].pop("startTime")
    rest = listed(task(7, 60, 62, instanceType=None))
    async with answering(got(), page, rest) as service:
        found = await service.usage(ours())
    assert found == Usage(
        status="COMPLETED",
        workflow_id="77",
        running=timedelta(hours=2),
        storage_type="STATIC",
        storage_gib=2400,
        work=(
            Work(instance_type="", tasks=1, billed=timedelta(minutes=2)),
            Work(instance_type="omics.c.large", tasks=2, billed=timedelta(minutes=11)),
            Work(instance_type="omics.m.xlarge", tasks=2, billed=timedelta(minutes=30 + 80)),
        ),
        cached=1,
    )


async def test_tasks_of_another_time_are_another_runs():
    late = task(2, 60, 90, creationTime=told(END + timedelta(minutes=1)))
    async with answering(got(), listed(task(1, -5, 90), late, task(3, 60, 61))) as service:
        found = await service.usage(ours())
    assert [work.tasks for work in found.work] == [1]


async def test_a_run_that_never_ran_is_not_asked_for_its_tasks():
    async with answering(got(startTime=None, status="CANCELLED"), "[]") as service:
        assert await service.usage(ours()) == Usage(status="CANCELLED", workflow_id="77")


async def test_neither_is_a_ready2run_workflows():
    async with answering(got(workflowType="READY2RUN"), "[]") as service:
        assert (await service.usage(ours())).is_fixed_price


async def test_the_size_of_dynamic_storage_is_not_guessed():
    async with answering(got(storageType="DYNAMIC"), listed()) as service:
        found = await service.usage(ours())
    assert (found.storage_type, found.storage_gib) == ("DYNAMIC", None)


@pytest.mark.parametrize("capacity", [None, -1, 0, 10**12])
async def test_storage_that_was_not_told_is_the_smallest(capacity):
    async with answering(got(storageCapacity=capacity), listed()) as service:
        assert (await service.usage(ours())).storage_gib == 1200


@pytest.mark.parametrize(
    "answer", [got(uuid="u-2"), got(uuid=None, creationTime=told(T0 + timedelta(hours=1)))]
)
async def test_an_id_that_another_run_has_now_is_not_asked_further(answer):
    async with answering(answer, listed(task(1, 60, 90))) as service:
        with pytest.raises(NotFoundError):
            await service.usage(ours())


async def test_an_answer_without_uuid_is_known_by_its_creation():
    page = listed(task(1, 60, 90))
    async with answering(got(uuid=None), page, got(uuid=None), page) as service:
        for known in (ours(), replace(ours(), creation_time=None)):
            assert (await service.usage(known)).work[0].tasks == 1


@pytest.mark.parametrize("answers", [(got(stopTime=None),), (got(), "{}"), (got(), '{"items": 7}')])
async def test_half_an_answer_is_none(answers):
    async with answering(*answers) as service:
        with pytest.raises(OutcomeUnknownError):
            await service.usage(ours())


async def test_pages_that_never_end_are_not_added_up():
    async with answering(got(), listed(task(1, 60, 90), nextToken="again")) as service:
        with pytest.raises(OutcomeUnknownError, match="its pages have no end: one came again"):
            await service.usage(ours())


@pytest.mark.parametrize(
    "fault", ["ListRunTasks:throttle=5x", "GetRun:error_before=2x", "ListRunTasks:cut_after=2x"]
)
async def test_what_fails_in_passing_is_repeated(fault):
    async with connected(simulated(fault)) as (service, _):
        begun = await start(service)
        await anyio.sleep(1_000)
        assert (await service.usage(begun)).work[0].tasks == 2


@pytest.mark.parametrize("operation", ["GetRun", "ListRunTasks"])
async def test_who_may_not_ask_is_told_so(operation):
    async with connected(simulated(f"{operation}:AccessDeniedException")) as (service, _):
        begun = await start(service)
        await anyio.sleep(1_000)
        with pytest.raises(AccessDeniedError):
            await service.usage(begun)
