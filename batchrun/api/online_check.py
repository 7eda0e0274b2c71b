"""A manifest checked against the service: workflows, quotas and inputs, in each lane. Nothing is submitted.

A lane that cannot be asked is reported, and the others are still asked. Belongs here: what is asked in which
order, what differs by lane, and what is reported without permission to ask. Does not: what is wrong with a
row (``manifest``), looking up inputs (``input_check``), the calls (``service``).
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Collection, Iterable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import date
from functools import partial
from typing import TYPE_CHECKING, Final

from batchrun import errors
from batchrun.api.input_check import InputFindings, Means, look_for_inputs
from batchrun.api.lanes import AT_ONCE, asked, count_going, why_not
from batchrun.api.objects import OneLogin
from batchrun.api.opening import Opening
from batchrun.clock import SystemClock
from batchrun.manifest import Manifest
from batchrun.manifest.lane_rows import FoundInLane, LaneRows
from batchrun.manifest.problems import Problems
from batchrun.manifest.rows import Found
from batchrun.manifest.spool import RowPlaces
from batchrun.manifest.template_check import check_rows
from batchrun.manifest.warned.engine import held_against
from batchrun.manifest.warned.found import Warnings
from batchrun.model.lanes import Lane
from batchrun.model.paces.quotas import CODES, Quotas, storage_types
from batchrun.model.paces.rates import AUTO, UNLIMITED, Rate
from batchrun.model.texts.foreign import is_loopback
from batchrun.ports.objects import Bucket, InputPlace, PlaceKind
from batchrun.ports.workflows import Workflow, WorkflowKey
from batchrun.service.s3.input_lookup import InputLookup
from batchrun.service.s3.object_calls import object_calls
from batchrun.side_by_side import each

if TYPE_CHECKING:
    from batchrun.service.client import AwsHealthOmics

    Watched = Callable[[], AbstractContextManager[Callable[[InputFindings], None]]]
    Workflows = Mapping[WorkflowKey, Workflow | None]


async def examine(
    manifest: Manifest, places: RowPlaces, login: OneLogin, *, read_rate: Rate, watched: Watched | None
) -> Answers:
    """Ask the service about the manifest, or each of its lanes about what may go there.

    With lanes, *login* also says how patient to be. Inputs are only looked up if *watched*, which makes the
    callback for each of them, is given.

    Raises:
        ServiceError: The service cannot be asked.
    """
    answers = Answers()
    clock = SystemClock()
    today = clock.utcnow().date()
    async with Opening(None, login=login, rate=UNLIMITED, read_rate=read_rate, clock=clock) as opened:
        if manifest.lanes:
            await ask_lanes(opened, manifest, places, answers, today)
        else:
            workflows = await ask(await opened.service(), manifest, answers)
            answers.engines = hold(manifest, workflows, places, answers.problems, today)
    if watched is not None:
        rng = random.Random()  # noqa: S311 (no secret)
        with watched() as told:
            means = partial(Means, rate=read_rate, clock=clock, rng=rng, told=told)
            if manifest.lanes:
                await inputs_in_lanes(opened, manifest, places, answers, means)
            else:
                own = means(login=opened.login())
                answers.inputs = await look_for_inputs(manifest, places, own, answers.problems)
                answers.warnings += answers.inputs.warnings
                answers.broken = answers.inputs.broken
    return answers


_NO_WARNINGS: Final = Warnings()


@dataclass(slots=True, kw_only=True)
class Answers:
    """The service's answers."""

    workflows: int = 0  #: number asked for
    inputs: InputFindings | None = None  #: None if they were not looked up
    quotas: Quotas = field(default_factory=Quotas)  #: the account's, as far as they may be read
    at_once: Mapping[str, int] = field(default_factory=dict)  #: runs that may be active, by storage type
    active: int | None = None  #: runs that have not ended; None without permission
    warnings: list[str] = field(default_factory=list)
    engines: Warnings = _NO_WARNINGS  #: about the rows' engine versions
    problems: Problems = field(default_factory=Problems)
    lanes: dict[str, Answers] = field(default_factory=dict)  #: the answers by lane, of each that was asked
    broken: errors.BatchrunError | None = None  #: why not everything was asked


async def ask(service: AwsHealthOmics, rows: Manifest | LaneRows, answers: Answers) -> Workflows:
    """Ask for the rows' workflows, and for whatever of the account may be read."""
    keys = {key for spec in rows.specs() if (key := WorkflowKey.of(json.loads(spec.request)))}
    found = await _workflows(service, keys, answers)
    await _head_room(service, rows, answers)
    return found


def hold(
    rows: Manifest | LaneRows, workflows: Workflows, places: RowPlaces, found: Found, today: date
) -> Warnings:
    """Compare rows with their workflows as of *today*, collect problems in *found*, and return warnings."""
    check_rows(rows.specs(), workflows, places, found)
    return held_against(rows.specs(), workflows, places, today)


async def _workflows(
    service: AwsHealthOmics, keys: Iterable[WorkflowKey], answers: Answers
) -> dict[WorkflowKey, Workflow | None]:
    """Ask for each workflow once; leave out those that may not be asked for."""
    found: dict[WorkflowKey, Workflow | None] = {}
    denied: list[WorkflowKey] = []

    async def ask(key: WorkflowKey) -> None:
        try:
            found[key] = await service.workflow(key)
        except errors.NotFoundError:
            found[key] = None
        except errors.AccessDeniedError:
            denied.append(key)

    await each(ask, sorted(keys, key=str), at_once=AT_ONCE)
    answers.workflows = len(found)
    if denied:
        also = f" and {len(denied) - 1} more" if len(denied) > 1 else ""
        answers.warnings.append(
            f"no permission to look at {min(denied, key=str)}{also} (omics:GetWorkflow, or "
            "omics:GetWorkflowVersion): status and parameters were not checked"
        )
    return found


