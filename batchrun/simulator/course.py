"""The course of a run, decided when it is started; its tasks, and the files and logs that they write.

Tasks run one after the other during RUNNING; in a run that fails, the last ones fail. Each completed task
writes a file to S3; with WDL and CWL an ``outputs.json`` lists them, with Nextflow nothing does. What does
not belong here: when a state is reached (``runs``), S3 (``s3``) and the wire formats.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from batchrun.simulator.chance import draw, draw_uuid
from batchrun.simulator.lifecycle import Course, Status
from batchrun.simulator.runs import Run
from batchrun.simulator.s3 import StoredObject
from batchrun.simulator.settings import Settings

#: Reasons that only say that a task failed; the task has the cause.
_GENERIC = frozenset({"RUN_TASK_FAILED", "WORKFLOW_RUN_FAILED"})


def plan_course(settings: Settings, name: str, output: str, attempt: int) -> Course:
    """Decide the course of the *attempt*-th run (from 1) with this name, or this output if it has no name.

    The same settings, name and attempt always give the same course.
    """
    key = (settings.seed, name or output, attempt)
    failure = _failure(settings, name, output, attempt)
    lengths = settings.durations
    scale = settings.time_scale
    # A run that fails does so after a part of its RUNNING time.
    part = 1.0 if failure is None else draw(*key, "part")
    return Course(
        pending=scale * lengths.pending.at(draw(*key, "pending")),
        starting=scale * lengths.starting.at(draw(*key, "starting")),
        running=scale * part * lengths.running.at(draw(*key, "running")),
        stopping=scale * lengths.stopping.at(draw(*key, "stopping")),
        failure=failure,
    )


def _failure(settings: Settings, name: str, output: str, attempt: int) -> str | None:
    for rule in settings.fail_first:
        if rule.strikes(name, output, attempt):
            return rule.reason
    lot = draw(settings.seed, name or output, attempt, "failure")
    return _reason_at(lot, settings.failures)


def _reason_at(lot: float, failures: Mapping[str, float]) -> str | None:
    reach = 0.0
    for reason, chance in failures.items():
        reach += chance
        if lot < reach:
            return reason
    return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """One task, from start to end; its state depends on the time asked for. Times are loop time."""

    id: str
    uuid: str
    name: str
    started: float
    stopped: float
    outcome: Status
    failure: str | None

    def status(self, now: float) -> Status:
        """Return its state at *now*."""
        return self.outcome if now >= self.stopped else Status.RUNNING


def tasks_of(run: Run, number: int, *, failed: int = 1) -> list[Task]:
    """Return the tasks of *run* that have begun or will begin; the last *failed* ones can fail."""
    if run.started is None:
        return []
    end = run.started + run.course.running
    # A cancelled run's tasks end with it; those that have not begun never begin.
    stop = end if run.stopping is None else run.stopping
    length = run.course.running / number
    starts = [run.started + length * index for index in range(number)]
    return [
        _task(run, index, start, min(start + length, stop), stop, may_fail=index >= number - failed)
        for index, start in enumerate(starts)
        if start < stop or (index == 0 or run.outcome is not Status.CANCELLED)
    ]


def _task(run: Run, index: int, start: float, end: float, stop: float, *, may_fail: bool) -> Task:
    outcome = Status.COMPLETED
    if run.outcome is Status.CANCELLED and end >= stop:
        outcome = Status.CANCELLED
    elif may_fail and run.outcome is Status.FAILED:
        outcome = Status.FAILED
    return Task(
        id=f"{run.serial + 1_000_001}{index:02d}",
        uuid=draw_uuid(run.uuid, "task", index),
        name=f"step_{index + 1}",
        started=start,
        stopped=end,
        outcome=outcome,
        failure=_reason(run.course.failure) if outcome is Status.FAILED else None,
    )


def _reason(reason: str | None) -> str | None:
    return "OUT_OF_MEMORY_ERROR" if reason in _GENERIC else reason


def objects_of(run: Run, engine: str, settings: Settings) -> Mapping[str, StoredObject]:
    """Return the files of a completed run by their paths below the run's own."""
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
    """Return a stream's lines until *now*, with loop times; None if there is no such stream."""
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
