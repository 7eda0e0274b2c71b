"""
A manifest held against the service: workflows, quotas, inputs. Nothing is submitted.

Belongs here: what is asked in which order, and what is said where it may not be asked. Does not: what is
wrong with a row (``manifest``), the calls (``service``).
"""

from __future__ import annotations

import json
import random
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import anyio

from batchrun.api.input_check import Means, look_for_inputs
from batchrun.api.opening import Opening
from batchrun.clock import SystemClock
from batchrun.errors import AccessDeniedError, BatchrunError, NotFoundError
from batchrun.manifest.problems import Problems
from batchrun.manifest.template_check import check_rows, workflow_key
from batchrun.manifest.warned.engine import held_against
from batchrun.manifest.warned.found import Warnings
from batchrun.model.pace import UNLIMITED
from batchrun.model.quotas import CODES, Quotas, storage_types

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from contextlib import AbstractContextManager

    from batchrun.api.input_check import Inputs
    from batchrun.manifest import Manifest
    from batchrun.manifest.spool import RowPlaces
    from batchrun.model.pace import Rate
    from batchrun.ports.workflows import Workflow, WorkflowKey
    from batchrun.service.client import AwsHealthOmics
    from batchrun.service.target import Target

    Watched = Callable[[], AbstractContextManager[Callable[[Inputs], None]]]

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


async def examine(
    manifest: Manifest, places: RowPlaces, target: Target, *, read_rate: Rate, watched: Watched | None
) -> Answers:
    """
    Ask the service about the manifest.

    Args:
        manifest: Whose rows.
        places: Where each row stands.
        target: Which service.
        read_rate: Calls per second of each operation.
        watched: Makes what is told of each input that was seen in S3; None where they are not looked for.

    Raises:
        ServiceError: The service cannot be asked.
    """
    answers = Answers()
    jitter = random.Random()  # noqa: S311 (no secret)
    clock = SystemClock()
    async with Opening(None, target=target, rate=UNLIMITED, read_rate=read_rate, clock=clock) as opened:
        service = await opened.service()
        keys = {key for spec in manifest.specs() if (key := workflow_key(json.loads(spec.request)))}
        workflows = await _workflows(service, keys, answers)
        check_rows(manifest.specs(), workflows, places, answers.problems)
        today = clock.utcnow().date()
        answers.engines = held_against(manifest.specs(), workflows, places, today)
        await _head_room(service, manifest, answers)
    if watched is not None:
        with watched() as told:
            means = Means(login=service.login, rate=read_rate, clock=clock, rng=jitter, told=told)
            answers.inputs = await look_for_inputs(manifest, places, means, answers.problems)
        answers.warnings += answers.inputs.warnings
    return answers


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


async def _head_room(service: AwsHealthOmics, manifest: Manifest, answers: Answers) -> None:
    """Find out as much as may be read; none of it is worth failing for."""
    answers.quotas = await service.quotas()
    answers.at_once = answers.quotas.active_runs(storage_types(manifest.specs()))
    kept = answers.quotas.kept_runs
    if kept is not None and manifest.count > kept:
        answers.warnings.append(
            f"{manifest.count} rows, and the account keeps {kept} runs (quota {CODES['kept_runs']}): give "
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
