"""The real client against the real simulator, over a real socket, in virtual time."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

from batchrun.clock import VirtualClock
from batchrun.model.entries.policies import WatchPolicy
from batchrun.model.paces.rates import UNLIMITED, Rate
from batchrun.service.calling.call_retries import RetrySettings
from batchrun.service.calling.outage import Patience
from batchrun.service.client import AwsHealthOmics, connect
from batchrun.service.target import Target
from batchrun.simulator import Durations, Settings, Simulator, Span, parse_faults, serve

#: 10 s queued, 10 s starting, 100 s running, 10 s stopping, to the second.
EVEN = Durations(
    pending=Span(mean=10), starting=Span(mean=10), running=Span(mean=100), stopping=Span(mean=10)
)
#: Runs of two minutes are looked at five times and not fifty, where how often is not the point.
SELDOM = WatchPolicy(shortest=30.0)
REQUEST = {
    "workflowId": "1234567",
    "roleArn": "arn:aws:iam::123456789012:role/omics",
    "outputUri": "s3://lab-results/x/",
    "name": "cohort-a",
    "requestId": "r-1",
}


def simulated(faults: str = "", **changes: Any) -> Settings:
    return Settings(
        **{"limits": {"*": None}, "durations": EVEN, "faults": parse_faults(faults), **changes},
    )


@asynccontextmanager
async def connected(
    settings: Settings | None = None,
    *,
    rate: float | Rate = UNLIMITED,
    read_rate: float | Rate = UNLIMITED,
    clock: VirtualClock | None = None,
    **target: Any,
) -> AsyncIterator[tuple[AwsHealthOmics, Simulator]]:
    clock = clock or VirtualClock()
    retry, patience = target.pop("retry", RetrySettings()), target.pop("patience", Patience())
    async with (
        serve(settings or simulated(), clock=clock) as simulator,
        connect(
            Target(**{"endpoint_url": simulator.url, **target}),
            rate=asked(rate),
            read_rate=asked(read_rate),
            clock=clock,
            rng=random.Random(1),
            retry=retry,
            patience=patience,
        ) as service,
    ):
        yield service, simulator


def asked(rate: float | Rate) -> Rate:
    return rate if isinstance(rate, Rate) else Rate(most=rate)


async def start(service: AwsHealthOmics, **changes: Any):
    turn = await service.start_turn()
    until = service._calls.clock.latest() + timedelta(hours=1)
    return await service.start_run(REQUEST | changes, turn=turn, trusted_until=until)
