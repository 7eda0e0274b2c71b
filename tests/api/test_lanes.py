"""The lanes of one launch: how many are connected to at once, and that one keeps no other waiting."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import anyio
import pytest

from batchrun import UNLIMITED, Limits, Mode, ServiceUnusableError, Session, UsageError, load_manifest
from batchrun.api.lanes import AT_ONCE, opened
from batchrun.api.opening import Opening
from batchrun.clock import VirtualClock
from batchrun.model.lanes import Lane
from batchrun.service.client import AwsHealthOmics
from batchrun.simulator import Simulator, parse_faults, serve
from tests.world import SELDOM, simulated

NAMES = [f"l{number:02}" for number in range(AT_ONCE + 3)]


def lanes_at(simulator: Simulator, *names: str) -> list[Lane]:
    return [
        Lane(
            name=name,
            region="us-east-1",
            role=f"arn:aws:iam::{number:012}:role/launcher",
            endpoint_url=simulator.url,
        )
        for number, name in enumerate(names)
    ]


async def test_many_lanes_are_asked_whose_they_are_a_few_side_by_side():
    at_once, most = 0, 0
    async with serve(simulated()) as simulator, Opening(None) as opening:

        async def connect(lane: Lane) -> AwsHealthOmics:
            nonlocal at_once, most
            at_once += 1
            most = max(most, at_once)
            service = await opening.service(lane=lane)
            at_once -= 1
            return service

        found = await opened(lanes_at(simulator, *NAMES), connect)
        tally = simulator.state().calls
    assert most == AT_ONCE
    assert [service.number for service in found.services.values()] == [f"{n:012}" for n in range(len(NAMES))]
    assert (tally["AssumeRole"].calls, tally["GetCallerIdentity"].calls) == (len(NAMES), len(NAMES))


async def test_lanes_whose_helpers_hang_give_their_places_to_others():
    hanging, connected = set(NAMES[:AT_ONCE]), dict[str, float]()
    async with serve(simulated()) as simulator, Opening(None) as opening:
        begun = anyio.current_time()

        async def connect(lane: Lane) -> AwsHealthOmics:
            if lane.name in hanging:
                await anyio.sleep(15)
                raise ServiceUnusableError("its helper says nothing")
            connected[lane.name] = anyio.current_time() - begun
            return await opening.service(lane=lane)

        found = await opened(lanes_at(simulator, *NAMES), connect)
    assert found.stopped.keys() == hanging
    assert found.services.keys() == connected.keys() == set(NAMES) - hanging
    assert max(connected.values()) < 3


async def test_lanes_that_are_silent_when_a_batch_goes_on_are_waited_for_together(tmp_path: Path):
    clock, names = VirtualClock(), NAMES[:4]
    async with serve(simulated(), clock=clock) as simulator:
        there = {
            name: {"region": f"eu-west-{number}", "endpoint_url": simulator.url}
            for number, name in enumerate(names)
        }
        asked = {
            "batch": "cohort",
            "lanes": there,
            "defaults": {
                "workflowId": "1234567",
                "roleArn": "arn:aws:iam::123456789012:role/omics",
                "outputUri": "s3://lab/{batch}/{id}/",
            },
            # Of one run alone that is missing nobody can say more.
            "runs": [{"id": f"{name}-{number}", "lane": name} for name in names for number in range(2)],
        }
        path = tmp_path / "cohort.json"
        path.write_text(json.dumps(asked), encoding="utf-8")

        async def launch(mode: Mode) -> None:
            with load_manifest(path) as manifest:
                async with (
                    Session(tmp_path / "batchrun.db", rate=UNLIMITED, clock=clock) as session,
                    session.launching(manifest, limits=Limits(mode=mode, watch=SELDOM)) as launch,
                ):
                    await launch.wait()

        simulator.script(*parse_faults("GetCallerIdentity:AccessDenied"))
        await launch(Mode.DETACH)
        simulator.script(*parse_faults("*:drop_before"))
        begun = clock.monotonic()
        with pytest.raises(ServiceUnusableError, match="lane l03: no usable answer"):
            await launch(Mode.DETACH)
    waited = clock.monotonic() - begun
    assert 20 <= waited < 40, "each is given 20 s and the try after them, and none waits for another"


async def test_a_manifest_that_only_names_its_lanes_is_told_as_that_with_one_cure(tmp_path: Path):
    clock, path = VirtualClock(), tmp_path / "cohort.yaml"
    path.write_text("lanes: [east]\nruns: []\n", encoding="utf-8")
    async with Opening(tmp_path / "batchrun.db") as opening:
        ledger, now = await opening.ledger(), clock.utcnow()
        batch = await ledger.open_batch("cohort", region="us-east-1", at=now)
        async with opening.holding("cohort", timedelta(seconds=30)) as held:
            await held.keep_lane("east", region="us-east-1", account=None, at=now)
        with pytest.raises(UsageError) as told:
            await opening.lanes_of(replace(batch, place=str(path)))
    assert str(told.value) == (
        f"batch 'cohort' has lanes, and {path}:1:8: lanes: these are names of lanes, and nothing says what "
        "they are; give --lanes FILE that has them"
    )
