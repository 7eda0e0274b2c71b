"""``batchrun simulate`` with batches of runs that go wrong, as its options and rules say."""

from typing import Any

import boto3
import pytest
from botocore.config import Config

from tests.cli.conftest import until
from tests.simulator.batch_requests import batch_of, submissions


@pytest.fixture
def serve(simulate):
    """Start it with options; returns a boto3 client and the simulator."""
    clients = []

    def start(*options: str) -> Any:
        simulated = simulate("--time-scale", "0.001", *options)
        config = Config(inject_host_prefix=False, retries={"total_max_attempts": 1})
        keys = {"aws_access_key_id": "any", "aws_secret_access_key": "any"}
        client = boto3.client(
            "omics", region_name="us-east-1", endpoint_url=simulated.url, config=config, **keys
        )
        clients.append(client)
        return client, simulated

    yield start
    for client in clients:
        client.close()


def test_a_batch_fails_and_its_request_makes_another(serve):
    client, simulated = serve(
        "--forget-failed-batches", "--faults", "SubmitRow:pass=1x,SubmitRow:fail_batch=1x"
    )
    first = client.start_run_batch(**batch_of())["id"]
    until(lambda: client.get_batch(batchId=first)["status"] == "FAILED")
    second = client.start_run_batch(**batch_of())["id"]
    until(lambda: client.get_batch(batchId=second)["status"] == "PROCESSED")
    made = [(run["batch_id"], run["run_setting_id"]) for run in simulated.state()["runs"]]
    assert made == [(first, "row-1"), (second, "row-1"), (second, "row-2")]


def test_a_request_is_forgotten_and_a_row_is_late(serve):
    client, simulated = serve("--batch-idempotency-window", "0s", "--hang", "0.5s")
    simulated.script("SubmitRow:show_late@sample-1=1x,SubmitRow:hide@sample-2=1x")
    first = client.start_run_batch(**batch_of())["id"]
    until(lambda: list(submissions(client, first)) == ["row-1"])
    second = client.start_run_batch(**batch_of())["id"]
    assert first != second
    until(lambda: list(submissions(client, second)) == ["row-1", "row-2"])
