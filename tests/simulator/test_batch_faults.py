"""What can go wrong with a batch and with its rows, by the rules of --faults."""

from typing import Any

import anyio
import pytest
from botocore.exceptions import ClientError, ConnectionClosedError, EndpointConnectionError, ReadTimeoutError

from batchrun.simulator import BatchDurations, FaultRule, RowFault, Settings, Span, parse_faults
from tests.simulator.batch_requests import batch_of, code_of, row_of, submissions

TEN = tuple(row_of(number) for number in range(10))


def test_a_batch_fails_after_some_rows(batched, clock):
    client, simulator = batched(faults=parse_faults("SubmitRow:pass=4x,SubmitRow:fail_batch=1x"))
    batch_id = client.start_run_batch(**batch_of(*TEN))["id"]
    clock.now = 300
    batch = client.get_batch(batchId=batch_id)
    assert (batch["status"], batch["failureReason"]) == ("FAILED", "An internal error occurred")
    assert "failedTime" in batch
    assert not batch.keys() & {"submittedTime", "processedTime"}
    assert batch["submissionSummary"]["pendingStartSubmissionCount"] == 6
    assert list(submissions(client, batch_id)) == [f"row-{n}" for n in range(4)]
    assert {run.status for run in simulator.state().runs} == {"COMPLETED"}  # what it had made goes on
    assert client.start_run_batch(**batch_of(*TEN))["id"] == batch_id
    assert code_of(client.cancel_run_batch, batchId=batch_id) == "ConflictException"
    client.delete_batch(batchId=batch_id)


def test_the_request_of_a_failed_batch_can_be_made_to_give_a_new_one(batched, clock):
    rules = parse_faults("SubmitRow:fail_batch=1x")
    client, simulator = batched(faults=rules, failed_batch_again=False)
    batch_id = client.start_run_batch(**batch_of())["id"]
    clock.now = 20
    assert client.get_batch(batchId=batch_id)["status"] == "FAILED"
    again = client.start_run_batch(**batch_of())["id"]
    assert again != batch_id
    assert client.start_run_batch(**batch_of())["id"] == again
    clock.now = 40
    assert {run.batch_id for run in simulator.state().runs} == {again}


@pytest.mark.parametrize(
    "code", ["ValidationException", "AccessDeniedException", "ResourceNotFoundException"]
)
def test_a_row_is_refused_for_good(batched, clock, code):
    client, _ = batched(faults=parse_faults(f"SubmitRow:{code}@sample-3=1"))
    batch_id = client.start_run_batch(**batch_of(*TEN))["id"]
    clock.now = 20
    found = submissions(client, batch_id)
    assert found.pop("row-3") == ("FAILED", code)
    assert set(found.values()) == {("SUCCESS", None)}


@pytest.mark.parametrize(
    ("code", "wait"),
    [
        ("ThrottlingException", 1),
        ("InternalServerException", 1),
        ("RequestTimeoutException", 1),
        ("ServiceQuotaExceededException", 60),
    ],
)
def test_a_row_is_tried_again_where_that_helps(batched, clock, code, wait):
    client, simulator = batched(faults=parse_faults(f"SubmitRow:{code}=1x"))
    batch_id = client.start_run_batch(**batch_of())["id"]
    clock.now = 11.9 + wait
    assert list(submissions(client, batch_id)) == ["row-2"]
    assert client.get_batch(batchId=batch_id)["status"] == "SUBMITTING"
    clock.now = 13 + wait
    assert submissions(client, batch_id) == {"row-1": ("SUCCESS", None), "row-2": ("SUCCESS", None)}
    assert [run.run_setting_id for run in simulator.state().runs] == ["row-2", "row-1"]


