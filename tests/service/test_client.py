"""The calls: pace, retries, and what comes back."""

from __future__ import annotations

import socket
from functools import partial
from itertools import pairwise

import anyio
import pytest
from structlog.testing import capture_logs

from batchrun.clock import VirtualClock
from batchrun.errors import (
    CallError,
    ConflictError,
    LeaseLostError,
    NotFoundError,
    NotSentError,
    OutcomeUnknownError,
    QuotaExceededError,
    RefusedError,
    ServiceUnusableError,
    ThrottledError,
)
from batchrun.ports.service import CallCounts
from batchrun.service.calling.outage import OutageWatch, Patience
from batchrun.service.target import Target
from batchrun.simulator import Limit, parse_faults
from tests.world import connected, simulated, start

LOST_AFTER_THE_COMMIT = [
    "drop_after",
    "close_after",
    "error_after",
    "unavailable_after",
    "html_after",
    "truncated_after",
    "empty_after",
    "cut_after",
]
LOST_BEFORE_THE_COMMIT = [
    "redirect_before",
    "drop_before",
    "close_before",
    "error_before",
    "unavailable_before",
    "throttle",
]


async def test_a_start_gives_the_run_with_its_identity():
    async with connected() as (service, simulator):
        run = await start(service)
        (record,) = simulator.state().runs
        assert (run.id, run.uuid, run.output_uri) == (record.id, record.uuid, record.run_output_uri)
        assert run.arn.endswith(f":run/{run.id}")


