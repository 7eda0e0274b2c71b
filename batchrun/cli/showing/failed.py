"""Rows that did not succeed, their failed tasks and log streams, in words and in JSON; also by reason.

Belongs here: wording, wherever such rows are shown. Does not: which rows (``progress``, ``report.overview``),
which tasks are known (``ledger``), who has to deal with a reason (``model.entries.reasons``).
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Self

from batchrun.cli.speak import emit, one_line, say
from batchrun.model.entries.reasons import advice_for, task_advice
from batchrun.model.entries.states import UNSUCCESSFUL
from batchrun.model.tasks import LOG_GROUP, FailedTask, FailedTasks, log_streams, stream_name
from batchrun.model.texts.words import counted
from batchrun.report.results import row
from batchrun.report.summary import group_facts, group_status

if TYPE_CHECKING:
    from batchrun.model.entries.entry import Entry, Run
    from batchrun.ports.ledger import Ledger
    from batchrun.ports.stored import Failures, PastAttempt, TaskFailures

_SHOWN: Final = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class FailedRow:
    """An entry that ended without success, and its run's failed tasks, if known."""

    entry: Entry
    found: FailedTasks | None = None  #: None: not known yet

    @property
    def status(self) -> str:
        """Its status, in the service's word."""
        return str(row(self.entry)["status"])

    @property
    def why(self) -> str:
        """The cause, on one line that is safe to show: from a failed task rather than the run's message."""
        reason = row(self.entry)["failureReason"]
        return one_line(": ".join(str(part) for part in (reason, self.said) if part))

    @property
    def said(self) -> str:
        """The same without the run's reason."""
        cells = row(self.entry)
        tasks = self.found.tasks if self.found else ()
        parts = _told(tasks[0], cells["failureReason"]) if tasks else (cells["statusMessage"],)
        has_more = self.found is not None and self.found.has_more
        others = len(tasks) - 1 + has_more
        least = "at least " if has_more else ""
        more = f" (and {least}{counted(others, 'more task')})" if tasks and others else ""
        return one_line(": ".join(str(part) for part in parts if part) + more)

    @property
    def line(self) -> str:
        """The whole row on one line that is safe to show."""
        return one_line(f"{self.status} {self.entry.id}{in_brackets(self.entry)} {self.why}")


def in_brackets(entry: Entry) -> str:
    """Return the entry's run and lane, if any: two lanes may have runs with the same id."""
    parts = [f"run {entry.run.id}"] if entry.run else []
    parts += [f"lane {entry.lane}"] if entry.lane else []
    return f" ({', '.join(parts)})" if parts else ""


def _told(task: FailedTask, run_reason: object) -> tuple[str, str | None]:
    own = "" if task.failure_reason == run_reason else task.failure_reason or ""
    return f"task {task.name or task.id} {own}".rstrip(), task.status_message


@dataclass(frozen=True, slots=True, kw_only=True)
class RunDetails:
    """Details of one attempt's run, besides how it ended."""

    run: Run | None
    request: str | None  #: canonical JSON, as sent
    found: FailedTasks | None = None  #: None: not known

    @classmethod
    def of(cls, attempt: Entry | PastAttempt, found: Mapping[int, FailedTasks]) -> Self:
        """Return those of an entry's current attempt, or of an earlier one; *found* is by attempt."""
        return cls(run=attempt.run, request=attempt.request, found=found.get(attempt.attempt))

    @property
    def streams(self) -> tuple[str, ...]:
        """The names of the run's own log streams."""
        if self.run is None:
            return ()
        return log_streams(self.run, json.loads(self.request) if self.request else {})


def facts(logs: RunDetails) -> dict[str, Any]:
    """Return all of it for programs; ``failed_tasks`` is null if they are not known."""
    found = logs.found
    return {
        "failed_tasks": None if found is None else [_task_facts(task) for task in found.tasks],
        "has_more_failed_tasks": None if found is None else found.has_more,
        "log_group": LOG_GROUP if logs.streams else None,
        "log_streams": list(logs.streams),
    }


