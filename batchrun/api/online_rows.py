"""
Rows held against one account and region: its workflows, its quotas, what is active there.

Belongs here: what is asked in which order, and what is said where it may not be asked. Does not: several
lanes (``online_lanes``), what is wrong with a row (``manifest``), the calls (``service``).
"""

from __future__ import annotations

import json
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import anyio

from batchrun.errors import AccessDeniedError, BatchrunError, NotFoundError
from batchrun.manifest.problems import Problems
from batchrun.manifest.template_check import check_rows
from batchrun.manifest.warned.engine import held_against
from batchrun.manifest.warned.found import Warnings
from batchrun.model.paces.quotas import CODES, Quotas, storage_types
from batchrun.ports.workflows import WorkflowKey

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import date

    from batchrun.api.input_check import Inputs
    from batchrun.manifest import Manifest
    from batchrun.manifest.in_lane import InLane
    from batchrun.manifest.rows import Found
    from batchrun.manifest.spool import RowPlaces
    from batchrun.ports.workflows import Workflow
    from batchrun.service.client import AwsHealthOmics

    Workflows = Mapping[WorkflowKey, Workflow | None]

#: Runs that are counted one by one; more are "at least so many".
_COUNTED: Final = 1000
_AT_ONCE: Final = 8
_NO_WARNINGS: Final = Warnings()


@dataclass(slots=True, kw_only=True)
class Answers:
    """What came of it."""

    workflows: int = 0  #: asked for
    inputs: Inputs | None = None  #: what was seen of them; None where nobody looked
    quotas: Quotas = field(default_factory=Quotas)  #: the account's, as far as they may be read
    at_once: Mapping[str, int] = field(default_factory=dict)  #: runs that may be active, by storage type
    active: int | None = None  #: runs that have not ended; None where that may not be read
    warnings: list[str] = field(default_factory=list)
    engines: Warnings = _NO_WARNINGS  #: of what the rows say of their workflows' engine
    problems: Problems = field(default_factory=Problems)
    lanes: dict[str, Answers] = field(default_factory=dict)  #: where there are some: of each that was asked
    broken: BatchrunError | None = None  #: why not all was asked


async def ask(service: AwsHealthOmics, rows: Manifest | InLane, answers: Answers) -> Workflows:
    """
    Ask for the rows' workflows, and for as much of the account as may be read.

    Raises:
        ServiceError: The service cannot be asked.
    """
    keys = {key for spec in rows.specs() if (key := WorkflowKey.of(json.loads(spec.request)))}
    found = await _workflows(service, keys, answers)
    await _head_room(service, rows, answers)
    return found


def hold(
    rows: Manifest | InLane, workflows: Workflows, places: RowPlaces, found: Found, today: date
) -> Warnings:
    """
    Hold rows against their workflows.

    Args:
        rows: Which.
        workflows: What the service said of them.
        places: Where each row stands.
        found: Takes what is wrong.
        today: By which versions of engines are retired.

    Returns:
        What is no error, and yet hardly meant.
    """
    check_rows(rows.specs(), workflows, places, found)
    return held_against(rows.specs(), workflows, places, today)


async def _workflows(
    service: AwsHealthOmics, keys: Iterable[WorkflowKey], answers: Answers
) -> dict[WorkflowKey, Workflow | None]:
    """Ask for each workflow once; leave out those that may not be asked for."""
    found: dict[WorkflowKey, Workflow | None] = {}
    denied: list[WorkflowKey] = []
    waiting = iter(sorted(keys, key=str))

    async def ask() -> None:
        for key in waiting:
            try:
                found[key] = await service.workflow(key)
            except NotFoundError:
                found[key] = None
            except AccessDeniedError:
                denied.append(key)

    async with anyio.create_task_group() as group:
        for _ in range(_AT_ONCE):
            group.start_soon(ask)
    answers.workflows = len(found)
    if denied:
        also = f" and {len(denied) - 1} more" if len(denied) > 1 else ""
        answers.warnings.append(
            f"no permission to look at {min(denied, key=str)}{also} (omics:GetWorkflow, or "
            "omics:GetWorkflowVersion): status and parameters were not checked"
        )
    return found


async def _head_room(service: AwsHealthOmics, rows: Manifest | InLane, answers: Answers) -> None:
    """Find out as much as may be read; none of it is worth failing for."""
    answers.quotas = await service.quotas()
    answers.at_once = answers.quotas.active_runs(storage_types(rows.specs()))
    kept = answers.quotas.kept_runs
    if kept is not None and rows.count > kept:
        answers.warnings.append(
            f"{rows.count} rows, and the account keeps {kept} runs (quota {CODES['kept_runs']}): give "
            "retentionMode: REMOVE, or delete runs in time"
        )
    try:
        answers.active = await _active(service)
    except BatchrunError as error:
        if not isinstance(error, AccessDeniedError):
            raise
        answers.warnings.append("no permission to list runs (omics:ListRuns): active runs were not counted")


async def _active(service: AwsHealthOmics) -> int:
    ids: set[str] = set()
    async with aclosing(service.going_runs()) as pages:
        async for page in pages:
            ids |= {run.id for run in page}
            if len(ids) >= _COUNTED:
                break
    return len(ids)
