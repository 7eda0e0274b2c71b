"""
Asking for the tasks of a run: ListRunTasks, and GetRunTask for the reasons of those that failed.

Belongs here: these two calls and reading their answers, of which only what must be there is asked for, and
whose texts are cut: they end up in a ledger. Does not: which runs are asked for, and when (``engine``).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import aclosing, suppress
from typing import TYPE_CHECKING, Any, Final

from batchrun.errors import NotFoundError
from batchrun.model.entries.entry import Run
from batchrun.model.tasks import FailedTask, FailedTasks, RunTask, is_of
from batchrun.model.texts.foreign import KEPT
from batchrun.service.calling.paging import SIZE, pages
from batchrun.service.classify import unparsable
from batchrun.service.wire import has_identity, identity, moment, text

if TYPE_CHECKING:
    from types_aiobotocore_omics import OmicsClient

    from batchrun.service.calling.calls import Calls

#: Pages of ListRunTasks that are read: a page may be empty and yet not the last.
_PAGES: Final = 5


async def failed_tasks(calls: Calls, run: Run, *, limit: int) -> FailedTasks:
    """
    Ask for up to *limit* tasks of *run* that failed; paced and retried as every call is.

    A task that is another run's, as its times tell, is left out.

    Raises:
        NotFoundError: There is no run of this id any more.
        AccessDeniedError: The caller may not ask.
        CallError: It could not be asked.
    """
    listed = await _listed(calls, run.id, limit)
    ours = [item for item in listed if is_of(run, moment(item.get("creationTime")))]
    tasks = [await _task(calls, run.id, item) for item in ours[:limit]]
    return FailedTasks(tasks=tuple(tasks), has_more=len(ours) > limit)


async def run_tasks(calls: Calls, run: Run) -> Sequence[RunTask]:
    """
    List the tasks of *run*, ended or not; those of another run that has its id now are left out.

    Raises:
        NotFoundError: There is no run of this id any more.
        CallError: They could not be listed.
    """

    async def ask(client: OmicsClient, at: Any) -> Mapping[str, Any]:
        return await client.list_run_tasks(id=run.id, maxResults=SIZE, **at)

    async with aclosing(pages(calls, "ListRunTasks", ask, dict)) as listing:
        return [
            RunTask(id=str(item["taskId"]), name=text(item, "name"), status=text(item, "status"))
            async for page in listing
            for item in page
            if has_identity(item, "taskId")
            # The id of a run that goes on is nobody else's.
            and (run.stop_time is None or is_of(run, moment(item.get("creationTime"))))
        ]


async def _listed(calls: Calls, run_id: str, limit: int) -> Sequence[Mapping[str, Any]]:
    """List the failed tasks, as far as it takes to know of one more than *limit*."""

    async def ask(client: OmicsClient, at: Any) -> Mapping[str, Any]:
        return await client.list_run_tasks(id=run_id, status="FAILED", maxResults=SIZE, **at)

    found: list[Mapping[str, Any]] = []
    listing = pages(calls, "ListRunTasks", ask, dict, most=_PAGES, is_vital=False)
    async with aclosing(listing):
        async for page in listing:
            found.extend(item for item in page if has_identity(item, "taskId"))
            if len(found) > limit:
                break
    return found


async def _task(calls: Calls, run_id: str, item: Mapping[str, Any]) -> FailedTask:
    """Ask for the one that was listed; where it has gone since, tell what the list said."""
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
