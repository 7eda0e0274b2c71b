"""boto3, unchanged, over a real socket."""

from datetime import UTC, datetime
from typing import Any

import pytest
from botocore.exceptions import ClientError

from batchrun.simulator import Parameter, Version, Workflow


def code_of(call: Any, **params: Any) -> tuple[str, int]:
    with pytest.raises(ClientError) as caught:
        call(**params)
    return (
        caught.value.response["Error"]["Code"],
        caught.value.response["ResponseMetadata"]["HTTPStatusCode"],
    )


def test_a_run_is_started_and_watched_to_its_end(served, request_of, clock):
    client, _ = served()
    started = client.start_run(**request_of(parameters={"reads": ["a", 1, None]}, tags={"a": "b"}))
    assert started["ResponseMetadata"]["HTTPStatusCode"] == 201
    assert started["status"] == "PENDING"
    assert started["runOutputUri"] == f"s3://lab/out/1/{started['id']}"
    seen = []
    for clock.now in (5, 15, 50, 125, 130):
        seen.append(client.get_run(id=started["id"])["status"])
    assert seen == ["PENDING", "STARTING", "RUNNING", "STOPPING", "COMPLETED"]
    run = client.get_run(id=started["id"])
    assert run["uuid"] == started["uuid"]
    assert run["parameters"] == {"reads": ["a", 1, None]}
    assert run["tags"] == {"a": "b"}
    assert run["creationTime"] == datetime(2026, 1, 1, tzinfo=UTC)
    assert run["startTime"] == datetime(2026, 1, 1, 0, 0, 20, tzinfo=UTC)
    assert run["stopTime"] == datetime(2026, 1, 1, 0, 2, 10, tzinfo=UTC)
    assert "failureReason" not in run


def test_runs_are_listed_newest_first_in_pages(served, request_of):
    client, _ = served()
    ids = [client.start_run(**request_of(number))["id"] for number in range(25)]
    pages = list(client.get_paginator("list_runs").paginate(PaginationConfig={"PageSize": 10}))
    assert [len(page["items"]) for page in pages] == [10, 10, 5]
    assert [item["id"] for page in pages for item in page["items"]] == ids[::-1]
    assert "nextToken" not in pages[-1]
    assert not pages[0]["items"][0].keys() & {"uuid", "tags", "failureReason", "runOutputUri"}


def test_a_full_last_page_has_no_token(served, request_of):
    client, _ = served()
    for number in range(4):
        client.start_run(**request_of(number))
    first = client.list_runs(maxResults=2)
    second = client.list_runs(maxResults=2, startingToken=first["nextToken"])
    assert "nextToken" not in second


def test_listing_filters_by_name_status_and_group(served, request_of, clock):
    client, _ = served()
    client.start_run(**request_of(1))
    client.start_run(**request_of(2, runGroupId="77"))
    clock.now = 15
    client.start_run(**request_of(3))

    def names(**query: Any) -> list[str]:
        return [item["name"] for item in client.list_runs(**query)["items"]]

    assert names(name="sample-1") == ["sample-1"]
    assert names(name="sample") == []
    assert names(status="STARTING") == ["sample-2", "sample-1"]
    assert names(status="STARTING", runGroupId="77") == ["sample-2"]
    assert names(runGroupId="77") == ["sample-2"]
    assert names(batchId="1") == []
    assert names(status="DELETED") == []


def test_cancel_stops_what_runs_and_conflicts_with_what_ended(served, request_of, clock):
    client, _ = served()
    waiting = client.start_run(**request_of(1))["id"]
    assert client.cancel_run(id=waiting)["ResponseMetadata"]["HTTPStatusCode"] == 202
    assert client.get_run(id=waiting)["status"] == "CANCELLED"
    running = client.start_run(**request_of(2))["id"]
    clock.now = 60
    client.cancel_run(id=running)
    assert client.get_run(id=running)["status"] == "STOPPING"
    client.cancel_run(id=running)
    clock.now = 70
    assert client.get_run(id=running)["status"] == "CANCELLED"
    assert code_of(client.cancel_run, id=running) == ("ConflictException", 409)
    assert code_of(client.cancel_run, id="99") == ("ResourceNotFoundException", 404)


