"""
Ended runs' usage, as it is stored.

Belongs here: these two tables. Does not: asking for it (``engine``), its price (``model.costs``).
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Final

from batchrun.ledger.reading import batch_key
from batchrun.ledger.rows import micros, run_of
from batchrun.ledger.statements import queries
from batchrun.model.costs import Usage, Work
from batchrun.ports.usages import SpentRun

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    import apsw

    from batchrun.ledger.rows import Row
    from batchrun.model.entry import Run

_MICROSECOND: Final = timedelta(microseconds=1)


def spent_runs(
    connection: apsw.Connection, batch: str, *, limit: int, after: tuple[int, int]
) -> Sequence[SpentRun]:
    """Return runs that have ended, and what is kept of their usage."""
    values = (batch_key(connection, batch), *after, limit)
    rows = connection.execute(queries()["spent_runs"], values).fetchall()
    return [_spent_run(connection, row[:3], run, row[13:]) for row in rows if (run := run_of(row[3:13]))]


def keep(connection: apsw.Connection, run_uuid: str, usage: Usage | None, *, at: datetime) -> None:
    """Write what the run used, within the transaction that is open."""
    if usage is None:
        connection.execute(
            queries()["keep_usage"], (run_uuid, micros(at), None, None, 0, 0, None, None, 0)
        ).fetchall()
        return
    connection.execute(queries()["forget_gone"], (run_uuid,))
    facts = (
        usage.status,
        usage.workflow_id,
        int(usage.is_fixed_price),
        usage.running // _MICROSECOND,
        usage.storage_type,
        usage.storage_gib,
        usage.cached,
    )
    key = connection.execute(queries()["keep_usage"], (run_uuid, micros(at), *facts)).get
    if key is not None:
        rows = [(key, work.instance_type, work.tasks, work.billed // _MICROSECOND) for work in usage.work]
        connection.executemany(queries()["keep_work"], rows)


def of_workflow(connection: apsw.Connection, workflow_id: str, *, limit: int) -> Sequence[Usage]:
    """Return what completed runs of the workflow used, the last that was kept first."""
    rows = connection.execute(queries()["workflow_usages"], (workflow_id, limit)).fetchall()
    return [_usage(connection, row) for row in rows]


def _spent_run(connection: apsw.Connection, place: Row, run: Run, kept: Row) -> SpentRun:
    position, entry_id, attempt = place
    is_gone, name, *facts = kept
    return SpentRun(
        position=position,
        entry_id=entry_id,
        attempt=attempt,
        run=run,
        name=name,
        usage=None if facts[1] is None else _usage(connection, tuple(facts)),
        is_gone=bool(is_gone),
    )


def _usage(connection: apsw.Connection, row: Row) -> Usage:
    key, status, workflow_id, is_fixed_price, running, storage_type, storage_gib, cached = row
    return Usage(
        status=status,
        workflow_id=workflow_id,
        is_fixed_price=bool(is_fixed_price),
        running=timedelta(microseconds=running),
        storage_type=storage_type,
        storage_gib=storage_gib,
        work=tuple(
            Work(instance_type=name, tasks=tasks, billed=timedelta(microseconds=billed))
            for name, tasks, billed in connection.execute(queries()["work_of_run"], (key,))
        ),
        cached=cached,
    )
