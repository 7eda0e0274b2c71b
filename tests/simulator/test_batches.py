"""Batches of runs, as boto3 sees them: accepted, submitted row by row, watched to their end."""

from contextlib import suppress
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from batchrun.simulator import IdReuse, Limit, Parameter, Settings, Workflow, parse_faults
from batchrun.simulator.lifecycle import AT_REST
from batchrun.simulator.refusal import RefusalError
from tests.simulator.batch_requests import batch_of, code_of, row_of, submissions

START = datetime(2026, 1, 1, tzinfo=UTC)


def at(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


def test_a_batch_goes_through_its_states(batched, clock):
    client, _ = batched()
    started = client.start_run_batch(**batch_of(*(row_of(n) for n in range(4)), tags={"lab": "7"}))
    assert started["ResponseMetadata"]["HTTPStatusCode"] == 201
    assert started["status"] == "CREATING"
    assert started["tags"] == {"lab": "7"}
    seen = []
    for clock.now in (1, 3, 12.4, 20, 200):
        seen.append(client.get_batch(batchId=started["id"]))
    states = ["CREATING", "PENDING", "SUBMITTING", "INPROGRESS", "PROCESSED"]
    assert [(batch["status"], batch["totalRuns"]) for batch in seen] == [(state, 4) for state in states]
    batch = seen[-1]
    assert (batch["uuid"], batch["name"], batch["tags"]) == (started["uuid"], "cohort", {"lab": "7"})
    assert batch["defaultRunSetting"] == batch_of()["defaultRunSetting"]
    assert batch["creationTime"] == START
    assert at(13) < batch["submittedTime"] < at(14.5)
    # 130 s from its creation to the end of the last run.
    assert batch["processedTime"] == batch["submittedTime"] + timedelta(seconds=130)
    assert not batch.keys() & {"failedTime", "failureReason"}
    assert batch["submissionSummary"]["successfulStartSubmissionCount"] == 4
    assert batch["runSummary"]["completedRunCount"] == 4


def test_rows_become_runs_one_after_the_other(batched, clock):
    client, simulator = batched()
    batch_id = client.start_run_batch(**batch_of(*(row_of(n) for n in range(4))))["id"]
    clock.now = 11.9
    assert client.list_runs_in_batch(batchId=batch_id)["runs"] == []
    assert client.list_runs(batchId=batch_id)["items"] == []
    clock.now = 12.8
    first, second = client.list_runs_in_batch(batchId=batch_id)["runs"]
    assert (first["runSettingId"], second["runSettingId"]) == ("row-0", "row-1")
    assert first["submissionStatus"] == "SUCCESS"
    run = client.get_run(id=first["runId"])
    assert (run["batchId"], run["name"], run["uuid"]) == (batch_id, "sample-0", first["runInternalUuid"])
    assert run["arn"] == first["runArn"]
    assert [item["batchId"] for item in client.list_runs(batchId=batch_id)["items"]] == [batch_id] * 2
    clock.now = 20
    created = [run.created for run in simulator.state().runs]
    assert created[0] == 12
    gaps = [later - sooner for sooner, later in pairwise(created)]
    assert all(gap == pytest.approx(0.5, abs=0.13) for gap in gaps)


def test_counts_are_behind_until_all_runs_ended(batched, clock):
    client, _ = batched()
    batch_id = client.start_run_batch(**batch_of())["id"]

    def counts() -> tuple[int, int, int]:
        batch = client.get_batch(batchId=batch_id)
        submitted, runs = batch["submissionSummary"], batch["runSummary"]
        return (
            submitted["successfulStartSubmissionCount"],
            submitted["pendingStartSubmissionCount"],
            runs["pendingRunCount"] + runs["startingRunCount"],
        )

    clock.now = 16
    assert len(client.list_runs_in_batch(batchId=batch_id)["runs"]) == 2
    assert counts() == (0, 2, 0)
    clock.now = 18
    assert counts() == (2, 0, 2)
    clock.now = 36  # both run since 33, which is not counted yet
    assert {item["status"] for item in client.list_runs(batchId=batch_id)["items"]} == {"RUNNING"}
    assert client.get_batch(batchId=batch_id)["runSummary"]["runningRunCount"] == 0
    clock.now = 143  # the last ended a moment ago
    batch = client.get_batch(batchId=batch_id)
    assert (batch["status"], batch["runSummary"]["completedRunCount"]) == ("PROCESSED", 2)


def test_what_all_have_in_common_is_put_together_with_what_a_row_has(batched, clock):
    default = {
        "name": "any",
        "priority": 3,
        "parameters": {"ref": "hg38", "nested": {"a": 1}},
        "runTags": {"project": "p", "kept": "k"},
        "engineSettings": {"profile": "x", "syntaxVersion": "2"},
        "storageType": "STATIC",
        "outputUri": "s3://lab/all",
    }
    own = {
        "runSettingId": "own",
        "name": "mine",
        "priority": 7,
        "parameters": {"reads": "r", "nested": {"b": 2}},
        "runTags": {"project": "q", "row": "own"},
        "engineSettings": {"profile": "y"},
        "outputUri": "s3://lab/own",
    }
    client, _ = batched()
    batch_id = client.start_run_batch(**batch_of({"runSettingId": "plain"}, own, default=default))["id"]
    clock.now = 20
    ids = {row["runSettingId"]: row["runId"] for row in client.list_runs_in_batch(batchId=batch_id)["runs"]}
    plain, mine = (client.get_run(id=ids[name]) for name in ("plain", "own"))
    assert (plain["name"], plain["priority"], plain["outputUri"]) == ("any", 3, "s3://lab/all")
    assert plain["parameters"] == default["parameters"]
    assert plain["tags"] == default["runTags"]
    assert (mine["name"], mine["priority"], mine["outputUri"]) == ("mine", 7, "s3://lab/own")
    assert mine["parameters"] == {"ref": "hg38", "reads": "r", "nested": {"b": 2}}
    assert mine["tags"] == {"project": "q", "kept": "k", "row": "own"}
    assert mine["engineSettings"] == {"profile": "y"}
    assert mine["storageType"] == "STATIC"


@pytest.mark.parametrize(
    ("default", "changes", "code"),
    [
        ({"workflowType": "READY2RUN"}, {}, "ValidationException"),
        ({"workflowId": "9"}, {}, "ResourceNotFoundException"),
        ({"workflowId": "8"}, {}, "ValidationException"),
        ({"outputUri": "/tmp/out"}, {}, "ValidationException"),
        ({"cacheBehavior": "CACHE_ALWAYS"}, {}, "ValidationException"),
        ({"runTags": {"aws:own": "v"}}, {}, "ValidationException"),
        ({"name": "n" * 129}, {}, "ValidationException"),
        ({}, {"tags": {f"k{n}": "v" for n in range(51)}}, "ValidationException"),
        ({}, {"batchName": "n" * 65}, "ValidationException"),
        (
            {},
            {"batchRunSettings": {"inlineSettings": [row_of(n) for n in range(101)]}},
            "ValidationException",
        ),
        ({}, {"batchRunSettings": {"inlineSettings": [row_of(1), row_of(1)]}}, "ValidationException"),
        ({}, {"batchRunSettings": {"inlineSettings": [row_of(1, name="n" * 129)]}}, "ValidationException"),
    ],
)
def test_what_all_have_in_common_is_checked_at_once(batched, default, changes, code):
    known = (Workflow(id="1234567"), Workflow(id="8", status="INACTIVE"))
    client, simulator = batched(workflows=known, any_workflow=False)
    assert code_of(client.start_run_batch, **batch_of(default=default, **changes)) == code
    assert simulator.state().batches == []


@pytest.mark.parametrize(
    "settings",
    [{}, {"inlineSettings": [row_of(1)], "s3UriSettings": "s3://lab/rows.json"}, {"other": 1}],
)
def test_one_kind_of_settings_is_given(service_with, settings):
    with pytest.raises(RefusalError, match="exactly one"):
        service_with().call("StartRunBatch", batch_of(batchRunSettings=settings), 0.0)


@pytest.mark.parametrize("field", ["runId", "outputUriPrefixMode", "parametersUri"])
def test_what_no_batch_may_have_is_refused(service_with, field):
    with pytest.raises(RefusalError, match=f"{field} cannot be given in defaultRunSetting"):
        service_with().call("StartRunBatch", batch_of(default={field: "1"}), 0.0)


def test_rows_are_checked_only_when_their_turn_comes(batched, clock):
    template = {"reads": Parameter()}
    client, _ = batched(workflows=(Workflow(id="1234567", parameters=template),))
    good = {"parameters": {"reads": "r"}}
    rows = (
        row_of(1, **good),
        row_of(2),
        row_of(3, outputUri="/tmp/out", **good),
        {"runSettingId": "row-4", **good},
        row_of(5, runTags={"aws:own": "v"}, **good),
        row_of(6, **good),
    )
    batch_id = client.start_run_batch(**batch_of(*rows))["id"]
    clock.now = 20
    found = client.list_runs_in_batch(batchId=batch_id)["runs"]
    assert [row["submissionStatus"] for row in found] == ["SUCCESS", *["FAILED"] * 4, "SUCCESS"]
    assert {row["submissionFailureReason"] for row in found[1:5]} == {"ValidationException"}
    assert "reads" in found[1]["submissionFailureMessage"]
    assert "outputUri must be given" in found[3]["submissionFailureMessage"]
    assert [row["runId"] for row in found[1:5]] == [""] * 4
    assert not found[1].keys() & {"runInternalUuid", "runArn"}
    clock.now = 200
    batch = client.get_batch(batchId=batch_id)
    assert batch["status"] == "PROCESSED"
    assert batch["submissionSummary"]["failedStartSubmissionCount"] == 4
    assert batch["runSummary"]["completedRunCount"] == 2


def test_a_row_with_what_is_not_a_rows_to_have_fails(service_with):
    service = service_with()
    batch_id = service.call("StartRunBatch", batch_of(row_of(1, runId="5"), row_of(2)), 0.0)["id"]
    found = service.call("ListRunsInBatch", {"batchId": batch_id}, 100.0)["runs"]
    assert [row["submissionStatus"] for row in found] == ["FAILED", "SUCCESS"]
    assert "runId cannot be given" in found[0]["submissionFailureMessage"]


def test_null_in_a_row_is_as_if_it_were_not_there(service_with):
    service = service_with()
    row = row_of(1, name=None, parameters=None, runTags=None)
    batch_id = service.call("StartRunBatch", batch_of(row, default={"name": "any"}), 0.0)["id"]
    (found,) = service.call("ListRunsInBatch", {"batchId": batch_id}, 100.0)["runs"]
    assert service.call("GetRun", {"id": found["runId"]}, 100.0)["name"] == "any"


def test_a_batch_without_any_run_is_processed_at_once(batched, clock):
    client, _ = batched()
    batch_id = client.start_run_batch(**batch_of(row_of(1, outputUri="/tmp")))["id"]
    clock.now = 13
    batch = client.get_batch(batchId=batch_id)
    assert batch["status"] == "PROCESSED"
    assert batch["processedTime"] == batch["submittedTime"] == at(12)


def test_the_same_request_gives_the_same_batch(batched, clock):
    client, simulator = batched()
    first = client.start_run_batch(**batch_of())
    clock.now = 12.2
    again = client.start_run_batch(**batch_of())
    assert (again["id"], again["uuid"], again["status"]) == (first["id"], first["uuid"], "SUBMITTING")
    assert code_of(client.start_run_batch, **batch_of(row_of(3))) == "ConflictException"
    state = simulator.state()
    assert [call.outcome for call in state.batch_calls] == ["answered", "answered", "ConflictException"]
    assert state.start_calls == []
    clock.now = 20
    assert [run.run_setting_id for run in simulator.state().runs] == ["row-1", "row-2"]


def test_a_request_is_forgotten_after_its_window(batched, clock):
    client, simulator = batched(batch_idempotency_window=60)
    first = client.start_run_batch(**batch_of())["uuid"]
    clock.now = 59
    assert client.start_run_batch(**batch_of())["uuid"] == first
    clock.now = 60
    assert client.start_run_batch(**batch_of())["uuid"] != first
    clock.now = 100
    assert len(simulator.state().runs) == 4


def test_runs_and_batches_have_request_ids_of_their_own(batched, request_of):
    client, simulator = batched()
    client.start_run(**request_of(requestId="batch-1"))
    client.start_run_batch(**batch_of())
    assert len(simulator.state().batches) == 1


def test_start_run_batch_has_a_pace_of_its_own(batched):
    client, _ = batched(limits={})
    client.start_run_batch(**batch_of())
    assert code_of(client.start_run_batch, **batch_of(requestId="2")) == "ThrottlingException"


def test_batches_take_turns(batched, clock):
    client, simulator = batched()
    for number in range(2):
        rows = [row_of(f"{number}{n}") for n in range(3)]
        client.start_run_batch(**batch_of(*rows, requestId=f"r-{number}"))
    clock.now = 30
    assert [run.run_setting_id for run in simulator.state().runs] == [
        f"row-{name}" for name in ("00", "10", "01", "11", "02", "12")
    ]


def test_callers_and_batches_throttle_each_other(batched, clock, request_of):
    client, simulator = batched()
    client.start_run_batch(**batch_of(*(row_of(n) for n in range(100))))
    clock.now, throttled, started = 12.0, 0, 0
    while clock.now < 26:
        clock.now += 0.1
        try:
            client.start_run(**request_of(started + 1))
            started += 1
        except client.exceptions.ThrottlingException:
            throttled += 1
    assert min(throttled, started) > 0
    made = [run for run in simulator.state().runs if run.batch_id]
    tries = [row.tries for row in simulator.service.batches.shelf.history[0].rows if row.run is not None]
    assert 0 < len(made) < 2 * 14  # it would have had them all to itself
    assert max(tries) > 1  # some were throttled, and came through later


def test_a_full_account_is_waited_for(batched, clock):
    client, _ = batched(max_stored=1)
    batch_id = client.start_run_batch(**batch_of())["id"]
    clock.now = 100
    assert submissions(client, batch_id) == {"row-1": ("SUCCESS", None)}
    clock.now = 150
    client.delete_run(id=client.list_runs()["items"][0]["id"])
    clock.now = 200
    assert submissions(client, batch_id)["row-2"] == ("SUCCESS", None)


def test_an_account_that_stays_full_fails_rows(batched, clock):
    client, _ = batched(max_stored=1, row_retries=1)
    batch_id = client.start_run_batch(**batch_of())["id"]
    clock.now = 100
    assert submissions(client, batch_id)["row-2"] == ("FAILED", "ServiceQuotaExceededException")


def test_a_row_retry_count_has_meaning():
    with pytest.raises(ValueError, match="row_retries must be 0 or more"):
        Settings(row_retries=-1)


def test_looking_often_changes_nothing(service_with):
    changes = {"limits": {"StartRun": Limit(rate=2, burst=1)}, "failures": {"SERVICE_ERROR": 0.3}}
    watched, unwatched = service_with(**changes), service_with(**changes)
    for service in (watched, unwatched):
        service.call("StartRunBatch", batch_of(*(row_of(n) for n in range(20))), 0.0)
    for tick in range(10_000):
        watched.advance(tick / 10)
    unwatched.advance(999.9)

    def story(service: Any) -> Any:
        return [(r.uuid, r.setting, r.status, r.created, r.stopped) for r in service.shelf.history]

    assert story(watched) == story(unwatched)
    assert len(story(watched)) == 20


@hypothesis_settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    steps=st.lists(
        st.tuples(
            st.sampled_from(["StartRunBatch", "StartRun", "CancelRunBatch", "DeleteRunBatch", "DeleteBatch"]),
            st.integers(0, 3),
            st.floats(0, 60),
        ),
        max_size=20,
    )
)
def test_the_books_agree_whatever_is_called(service_with, request_of, steps):
    faults = parse_faults(
        "SubmitRow:fail_batch=0.02,SubmitRow:ThrottlingException=0.2,CancelRow:ConflictException=0.1"
    )
    limits = {"*": Limit(rate=2, burst=2)}
    service = service_with(limits=limits, faults=faults, id_reuse=IdReuse.LATEST, max_active=3)
    now = 0.0
    for number, (operation, pick, wait) in enumerate(steps):
        now += wait
        params: dict[str, Any] = {"batchId": str(2_000_001 + pick)}
        if operation == "StartRunBatch":
            params = batch_of(*(row_of(f"{number}-{n}") for n in range(5)), requestId=f"r{number}")
        elif operation == "StartRun":
            params = request_of(number)
        with suppress(RefusalError):
            service.call(operation, params, now)
        check_books(service, now)
    service.advance(now + 10_000)
    check_books(service, now + 10_000)
    assert {batch.status for batch in service.batches.shelf.by_id.values()} <= AT_REST


def check_books(service: Any, now: float) -> None:
    runs = service.shelf.history
    for batch in service.batches.shelf.by_id.values():
        made = [run for run in runs if run.batch == batch.id]
        assert sorted(run.setting for run in made) == sorted(row.setting_id for row in batch.rows if row.run)
        assert batch.going == sum(run.stopped is None for run in made)
        assert batch.waiting == sum(row.settled > now for row in batch.rows)
        told = service.call("GetBatch", {"batchId": batch.id}, now)
        if batch.status in AT_REST:
            assert told["submissionSummary"]["successfulStartSubmissionCount"] == len(made)
        if batch.status in {"PROCESSED", "CANCELLED"}:
            assert batch.going == 0
        counts = told["submissionSummary"]
        assert told["totalRuns"] == sum(n for name, n in counts.items() if "StartSubmission" in name)
        listed = service.call("ListRunsInBatch", {"batchId": batch.id}, now)["runs"]
        assert [row["runSettingId"] for row in listed] == [
            row.setting_id for row in batch.rows if row.status is not None
        ]