@pytest.mark.parametrize(
    ("region", "said", "seconds"),
    [
        (
            "us-west-1",
            "no host 'workflows-omics.us-west-1.+not known in 'us-west-1', but in .+; give another",
            0,
        ),
        ("us-west-2", "no usable answer from .+no host 'workflows-omics.us-west-2.amazonaws.com'", 20),
    ],
)
async def test_a_region_without_the_service_is_told_at_once(monkeypatch, region, said, seconds):
    def unknown(*_: object, **__: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    async with connected(endpoint_url=None, region=region) as (service, _):
        begun = anyio.current_time()
        with pytest.raises(ServiceUnusableError, match=said):
            await service.get_run("1")
        assert seconds <= anyio.current_time() - begun <= 3 * seconds + 1


@pytest.mark.parametrize("setting", ["AWS_USE_FIPS_ENDPOINT", "AWS_USE_DUALSTACK_ENDPOINT"])
async def test_a_host_that_a_setting_asks_for_and_is_not_there_is_told_with_it(monkeypatch, setting):
    def unknown(*_: object, **__: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    monkeypatch.setenv(setting, "true")
    async with connected(endpoint_url=None, region="us-west-2") as (service, _):
        begun = anyio.current_time()
        with pytest.raises(ServiceUnusableError, match=rf"no host 'workflows-omics.+ \({setting}\) asks for"):
            await service.get_run("1")
        assert anyio.current_time() - begun < 1


async def test_a_call_that_was_never_sent_is_no_silence_of_the_service():
    clock = VirtualClock()
    watch = OutageWatch(Patience(first_contact=5), "https://here", clock)
    for _ in range(3):
        watch.failed(NotSentError("too late", operation="StartRun", code="ReplayWindowPassed"))
        await clock.sleep(10)
        assert watch.silence is None


async def test_nothing_but_throttles_for_long_is_told_once_a_minute():
    """Seen: verbs without a display waited for ever and said nothing."""
    clock = VirtualClock()
    watch = OutageWatch(Patience(first_contact=5), "https://here", clock)
    with capture_logs() as logs:
        for second in range(0, 300, 10):
            watch.failed(ThrottledError("slow", operation="GetRun", code="ThrottlingException", status=429))
            if second == 140:
                watch.answered("ListRuns")  # another operation, with a rate of its own
            if second == 200:
                watch.answered("GetRun")
            await clock.sleep(10)
    assert {log["event"] for log in logs} == {"nothing_but_throttles"}
    assert [(log["operation"], log["seconds"]) for log in logs] == [
        ("GetRun", seconds) for seconds in (60, 120, 180, 60)
    ]
    assert watch.silence is None


@pytest.mark.parametrize("fault", LOST_AFTER_THE_COMMIT + LOST_BEFORE_THE_COMMIT)
async def test_whatever_is_lost_the_same_request_id_is_sent_until_there_is_an_answer(fault):
    async with connected(simulated(f"StartRun:{fault}=2x")) as (service, simulator):
        run = await start(service)
        state = simulator.state()
        assert [record.uuid for record in state.runs] == [run.uuid]
        assert set(state.starts_by_request) == {"r-1"}
        assert state.calls["StartRun"].calls >= 3


async def test_what_is_no_text_is_left_out_and_the_rest_counts():
    async with connected(simulated("StartRun:mistyped_after,GetRun:mistyped_after")) as (service, simulator):
        run = await start(service)
        await anyio.sleep(200)
        seen = (await service.get_run(run.id)).run
        (record,) = simulator.state().runs
        assert (seen.id, seen.uuid, seen.status) == (record.id, record.uuid, "COMPLETED")
        assert (seen.arn, seen.output_uri) == ("", None)


async def test_a_throttle_is_repeated_for_as_long_as_it_takes():
    async with connected(simulated("StartRun:throttle=40x")) as (service, simulator):
        assert (await start(service)).id
        assert simulator.state().calls["StartRun"].throttled == 40


async def test_calls_are_counted_by_operation_repeated_ones_too():
    async with connected(simulated("StartRun:throttle=2x,GetRun:error_before=1x")) as (service, simulator):
        run = await start(service)
        await service.get_run(run.id)
        assert service.calls == {
            "StartRun": CallCounts(sent=3, throttled=2),
            "GetRun": CallCounts(sent=2, unanswered=1),
        }
        calls = simulator.state().calls
        assert {name: one.sent for name, one in service.calls.items()} == {
            name: one.calls for name, one in calls.items()
        }


async def test_a_call_that_failed_is_logged_with_the_id_that_aws_support_asks_for():
    faults = "StartRun:throttle=1x,StartRun:drop_before=1x,StartRun:ValidationException=1"
    with capture_logs() as logs:
        async with connected(simulated(faults)) as (service, _):
            with pytest.raises(RefusedError):
                await start(service)
    told = [one for one in logs if one["event"] == "call_failed"]
    assert [(one["operation"], one["status"]) for one in told] == [
        ("StartRun", 429),
        ("StartRun", None),
        ("StartRun", 400),
    ]
    ids = [one.get("service_request_id") for one in told]
    assert ids[1] is None
    assert len({ids[0], ids[2]} - {None}) == 2


async def test_an_unknown_outcome_is_handed_on_when_patience_ends():
    async with connected(simulated("StartRun:error_after")) as (service, _):
        begun = anyio.current_time()
        with pytest.raises(OutcomeUnknownError, match="StartRun: InternalServerException"):
            await start(service)
        assert 30 <= anyio.current_time() - begun < 60


@pytest.mark.parametrize(
    ("code", "kind", "calls"),
    [
        ("ValidationException", RefusedError, 1),
        ("ServiceQuotaExceededException", QuotaExceededError, 1),
        ("ConflictException", ConflictError, 4),
    ],
)
async def test_definite_answers_are_not_repeated_and_conflicts_briefly(code, kind, calls):
    async with connected(simulated(f"StartRun:{code}")) as (service, simulator):
        with pytest.raises(kind):
            await start(service)
        assert simulator.state().calls["StartRun"].calls == calls


async def test_in_a_hurry_the_first_failure_is_the_last():
    async with connected(simulated("StartRun:throttle")) as (service, _):
        async with anyio.create_task_group() as group:

            async def hurry_later():
                await anyio.sleep(100)
                service.hurry()

            group.start_soon(hurry_later)
            with pytest.raises(ThrottledError):
                await start(service)
        assert 100 <= anyio.current_time() < 101


@pytest.mark.parametrize(
    "fault", ["drop_before", "error_after", "html_after", "throttle", "AccessDeniedException"]
)
async def test_what_ends_with_the_launch_is_called_what_it_was(fault):
    """A start that waits for the turn of its repetition when the launch ends; nothing else is made up."""
    async with connected(simulated(f"StartRun:{fault}"), rate=0.05) as (service, simulator):
        async with anyio.create_task_group() as group:

            async def hurry_later():
                await anyio.sleep(10)
                service.hurry()

            group.start_soon(hurry_later)
            with pytest.raises(CallError) as caught:
                await start(service)
            group.cancel_scope.cancel()
        assert caught.value.code == {
            "drop_before": "EndpointConnectionError",
            "error_after": "InternalServerException",
            "html_after": "UnparsableAnswer",
            "throttle": "ThrottlingException",
        }.get(fault, fault)
        assert service.troubles.throttled == (fault == "throttle")
        assert service.calls["StartRun"].sent == simulator.state().calls["StartRun"].calls == 1


async def test_a_lost_answer_is_not_called_a_throttle_for_its_repetitions_being_throttled():
    async with connected(simulated("StartRun:drop_after=1x,StartRun:throttle")) as (service, simulator):
        async with anyio.create_task_group() as group:

            async def hurry_later():
                await anyio.sleep(100)
                service.hurry()

            group.start_soon(hurry_later)
            with pytest.raises(OutcomeUnknownError) as caught:
                await start(service)
        assert (caught.value.code, caught.value.is_doubtful) == ("EndpointConnectionError", True)
        assert service.troubles.throttled == simulator.state().calls["StartRun"].throttled > 1


async def test_a_start_that_was_given_up_may_have_taken_effect(monkeypatch):
    monkeypatch.setattr(Target, "call_timeout", 1.0)
    settings = simulated("StartRun:slow_after=1x,StartRun:ValidationException")
    async with connected(settings) as (service, simulator):
        with pytest.raises(RefusedError) as caught:
            await start(service)
        assert caught.value.is_doubtful
        assert len(simulator.state().runs) == 1
        with pytest.raises(RefusedError) as caught:
            await start(service, requestId="other")
        assert not caught.value.is_doubtful


async def test_starts_keep_their_rate_and_reads_theirs():
    async with connected(rate=5, read_rate=50) as (service, simulator):
        async with anyio.create_task_group() as group:
            for number in range(50):
                group.start_soon(partial(start, service, requestId=f"r-{number}", name=f"n-{number}"))
        accepted = simulator.state().accepted_at
        assert len(accepted) == 50
        assert 9.7 <= accepted[-1] - accepted[0] <= 9.9
        begun = anyio.current_time()
        async with anyio.create_task_group() as group:
            for record in simulator.state().runs:
                group.start_soon(service.get_run, record.id)
        assert 0.9 <= anyio.current_time() - begun <= 1.1


async def test_a_burst_is_never_sent_after_a_pause():
    async with connected(rate=5) as (service, simulator):
        await start(service, requestId="first")
        await anyio.sleep(60)
        for number in range(3):
            await start(service, requestId=f"r-{number}")
        times = simulator.state().accepted_at[1:]
        assert all(later - earlier > 0.17 for earlier, later in pairwise(times))


async def test_a_throttled_lane_rests_as_long_as_the_service_says():
    settings = simulated(limits={"StartRun": Limit(rate=0.1, burst=1), "*": None}, retry_after=True)
    async with connected(settings) as (service, simulator):
        for number in range(4):
            await start(service, requestId=f"r-{number}")
        assert simulator.state().calls["StartRun"].throttled <= 4


async def test_a_field_that_botocore_would_leave_out_is_refused_and_not_sent():
    async with connected() as (service, simulator):
        with pytest.raises(
            RefusedError, match="does not know futureField; add a newer model with AWS_DATA_PATH"
        ):
            await start(service, futureField="x")
        assert not simulator.state().runs


async def test_a_missing_run_is_told_apart_from_a_bare_404():
    async with connected() as (service, _):
        with pytest.raises(NotFoundError):
            await service.get_run("999")


async def test_a_look_has_times_and_tags():
    async with connected() as (service, _):
        run = await start(service, tags={"batchrun:request-id": "r-1"})
        await anyio.sleep(200)
        sighting = await service.get_run(run.id)
        assert (sighting.run.status, sighting.tags, sighting.name) == (
            "COMPLETED",
            {"batchrun:request-id": "r-1"},
            "cohort-a",
        )
        assert sighting.run.creation_time is not None
        assert sighting.run.stop_time is not None
        assert (sighting.run.stop_time - sighting.run.creation_time).total_seconds() == 130
        assert sighting.run.stop_time.utcoffset() is not None


async def test_runs_are_listed_by_exact_name_over_all_pages():
    async with connected(simulated(max_active=None)) as (service, _):
        for number in range(230):
            await start(service, requestId=f"r-{number}", name="same" if number % 2 else "other")
        named = [one async for page in service.listed_runs("same") for one in page]
        assert (len(named), {one.name for one in named}) == (115, {"same"})


async def test_what_goes_on_is_listed_by_group_and_state_in_pages():
    async with connected(simulated(max_active=None)) as (service, _):
        for number in range(230):
            group = {"runGroupId": "7"} if number % 2 else {}
            await start(service, requestId=f"r-{number}", name=f"n-{number}", **group)
        await anyio.sleep(60)
        await start(service, requestId="late", name="late", runGroupId="7")
        pages = [page async for page in service.going_runs("7")]
        assert [len(page) for page in pages] == [1, 0, 100, 15, 0]
        assert {run.status for page in pages for run in page} == {"PENDING", "RUNNING"}
        assert len([run for page in [page async for page in service.going_runs()] for run in page]) == 231
        (late,) = pages[0]
        assert (late.name, late.creation_time is not None) == ("late", True)


async def test_expired_credentials_are_replaced_and_the_call_goes_on():
    async with connected() as (service, simulator):
        run = await start(service)
        simulator.script(*parse_faults("GetRun:ExpiredTokenException=3x"))
        assert (await service.get_run(run.id)).run.uuid == run.uuid
        assert anyio.current_time() >= 10  # the first time at once, then every five seconds


@pytest.mark.parametrize("worked", [True, False])
async def test_expired_credentials_are_waited_for_only_once_a_call_was_accepted(worked):
    async with connected() as (service, simulator):
        if worked:
            await start(service)
        simulator.script(*parse_faults("StartRun:ExpiredTokenException"))
        other = service.apart(waits=not worked)  # as under --once, and as at the start
        with pytest.raises(ServiceUnusableError, match="ExpiredTokenException"):
            await start(other, requestId="other")
        assert anyio.current_time() < 3


async def test_credentials_that_stay_expired_stop_the_launch_in_the_end():
    settings = simulated("GetRun:ExpiredTokenException")
    async with connected(settings, patience=Patience(credentials=60)) as (service, _):
        run = await start(service)
        with pytest.raises(ServiceUnusableError, match="does not accept the AWS credentials"):
            await service.get_run(run.id)
        assert 60 <= anyio.current_time() < 90


async def test_credentials_that_were_never_good_stop_the_launch_at_once():
    async with connected(simulated("*:UnrecognizedClientException")) as (service, _):
        with pytest.raises(ServiceUnusableError, match="UnrecognizedClientException"):
            await start(service)
        assert anyio.current_time() < 10


async def test_silence_from_the_start_stops_the_launch_soon():
    async with connected() as (_, simulator):
        dead = simulator.url
    async with connected(endpoint_url=dead) as (service, _):
        with pytest.raises(ServiceUnusableError, match=f"no usable answer from {dead}"):
            await start(service)
        assert 20 <= anyio.current_time() < 60


async def test_an_outage_is_borne_for_minutes_once_the_service_has_worked():
    async with connected() as (service, simulator):
        run = await start(service)
        simulator.script(*parse_faults("GetRun:drop_before"))
        for _ in range(10):
            with pytest.raises(OutcomeUnknownError):
                await service.get_run(run.id)
        simulator.faults.replace(())
        await service.get_run(run.id)
        simulator.script(*parse_faults("GetRun:drop_before"))
        with pytest.raises(ServiceUnusableError):  # noqa: PT012 (many calls fail before the last)
            while True:
                with pytest.raises(OutcomeUnknownError):
                    await service.get_run(run.id)


async def test_an_answer_without_a_uuid_is_completed_by_a_look(monkeypatch):
    async with connected() as (service, simulator):
        call = service._calls.client.start_run

        async def without_uuid(**parameters):
            return {name: value for name, value in (await call(**parameters)).items() if name != "uuid"}

        monkeypatch.setattr(service._calls.client, "start_run", without_uuid)
        run = await start(service)
        (record,) = simulator.state().runs
        assert (run.id, run.uuid) == (record.id, record.uuid)
        simulator.script(*parse_faults("GetRun:ResourceNotFoundException"))
        with pytest.raises(OutcomeUnknownError, match="uuid"):
            await start(service, requestId="other")


async def test_launches_beside_each_other_hurry_each_for_itself():
    async with connected(simulated("GetRun:ExpiredTokenException=6x")) as (service, _):
        run = await start(service)
        one, other = service.apart(), service.apart()
        one.hurry()
        with pytest.raises(ServiceUnusableError):
            await one.get_run(run.id)
        assert (await other.get_run(run.id)).run.uuid == run.uuid


async def test_launches_beside_each_other_are_guarded_and_counted_each_for_itself():
    async def lost() -> None:
        raise LeaseLostError("taken over")

    async with connected(simulated("StartRun:throttle=2x")) as (service, _):
        one, other = service.apart(), service.apart()
        one.guard(lost)
        with pytest.raises(LeaseLostError):
            await start(one)
        await start(other)
        assert (one.troubles.throttled, other.troubles.throttled, service.troubles.throttled) == (0, 2, 0)


async def test_launches_beside_each_other_share_their_pace():
    async with connected(rate=5) as (service, simulator):
        async with anyio.create_task_group() as group:
            for number in range(50):
                group.start_soon(partial(start, service.apart(), requestId=f"r-{number}"))
        accepted = simulator.state().accepted_at
        assert 9.7 <= accepted[-1] - accepted[0] <= 9.9


async def test_what_another_account_does_not_list_may_be_there_all_the_same():
    """Else a row would be proven, and sent, by a look at an account that cannot know its run."""
    async with connected() as (shared, simulator):
        service = shared.apart(waits=False)
        run = await start(service)
        simulator.script(*parse_faults("GetRun:other_account_after"))
        with pytest.raises(ServiceUnusableError, match="its credentials are of account"):
            await service.get_run(run.id)
        with pytest.raises(ServiceUnusableError, match="its credentials are of account"):
            _ = [page async for page in service.listed_runs("nobody's")]
        shown = [item.id async for page in service.listed_runs(None) for item in page]
        assert shown == [run.id]
        assert [page async for page in service.listed_runs("nobody's")] == [[]]
