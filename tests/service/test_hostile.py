"""Every operation that is called, answered with anything in any field: a value, or an error of a call."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

import anyio
import pytest

from batchrun.errors import CallError
from batchrun.model.entries.entry import Run
from batchrun.model.submissions.submission import BatchSeen
from batchrun.ports.workflows import WorkflowKey
from batchrun.service.calling.call_retries import RetrySettings
from batchrun.service.client import AwsHealthOmics
from batchrun.simulator import Parameter, Version, Workflow
from tests.hostile import spoiling
from tests.run_batches import start as start_batch
from tests.world import connected, simulated, start

pytestmark = pytest.mark.long

NUMBERS: list[Any] = [0, -1, 10**400, 1e308, float("nan"), True]
TEXTS = ["", "half \ud83d", "\x00/..", "x" * 5000]
ODD = [None, *NUMBERS, *TEXTS, [], [None], ["x"], [[]], {}, {"": {}}, {"\ud83d": "x"}, {"items": 5}]
WORKFLOW = Workflow(
    id="1234567",
    parameters={"reads": Parameter(description="FASTQ")},
    profiles={"test": {"reads": Parameter(optional=True)}},
    versions={"v2": Version(parameters={"only": Parameter(optional=True)})},
)


async def gone_through(pages: AsyncIterator[Any]) -> list[Any]:
    return [one async for one in pages]


@dataclass(frozen=True)
class Made:
    """What is there to be asked for."""

    run: Run
    batch: BatchSeen


CALLS: dict[str, Callable[[AwsHealthOmics, Made], Awaitable[Any]]] = {
    "StartRun": lambda service, _: start(service, workflowId="7"),
    "GetRun": lambda service, made: service.get_run(made.run.id),
    "ListRuns": lambda service, _: gone_through(service.listed_runs(None)),
    "ListRuns by state": lambda service, _: gone_through(service.going_runs()),
    "ListRuns for one": lambda service, _: gone_through(service.listed_runs("cohort-a")),
    "ListRunTasks, GetRunTask": lambda service, made: service.failed_tasks(made.run, limit=5),
    "GetRun, ListRunTasks": lambda service, made: service.usage(made.run),
    "StartRunBatch": lambda service, _: start_batch(service),
    "GetBatch": lambda service, made: service.run_batches.get(made.batch.id),
    "ListRunsInBatch": lambda service, made: gone_through(service.run_batches.rows(made.batch.id)),
    "ListBatch": lambda service, _: gone_through(service.run_batches.named("cohort")),
    "GetWorkflow": lambda service, _: service.workflow(WorkflowKey(id="1234567")),
    "GetWorkflowVersion": lambda service, _: service.workflow(WorkflowKey(id="1234567", version="v2")),
}


def places(said: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Return the way to each value within an answer, itself too."""
    inner = said.items() if isinstance(said, dict) else enumerate(said) if isinstance(said, list) else ()
    return [path, *(place for name, one in inner for place in places(one, (*path, name)))]


def put(said: Any, place: tuple[Any, ...], value: Any) -> Any:
    if not place:
        return value
    said[place[0]] = put(said[place[0]], place[1:], value)
    return said


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
async def test_anything_in_any_place_is_a_value_or_an_error_of_a_call(call):
    plan: list[tuple[str, tuple[Any, ...], Any]] = []
    seen: dict[str, Any] = {}

    def spoil(operation: str, said: Any) -> Any:
        seen[operation] = said
        for wanted, place, odd in plan:
            if wanted == operation:
                with suppress(LookupError, TypeError):
                    return put(deepcopy(said), place, odd)
        return said

    settings = simulated(failures={"RUN_TASK_FAILED": 1}, workflows=(WORKFLOW,))
    async with (
        spoiling(spoil, settings) as (stranger, _),
        connected(endpoint_url=stranger.url, retry=RetrySettings(patience=0, conflicts=1)) as (service, _),
    ):
        run, batch = await start(service, workflowId="7"), await start_batch(service)
        await anyio.sleep(1000)
        made = Made(run=(await service.get_run(run.id)).run, batch=batch)
        seen.clear()
        with suppress(CallError):
            await call(service, made)
        assert seen
        tried = 0
        for operation, said in list(seen.items()):
            for place in places(said):
                for odd in ODD:
                    plan[:] = [(operation, place, odd)]
                    with suppress(CallError):
                        await call(service, made)
                    tried += 1
        assert tried >= len(ODD)