async def _head_room(service: AwsHealthOmics, rows: Manifest | LaneRows, answers: Answers) -> None:
    """Read quotas and active runs as far as permitted; failing to is not an error."""
    answers.quotas = await service.quotas()
    answers.at_once = answers.quotas.active_runs(storage_types(rows.specs()))
    kept = answers.quotas.kept_runs
    if kept is not None and rows.count > kept:
        answers.warnings.append(
            f"{rows.count} rows, and the account keeps {kept} runs (quota {CODES['kept_runs']}): give "
            "retentionMode: REMOVE, or delete runs in time"
        )
    try:
        answers.active = (await count_going(service))[0].total()
    except errors.AccessDeniedError:
        answers.warnings.append("no permission to list runs (omics:ListRuns): active runs were not counted")


@dataclass(slots=True, kw_only=True)
class _Asked:
    """A lane that has answered."""

    rows: LaneRows
    region: str
    workflows: Workflows
    answers: Answers
    buckets: Mapping[str, Bucket]


async def ask_lanes(
    opened: Opening, manifest: Manifest, places: RowPlaces, answers: Answers, today: date
) -> None:
    """Ask each lane about the rows that may go there, several at a time, and check them by its answers."""
    wanted = [lane for lane in manifest.lanes if lane.name in manifest.taken]  # the others need no login
    found, failed = await asked(wanted, lambda lane: _ask(opened, lane, LaneRows(manifest, lane.name)))
    for name, one in found.items():
        _hold(name, one, places, answers, today)
    answers.broken = _failure(failed)


async def _ask(opened: Opening, lane: Lane, rows: LaneRows) -> _Asked:
    service = await opened.service(lane=lane)
    await service.ask_account()
    if (why := why_not(service, lane.account)) is not None:
        raise errors.ServiceUnusableError(why)
    answers = Answers()
    workflows = await ask(service, rows, answers)
    return _Asked(
        rows=rows,
        region=service.region,
        workflows=workflows,
        answers=answers,
        buckets=await _buckets(service, {_bucket_of(spec.request) for spec in rows.specs()}),
    )


def _hold(name: str, found: _Asked, places: RowPlaces, answers: Answers, today: date) -> None:
    problems = FoundInLane(answers.problems, name)
    found.answers.engines = hold(found.rows, found.workflows, places, problems, today)
    _hold_buckets(found, places, problems)
    answers.lanes[name] = found.answers
    answers.workflows += found.answers.workflows
    answers.warnings += [f"lane {name}: {warning}" for warning in found.answers.warnings]


def _hold_buckets(found: _Asked, places: RowPlaces, problems: Found) -> None:
    """Record outputs in another region than the runs, which HealthOmics would refuse."""
    for spec in found.rows.specs():
        bucket = found.buckets.get(_bucket_of(spec.request))
        if bucket is None or (bucket.exists and bucket.region in {None, found.region}):
            continue
        is_where = f"in {bucket.region}, and the lane is in {found.region}" if bucket.exists else "not there"
        cure = f"name one in {found.region}, under set of the lane where others have another"
        message = f"the bucket {bucket.name} is {is_where}"
        problems.add(places.place(spec.position), message, cure, row=spec.id, field="outputUri")
    if unknown := sorted(one.name for one in found.buckets.values() if one.exists and one.region is None):
        found.answers.warnings.append(f"S3 does not say in which region {', '.join(unknown)} is: not checked")


async def _buckets(service: AwsHealthOmics, names: Collection[str]) -> Mapping[str, Bucket]:
    """Ask for each bucket; for a local HealthOmics, AWS is not asked."""
    found: dict[str, Bucket] = {}
    rng = random.Random()  # noqa: S311 (no secret)
    async with object_calls(service.login, rate=AUTO, clock=SystemClock(), rng=rng) as calls:
        if is_loopback(service.endpoint) and not is_loopback(calls.endpoint):
            return {}
        lookup = InputLookup(calls)
        for name in sorted(names):
            place = InputPlace(kind=PlaceKind.PREFIX, uri=f"s3://{name}/")
            try:
                bucket = await lookup.bucket(place)
            except errors.ServiceError:
                bucket = Bucket(name=name)  # its region is not known
            if bucket.exists or not is_loopback(calls.endpoint):  # a local S3 need not have what rows name
                found[name] = bucket
    return found


def _bucket_of(request: str) -> str:
    return str(json.loads(request).get("outputUri", "")).removeprefix("s3://").partition("/")[0]


def _failure(
    failed: Mapping[str, errors.InputError | errors.ServiceError],
) -> errors.UsageError | errors.ServiceUnusableError | None:
    """Return one error for all lanes that were not asked; a UsageError if only settings are wrong."""
    if not failed:
        return None
    said = "; ".join(f"lane {lane}: {error}" for lane, error in failed.items())
    is_usage = all(isinstance(error, errors.InputError) for error in failed.values())
    return errors.UsageError(said) if is_usage else errors.ServiceUnusableError(said)


async def inputs_in_lanes(
    opened: Opening, manifest: Manifest, places: RowPlaces, answers: Answers, means: Callable[..., Means]
) -> None:
    """Look up the inputs of each lane's rows with its own login, for lanes that have answered."""
    for lane in manifest.lanes:
        if (own := answers.lanes.get(lane.name)) is None:
            continue
        problems = FoundInLane(answers.problems, lane.name)
        rows = LaneRows(manifest, lane.name)
        own.inputs = await look_for_inputs(rows, places, means(login=opened.login(lane)), problems)
        answers.warnings += [f"lane {lane.name}: {warning}" for warning in own.inputs.warnings]
        answers.broken = answers.broken or own.inputs.broken
