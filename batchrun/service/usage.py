"""
Asking what a run that has ended used: GetRun for its time and storage, ListRunTasks for its tasks.

Belongs here: these two calls and reading their answers. Does not: what it costs (``model.costs``), which runs
are asked for (``engine``).
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import AsyncGenerator, Iterable, Mapping
from contextlib import aclosing
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from batchrun.errors import NotFoundError
from batchrun.model.costs import STATIC, Usage, Work, billed, provisioned
from batchrun.model.entries.entry import Run
from batchrun.model.tasks import is_of
from batchrun.service.calling.paging import SIZE, pages
from batchrun.service.classify import unparsable
from batchrun.service.wire import moment, sighted, text

if TYPE_CHECKING:
    from types_aiobotocore_omics import OmicsClient

    from batchrun.service.calling.calls import Calls

#: Characters of a name that is kept, and more GiB than anybody has.
_LONGEST: Final = 100
_LARGEST_GIB: Final = 10**9


async def usage(calls: Calls, run: Run) -> Usage:
    """
    Ask what *run* used; paced and retried as every call is.

    Raises:
        NotFoundError: The service does not have this run any more; its id may be another's.
        AccessDeniedError: The caller may not ask.
        CallError: It could not be asked, or told no end.
    """
    answer = await _asked(calls, run.id)
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
    work, cached = _worked(seen, [item async for item in _tasks(calls, seen)])
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


async def _asked(calls: Calls, run_id: str) -> Mapping[str, Any]:
    async def send(client: OmicsClient) -> Mapping[str, Any]:
        found = await client.get_run(id=run_id)
        if found.get("id") != run_id:
            raise unparsable("GetRun", "id")
        return found

    return await calls.ask("GetRun", send)


async def _tasks(calls: Calls, run: Run) -> AsyncGenerator[Mapping[str, Any]]:
    """List the tasks, those of another run that has the id now left out."""

    async def ask(client: OmicsClient, at: Any) -> Mapping[str, Any]:
        return await client.list_run_tasks(id=run.id, maxResults=SIZE, **at)

    async with aclosing(pages(calls, "ListRunTasks", ask, dict)) as listing:
        async for page in listing:
            for item in page:
                if is_of(run, moment(item.get("creationTime") or item.get("startTime"))):
                    yield item


def _worked(run: Run, tasks: Iterable[Mapping[str, Any]]) -> tuple[tuple[Work, ...], int]:
    """Add the tasks up by instance type; give how many came from a cache too."""
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
    """Return a name that can be told as it is; None where there is none."""
    word = text(answer, name, most=_LONGEST)
    return word if word and word.isprintable() else None
