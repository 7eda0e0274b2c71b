"""The rules of the service, without a socket; time is an argument."""

from contextlib import suppress
from typing import Any

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from batchrun.simulator import FailFirst, IdReuse, NameFilter, Parameter, Workflow
from batchrun.simulator.refusal import RefusalError


def run_of(service: Any, run_id: str, now: float) -> Any:
    return service.call("GetRun", {"id": run_id}, now)


def refused(service: Any, operation: str, params: dict[str, Any], now: float = 0.0) -> str:
    with pytest.raises(RefusalError) as caught:
        service.call(operation, params, now)
    return caught.value.code


@pytest.mark.parametrize(
    ("reuse", "expected"),
    [
        (IdReuse.NEVER, ["1000004", "1000005"]),
        (IdReuse.LOWEST, ["1000001", "1000003"]),
        (IdReuse.LATEST, ["1000001", "1000003"]),
    ],
)
def test_ids_of_deleted_runs_are_given_again(service_with, request_of, reuse, expected):
    service = service_with(id_reuse=reuse)
    made = [service.call("StartRun", request_of(number), 0.0) for number in range(3)]
    for index in (2, 0):
        service.call("DeleteRun", {"id": made[index]["id"]}, 1000.0)
    again = [service.call("StartRun", request_of(number), 1001.0) for number in (3, 4)]
    assert [run["id"] for run in again] == expected
    assert not {run["uuid"] for run in again} & {run["uuid"] for run in made}


def test_the_last_id_freed_is_the_first_given_again(service_with, request_of):
    service = service_with(id_reuse=IdReuse.LATEST)
    made = [service.call("StartRun", request_of(number), 0.0)["id"] for number in range(3)]
    for run_id in made:
        service.call("DeleteRun", {"id": run_id}, 1000.0)
    assert service.call("StartRun", request_of(9), 1001.0)["id"] == made[-1]


def test_a_request_id_is_forgotten_after_its_window(service_with, request_of):
    service = service_with(idempotency_window=3600)
    first = service.call("StartRun", request_of(), 0.0)["uuid"]
    assert service.call("StartRun", request_of(), 3599.0)["uuid"] == first
    assert service.call("StartRun", request_of(), 3600.0)["uuid"] != first


def test_a_request_id_is_remembered_after_its_run_was_deleted(service_with, request_of):
    service = service_with()
    first = service.call("StartRun", request_of(), 0.0)
    service.call("DeleteRun", {"id": first["id"]}, 1000.0)
    again = service.call("StartRun", request_of(), 1001.0)
    assert (again["uuid"], again["status"]) == (first["uuid"], "DELETED")


def test_a_refused_start_leaves_its_request_id_free(service_with, request_of):
    service = service_with(any_workflow=False)
    assert refused(service, "StartRun", request_of()) == "ResourceNotFoundException"
    assert refused(service, "StartRun", request_of(name="x")) == "ResourceNotFoundException"


def test_listing_lags_behind(service_with, request_of):
    service = service_with(listing_lag=30)
    run = service.call("StartRun", request_of(), 0.0)
    assert service.call("ListRuns", {}, 29.0)["items"] == []
    assert service.call("ListRuns", {"name": "sample-1"}, 29.0)["items"] == []
    assert run_of(service, run["id"], 29.0)["uuid"] == run["uuid"]
    assert len(service.call("ListRuns", {}, 30.0)["items"]) == 1


def test_names_can_be_made_to_match_by_prefix(service_with, request_of):
    service = service_with(name_filter=NameFilter.PREFIX)
    for number in (1, 10, 2):
        service.call("StartRun", request_of(number), 0.0)
    found = service.call("ListRuns", {"name": "sample-1"}, 1.0)["items"]
    assert [item["name"] for item in found] == ["sample-10", "sample-1"]