def lines(logs: RunDetails) -> Iterator[str]:
    """Yield lines with the details of failed tasks, indented below each."""
    found = logs.found or FailedTasks()
    for task in found.tasks:
        yield _named(task)
        to_do = task_advice(task.failure_reason)
        if to_do is not None:
            yield f"  {to_do}"
        if task.log_stream is not None:
            yield f"  log stream {stream_name(task.log_stream)}"
    if found.has_more:
        yield "... and more"


def grouped(group: TaskFailures) -> str:
    """Return a line with the reason of a group, its number of rows, and what to do."""
    rows = counted(group.rows, "row")
    names = f"{group.name or 'no name'}{' and others' if group.names > 1 else ''}"
    to_do = task_advice(group.reason)
    action = f"; {to_do}" if to_do is not None else ""
    return f"tasks: {group.reason or 'no reason given'} in {rows} ({names}){action}"


def _named(task: FailedTask) -> str:
    why = ": ".join(part for part in (task.failure_reason, task.status_message) if part)
    return f"{task.name or 'without a name'} (id {task.id}) {why}".rstrip()


def task_group_facts(group: TaskFailures) -> dict[str, Any]:
    """Return a group for programs."""
    to_do = task_advice(group.reason)
    return {
        "failureReason": group.reason,
        "rows": group.rows,
        "name": group.name,
        "names": group.names,
        **(to_do.facts if to_do else {"owner": None, "action": None}),
    }


def _task_facts(task: FailedTask) -> dict[str, Any]:
    return {
        "taskId": task.id,
        "name": task.name,
        "failureReason": task.failure_reason,
        "statusMessage": task.status_message,
        "logStream": task.log_stream,
    }


async def tell_failures(ledger: Ledger, batch: str) -> None:
    """Print for each reason how many rows failed, what to do, and their ids."""
    has_runs = False
    for group in await ledger.batch(batch).story.failures(limit=_SHOWN):
        _tell_group(batch, group, await _known(ledger, batch, group.entries))
        has_runs = has_runs or any(entry.run is not None for entry in group.entries)
    if has_runs:
        say(f"  logs: batchrun logs ID --batch {shlex.quote(batch)}")


async def emit_failures(ledger: Ledger, batch: str) -> None:
    """Write a JSON line for each reason, and one for each entry."""
    for group in await ledger.batch(batch).story.failures(limit=_SHOWN):
        emit(
            "failures",
            batch=batch,
            **group_facts(group),
            tasks=[task_group_facts(why) for why in group.tasks],
        )
    async for page in ledger.batch(batch).pages_in(*UNSUCCESSFUL):
        for entry, known in zip(page, await _known(ledger, batch, page), strict=True):
            emit("entry", batch=batch, **row(entry), **facts(known))


async def _known(ledger: Ledger, batch: str, entries: Sequence[Entry]) -> Sequence[RunDetails]:
    """Return the details of the entries' current runs."""
    found = await ledger.batch(batch).story.failed_tasks([entry.id for entry in entries])
    return [RunDetails.of(entry, found.get(entry.id, {})) for entry in entries]


def _tell_group(batch: str, group: Failures, known: Sequence[RunDetails]) -> None:
    to_do, rows = advice_for(group.state, group.reason), counted(group.count, "row")
    name = f"{group_status(group)} {group.reason or ''}".rstrip()
    say(one_line(f"  {name}: {rows}; {to_do}"), hang=4)
    for why in group.tasks:
        if why.reason != group.reason:
            say(one_line(f"    {grouped(why)}"), hang=6)
    for entry, logs in zip(group.entries, known, strict=True):
        failed = FailedRow(entry=entry, found=logs.found)
        say(one_line(f"    {entry.id}{in_brackets(entry)} {failed.said}"), hang=6)
    if group.count > len(group.entries):
        more = group.count - len(group.entries)
        say(one_line(f"    ... and {more} more: batchrun results {batch} {_conditions(group)}"))


def _conditions(group: Failures) -> str:
    return f"--where status={group_status(group)} --where 'failureReason={group.reason or ''}'"
