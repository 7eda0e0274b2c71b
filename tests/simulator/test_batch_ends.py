"""Batches that are cancelled, relieved of their runs, and deleted."""

from collections import Counter
from typing import Any

import pytest

from batchrun.simulator import Limit, parse_faults
from tests.simulator.batch_requests import batch_of, code_of, row_of, submissions


def status_of(client: Any, batch_id: str) -> str:
    return str(client.get_batch(batchId=batch_id)["status"])


def states_of(client: Any, batch_id: str) -> Counter[str]:
    return Counter(item["status"] for item in client.list_runs(batchId=batch_id)["items"])


def test_cancel_is_refused_while_a_batch_is_creating(batched, clock):
    client, _ = batched()
    batch_id = client.start_run_batch(**batch_of())["id"]
    assert code_of(client.cancel_run_batch, batchId=batch_id) == "ConflictException"
    clock.now = 2
    assert client.cancel_run_batch(batchId=batch_id)["ResponseMetadata"]["HTTPStatusCode"] == 202


def test_a_pending_batch_is_cancelled_without_any_run(batched, clock):
    client, simulator = batched()
    batch_id = client.start_run_batch(**batch_of())["id"]
    clock.now = 5
    client.cancel_run_batch(batchId=batch_id)
    clock.now = 100
    assert status_of(client, batch_id) == "CANCELLED"
    assert simulator.state().runs == []
    assert submissions(client, batch_id) == {}


def test_cancel_ends_what_runs_and_keeps_the_rest_from_starting(batched, clock):
    client, simulator = batched(
        limits={"StartRun": Limit(rate=2, burst=1), "CancelRun": Limit(rate=2, burst=1)}
    )
    batch_id = client.start_run_batch(**batch_of(*(row_of(n) for n in range(100))))["id"]
    clock.now = 42  # the first are STARTING or RUNNING, the last PENDING
    client.cancel_run_batch(batchId=batch_id)
    assert status_of(client, batch_id) == "STOPPING"
    assert code_of(client.cancel_run_batch, batchId=batch_id) == "ConflictException"
    clock.now = 47
    some = Counter(status for status, _ in submissions(client, batch_id).values())
    assert 9 <= some["CANCEL_SUCCESS"] <= 11  # at the account's pace for CancelRun
    clock.now = 100
    assert status_of(client, batch_id) == "CANCELLED"
    made = len(simulator.state().runs)
    assert 50 < made < 65
    assert states_of(client, batch_id) == {"CANCELLED": made}
    assert {status for status, _ in submissions(client, batch_id).values()} == {"CANCEL_SUCCESS"}
    counts = client.get_batch(batchId=batch_id)["submissionSummary"]
    assert counts["successfulStartSubmissionCount"] == counts["successfulCancelSubmissionCount"] == made
    assert counts["pendingStartSubmissionCount"] == 100 - made


def test_rows_that_a_cancel_kept_from_starting_can_be_listed(batched, clock):
    client, _ = batched(cancelled_rows_listed=True)
    batch_id = client.start_run_batch(**batch_of())["id"]
    clock.now = 12
    client.cancel_run_batch(batchId=batch_id)
    clock.now = 13
    first, second = client.list_runs_in_batch(batchId=batch_id)["runs"]
    assert first["submissionStatus"] == second["submissionStatus"] == "CANCEL_SUCCESS"
    assert (first["runId"] != "", second["runId"]) == (True, "")


def test_cancel_of_what_ended_fails_for_that_row(batched, clock):
    client, _ = batched()
    batch_id = client.start_run_batch(**batch_of())["id"]
    clock.now = 20
    client.cancel_run(id=client.list_runs(name="sample-1")["items"][0]["id"])
    client.cancel_run_batch(batchId=batch_id)
    clock.now = 21
    assert submissions(client, batch_id) == {
        "row-1": ("CANCEL_FAILED", "ConflictException"),
        "row-2": ("CANCEL_SUCCESS", None),
    }
    assert [row["runId"] != "" for row in client.list_runs_in_batch(batchId=batch_id)["runs"]] == [True, True]


def test_a_cancel_that_fails_for_a_row_lets_its_run_go_on(batched, clock):
    client, _ = batched(faults=parse_faults("CancelRow:InternalServerException@sample-2=1"))
    batch_id = client.start_run_batch(**batch_of())["id"]
    clock.now = 40
    client.cancel_run_batch(batchId=batch_id)
    clock.now = 60
    assert status_of(client, batch_id) == "STOPPING"
    assert submissions(client, batch_id)["row-2"] == ("CANCEL_FAILED", "InternalServerException")
    clock.now = 200
    assert status_of(client, batch_id) == "CANCELLED"
    assert states_of(client, batch_id) == {"CANCELLED": 1, "COMPLETED": 1}