def test_no_more_than_max_active_leave_the_queue(service_with, request_of):
    service = service_with(max_active=3)
    for number in range(10):
        service.call("StartRun", request_of(number), 0.0)
    service.timetable.advance(10.0)
    assert service.timetable.active == 3
    statuses = [run.status for run in service.shelf.history]
    assert statuses == ["STARTING"] * 3 + ["PENDING"] * 7
    # Three at a time, 120 s each, after 10 s in the queue: the tenth starts in the fourth wave.
    service.timetable.advance(10_000.0)
    assert [run.admitted for run in service.shelf.history] == (
        [10.0] * 3 + [130.0] * 3 + [250.0] * 3 + [370.0]
    )
    assert service.timetable.peak_active == 3
    assert service.timetable.peak_unfinished == 10
    assert service.timetable.unfinished == service.timetable.active == 0


def test_a_cancelled_run_gives_its_slot_to_the_next(service_with, request_of):
    service = service_with(max_active=1)
    first, second, third = (service.call("StartRun", request_of(number), 0.0)["id"] for number in range(3))
    service.call("CancelRun", {"id": second}, 20.0)
    service.call("CancelRun", {"id": first}, 50.0)
    assert run_of(service, third, 59.0)["status"] == "PENDING"
    assert run_of(service, third, 60.0)["status"] == "STARTING"
    assert service.timetable.peak_active == 1


def test_a_higher_priority_starts_first_and_static_storage_has_its_own_slots(service_with, request_of):
    service = service_with(max_active=1, max_active_static=1)
    service.call("StartRun", request_of(1), 0.0)
    low = service.call("StartRun", request_of(2, priority=1), 0.0)["id"]
    high = service.call("StartRun", request_of(3, priority=9), 0.0)["id"]
    static = service.call("StartRun", request_of(4, storageType="STATIC"), 0.0)["id"]
    assert run_of(service, static, 10.0)["status"] == "STARTING"
    assert run_of(service, static, 10.0)["storageCapacity"] == 1200
    assert run_of(service, high, 130.0)["status"] == "STARTING"
    assert run_of(service, low, 130.0)["status"] == "PENDING"


def test_looking_often_changes_nothing(service_with, request_of):
    changes = {"max_active": 3, "failures": {"SERVICE_ERROR": 0.3}}
    watched, unwatched = service_with(**changes), service_with(**changes)
    for number in range(20):
        for service in (watched, unwatched):
            service.call("StartRun", request_of(number), float(number))
    for second in range(20, 3000):
        watched.timetable.advance(second + 0.5)
    unwatched.timetable.advance(2999.5)

    def story(service: Any) -> Any:
        return [(r.uuid, r.status, r.admitted, r.started, r.stopped) for r in service.shelf.history]

    assert story(watched) == story(unwatched)


def test_the_seed_decides_the_failures_and_the_order_does_not(service_with, request_of):
    def failures(seed: int, numbers: Any) -> Any:
        service = service_with(seed=seed, failures={"SERVICE_ERROR": 0.3}, max_active=None)
        for number in numbers:
            service.call("StartRun", request_of(number), 0.0)
        service.timetable.advance(10_000.0)
        return {run.name: run.failure for run in service.shelf.history}

    first = failures(1, range(200))
    assert failures(1, range(199, -1, -1)) == first
    assert failures(2, range(200)) != first
    assert 30 < list(first.values()).count("SERVICE_ERROR") < 90


def test_runs_fail_some_times_and_then_pass(service_with, request_of):
    rule = FailFirst(times=2, match="sample-*", reason="INSTANCE_RESERVATION_FAILED")
    service = service_with(fail_first=(rule,))
    seen = []
    for attempt in range(3):
        request = request_of(requestId=f"attempt-{attempt}")
        run_id = service.call("StartRun", request, attempt * 1000.0)["id"]
        seen.append(run_of(service, run_id, attempt * 1000.0 + 999).get("failureReason"))
    assert seen == ["INSTANCE_RESERVATION_FAILED", "INSTANCE_RESERVATION_FAILED", None]


