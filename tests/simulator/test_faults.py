"""What a client sees of each fault, and what really happened."""

from typing import Any

import anyio
import pytest
from botocore.exceptions import (
    ClientError,
    ConnectionClosedError,
    EndpointConnectionError,
    ReadTimeoutError,
)

from batchrun.simulator import Fault, FaultRule, Span, parse_faults
from batchrun.simulator.faults import FaultBook

#: What aiobotocore makes of each (libraries.md, 8), and whether there is a run.
SEEN = {
    Fault.PASS: ("run", True),
    Fault.THROTTLE: ("ThrottlingException", False),
    Fault.ERROR_BEFORE: ("InternalServerException", False),
    Fault.UNAVAILABLE_BEFORE: ("503", False),
    Fault.REDIRECT_BEFORE: (EndpointConnectionError, False),
    Fault.DROP_BEFORE: (EndpointConnectionError, False),
    Fault.CLOSE_BEFORE: (ConnectionClosedError, False),
    Fault.HANG_BEFORE: (ReadTimeoutError, False),
    Fault.LATE: (ReadTimeoutError, True),
    Fault.DROP_AFTER: (EndpointConnectionError, True),
    Fault.CLOSE_AFTER: (ConnectionClosedError, True),
    Fault.ERROR_AFTER: ("InternalServerException", True),
    Fault.UNAVAILABLE_AFTER: ("503", True),
    Fault.HANG_AFTER: (ReadTimeoutError, True),
    Fault.HTML_AFTER: ("nothing", True),
    Fault.TRUNCATED_AFTER: ("nothing", True),
    Fault.EMPTY_AFTER: ("nothing", True),
    Fault.OTHER_UUID_AFTER: ("run", True),
    Fault.OTHER_ACCOUNT_AFTER: ("run", True),
    Fault.DELETED_AFTER: ("run", True),
    Fault.MISTYPED_AFTER: ("run", True),
    Fault.FORGET: ("run", True),
    Fault.SLOW_AFTER: ("run", True),
    Fault.CUT_AFTER: (ConnectionClosedError, True),
}


async def outcome(client: Any, request: dict[str, Any]) -> Any:
    try:
        answer = await client.start_run(**request)
    except ClientError as error:
        return error.response["Error"]["Code"]
    except Exception as error:  # noqa: BLE001 — which one it is is the question
        return type(error)
    return "run" if "id" in answer else "nothing"


@pytest.mark.long
@pytest.mark.parametrize("fault", Fault)
def test_each_fault_is_seen_as_measured(in_virtual_time, connected, request_of, fault):
    seen, exists = SEEN[fault]

    async def main():
        async with connected(faults=(FaultRule(fault=fault, times=1),)) as (client, simulator):
            assert await outcome(client, request_of()) == seen
            await anyio.sleep(simulator.settings.hang)
            assert len(simulator.state().runs) == exists
            assert (simulator.state().start_calls[0].uuid is not None) == exists
            # The same bytes again settle every doubt: one run, whatever happened.
            assert await outcome(client, request_of()) == "run"
            assert len(simulator.state().runs) == 1

    in_virtual_time(main)


@pytest.mark.parametrize(
    ("fault", "field"), [(Fault.OTHER_UUID_AFTER, "uuid"), (Fault.DELETED_AFTER, "status")]
)
def test_an_untrue_answer_differs_from_the_truth_in_one_thing(
    in_virtual_time, connected, request_of, fault, field
):
    async def main():
        async with connected(faults=(FaultRule(fault=fault, operation="GetRun", times=1),)) as (client, _):
            started = await client.start_run(**request_of())
            untrue = await client.get_run(id=started["id"])
            truth = await client.get_run(id=started["id"])
            differing = {name for name in truth if truth[name] != untrue[name]}
            assert differing - {"ResponseMetadata"} == {field}

    in_virtual_time(main)


def test_a_forgotten_request_makes_a_second_run(in_virtual_time, connected, request_of):
    rules = parse_faults("StartRun:drop_after=1x,StartRun:forget=1x")

    async def main():
        async with connected(faults=rules) as (client, simulator):
            assert await outcome(client, request_of()) is EndpointConnectionError
            assert await outcome(client, request_of()) == "run"
            first, second = simulator.state().runs
            assert first.request_id == second.request_id

    in_virtual_time(main)


