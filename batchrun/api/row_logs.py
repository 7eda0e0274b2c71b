"""The log streams of a row: of its failed tasks, its engine and its run; or of one task.

Belongs here: choosing the row's run, and finding the streams. Does not: reading them (``service.run_logs``),
how lines are shown (``cli``).
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from batchrun.errors import CallError, InvariantError, ServiceUnusableError, UsageError
from batchrun.model.entries.entry import Entry, Run
from batchrun.model.tasks import FailedTask, FailedTasks, RunTask, log_streams, stream_name, task_stream
from batchrun.model.texts.words import some
from batchrun.ports.stored import Outcome, PastAttempt
from batchrun.service.client import AwsHealthOmics

if TYPE_CHECKING:
    from batchrun.engine.reach import Reach

#: Failed tasks whose logs are shown by default.
_MOST: Final = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class RowRun:
    """One run of a row."""

    batch: str
    id: str  #: the row's
    attempt: int
    run: Run
    lane: str | None
    request: str  #: canonical


@dataclass(frozen=True, slots=True, kw_only=True)
class Stream:
    """A log stream, and what it is of."""

    name: str  #: within the group
    of: str  #: for people: ``task align: OUT_OF_MEMORY_ERROR``


def run_of(row: Outcome, asked: str, attempt: int | None) -> RowRun:
    """Return the run of *attempt*, else the one that *asked* names, else the last. Raises UsageError."""
    runs = list(_runs(row))
    if attempt is not None:
        runs = [one for one in runs if one.attempt == attempt]
    named = [one for one in runs if asked in {one.run.uuid, one.run.id, one.run.arn}]
    if not (named or runs):
        which = "" if attempt is None else f"attempt {attempt} of "
        raise UsageError(
            f"{which}row '{row.entry.id}' has no run, and so no log: it is {row.entry.state.value}"
        )
    return (named or runs)[-1]


def _runs(row: Outcome) -> Iterator[RowRun]:
    entry = row.entry
    attempts: list[PastAttempt | Entry] = [*row.earlier, entry]
    for one in attempts:
        if one.run is not None:
            yield RowRun(
                batch=entry.batch,
                id=entry.id,
                attempt=one.attempt,
                run=one.run,
                lane=one.lane,
                request=one.request or entry.request,
            )


async def streams_of(row: RowRun, known: FailedTasks | None, service: AwsHealthOmics) -> Sequence[Stream]:
    """Return the streams of a run: failed tasks first, then the engine, then the run.

    The service is asked for failed tasks that are not *known*; if it cannot be asked, they are left out.
    """
    run = row.run
    if known is None and run.status == "FAILED" and run.stop_time is not None:
        with suppress(CallError, ServiceUnusableError):
            known = await service.failed_tasks(run, limit=_MOST)
    tasks = (known or FailedTasks()).tasks[:_MOST]
    engine, own = log_streams(run, json.loads(row.request)) or (None, None)
    return [
        *(_of_task(run, one) for one in tasks if one.log_stream is not None or engine is not None),
        *([] if engine is None else [Stream(name=engine, of="engine")]),
        *([] if own is None else [Stream(name=own, of="run")]),
    ]


def _of_task(run: Run, task: FailedTask) -> Stream:
    name = stream_name(task.log_stream) if task.log_stream else task_stream(run, task.id)
    reason = f": {task.failure_reason}" if task.failure_reason else ""
    return Stream(name=name, of=f"task {task.name or task.id}{reason}")


async def streams_of_task(
    row: RowRun, task: str, known: FailedTasks | None, service: AwsHealthOmics
) -> Sequence[Stream]:
    """Return the streams of tasks with this name or id, one for each try. Raises UsageError without any."""
    failed = [one for one in (known or FailedTasks()).tasks if task in {one.id, one.name}]
    found = [_of_task(row.run, one) for one in failed]
    listed: Sequence[RunTask] = []
    if not any(one.id == task for one in failed):
        listed = await service.tasks(row.run)
    ids = {one.id for one in failed}
    found += [
        Stream(name=task_stream(row.run, one.id), of=f"task {one.name or one.id}: {one.status}")
        for one in listed
        if task in {one.id, one.name} and one.id not in ids
    ]
    if not found:
        names = list(dict.fromkeys(one.name or one.id for one in listed))
        there = some(names, most=_MOST) or "none yet"
        raise UsageError(f"run {row.run.id} has no task '{task}'; it has: {there}")
    return found


def access(reach: Reach, lane: str | None) -> AwsHealthOmics:
    """Return the service of *lane*. Raises ServiceUnusableError if it cannot be used."""
    service = reach.of(lane)
    if not isinstance(service, AwsHealthOmics):
        raise InvariantError(f"lane {lane} is reached without a login")
    return service