def test_the_stored_runs_quota_refuses_retained_runs_and_drops_removable_ones(service_with, request_of):
    service = service_with(max_stored=2)
    old = service.call("StartRun", request_of(1, retentionMode="REMOVE"), 0.0)
    service.call("StartRun", request_of(2), 0.0)
    full = "ServiceQuotaExceededException"
    removable = request_of(3, retentionMode="REMOVE")
    assert refused(service, "StartRun", removable, 1.0) == full  # the old one still runs
    assert refused(service, "StartRun", request_of(4), 1000.0) == full
    new = service.call("StartRun", removable, 1000.0)
    assert new["id"] == old["id"]
    assert run_of(service, new["id"], 1000.0)["uuid"] == new["uuid"] != old["uuid"]


def test_a_parameter_template_is_held(service_with, request_of):
    workflow = Workflow(id="7", parameters={"reads": Parameter(), "threads": Parameter(optional=True)})
    service = service_with(workflows=(workflow,), any_workflow=False)
    told = service.call("GetWorkflow", {"id": "7"}, 0.0)
    assert told["parameterTemplate"]["threads"]["optional"] is True
    good = request_of(workflowId="7", parameters={"reads": "s3://x"})
    assert service.call("StartRun", good, 0.0)["status"] == "PENDING"
    for parameters in ({}, {"reads": "x", "more": 1}):
        bad = request_of(2, workflowId="7", parameters=parameters)
        assert refused(service, "StartRun", bad) == "ValidationException"
    wrong_type = request_of(3, workflowId="7", workflowType="READY2RUN")
    assert refused(service, "StartRun", wrong_type) == "ResourceNotFoundException"


@pytest.mark.parametrize("token", ["", "x", "WyJhIl0=", "e30=", "\u00e9"])
def test_a_made_up_token_is_refused(service_with, token):
    assert refused(service_with(), "ListRuns", {"startingToken": token}) == "ValidationException"


def test_paging_goes_on_where_it_was_while_runs_come_and_go(service_with, request_of):
    service = service_with(max_active=None)
    ids = [service.call("StartRun", request_of(number), 0.0)["id"] for number in range(3000)]
    seen, token = [], None
    while True:
        query = {"maxResults": 100} | ({"startingToken": token} if token else {})
        page = service.call("ListRuns", query, 1000.0)
        seen += [item["id"] for item in page["items"]]
        token = page["nextToken"]
        if token is None:
            break
        service.call("StartRun", request_of(10_000 + len(seen)), 1000.0)
    assert seen == ids[::-1]


@hypothesis_settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    steps=st.lists(
        st.tuples(
            st.sampled_from(["StartRun", "CancelRun", "DeleteRun", "GetRun"]),
            st.integers(0, 5),
            st.floats(0, 60),
        )
    )
)
def test_the_books_agree_whatever_is_called(service_with, request_of, steps):
    service = service_with(max_active=2, id_reuse=IdReuse.LATEST, failures={"SERVICE_ERROR": 0.3})
    now = 0.0
    for number, (operation, pick, wait) in enumerate(steps):
        now += wait
        run_id = str(1_000_001 + pick)
        params = request_of(number) if operation == "StartRun" else {"id": run_id}
        with suppress(RefusalError):
            service.call(operation, params, now)
        stored = [run for run in service.shelf.history if run.status != "DELETED"]
        active = [run for run in stored if run.status in {"STARTING", "RUNNING", "STOPPING"}]
        assert len(active) == service.timetable.active <= 2
        assert service.timetable.unfinished == sum(run.stopped is None for run in stored)
        listed = service.call("ListRuns", {}, now)["items"]
        assert [item["id"] for item in listed] == [run.id for run in stored[::-1]]
        assert len({run.id for run in stored}) == len(stored)
        for status in {run.status for run in stored}:
            found = service.call("ListRuns", {"status": status}, now)["items"]
            assert len(found) == sum(run.status == status for run in stored)
    for run in service.shelf.history:
        times = [run.created, run.admitted, run.started, run.stopping, run.stopped]
        assert sorted(t for t in times if t is not None) == [t for t in times if t is not None]