@pytest.mark.parametrize("fault", [Fault.HANG_BEFORE, Fault.HANG_AFTER, Fault.LATE])
def test_a_repeat_while_the_first_hangs_is_a_conflict(in_virtual_time, connected, request_of, fault):
    async def main():
        async with connected(faults=(FaultRule(fault=fault, times=1),)) as (client, simulator):
            assert await outcome(client, request_of()) is ReadTimeoutError
            assert await outcome(client, request_of()) == "ConflictException"
            await anyio.sleep(simulator.settings.hang)
            assert await outcome(client, request_of()) == "run"

    in_virtual_time(main)


def test_latency_holds_the_request_id_and_delays_the_effect(in_virtual_time, connected, request_of):
    async def main():
        async with connected(latency=Span(mean=5)) as (client, simulator):
            seen = []

            async def start():
                seen.append(await outcome(client, request_of()))

            async with anyio.create_task_group() as group:
                group.start_soon(start)
                group.start_soon(start)
            assert sorted(seen) == ["ConflictException", "run"]
            assert simulator.state().accepted_at[0] == pytest.approx(
                simulator.state().start_calls[0].at + 5, abs=0.01
            )

    in_virtual_time(main)


def test_an_injected_error_strikes_by_name(in_virtual_time, connected, request_of):
    rules = parse_faults("StartRun:AccessDeniedException@lab-*,GetRun:ExpiredTokenException@ok=1x")

    async def main():
        async with connected(faults=rules) as (client, _):
            assert await outcome(client, request_of(1, name="lab-7")) == "AccessDeniedException"
            run = await client.start_run(**request_of(2, name="ok"))
            with pytest.raises(ClientError, match="ExpiredTokenException") as caught:
                await client.get_run(id=run["id"])
            assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 403
            assert (await client.get_run(id=run["id"]))["name"] == "ok"

    in_virtual_time(main)


def test_the_server_ends_while_a_call_hangs(in_virtual_time, connected, request_of):
    async def main():
        async with connected(faults=parse_faults("*:hang_before")) as (client, _):
            with anyio.move_on_after(1) as scope:
                await client.start_run(**request_of())
            assert scope.cancelled_caught
        assert anyio.current_time() < 5

    in_virtual_time(main)


def test_scripts_strike_in_order_and_then_no_more():
    book = FaultBook(parse_faults("GetRun:throttle=2x,*:drop_after=1x"), seed=0)
    struck = [book.choose("GetRun", "", "") for _ in range(4)]
    assert struck == ["throttle", "throttle", "drop_after", "pass"]
    assert book.rules == ()


def test_chances_add_up_and_do_not_depend_on_the_order_of_callers():
    rules = parse_faults("StartRun:drop_after=0.1,*:throttle=0.2")
    keys = [f"request-{number}" for number in range(5000)]
    forward, backward = FaultBook(rules, seed=7), FaultBook(rules, seed=7)
    chosen = {key: forward.choose("StartRun", key, "") for key in keys}
    assert {key: backward.choose("StartRun", key, "") for key in keys[::-1]} == chosen
    counts = [list(chosen.values()).count(fault) / 5000 for fault in ("drop_after", "throttle")]
    assert counts == pytest.approx([0.1, 0.2], abs=0.02)
    other = FaultBook(rules, seed=8)
    assert {key: other.choose("StartRun", key, "") for key in keys} != chosen


@pytest.mark.parametrize("fault", [Fault.CUT_AFTER, Fault.CLOSE_AFTER])
def test_an_answer_without_a_body_can_be_lost_too(in_virtual_time, connected, request_of, fault):
    async def main():
        rule = FaultRule(operation="CancelRun", fault=fault, times=1)
        async with connected(faults=(rule,)) as (client, _):
            run_id = (await client.start_run(**request_of()))["id"]
            with pytest.raises(ConnectionClosedError):
                await client.cancel_run(id=run_id)
            assert (await client.get_run(id=run_id))["status"] == "CANCELLED"

    in_virtual_time(main)