def test_delete_forgets_what_ended_and_conflicts_with_what_runs(served, request_of, clock):
    client, simulator = served()
    run = client.start_run(**request_of())
    assert code_of(client.delete_run, id=run["id"]) == ("ConflictException", 409)
    clock.now = 1000
    client.delete_run(id=run["id"])
    assert code_of(client.get_run, id=run["id"]) == ("ResourceNotFoundException", 404)
    assert client.list_runs()["items"] == []
    assert [(r.uuid, r.status) for r in simulator.state().runs] == [(run["uuid"], "DELETED")]


def test_tags_are_read_and_written(served, request_of):
    client, _ = served()
    arn = client.start_run(**request_of(tags={"a": "1", "b": "2"}))["arn"]
    client.tag_resource(resourceArn=arn, tags={"c": "3"})
    client.untag_resource(resourceArn=arn, tagKeys=["a", "b"])
    assert client.list_tags_for_resource(resourceArn=arn)["tags"] == {"c": "3"}
    missing = arn.replace("run/1", "run/2")
    assert code_of(client.list_tags_for_resource, resourceArn=missing)[1] == 404
    many = {f"k{number}": "" for number in range(50)}
    assert code_of(client.tag_resource, resourceArn=arn, tags=many)[0] == "ValidationException"


def test_over_the_rate_is_throttled_until_tokens_come(served, request_of, clock):
    client, simulator = served(limits={}, retry_after=True)
    for number in range(5):
        client.start_run(**request_of(number))
    with pytest.raises(client.exceptions.ThrottlingException) as caught:
        client.start_run(**request_of(5))
    answer = caught.value.response["ResponseMetadata"]
    assert answer["HTTPStatusCode"] == 429
    assert answer["HTTPHeaders"]["x-amz-retry-after"] == "200"
    clock.now = 0.2
    client.start_run(**request_of(5))
    tally = simulator.state().calls["StartRun"]
    assert (tally.calls, tally.answered, tally.throttled) == (7, 6, 1)
    client.get_run(id="1000001")  # each operation is counted by itself


def test_a_repeated_request_id_answers_the_same_run(served, request_of):
    client, simulator = served()
    first = client.start_run(**request_of())
    second = client.start_run(**request_of())
    assert (second["id"], second["uuid"]) == (first["id"], first["uuid"])
    assert code_of(client.start_run, **request_of(name="other")) == ("ConflictException", 409)
    state = simulator.state()
    assert len(state.runs) == 1
    assert state.starts_by_request == {"request-1": 3}
    assert [call.outcome for call in state.start_calls] == [
        "answered",
        "answered",
        "ConflictException",
    ]


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"name": "n" * 129}, "'name'.*at most 128"),
        ({"outputUri": "s3://" + "o" * 750}, "'outputUri'.*at most 750"),
        ({"outputUri": "/tmp/out"}, "must be an S3 URI"),
        ({"workflowId": "abc"}, r"'workflowId'.*\[0-9\]\+"),
        ({"storageType": "FOO"}, r"'storageType'.*\[DYNAMIC, STATIC\]"),
        ({"priority": 10**9}, "'priority'.*at most 100000"),
        ({"tags": {"k": "v" * 257}}, "'tags.k.member'.*at most 256"),
        ({"tags": {f"k{n}": "v" for n in range(51)}}, "50 tags"),
        ({"tags": {"aws:own": "v"}}, "aws:"),
        ({"name": "tab\there"}, "'name'.*pattern"),
        ({"parameters": {"x": "y" * 256_000}}, "256000 bytes"),
    ],
)
def test_what_botocore_lets_through_is_refused(served, request_of, change, complaint):
    client, simulator = served()
    with pytest.raises(client.exceptions.ValidationException, match=complaint):
        client.start_run(**request_of(**change))
    assert simulator.state().runs == []


def test_every_mistake_of_a_request_is_told_at_once(served, request_of):
    client, _ = served()
    with pytest.raises(ClientError, match=r"2 validation errors.*'workflowId'.*'name'"):
        client.start_run(**request_of(name="n" * 200, workflowId="x"))


