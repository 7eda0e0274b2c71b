"""
A run's tasks: one after the other through its RUNNING time, worked out when somebody asks.

A run that fails does so by its last tasks. What does not belong here: paging (``service``).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from batchrun.simulator.chance import draw_uuid
from batchrun.simulator.lifecycle import Status

if TYPE_CHECKING:
    from batchrun.simulator.runs import Run

#: Reasons that say no more than "a task failed"; the task itself says why.
_GENERIC = frozenset({"RUN_TASK_FAILED", "WORKFLOW_RUN_FAILED"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """One task as it will have been; its state depends on when one looks. Times are loop time."""

    id: str
    uuid: str
    name: str
    started: float
    stopped: float
    outcome: Status
    failure: str | None

    def status(self, now: float) -> Status:
        """Answer its state at *now*."""
        return self.outcome if now >= self.stopped else Status.RUNNING


def tasks_of(run: Run, number: int, *, failed: int = 1) -> list[Task]:
    """List the tasks of *run* that have begun, or will have by the end of its course; *failed* can fail."""
    if run.started is None:
        return []
    end = run.started + run.course.running
    # A cancelled run's tasks end with it; those that had not begun never do.
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
        failure=_failure(run.course.failure) if outcome is Status.FAILED else None,
    )


def _failure(reason: str | None) -> str | None:
    return "OUT_OF_MEMORY_ERROR" if reason in _GENERIC else reason
