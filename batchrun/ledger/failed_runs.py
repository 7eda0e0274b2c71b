"""
Failed runs' tasks, as they are stored: which are still to be asked for, and what was found.

Belongs here: these two tables. Does not: how a run comes in (``record``), transactions and fences
(``sqlite``).
"""

from __future__ import annotations

import json
from dataclasses import astuple
from typing import TYPE_CHECKING

from batchrun.ledger.reading import batch_key
from batchrun.ledger.rows import micros, run_of
from batchrun.ledger.statements import queries
from batchrun.model.tasks import FailedTask, FailedTasks
from batchrun.ports.failed_runs import FailedRun, TaskFailures

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence
    from datetime import datetime

    import apsw


def unasked(connection: apsw.Connection, batch: str, *, limit: int, after: int) -> Sequence[FailedRun]:
    """Return failed runs whose tasks were not kept, by number."""
    rows = connection.execute(queries()["unasked"], (batch_key(connection, batch), after, limit))
    return [
        FailedRun(number=number, id=id_, attempt=attempt, run=run)
        for number, id_, attempt, *columns in rows
        if (run := run_of(columns)) is not None
    ]


def keep(connection: apsw.Connection, batch: int, found: Mapping[int, FailedTasks], *, at: datetime) -> None:
    """Write what was found, within the transaction that is open."""
    for number, one in found.items():
        connection.execute(queries()["mark_asked"], (micros(at), int(one.has_more), number, batch))
        if connection.changes():
            rows = [(number, place, *astuple(task)) for place, task in enumerate(one.tasks)]
            connection.executemany(queries()["add_failed_task"], rows)


def failed_tasks(
    connection: apsw.Connection, batch: str, ids: Collection[str]
) -> Mapping[str, Mapping[int, FailedTasks]]:
    """Return the failed tasks of these entries' attempts, by id and attempt."""
    values = (batch_key(connection, batch), json.dumps(list(ids)))
    told: dict[str, dict[int, FailedTasks]] = {}
    for id_, attempt, has_more, task_id, *facts in connection.execute(queries()["failed_tasks"], values):
        attempts = told.setdefault(id_, {})
        before = attempts[attempt].tasks if attempt in attempts else ()
        task = () if task_id is None else (_task(task_id, *facts),)
        attempts[attempt] = FailedTasks(tasks=(*before, *task), has_more=bool(has_more))
    return told


def task_failures(connection: apsw.Connection, batch: str) -> Sequence[TaskFailures]:
    """Return the tasks of entries that stand FAILED, by the run's reason and theirs."""
    rows = connection.execute(queries()["task_failures"], (batch_key(connection, batch),))
    return [
        TaskFailures(run_reason=run_reason, reason=reason, rows=total, names=names, name=name)
        for run_reason, reason, total, names, name in rows
    ]


def _task(
    task_id: str, name: str | None, reason: str | None, message: str | None, log_stream: str | None
) -> FailedTask:
    return FailedTask(
        id=task_id, name=name, failure_reason=reason, status_message=message, log_stream=log_stream
    )
