"""The tasks of a run: which there are, why they failed, and what a run that has ended used.

Belongs here: ListRunTasks, GetRunTask, GetRun for a run's time and storage, and reading their answers; texts
are cut, since they end up in a ledger. Does not: which runs are asked about, and when (``engine``), what a
usage costs (``model.costs``).
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import AsyncGenerator, Iterable, Mapping, Sequence
from contextlib import aclosing, suppress
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from batchrun.errors import NotFoundError
from batchrun.model.costs import STATIC, Usage, Work, billed, provisioned
from batchrun.model.entries.entry import Run
from batchrun.model.tasks import FailedTask, FailedTasks, RunTask, is_of
from batchrun.model.texts.foreign import KEPT
from batchrun.service.calling.calls import Calls
from batchrun.service.calling.paging import SIZE, pages
from batchrun.service.classify import unparsable
from batchrun.service.wire import has_identity, identity, moment, sighted, text

if TYPE_CHECKING:
    from types_aiobotocore_omics import OmicsClient

#: Pages of failed tasks that are read: a page may be empty and yet not the last.
_PAGES: Final = 5
#: Characters of a name that is kept, and more GiB than anybody has.
_LONGEST: Final = 100
_LARGEST_GIB: Final = 10**9


async def failed_tasks(calls: Calls, run: Run, *, limit: int) -> FailedTasks:
    """Return up to *limit* tasks of *run* that failed, without those of another run that has its id now.

    Raises:
        NotFoundError: There is no run of this id any more.
        AccessDeniedError: The caller may not ask.
        CallError: It could not be asked.
    """
    found: list[Mapping[str, Any]] = []
    async with aclosing(_task_pages(calls, run, only_failed=True)) as listing:
        async for page in listing:
            found.extend(item for item in page if has_identity(item, "taskId"))
            if len(found) > limit:
                break
    ours = [item for item in found if is_of(run, moment(item.get("creationTime")))]
    tasks = [await _failed_task(calls, run.id, item) for item in ours[:limit]]
    return FailedTasks(tasks=tuple(tasks), has_more=len(ours) > limit)


async def run_tasks(calls: Calls, run: Run) -> Sequence[RunTask]:
    """List the tasks of *run*, ended or not, without those of another run that has its id now.

    Raises:
        NotFoundError: There is no run of this id any more.
        CallError: They could not be listed.
    """
    async with aclosing(_task_pages(calls, run)) as listing:
        return [
            RunTask(id=str(item["taskId"]), name=text(item, "name"), status=text(item, "status"))
            async for page in listing
            for item in page
            if has_identity(item, "taskId")
            # The id of a run that has not ended is nobody else's.
            and (run.stop_time is None or is_of(run, moment(item.get("creationTime"))))
        ]


def _task_pages(
    calls: Calls, run: Run, *, only_failed: bool = False
) -> AsyncGenerator[Sequence[Mapping[str, Any]]]:
    """List the tasks under a run's id; the failed ones are not vital, and some pages of them are enough."""
    filters: Any = {"status": "FAILED"} if only_failed else {}

    async def ask(client: OmicsClient, at: Any) -> Mapping[str, Any]:
        return await client.list_run_tasks(id=run.id, maxResults=SIZE, **filters, **at)

    most = _PAGES if only_failed else None
    return pages(calls, "ListRunTasks", ask, dict, most=most, is_vital=not only_failed)


async def _failed_task(calls: Calls, run_id: str, item: Mapping[str, Any]) -> FailedTask:
    """Ask for a task that was listed; where it has gone since, return what the list says of it."""
    task_id = identity(item, "taskId", "ListRunTasks")
    answer: Mapping[str, Any] = item

    async def send(client: OmicsClient) -> Mapping[str, Any]:
        found = await client.get_run_task(id=run_id, taskId=task_id)
        if found.get("taskId") != task_id:
            raise unparsable("GetRunTask", "taskId")
        return found

    with suppress(NotFoundError):
        answer = await calls.ask("GetRunTask", send, is_vital=False)
    return FailedTask(
        id=task_id,
        name=text(answer, "name"),
        failure_reason=text(answer, "failureReason"),
        status_message=text(answer, "statusMessage", most=KEPT),
        log_stream=text(answer, "logStream"),
    )


async def usage(calls: Calls, run: Run) -> Usage:
    """Return what *run*, which has ended, used.

    Raises:
        NotFoundError: The service does not have this run any more; its id may be another's.
        AccessDeniedError: The caller may not ask.
        CallError: It could not be asked, or the answer says no end.
    """
    answer = await _get_run(calls, run.id)
    seen = sighted(answer).run
    if not _is_same(run, seen):
        raise NotFoundError(
            "another run has its id now", operation="GetRun", code="ResourceNotFoundException"
        )
    if seen.stop_time is None:
        raise unparsable("GetRun", "stopTime")
    begun = Usage(
        status=seen.status,
        workflow_id=_word(answer, "workflowId"),
        is_fixed_price=answer.get("workflowType") == "READY2RUN",
    )
    if begun.is_fixed_price or seen.start_time is None:
        return begun
    storage_type = _word(answer, "storageType")
    async with aclosing(_task_pages(calls, seen)) as listing:
        tasks = [
            item
            async for page in listing
            for item in page
            if is_of(seen, moment(item.get("creationTime") or item.get("startTime")))
        ]
    work, cached = _work(seen, tasks)
    return replace(
        begun,
        running=max(seen.stop_time - seen.start_time, timedelta()),
        storage_type=storage_type,
        storage_gib=provisioned(_gib(answer)) if storage_type == STATIC else None,
        work=work,
        cached=cached,
    )


def _is_same(run: Run, seen: Run) -> bool:
    """Report whether it is the run that is meant; without a ``uuid`` it goes by the time of creation."""
    if seen.uuid:
        return seen.uuid == run.uuid
    return run.creation_time is None or run.creation_time == seen.creation_time


async def _get_run(calls: Calls, run_id: str) -> Mapping[str, Any]:
    async def send(client: OmicsClient) -> Mapping[str, Any]:
        found = await client.get_run(id=run_id)
        if found.get("id") != run_id:
            raise unparsable("GetRun", "id")
        return found

    return await calls.ask("GetRun", send)


def _work(run: Run, tasks: Iterable[Mapping[str, Any]]) -> tuple[tuple[Work, ...], int]:
    """Add the tasks up by instance type; return with it how many came from a cache."""
    counts: Counter[str] = Counter()
    spans: defaultdict[str, timedelta] = defaultdict(timedelta)
    cached = 0
    for task in tasks:
        begun, ended = moment(task.get("startTime")), moment(task.get("stopTime")) or run.stop_time
        if task.get("cacheHit") is True:
            cached += 1
        elif begun is not None and ended is not None:  # else it never ran
            name = _word(task, "instanceType") or ""
            counts[name] += 1
            spans[name] += billed(ended - begun)
    work = (Work(instance_type=name, tasks=counts[name], billed=spans[name]) for name in sorted(counts))
    return tuple(work), cached


def _gib(answer: Mapping[str, Any]) -> int | None:
    value = answer.get("storageCapacity")
    return value if isinstance(value, int) and 0 < value <= _LARGEST_GIB else None


def _word(answer: Mapping[str, Any], name: str) -> str | None:
    """Return a name that can be shown as it is; None where there is none."""
    word = text(answer, name, most=_LONGEST)
    return word if word and word.isprintable() else None
