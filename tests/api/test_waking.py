"""Queues that lanes name, from a manifest to the simulators' own records of who asked them."""

from __future__ import annotations

from contextlib import AsyncExitStack
from dataclasses import replace

import yaml

from batchrun import UNLIMITED, Limits, Mode, Session, Target, load_manifest
from batchrun.clock import VirtualClock
from batchrun.simulator import Simulator, serve
from tests.world import SELDOM, simulated

RUN = {
    "workflowId": "1234567",
    "roleArn": "arn:aws:iam::123456789012:role/omics",
    "outputUri": "s3://lab/{lane}/{batch}/{id}/",
}
QUEUE = "/123456789012/ends"


def received(simulator: Simulator) -> int:
    calls = simulator.state().calls
    return calls["ReceiveMessage"].calls if "ReceiveMessage" in calls else 0


async def test_each_queue_is_listened_to_once_by_the_lanes_that_name_it(tmp_path):
    """East and near share east's, west has its own, and the command's --wake names west's as well."""
    clock = VirtualClock()
    async with AsyncExitStack() as stack:
        east, west = [
            await stack.enter_async_context(serve(replace(simulated(), region=region), clock=clock))
            for region in ("us-east-1", "us-west-2")
        ]
        lanes = {
            "east": {"region": "us-east-1", "endpoint_url": east.url, "wake": f"sqs:{east.url}{QUEUE}"},
            "near": {"region": "us-east-1", "endpoint_url": east.url, "wake": f"sqs:{east.url}{QUEUE}"},
            "west": {"region": "us-west-2", "endpoint_url": west.url, "wake": f"sqs:{west.url}{QUEUE}"},
        }
        path = tmp_path / "cohort.yaml"
        rows = [{"id": lane, "lane": lane} for lane in lanes]
        path.write_text(yaml.safe_dump({"lanes": lanes, "defaults": RUN, "runs": rows}), encoding="utf-8")

        async def launched(name: str, *wake: str, mode: Mode = Mode.WATCH) -> tuple[int, int]:
            before = received(east), received(west)
            with load_manifest(path, batch=name) as manifest:
                session = Session(
                    tmp_path / f"{name}.db",
                    target=Target(),
                    rate=UNLIMITED,
                    read_rate=UNLIMITED,
                    clock=clock,
                )
                begun, limits = clock.monotonic(), Limits(mode=mode, watch=SELDOM)
                async with session, session.launching(manifest, limits=limits, wake=wake) as launch:
                    ended = await launch.wait()
            assert mode is Mode.ONCE or ended.has_only_succeeded
            polls = (clock.monotonic() - begun) / 20 + 2 * len(rows) + 2
            asked = received(east) - before[0], received(west) - before[1]
            assert max(asked) <= polls, "somebody listened twice"
            return asked

        assert min(await launched("own")) > 0
        assert min(await launched("both", f"sqs:{west.url}{QUEUE}")) > 0
        assert await launched("once", mode=Mode.ONCE) == (0, 0)  # it is over before anything ends
