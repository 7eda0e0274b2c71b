"""
Rows held against each lane that they may take: that their workflows are there, and their buckets near.

A lane that cannot be asked is told, and the others are asked all the same. Belongs here: what differs by
lane. Does not: one account's answers (``online_rows``).
"""

from __future__ import annotations

import json
import random
from dataclasses import dataclass
from typing import TYPE_CHECKING

import anyio

from batchrun.api.input_check import look_for_inputs
from batchrun.api.lane_account import AT_ONCE, why_not
from batchrun.api.online_rows import Answers, ask, hold
from batchrun.clock import SystemClock
from batchrun.errors import InputError, ServiceError, ServiceUnusableError, UsageError
from batchrun.manifest.in_lane import FoundInLane, InLane
from batchrun.model.paces.pace import AUTO
from batchrun.model.texts.foreign import is_loopback
from batchrun.ports.inputs import Bucket, InputPlace, PlaceKind
from batchrun.service.s3.input_lookup import InputLookup
from batchrun.service.s3.object_calls import object_calls

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping
    from datetime import date

    from batchrun.api.input_check import Means
    from batchrun.api.online_rows import Workflows
    from batchrun.api.opening import Opening
    from batchrun.manifest import Manifest
    from batchrun.manifest.rows import Found
    from batchrun.manifest.spool import RowPlaces
    from batchrun.model.lanes import Lane
    from batchrun.service.client import AwsHealthOmics


@dataclass(slots=True, kw_only=True)
class _Asked:
    """A lane that has answered."""

    rows: InLane
    region: str
    workflows: Workflows
    answers: Answers
    buckets: Mapping[str, Bucket]


async def ask_lanes(
    opened: Opening, manifest: Manifest, places: RowPlaces, answers: Answers, today: date
) -> None:
    """Ask each lane about the rows that may go there, side by side, and hold them against what it says."""
    asked: dict[str, _Asked] = {}
    failed: dict[str, InputError | ServiceError] = {}
    limit = anyio.CapacityLimiter(AT_ONCE)

    async def one(lane: Lane) -> None:
        async with limit:
            try:
                asked[lane.name] = await _ask(opened, lane, InLane(manifest, lane.name))
            except (InputError, ServiceError) as error:
                failed[lane.name] = error

    async with anyio.create_task_group() as group:
        for lane in manifest.lanes:
            if lane.name in manifest.taken:  # nobody need have a login for the others
                group.start_soon(one, lane)
    for lane in manifest.lanes:
        if (found := asked.get(lane.name)) is not None:
            _hold(lane.name, found, places, answers, today)
    answers.broken = _failure(
        {lane.name: failed[lane.name] for lane in manifest.lanes if lane.name in failed}
    )


async def _ask(opened: Opening, lane: Lane, rows: InLane) -> _Asked:
    service = await opened.service(lane=lane)
    await service.ask_account()
    if (why := why_not(service, lane.account)) is not None:
        raise ServiceUnusableError(why)
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
    """Take down outputs that go to another region than the runs: HealthOmics would refuse each."""
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
    """Ask for each bucket; not AWS, where the runs are started on a local service."""
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
            except ServiceError:
                bucket = Bucket(name=name)  # nobody says where it is
            if bucket.exists or not is_loopback(calls.endpoint):  # a local S3 need not have what rows name
                found[name] = bucket
    return found


def _bucket_of(request: str) -> str:
    return str(json.loads(request).get("outputUri", "")).removeprefix("s3://").partition("/")[0]


def _failure(failed: Mapping[str, InputError | ServiceError]) -> UsageError | ServiceUnusableError | None:
    """Return why lanes were not asked, as one error: of settings where nothing else is wrong."""
    if not failed:
        return None
    said = "; ".join(f"lane {lane}: {error}" for lane, error in failed.items())
    is_usage = all(isinstance(error, InputError) for error in failed.values())
    return UsageError(said) if is_usage else ServiceUnusableError(said)


async def inputs_in_lanes(
    opened: Opening,
    manifest: Manifest,
    places: RowPlaces,
    answers: Answers,
    means: Callable[..., Means],
) -> None:
    """Look for the inputs of each lane's rows with its own login; only of lanes that have answered."""
    for lane in manifest.lanes:
        if (own := answers.lanes.get(lane.name)) is None:
            continue
        problems = FoundInLane(answers.problems, lane.name)
        rows = InLane(manifest, lane.name)
        own.inputs = await look_for_inputs(rows, places, means(login=opened.login(lane)), problems)
        answers.warnings += [f"lane {lane.name}: {warning}" for warning in own.inputs.warnings]
        answers.broken = answers.broken or own.inputs.broken
