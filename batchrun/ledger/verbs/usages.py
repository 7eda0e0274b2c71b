"""What ended runs used, as it is stored."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

from batchrun.ledger.rows import micros
from batchrun.model.costs import Usage, Work

if TYPE_CHECKING:
    from batchrun.ledger.store import Row, Store, Value

_MICROSECOND: Final = timedelta(microseconds=1)


def keep(store: Store, run_uuid: str, usage: Usage | None, *, at: datetime) -> None:
    """Write what the run used, within the transaction that is open."""
    if usage is None:
        store.run("keep_gone", uuid=run_uuid, at=micros(at))
        return
    store.run("forget_gone", uuid=run_uuid)
    row = store.one(
        "keep_usage",
        uuid=run_uuid,
        at=micros(at),
        status=usage.status,
        workflow_id=usage.workflow_id,
        is_fixed_price=int(usage.is_fixed_price),
        running=usage.running // _MICROSECOND,
        storage_type=usage.storage_type,
        storage_gib=usage.storage_gib,
        cached=usage.cached,
    )
    if row is not None:
        store.many("keep_work", [_work_values(row.key, work) for work in usage.work])


def _work_values(key: int, work: Work) -> Mapping[str, Value]:
    billed = work.billed // _MICROSECOND
    return {"key": key, "instance_type": work.instance_type, "tasks": work.tasks, "billed": billed}


def usage_of(store: Store, row: Row) -> Usage:
    """Return the usage in *row*, with its tasks."""
    return Usage(
        status=row.status,
        workflow_id=row.workflow_id,
        is_fixed_price=bool(row.is_fixed_price),
        running=timedelta(microseconds=row.running),
        storage_type=row.storage_type,
        storage_gib=row.storage_gib,
        work=tuple(
            Work(
                instance_type=work.instance_type,
                tasks=work.tasks,
                billed=timedelta(microseconds=work.billed),
            )
            for work in store.all("work_of_run", usage=row.usage)
        ),
        cached=row.cached,
    )
