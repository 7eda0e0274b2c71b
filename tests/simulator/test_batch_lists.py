"""Lists of simulated batches and of their rows: their order, pages, filters, and how late they are."""

from typing import Any

from batchrun.simulator import NameFilter
from tests.simulator.batch_requests import batch_of, code_of, row_of
from tests.simulator.test_batches import START


def test_rows_that_wait_can_be_listed_without_a_status(batched, clock):
    client, _ = batched(waiting_rows_listed=True)
    batch_id = client.start_run_batch(**batch_of())["id"]
    clock.now = 12
    first, second = client.list_runs_in_batch(batchId=batch_id)["runs"]
    assert first["submissionStatus"] == "SUCCESS"
    assert second == {"runSettingId": "row-2"}


def test_batches_are_listed_newest_first_in_pages(batched):
    client, _ = batched()
    ids = [client.start_run_batch(**batch_of(requestId=f"r-{n}"))["id"] for n in range(5)]
    pages = client.get_paginator("list_batch").paginate(PaginationConfig={"PageSize": 2})
    items = [page["items"] for page in pages]
    assert [len(page) for page in items] == [2, 2, 1]
    assert [item["id"] for page in items for item in page] == ids[::-1]
    assert items[0][0] == {
        "id": ids[-1],
        "name": "cohort",
        "status": "CREATING",
        "createdAt": START,
        "totalRuns": 2,
        "workflowId": "1234567",
    }


def test_one_filter_lists_some_batches(batched, clock):
    client, _ = batched()
    client.start_run_batch(**batch_of(batchName="a", requestId="1", default={"runGroupId": "77"}))
    clock.now = 3
    client.start_run_batch(**batch_of(batchName="b", requestId="2"))

    def names(**query: Any) -> list[str]:
        return [item["name"] for item in client.list_batch(**query)["items"]]

    assert names(name="a") == ["a"]
    assert names(name="c") == []
    assert names(status="CREATING") == ["b"]
    assert names(runGroupId="77") == ["a"]
    assert code_of(client.list_batch, name="a", status="PENDING") == "ValidationException"


def test_names_of_batches_can_be_made_to_match_by_prefix(service_with):
    service = service_with(name_filter=NameFilter.PREFIX)
    for number, name in enumerate(("cohort", "cohort-2", "other")):
        service.call("StartRunBatch", batch_of(batchName=name, requestId=f"r{number}"), 0.0)
    found = service.call("ListBatch", {"name": "cohort"}, 1.0)["items"]
    assert [item["name"] for item in found] == ["cohort-2", "cohort"]


def test_rows_are_listed_in_pages_and_by_one_filter(batched, clock):
    client, _ = batched(limits={"*": None})
    rows = [row_of(n, **({"outputUri": "/tmp"} if n == 3 else {})) for n in range(7)]
    batch_id = client.start_run_batch(**batch_of(*rows))["id"]
    clock.now = 20
    pages = client.get_paginator("list_runs_in_batch").paginate(
        batchId=batch_id, PaginationConfig={"PageSize": 3}
    )
    assert [[row["runSettingId"][-1] for row in page["runs"]] for page in pages] == [
        ["0", "1", "2"],
        ["3", "4", "5"],
        ["6"],
    ]

    def found(**query: Any) -> list[str]:
        return [row["runSettingId"] for row in client.list_runs_in_batch(batchId=batch_id, **query)["runs"]]

    assert found(submissionStatus="FAILED") == ["row-3"]
    assert found(runSettingId="row-5") == ["row-5"]
    assert found(runSettingId="row-9") == []
    run_id = client.list_runs(name="sample-4")["items"][0]["id"]
    assert found(runId=run_id) == ["row-4"]
    assert code_of(client.list_runs_in_batch, batchId=batch_id, runId=run_id, submissionStatus="SUCCESS") == (
        "ValidationException"
    )
    assert code_of(client.list_runs_in_batch, batchId=batch_id, startingToken="x") == "ValidationException"


def test_lists_are_late(batched, clock):
    client, _ = batched(listing_lag=30)
    batch_id = client.start_run_batch(**batch_of())["id"]
    clock.now = 29
    assert client.list_batch()["items"] == []
    assert client.list_runs_in_batch(batchId=batch_id)["runs"] == []
    assert client.get_batch(batchId=batch_id)["status"] == "INPROGRESS"
    clock.now = 43
    assert len(client.list_batch()["items"]) == 1
    assert len(client.list_runs_in_batch(batchId=batch_id)["runs"]) == 2


def test_a_batch_that_is_not_there(batched):
    client, _ = batched()
    for call in (client.get_batch, client.list_runs_in_batch):
        assert code_of(call, batchId="1") == "ResourceNotFoundException"
    assert client.list_runs(batchId="1")["items"] == []


def test_tags_of_a_batch_are_its_own(batched, clock):
    client, _ = batched()
    batch = client.start_run_batch(**batch_of(tags={"a": "1"}))
    client.tag_resource(resourceArn=batch["arn"], tags={"b": "2"})
    client.untag_resource(resourceArn=batch["arn"], tagKeys=["a"])
    assert client.list_tags_for_resource(resourceArn=batch["arn"])["tags"] == {"b": "2"}
    assert client.get_batch(batchId=batch["id"])["tags"] == {"b": "2"}
    clock.now = 20
    (first, *_) = client.list_runs_in_batch(batchId=batch["id"])["runs"]
    assert client.get_run(id=first["runId"])["tags"] == {}