def test_a_row_that_is_throttled_again_and_again_fails(batched, clock):
    client, _ = batched(row_retries=3, faults=parse_faults("SubmitRow:ThrottlingException@sample-1=1"))
    batch_id = client.start_run_batch(**batch_of())["id"]
    clock.now = 18.9  # tried at 12, 13, 15 and 19, or a little later
    assert submissions(client, batch_id) == {"row-2": ("SUCCESS", None)}
    clock.now = 22
    assert submissions(client, batch_id)["row-1"] == ("FAILED", "ThrottlingException")
    batch = client.get_batch(batchId=batch_id)
    assert (batch["status"], batch["totalRuns"]) == ("INPROGRESS", 2)


@pytest.mark.parametrize(("fault", "until"), [(RowFault.HIDE, 10_000.0), (RowFault.SHOW_LATE, 132.0)])
def test_a_run_is_there_and_its_row_is_not_listed(batched, clock, fault, until):
    rule = FaultRule(operation="SubmitRow", fault=fault, name="sample-1")
    client, _ = batched(faults=(rule,))
    batch_id = client.start_run_batch(**batch_of())["id"]
    for clock.now in (20, until - 0.1):
        assert list(submissions(client, batch_id)) == ["row-2"]
        assert client.list_runs_in_batch(batchId=batch_id, runSettingId="row-1")["runs"] == []
        assert len(client.list_runs(batchId=batch_id)["items"]) == 2
        assert len(client.list_runs(name="sample-1")["items"]) == 1
    clock.now = until
    assert ("row-1" in submissions(client, batch_id)) == (fault is RowFault.SHOW_LATE)


def test_a_row_is_left_out(batched, clock):
    client, simulator = batched(faults=parse_faults("SubmitRow:skip@sample-1"))
    batch_id = client.start_run_batch(**batch_of())["id"]
    clock.now = 300
    batch = client.get_batch(batchId=batch_id)
    assert batch["status"] == "PROCESSED"
    assert batch["submissionSummary"]["pendingStartSubmissionCount"] == 1
    assert list(submissions(client, batch_id)) == ["row-2"]
    assert [run.name for run in simulator.state().runs] == ["sample-2"]


def test_who_may_not_list_batches_is_told(batched):
    client, _ = batched(faults=parse_faults("ListBatch:AccessDeniedException,GetBatch:throttle@coh*=1x"))
    assert code_of(client.list_batch) == "AccessDeniedException"
    batch_id = client.start_run_batch(**batch_of())["id"]
    assert code_of(client.get_batch, batchId=batch_id) == "ThrottlingException"
    assert client.get_batch(batchId=batch_id)["name"] == "cohort"


def test_faults_of_calls_leave_rows_alone(batched, clock):
    client, simulator = batched(faults=parse_faults("*:InternalServerException=0.9"))
    simulator.faults.replace(parse_faults("*:InternalServerException@sample-*"))
    batch_id = client.start_run_batch(**batch_of())["id"]
    clock.now = 20
    assert len(submissions(client, batch_id)) == 2


async def outcome(client: Any) -> Any:
    try:
        answer = await client.start_run_batch(**batch_of())
    except ClientError as error:
        return error.response["Error"]["Code"]
    except Exception as error:  # noqa: BLE001 — which one it is is the question
        return type(error)
    return answer.get("id", "nothing")


@pytest.mark.long
@pytest.mark.parametrize(
    ("fault", "seen", "exists"),
    [
        ("throttle", "ThrottlingException", False),
        ("drop_before", EndpointConnectionError, False),
        ("hang_before", ReadTimeoutError, False),
        ("late", ReadTimeoutError, True),
        ("drop_after", EndpointConnectionError, True),
        ("close_after", ConnectionClosedError, True),
        ("hang_after", ReadTimeoutError, True),
        ("error_after", "InternalServerException", True),
        ("empty_after", "nothing", True),
        ("cut_after", ConnectionClosedError, True),
        ("slow_after", "2000001", True),
        ("mistyped_after", "2000001", True),
    ],
)
def test_an_answer_to_start_run_batch_is_lost(in_virtual_time, connected, fault, seen, exists):
    async def main():
        rules = parse_faults(f"StartRunBatch:{fault}=1x")
        async with connected(faults=rules) as (client, simulator):
            assert await outcome(client) == seen
            if exists and seen is ReadTimeoutError:
                assert await outcome(client) == "ConflictException"  # the first is still being answered
            await anyio.sleep(simulator.settings.hang)
            assert len(simulator.state().batches) == exists
            # The same bytes again settle every doubt: one batch, whatever happened.
            assert await outcome(client) == "2000001"
            await anyio.sleep(600)
            state = simulator.state()
            assert [batch.status for batch in state.batches] == ["PROCESSED"]
            assert [run.run_setting_id for run in state.runs] == ["row-1", "row-2"]

    in_virtual_time(main)