def test_runs_are_deleted_once_all_ended(batched, clock):
    client, _ = batched(limits={"*": None, "DeleteRun": Limit(rate=1, burst=1)})
    batch_id = client.start_run_batch(**batch_of())["id"]
    clock.now = 50
    assert code_of(client.delete_run_batch, batchId=batch_id) == "ConflictException"
    clock.now = 200
    assert client.delete_run_batch(batchId=batch_id)["ResponseMetadata"]["HTTPStatusCode"] == 202
    assert status_of(client, batch_id) == "RUNS_DELETING"
    for call in (client.delete_run_batch, client.cancel_run_batch, client.delete_batch):
        assert code_of(call, batchId=batch_id) == "ConflictException"
    clock.now = 202
    batch = client.get_batch(batchId=batch_id)
    assert batch["status"] == "RUNS_DELETED"
    assert batch["submissionSummary"]["successfulDeleteSubmissionCount"] == 2
    assert batch["runSummary"]["deletedRunCount"] == 2
    assert client.list_runs(batchId=batch_id)["items"] == []
    assert {status for status, _ in submissions(client, batch_id).values()} == {"DELETE_SUCCESS"}
    assert code_of(client.delete_run_batch, batchId=batch_id) == "ConflictException"


def test_what_somebody_else_deleted_cannot_be_deleted_again(batched, clock, request_of):
    client, _ = batched()
    batch_id = client.start_run_batch(**batch_of())["id"]
    clock.now = 200
    client.delete_run(id=client.list_runs(name="sample-1")["items"][0]["id"])
    stranger = client.start_run(**request_of(9))["id"]  # it has the id of the deleted one
    client.delete_run_batch(batchId=batch_id)
    clock.now = 201
    assert status_of(client, batch_id) == "RUNS_DELETE_FAILED"
    assert submissions(client, batch_id) == {
        "row-1": ("DELETE_FAILED", "ResourceNotFoundException"),
        "row-2": ("DELETE_SUCCESS", None),
    }
    assert client.get_run(id=stranger)["name"] == "sample-9"


def test_a_batch_is_deleted_apart_from_its_runs(batched, clock):
    client, simulator = batched()
    batch_id = client.start_run_batch(**batch_of())["id"]
    for clock.now in (0, 5, 12.2, 50):
        assert code_of(client.delete_batch, batchId=batch_id) == "ConflictException"
    clock.now = 200
    assert client.delete_batch(batchId=batch_id)["ResponseMetadata"]["HTTPStatusCode"] == 202
    for call in (
        client.get_batch,
        client.list_runs_in_batch,
        client.cancel_run_batch,
        client.delete_run_batch,
        client.delete_batch,
    ):
        assert code_of(call, batchId=batch_id) == "ResourceNotFoundException"
    assert client.list_batch()["items"] == []
    assert states_of(client, batch_id) == {"COMPLETED": 2}
    (record,) = simulator.state().batches
    assert record.deleted == 200
    assert client.start_run_batch(**batch_of())["id"] == batch_id  # its requestId is remembered


@pytest.mark.parametrize("moment", [5, 12.2, 20])
def test_looking_often_changes_nothing_about_a_cancel(service_with, moment):
    limits = {"StartRun": Limit(rate=2, burst=1), "CancelRun": Limit(rate=1, burst=1)}
    watched, unwatched = service_with(limits=limits), service_with(limits=limits)
    for service in (watched, unwatched):
        batch_id = service.call("StartRunBatch", batch_of(*(row_of(n) for n in range(20))), 0.0)["id"]
        for tick in range(int(moment * 10) if service is watched else 0):
            service.advance(tick / 10)
        service.call("CancelRunBatch", {"batchId": batch_id}, moment + 1)
    for tick in range(int(moment * 10) + 10, 2000):
        watched.advance(tick / 10)
    unwatched.advance(199.9)

    def story(service: Any) -> Any:
        runs = [(r.uuid, r.setting, r.status, r.created, r.stopped) for r in service.shelf.history]
        return [batch.status for batch in service.batches.shelf.history], runs

    assert story(watched) == story(unwatched)
    assert story(watched)[0] == ["CANCELLED"]
