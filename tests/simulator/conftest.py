"""What the simulator's tests stand on: a clock moved by hand, and clients on a real socket."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import aiobotocore.session
import boto3
import pytest
from aiobotocore.config import AioConfig
from anyio.from_thread import start_blocking_portal
from botocore.config import Config
from botocore.loaders import create_loader

from batchrun.clock import Clock, VirtualClock, VirtualLoop
from batchrun.simulator import BatchDurations, Durations, Limit, Settings, Span, serve
from batchrun.simulator.service import HealthOmics

START = datetime(2026, 1, 1, tzinfo=UTC)
ROLE = "arn:aws:iam::123456789012:role/omics"
ACCESS: dict[str, Any] = {
    "region_name": "us-east-1",
    "aws_access_key_id": "nobody",
    "aws_secret_access_key": "nothing",
}
#: AWS's models, read once for all clients.
MODELS = create_loader()
#: 10 s in the queue, 10 s to start, 100 s of work and 10 s to stop, to the second.
EVEN = Durations(
    pending=Span(mean=10), starting=Span(mean=10), running=Span(mean=100), stopping=Span(mean=10)
)


class HandClock(Clock):
    """Time that stands still until a test moves it."""

    def __init__(self) -> None:
        self.now = 0.0

    def monotonic(self) -> float:
        return self.now

    def utcnow(self) -> datetime:
        return START + timedelta(seconds=self.now)


def make_settings(**changes: Any) -> Settings:
    return Settings(**{"limits": {"*": None}, "durations": EVEN, **changes})


def make_request(number: int = 1, **changes: Any) -> dict[str, Any]:
    return {
        "workflowId": "1234567",
        "roleArn": ROLE,
        "outputUri": f"s3://lab/out/{number}",
        "requestId": f"request-{number}",
        "name": f"sample-{number}",
        **changes,
    }


@pytest.fixture
def settings():
    return make_settings


@pytest.fixture
def request_of():
    return make_request


@pytest.fixture
def service_with():
    return lambda **changes: HealthOmics(make_settings(**changes), origin=START)


@pytest.fixture
def clock():
    return HandClock()


@pytest.fixture
def served(clock):
    """Serve from another thread, for clients that block; yields (settings) -> (boto3 client, simulator)."""
    clients = []
    with start_blocking_portal() as portal:
        contexts = []

        def start(**changes):
            context = portal.wrap_async_context_manager(serve(make_settings(**changes), clock=clock))
            simulator = context.__enter__()
            contexts.append(context)
            config = Config(inject_host_prefix=False, retries={"total_max_attempts": 1})
            client = boto3.client("omics", endpoint_url=simulator.url, config=config, **ACCESS)
            clients.append(client)
            return client, simulator

        yield start
        for client in clients:
            client.close()
        for context in contexts:
            context.__exit__(None, None, None)


@pytest.fixture
def batched(served):
    """Serve batches that are 2 s CREATING and 10 s PENDING, and then become two runs a second."""

    def start(**changes: Any) -> Any:
        durations = BatchDurations(creating=Span(mean=2), pending=Span(mean=10), counts_lag=5)
        limits = {"*": None, "StartRun": Limit(rate=2, burst=1)}
        return served(**{"batch_durations": durations, "limits": limits, **changes})

    return start


@pytest.fixture
def in_virtual_time():
    """Run a coroutine function on a loop whose time costs nothing."""

    def run(main):
        with asyncio.Runner(loop_factory=VirtualLoop) as runner:
            return runner.run(main())

    return run


@pytest.fixture
def connected():
    """Serve in this loop; an async context manager that yields (aiobotocore client, simulator)."""

    @asynccontextmanager
    async def connect(**changes):
        config = AioConfig(inject_host_prefix=False, retries={"total_max_attempts": 1, "mode": "standard"})
        session = aiobotocore.session.get_session()
        session.register_component("data_loader", MODELS)
        async with (
            serve(make_settings(**changes), clock=VirtualClock(START)) as simulator,
            session.create_client("omics", endpoint_url=simulator.url, config=config, **ACCESS) as client,
        ):
            yield client, simulator

    return connect
