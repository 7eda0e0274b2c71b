"""
The columns of the results: the usual ones, and those that are there only where they are asked for.

    id    status    parameters.reads    tags.family    storageType    taskReason

Belongs here: their names and order, and what stands in those that are asked for. Does not: what stands in the
usual ones (``results``), asking for them (``view``).
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from batchrun.model.spec import Json
    from batchrun.model.tasks import FailedTasks


ResultsRow = dict[str, "Json"]  #: what stands in the columns, by their names
#: A contract: names, order and meaning (design.md, 7). Names are the API's where it has one.
COLUMNS: Final = (
    "id",
    "status",
    "runId",
    "uuid",
    "runOutputUri",
    "attempt",
    "requestId",
    "name",
    "workflowId",
    "creationTime",
    "startTime",
    "stopTime",
    "failureReason",
    "statusMessage",
    "arn",
    "changed",
    "lane",
    "accountId",
    "region",
)
#: Why tasks of the run failed: each reason once, with this between.
TASK_REASON: Final = "taskReason"
TASK_REASONS_BETWEEN: Final = "; "
#: Tables of a row's request, whose keys are columns: ``parameters.reads``.
TABLES: Final = ("parameters", "tags")
#: StartRun fields that are columns as they are; those that the usual columns have are not among them.
FIELDS: Final = (
    "workflowType",
    "workflowOwnerId",
    "workflowVersionName",
    "roleArn",
    "outputUri",
    "outputUriPrefixMode",
    "parametersUri",
    "requesterPaysEnabled",
    "runGroupId",
    "priority",
    "storageType",
    "storageCapacity",
    "scratchStorageMode",
    "cacheId",
    "cacheBehavior",
    "retentionMode",
    "logLevel",
    "networkingMode",
    "configurationName",
    "sessionPolicy",
    "engineSettings",
    *TABLES,
)


def is_own(name: str) -> bool:
    """Report whether *name* is such a column; of a parameter or tag, whether it could be one."""
    return name == TASK_REASON or name in FIELDS or bool(_key(name))


_JSON: Final = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"))


def table_columns(request: Mapping[str, Json]) -> list[str]:
    """Name the columns that the parameters and tags of *request* are."""
    return [f"{table}.{key}" for table in TABLES for key in _table(request, table)]


def cells(names: Collection[str], request: Mapping[str, Json], tasks: FailedTasks | None) -> dict[str, Json]:
    """Return what stands in the columns *names* of an attempt; what it does not have is None."""
    return {name: _cell(name, request, tasks) for name in names}


def text_of(value: Json) -> str | None:
    """Write a cell as text, as a manifest in CSV has it: what is no text is JSON; None stays None."""
    if value is None or isinstance(value, str):
        return value
    return str(value) if type(value) is int else _JSON.encode(value)


def asked_of(request: str, content: str) -> dict[str, Json]:
    """
    Return what an attempt asked for.

    Args:
        request: Canonical, as it was sent.
        content: What the manifest asks for: an attempt that copies a run does not say it itself.
    """
    asked: dict[str, Json] = json.loads(request)
    return json.loads(content) | asked if "runId" in asked else asked


def _cell(name: str, request: Mapping[str, Json], tasks: FailedTasks | None) -> Json:
    if name == TASK_REASON:
        return _reasons(tasks)
    if key := _key(name):
        return _table(request, name.partition(".")[0]).get(key)
    return request.get(name)


def _reasons(tasks: FailedTasks | None) -> str | None:
    reasons = [task.failure_reason for task in tasks.tasks if task.failure_reason] if tasks else []
    return TASK_REASONS_BETWEEN.join(dict.fromkeys(reasons)) or None


def _key(name: str) -> str:
    """Return what follows the table in a name: one key, dots included, as in the header of a manifest."""
    table, _, key = name.partition(".")
    return key if table in TABLES else ""


def _table(request: Mapping[str, Json], name: str) -> Mapping[str, Json]:
    table = request.get(name)
    return table if isinstance(table, dict) else {}