def test_a_forgotten_request_makes_a_second_batch(in_virtual_time, connected):
    async def main():
        rules = parse_faults("StartRunBatch:drop_after=1x,StartRunBatch:forget=1x")
        async with connected(faults=rules) as (client, simulator):
            assert await outcome(client) is EndpointConnectionError
            assert await outcome(client) == "2000002"
            await anyio.sleep(600)
            assert len(simulator.state().runs) == 4

    in_virtual_time(main)


@pytest.mark.parametrize(
    ("operation", "ask"),
    [
        ("ListRunsInBatch", lambda client, batch_id: client.list_runs_in_batch(batchId=batch_id)),
        ("GetBatch", lambda client, batch_id: client.get_batch(batchId=batch_id)),
        ("ListBatch", lambda client, _: client.list_batch()),
    ],
)
@pytest.mark.parametrize("fault", ["mistyped_after", "slow_after"])
def test_answers_about_batches_are_odd_or_drip(in_virtual_time, connected, fault, operation, ask):
    async def main():
        async with connected(faults=parse_faults(f"{operation}:{fault}=1x")) as (client, _):
            batch_id = await outcome(client)
            await anyio.sleep(1000)
            begun = anyio.current_time()
            odd = await ask(client, batch_id)
            took = anyio.current_time() - begun
            true = await ask(client, batch_id)
            assert (took > 60) == (fault == "slow_after")
            differing = {name for name in true if odd.get(name) != true[name]} - {"ResponseMetadata"}
            assert (not differing) == (fault == "slow_after")

    in_virtual_time(main)


def test_rows_are_told_with_another_runs_uuid(batched, clock):
    client, simulator = batched(faults=parse_faults("ListRunsInBatch:other_uuid_after=1x"))
    batch_id = client.start_run_batch(**batch_of())["id"]
    clock.now = 20
    untrue = {row["runInternalUuid"] for row in client.list_runs_in_batch(batchId=batch_id)["runs"]}
    assert not untrue & {run.uuid for run in simulator.state().runs}


def test_the_seed_decides_what_befalls_rows_and_the_order_does_not(service_with):
    def refused(seed: int, rows: Any) -> set[str]:
        rules = parse_faults("SubmitRow:ValidationException=0.3")
        service = service_with(seed=seed, faults=rules)
        service.call("StartRunBatch", batch_of(*rows), 0.0)
        service.advance(100.0)
        (batch,) = service.batches.shelf.history
        return {row.setting_id for row in batch.rows if row.status == "FAILED"}

    rows = [row_of(number) for number in range(100)]
    first = refused(1, rows)
    assert refused(1, rows[::-1]) == first
    assert refused(2, rows) != first
    assert 15 < len(first) < 45


def test_the_durations_of_batches_are_scaled(service_with):
    durations = BatchDurations(creating=Span(mean=100), pending=Span(mean=1000))
    service = service_with(batch_durations=durations, time_scale=0.01)
    batch_id = service.call("StartRunBatch", batch_of(), 0.0)["id"]
    seen = [service.call("GetBatch", {"batchId": batch_id}, now)["status"] for now in (0.9, 1.1, 11.1, 20)]
    assert seen == ["CREATING", "PENDING", "INPROGRESS", "PROCESSED"]


def test_a_batch_window_has_meaning():
    with pytest.raises(ValueError, match="batch_idempotency_window must be 0 or more"):
        Settings(batch_idempotency_window=-1)
