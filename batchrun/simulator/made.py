"""
What runs leave behind: objects at their output places, and lines in their log streams.

Each task that completed makes a file. With WDL and CWL an ``outputs.json`` says which; Nextflow says nothing.
What belongs here: what there is. What does not: S3 (``storage``), CloudWatch's wire format (``logs``).
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from batchrun.simulator.lifecycle import Status
from batchrun.simulator.storage import StoredObject
from batchrun.simulator.tasks import tasks_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from batchrun.simulator.runs import Run
    from batchrun.simulator.settings import Settings
    from batchrun.simulator.tasks import Task


def objects_of(run: Run, engine: str, settings: Settings) -> Mapping[str, StoredObject]:
    """Return what a run that completed has written, by its place below the run's."""
    steps = [task.name for task in tasks_of(run, settings.tasks_per_run)]
    folder = "pubdir" if engine == "NEXTFLOW" else "out"
    files = {name: f"{folder}/{name}/{run.name or run.id}.{name}.txt" for name in steps}
    made = {key: StoredObject(content=f"{name} of {run.name}\n".encode()) for name, key in files.items()}
    made["logs/engine.log"] = StoredObject(content=b"done\n")
    if engine != "NEXTFLOW":
        told = {name: f"{run.output}/{key}" for name, key in files.items()}
        made["logs/outputs.json"] = StoredObject(content=_summary(run, told, engine).encode())
    return made


def _summary(run: Run, files: Mapping[str, str], engine: str) -> str:
    if engine == "CWL":
        outputs: dict[str, Any] = {name: {"class": "File", "location": at} for name, at in files.items()}
        return json.dumps(outputs)
    name = f"workflow_{run.request['workflowId']}"
    outputs = {f"{name}.{output}": at for output, at in files.items()}
    return json.dumps(outputs | {f"{name}.all": list(files.values()), f"{name}.steps": len(files)})


def lines_of(run: Run, stream: str, now: float, settings: Settings) -> list[tuple[float, str]] | None:
    """Return what a stream has by *now*, with loop times; None where there is no such stream."""
    if run.started is None or run.request.get("logLevel") == "OFF":
        return None
    tasks = tasks_of(run, settings.tasks_per_run, failed=settings.failed_tasks)
    own = {f"run/{run.id}/task/{task.id}": task for task in tasks}
    if stream in own:
        return [one for one in _of_task(own[stream]) if one[0] <= now]
    if stream not in {f"run/{run.id}", f"run/{run.id}/engine"}:
        return None
    begun = [(task.started, f"{task.name}: started") for task in tasks]
    ended = [(task.stopped, f"{task.name}: {task.outcome.lower()}") for task in tasks]
    lines = [(run.started, f"run {run.id} started"), *sorted([*begun, *ended])]
    if run.stopped is not None:
        lines.append((run.stopped, f"run {run.id}: {run.outcome.lower()}"))
    return [one for one in lines if one[0] <= now]


def _of_task(task: Task) -> Iterator[tuple[float, str]]:
    yield task.started, f"{task.name}: working"
    if task.outcome is Status.FAILED:
        yield task.stopped, f"{task.name}: {task.failure}"
    yield task.stopped, f"{task.name}: exit code {int(task.outcome is Status.FAILED)}"
