"""
Asking which tasks of a run failed: ListRunTasks, which gives no reason, then GetRunTask for each.

Belongs here: these two calls and reading their answers, of which only what must be there is asked for, and
whose texts are cut: they end up in a ledger. Does not: which runs are asked for, and when (``engine``).
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

from batchrun.errors import NotFoundError
from batchrun.model.foreign import KEPT
from batchrun.model.tasks import FailedTask, FailedTasks, is_of
from batchrun.service.classify import unparsable
from batchrun.service.wire import has_identity, identity, items, moment, next_token, table, text

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from types_aiobotocore_omics import OmicsClient

    from batchrun.model.entry import Run
    from batchrun.service.client import AwsHealthOmics

#: Pages of ListRunTasks that are read: a page may be empty and yet not the last.
_PAGES: Final = 5
_PAGE: Final = 100


async def failed_tasks(service: AwsHealthOmics, run: Run, *, limit: int) -> FailedTasks:
    """
    Ask for up to *limit* tasks of *run* that failed; paced and retried as every call is.

    A task that is another run's, as its times tell, is left out.

    Raises:
        NotFoundError: There is no run of this id any more.
        AccessDeniedError: The caller may not ask.
        CallError: It could not be asked.
    """
    listed = await _listed(service, run.id, limit)
    ours = [item for item in listed if is_of(run, moment(item.get("creationTime")))]
    tasks = [await _task(service, run.id, item) for item in ours[:limit]]
    return FailedTasks(tasks=tuple(tasks), has_more=len(ours) > limit)


async def _listed(service: AwsHealthOmics, run_id: str, limit: int) -> Sequence[Mapping[str, Any]]:
    """List the failed tasks, as far as it takes to know of one more than *limit*."""
    found: list[Mapping[str, Any]] = []
    at: dict[str, Any] = {}

    async def send(client: OmicsClient) -> tuple[list[dict[str, Any]], str | None]:
        page = await client.list_run_tasks(id=run_id, status="FAILED", maxResults=_PAGE, **at)
        return [table(item) for item in items(page, "ListRunTasks")], next_token(page, "ListRunTasks")

    for _ in range(_PAGES):
        page, token = await service.ask("ListRunTasks", send, is_vital=False)
        found.extend(item for item in page if has_identity(item, "taskId"))
        if token is None or len(found) > limit:
            break
        at = {"startingToken": token}
    return found


async def _task(service: AwsHealthOmics, run_id: str, item: Mapping[str, Any]) -> FailedTask:
    """Ask for the one that was listed; where it has gone since, tell what the list said."""
    task_id = identity(item, "taskId", "ListRunTasks")
    answer: Mapping[str, Any] = item

    async def send(client: OmicsClient) -> Mapping[str, Any]:
        found = await client.get_run_task(id=run_id, taskId=task_id)
        if found.get("taskId") != task_id:
            raise unparsable("GetRunTask", "taskId")
        return found

    with suppress(NotFoundError):
        answer = await service.ask("GetRunTask", send, is_vital=False)
    return FailedTask(
        id=task_id,
        name=text(answer, "name"),
        failure_reason=text(answer, "failureReason"),
        status_message=text(answer, "statusMessage", most=KEPT),
        log_stream=text(answer, "logStream"),
    )
