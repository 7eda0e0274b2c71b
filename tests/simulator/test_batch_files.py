"""Batches whose rows are in a file in S3."""

import json
from typing import Any

import boto3
import pytest
from botocore.config import Config

from batchrun.simulator import StoredBucket, StoredObject
from tests.simulator.batch_requests import batch_of, code_of, row_of, submissions

URI = "s3://lab/settings/rows.json"


def stored(content: bytes, **changes: Any) -> tuple[StoredBucket, ...]:
    objects = {"settings/rows.json": StoredObject(content=content)}
    return (StoredBucket(name="lab", objects=objects, **changes),)


def dump(*rows: Any) -> bytes:
    return json.dumps(rows).encode()


def from_file(uri: str = URI, **changes: Any) -> dict[str, Any]:
    return batch_of(batchRunSettings={"s3UriSettings": uri}, **changes)


@pytest.fixture
def put():
    """Write an object into the simulator's S3: (simulator, key, content) -> ETag."""
    clients = []

    def write(simulator: Any, key: str, content: bytes) -> str:
        client = boto3.client(
            "s3",
            region_name="us-east-1",
            endpoint_url=simulator.url,
            aws_access_key_id="any",
            aws_secret_access_key="any",
            config=Config(s3={"addressing_style": "path"}, retries={"total_max_attempts": 1}),
        )
        clients.append(client)
        return str(client.put_object(Bucket="lab", Key=key, Body=content)["ETag"])

    yield write
    for client in clients:
        client.close()


def test_rows_are_read_from_the_simulators_own_s3(batched, clock, put):
    client, simulator = batched(limits={"*": None}, storage=stored(b""), max_active=None)
    put(simulator, "settings/rows.json", dump(*(row_of(n) for n in range(150))))
    batch_id = client.start_run_batch(**from_file())["id"]
    assert "totalRuns" not in client.get_batch(batchId=batch_id)
    clock.now = 20
    batch = client.get_batch(batchId=batch_id)
    assert (batch["status"], batch["totalRuns"]) == ("INPROGRESS", 150)
    pages = client.get_paginator("list_runs_in_batch").paginate(batchId=batch_id)
    rows = [row for page in pages for row in page["runs"]]
    assert [row["runSettingId"] for row in rows] == [f"row-{n}" for n in range(150)]
    assert client.get_run(id=rows[-1]["runId"])["name"] == "sample-149"


def test_a_file_may_be_larger_than_a_call(batched, clock, put):
    client, simulator = batched(limits={"*": None}, storage=stored(b""))
    row = row_of(1, parameters={f"p{n}": "x" * 1000 for n in range(200)})
    put(simulator, "settings/rows.json", dump(*({**row, "runSettingId": f"{n}"} for n in range(20))))
    batch_id = client.start_run_batch(**from_file())["id"]
    clock.now = 20
    assert client.get_batch(batchId=batch_id)["totalRuns"] == 20


@pytest.mark.parametrize(
    ("uri", "bucket"),
    [
        ("s3://lab/settings/other.json", {}),
        ("s3://elsewhere/rows.json", {}),
        ("s3://lab", {}),
        ("https://lab/rows.json", {}),
        (URI, {"may_read": False}),
        (URI, {"region": "eu-west-1"}),
    ],
)
def test_a_file_that_cannot_be_read_is_refused_at_once(batched, uri, bucket):
    client, simulator = batched(storage=stored(dump(row_of(1)), **bucket))
    assert code_of(client.start_run_batch, **from_file(uri)) == "ValidationException"
    assert simulator.state().batches == []


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "not JSON"),
        (b"\xff", "not JSON"),
        (b"[" * 100_000, "not JSON"),
        (b"{}", "not a JSON array"),
        (b"[]", "has 0 entries"),
        (dump(*[0] * 100_001), "has 100001 entries"),
        (dump(row_of(1), "row"), "not objects"),
        (dump(row_of(1), {"name": "x"}), "entry 2 has no runSettingId"),
        (dump({"runSettingId": 7}), "entry 1 has no runSettingId"),
        (dump(row_of(1), row_of(1)), "row-1 is there more than once"),
    ],
)
def test_a_file_that_is_none_of_settings_fails_the_batch(batched, clock, content, reason):
    client, simulator = batched(storage=stored(content))
    batch_id = client.start_run_batch(**from_file())["id"]
    clock.now = 11.9
    assert client.get_batch(batchId=batch_id)["status"] == "PENDING"
    clock.now = 12
    batch = client.get_batch(batchId=batch_id)
    assert batch["status"] == "FAILED"
    assert reason in batch["failureReason"]
    assert "failedTime" in batch
    assert simulator.state().runs == []


def test_rows_of_a_file_are_held_against_the_model_when_their_turn_comes(batched, clock):
    rows = dump(row_of(1, name="n" * 129), row_of(2, priority="high"), row_of(3, workflowId="5"), row_of(4))
    client, _ = batched(storage=stored(rows))
    batch_id = client.start_run_batch(**from_file())["id"]
    clock.now = 20
    refused = ("FAILED", "ValidationException")
    assert submissions(client, batch_id) == {
        "row-1": refused,
        "row-2": refused,
        "row-3": refused,
        "row-4": ("SUCCESS", None),
    }


def test_a_file_that_changes_before_it_is_read_fails_the_batch(batched, clock, put):
    client, simulator = batched(storage=stored(dump(row_of(1))))
    batch_id = client.start_run_batch(**from_file())["id"]
    put(simulator, "settings/rows.json", dump(row_of(2)))
    clock.now = 20
    batch = client.get_batch(batchId=batch_id)
    assert batch["status"] == "FAILED"
    assert "was modified" in batch["failureReason"]
    assert simulator.state().runs == []


def test_a_file_that_changes_on_the_way_fails_the_batch_after_some_rows(batched, clock, put):
    rows = [row_of(n) for n in range(10)]
    client, simulator = batched(storage=stored(dump(*rows)))
    batch_id = client.start_run_batch(**from_file())["id"]
    clock.now = 13.8
    put(simulator, "settings/rows.json", dump(*rows[:9]))
    clock.now = 30
    assert client.get_batch(batchId=batch_id)["status"] == "FAILED"
    made = [run.run_setting_id for run in simulator.state().runs]
    assert 0 < len(made) < 10
    assert list(submissions(client, batch_id)) == made


def test_the_same_bytes_again_change_nothing(batched, clock, put):
    rows = dump(*(row_of(n) for n in range(4)))
    client, simulator = batched(storage=stored(b""))
    etag = put(simulator, "settings/rows.json", rows)
    batch_id = client.start_run_batch(**from_file())["id"]
    clock.now = 13
    assert put(simulator, "settings/rows.json", rows) == etag
    clock.now = 20
    assert client.get_batch(batchId=batch_id)["status"] == "INPROGRESS"