def test_a_request_without_workflow_or_run_is_refused(served, request_of):
    client, _ = served()
    request = request_of()
    del request["workflowId"]
    assert code_of(client.start_run, **request) == ("ValidationException", 400)
    assert code_of(client.start_run, **request, runId="5") == ("ResourceNotFoundException", 404)
    source = client.start_run(**request_of(2, priority=7))
    again = client.start_run(**request, runId=source["id"])
    assert client.get_run(id=again["id"])["priority"] == 7
    assert client.get_run(id=again["id"])["runId"] == source["id"]


def test_a_failed_run_names_its_task(served, request_of, clock):
    client, _ = served(failures={"RUN_TASK_FAILED": 1.0})
    run_id = client.start_run(**request_of())["id"]
    assert client.list_run_tasks(id=run_id)["items"] == []
    clock.now = 1000
    run = client.get_run(id=run_id)
    assert (run["status"], run["failureReason"]) == ("FAILED", "RUN_TASK_FAILED")
    (failed,) = client.list_run_tasks(id=run_id, status="FAILED")["items"]
    assert failed["taskId"] in run["statusMessage"]
    task = client.get_run_task(id=run_id, taskId=failed["taskId"])
    assert (task["status"], task["failureReason"]) == ("FAILED", "OUT_OF_MEMORY_ERROR")
    assert task["statusMessage"]
    assert task["logStream"].endswith(
        f":log-group:/aws/omics/WorkflowLog:log-stream:run/{run_id}/task/{failed['taskId']}"
    )
    assert not {"failureReason", "statusMessage", "logStream"} & failed.keys()
    assert run["creationTime"] <= failed["creationTime"] <= run["stopTime"]
    pages = client.get_paginator("list_run_tasks").paginate(id=run_id, PaginationConfig={"PageSize": 1})
    assert [item["status"] for page in pages for item in page["items"]] == ["COMPLETED", "FAILED"]
    assert code_of(client.get_run_task, id=run_id, taskId="1")[1] == 404


def test_a_run_without_logs_names_none(served, request_of, clock):
    client, _ = served(failures={"RUN_TASK_FAILED": 1.0}, tasks_per_run=5, failed_tasks=3)
    run_id = client.start_run(**request_of(logLevel="OFF"))["id"]
    clock.now = 1000
    assert "logLocation" not in client.get_run(id=run_id)
    failed = client.list_run_tasks(id=run_id, status="FAILED")["items"]
    tasks = [client.get_run_task(id=run_id, taskId=one["taskId"]) for one in failed]
    assert [task["name"] for task in tasks] == ["step_3", "step_4", "step_5"]
    assert all("logStream" not in task for task in tasks)


def test_a_task_runs_while_its_run_does(served, request_of, clock):
    client, _ = served()
    run_id = client.start_run(**request_of())["id"]
    clock.now = 80
    statuses = [item["status"] for item in client.list_run_tasks(id=run_id)["items"]]
    assert statuses == ["COMPLETED", "RUNNING"]
    client.cancel_run(id=run_id)
    statuses = [item["status"] for item in client.list_run_tasks(id=run_id)["items"]]
    assert statuses == ["COMPLETED", "CANCELLED"]


def test_what_is_not_simulated_says_so(served):
    client, _ = served()
    assert code_of(client.list_workflows) == ("UnknownOperationException", 404)


def test_versions_of_a_workflow(served):
    template = {"reads": Parameter(description="FASTQ")}
    known = Workflow(
        id="1", versions={"v1": Version(status="INACTIVE", parameters=template)}, profiles={"test": template}
    )
    client, _ = served(workflows=(known,))
    assert client.get_workflow(id="1")["profiles"] == ["test"]
    answer = client.get_workflow_version(workflowId="1", versionName="v1")
    assert (answer["status"], answer["versionName"], answer["workflowId"]) == ("INACTIVE", "v1", "1")
    assert answer["parameterTemplate"] == {"reads": {"description": "FASTQ", "optional": False}}
    assert code_of(client.get_workflow_version, workflowId="1", versionName="v2") == (
        "ResourceNotFoundException",
        404,
    )
    assert client.get_workflow_version(workflowId="2", versionName="any")["status"] == "ACTIVE"
