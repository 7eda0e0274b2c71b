"""Turns: what slows them, what is learned and kept, over the real client and the real simulator."""

from __future__ import annotations

from functools import partial
from itertools import pairwise

import anyio
import pytest
from structlog.testing import capture_logs

from batchrun.clock import VirtualClock
from batchrun.errors import LeaseLostError, OutcomeUnknownError
from batchrun.model.paces.handing_on import Learned, Phase
from batchrun.model.paces.pace import Pace
from batchrun.model.paces.quotas import Quotas
from batchrun.model.paces.rates import AUTO, UNLIMITED, Rate
from batchrun.service.calling.one_try import one_try
from batchrun.service.calling.pacing import Turns
from batchrun.simulator import Limit, parse_faults
from tests.world import connected, simulated, start


async def starts(service, count: int, first: int = 0) -> None:
    async with anyio.create_task_group() as group:
        for number in range(first, first + count):
            group.start_soon(partial(start, service, requestId=f"r-{number}", name=f"n-{number}"))


def limited(rate: float, burst: int, **changes):
    return simulated(
        limits={"StartRun": Limit(rate=rate, burst=burst), "*": None}, max_active=None, **changes
    )


@pytest.mark.long
@pytest.mark.parametrize(("rate", "burst"), [(8, 8), (5, 5), (5, 1), (20, 20)])
async def test_a_limit_that_nobody_told_is_found_over_the_wire(rate, burst):
    async with connected(limited(rate, burst), rate=AUTO) as (service, simulator):
        await starts(service, 300)
        state = simulator.state()
        took = state.accepted_at[-1] - state.accepted_at[0]
        assert took <= (300 - burst) / rate * (1.08 if burst == 1 else 1.03)
        assert state.calls["StartRun"].throttled <= 9
        assert len(state.runs) == 300


@pytest.mark.long
@pytest.mark.parametrize(("rate", "burst"), [(8, 8), (5, 1), (0.2, 1), (40, 80)])
async def test_unlimited_is_no_slower_than_auto_where_there_is_a_limit(rate, burst):
    took = {}
    count = 20 if rate < 1 else 150
    for asked in (AUTO, UNLIMITED):
        async with connected(limited(rate, burst), rate=asked) as (service, simulator):
            await starts(service, count)
            accepted = simulator.state().accepted_at
            took[asked] = accepted[-1] - accepted[0]
    assert took[UNLIMITED] <= took[AUTO] * 1.02


async def test_hints_of_the_service_are_honoured():
    async with connected(limited(0.1, 1, retry_after=True), rate=AUTO) as (service, simulator):
        await starts(service, 10)
        calls = simulator.state().start_calls
        refusals = [(call, after) for call, after in pairwise(calls) if call.outcome == "ThrottlingException"]
        assert refusals
        # Ten seconds a token, of which some had passed by the time of the call.
        assert all(after.at - call.at > 1 for call, after in refusals)


async def test_the_quota_is_read_where_it_may_be(monkeypatch):
    async with connected(limited(2, 2), rate=AUTO) as (service, simulator):
        monkeypatch.setenv("AWS_ENDPOINT_URL_SERVICE_QUOTAS", simulator.url)
        await service.paces.recall({})
        assert service.paces.known_rate("StartRun") == 2
        await starts(service, 40)
        assert simulator.state().calls["StartRun"].throttled <= 3


async def test_all_quotas_are_asked_for_and_one_that_may_not_be_read_takes_nothing_from_the_others(
    monkeypatch,
):
    settings = simulated(max_active=60, max_active_static=None)
    async with connected(settings) as (service, simulator):
        assert await service.quotas() == Quotas()
        monkeypatch.setenv("AWS_ENDPOINT_URL_SERVICE_QUOTAS", simulator.url)
        assert await service.quotas() == Quotas(dynamic_runs=60, gpus=12, kept_runs=100_000)
        monkeypatch.setenv("AWS_ENDPOINT_URL_SERVICE_QUOTAS", "http://127.0.0.1:9")
        assert await service.quotas() == Quotas()


async def test_launches_that_begin_beside_each_other_ask_for_the_quota_once(monkeypatch):
    async with connected(limited(2, 2), rate=AUTO) as (service, simulator):
        monkeypatch.setenv("AWS_ENDPOINT_URL_SERVICE_QUOTAS", simulator.url)
        with capture_logs() as logs:
            async with anyio.create_task_group() as group:
                for _ in range(5):
                    group.start_soon(service.apart().paces.recall, {})
        assert service.paces.known_rate("StartRun") == 2
        assert [one["event"] for one in logs].count("quota_read") == 1


async def test_nobody_is_asked_where_nothing_will_be_started(monkeypatch):
    async with connected(limited(2, 2), rate=AUTO) as (service, simulator):
        monkeypatch.setenv("AWS_ENDPOINT_URL_SERVICE_QUOTAS", simulator.url)
        await service.paces.recall({}, will_start=False)
        assert service.paces.known_rate("StartRun") == 5


async def test_aws_is_not_asked_about_a_local_service():
    async with connected(limited(2, 2), rate=AUTO) as (service, _):
        await service.paces.recall({})
        assert service.paces.known_rate("StartRun") == 5
        assert anyio.current_time() < 1


async def test_a_quota_that_may_not_be_read_is_done_without(monkeypatch):
    monkeypatch.setenv("AWS_ENDPOINT_URL_SERVICE_QUOTAS", "http://127.0.0.1:9")
    async with connected(limited(2, 2), rate=AUTO) as (service, _):
        await service.paces.recall({})
        assert service.paces.known_rate("StartRun") == 5


async def test_nobody_waits_long_for_a_quota(monkeypatch):
    silent = await anyio.create_tcp_listener(local_host="127.0.0.1", local_port=0)
    port = silent.extra(anyio.abc.SocketAttribute.local_port)
    monkeypatch.setenv("AWS_ENDPOINT_URL_SERVICE_QUOTAS", f"http://127.0.0.1:{port}")
    async with silent, connected(limited(2, 2), rate=AUTO) as (service, _):
        await service.paces.recall({})
        assert service.paces.known_rate("StartRun") == 5
        assert anyio.current_time() < 5


async def test_what_was_learned_goes_on_and_is_not_asked_for_again(monkeypatch):
    async with connected(limited(8, 8), rate=AUTO) as (service, simulator):
        await starts(service, 200)
        learned = service.paces.learned()
        assert set(learned) == {"StartRun"}
        throttled = simulator.state().calls["StartRun"].throttled
        monkeypatch.setenv("AWS_ENDPOINT_URL_SERVICE_QUOTAS", "http://127.0.0.1:9")
        async with connected(endpoint_url=simulator.url, rate=AUTO) as (again, _):
            await again.paces.recall(learned)
            begun = anyio.current_time()
            await starts(again, 80, first=200)
            assert 8.5 <= anyio.current_time() - begun <= 11
        assert simulator.state().calls["StartRun"].throttled - throttled <= 3


async def test_a_starved_lane_slows_no_other():
    settings = simulated(limits={"StartRun": Limit(rate=0.05, burst=1), "*": None})
    async with connected(settings, rate=AUTO, read_rate=AUTO) as (service, _):
        run = await start(service)
        async with anyio.create_task_group() as group:
            group.start_soon(partial(start, service, requestId="starved"))
            await anyio.sleep(1)
            begun = anyio.current_time()
            for _ in range(20):
                await service.get_run(run.id)
            assert anyio.current_time() - begun < 1
            group.cancel_scope.cancel()


async def test_calls_that_hang_do_not_hold_up_the_opening():
    settings = simulated("StartRun:hang_before=1x", hang=1000)
    async with connected(settings, rate=AUTO) as (service, simulator), anyio.create_task_group() as group:
        for number in range(20):
            group.start_soon(partial(start, service, requestId=f"r-{number}"))
        await anyio.sleep(5)
        assert len(simulator.state().runs) == 19
        group.cancel_scope.cancel()


async def test_unlimited_is_paced_from_the_first_refusal_on():
    async with connected(simulated("StartRun:throttle=6x"), rate=UNLIMITED) as (service, simulator):
        assert service.paces.known_rate("StartRun") == float("inf")
        await start(service)
        times = [call.at for call in simulator.state().start_calls]
        gaps = [later - earlier for earlier, later in pairwise(times)]
        assert gaps == sorted(gaps)
        assert gaps[-1] > 8 * gaps[0]
        assert set(service.paces.learned()) == {"StartRun"}
        assert service.paces.known_rate("StartRun") < 5


async def test_unlimited_takes_what_was_learned_for_granted_only_when_it_is_refused():
    learned = {"StartRun": Learned(phase=Phase.HOLDING, base=8, cut=0.01, span=240, passed=240, burst=8)}
    async with connected(limited(8, 100), rate=UNLIMITED) as (service, simulator):
        await service.paces.recall(learned)
        await starts(service, 140)
        accepted = simulator.state().accepted_at
        assert accepted[99] - accepted[0] < 1
        assert accepted[-1] - accepted[0] <= 5.5


async def test_turns_are_given_in_order_and_a_cancelled_waiter_holds_up_nobody():
    turns, order = Turns(Pace(Rate(most=1)), VirtualClock()), []

    async def wait(number: int) -> None:
        await turns.turn()
        order.append(number)

    async with anyio.create_task_group() as group:
        for number in range(5):
            group.start_soon(wait, number)
        with anyio.move_on_after(0.5):
            await turns.turn()
    assert order == [0, 1, 2, 3, 4]
    assert 4 <= anyio.current_time() < 5.1


async def test_a_delay_is_caught_up_on_by_what_the_service_saved_meanwhile():
    learned = Learned(phase=Phase.HOLDING, base=8, cut=0.01, span=240, passed=240, burst=8)
    turns = Turns(Pace(AUTO, learned=learned), VirtualClock())
    await turns.turn()
    await anyio.sleep(10)
    given = [await turns.turn() for _ in range(8)]
    assert sum(1 for turn in given if turn <= 10) in {4, 5}
    assert given == sorted(given)


async def test_an_unknown_outcome_says_nothing_of_the_limit():
    turns = Turns(Pace(AUTO), VirtualClock())
    turn = await turns.turn()
    before = turns.pace.learned
    turns.answered(turn, OutcomeUnknownError("?", operation="StartRun", code="ReadTimeoutError"))
    assert turns.pace.learned == before
    await turns.turn()
    turns.lost()
    await turns.turn()
    assert anyio.current_time() < 0.01


async def test_a_call_that_is_let_go_of_is_not_in_flight_any_more():
    clock = VirtualClock()
    turns = Turns(Pace(AUTO), clock)
    await turns.turn()
    with anyio.move_on_after(1):
        await one_try(anyio.sleep_forever(), "GetRun", turns=turns, clock=clock, longest=60)
    await turns.turn()
    assert anyio.current_time() < 1.01


async def test_nor_is_one_that_the_guard_refuses():
    async def refuse() -> None:
        raise LeaseLostError("another launcher has the batch")

    async with connected(rate=AUTO) as (service, simulator):
        service.guard(refuse)
        with pytest.raises(LeaseLostError):
            await start(service)
        assert not simulator.state().calls
        await service.start_turn()
        assert anyio.current_time() < 0.01


async def test_throttles_at_random_do_not_bring_a_launch_to_a_halt():
    async with connected(simulated("*:throttle=0.1", max_active=None), rate=AUTO) as (service, simulator):
        await starts(service, 300)
        assert anyio.current_time() < 300
        assert len(simulator.state().runs) == 300


@pytest.mark.long
async def test_reads_learn_too():
    settings = simulated(limits={"GetRun": Limit(rate=20, burst=20), "*": None})
    async with connected(settings, read_rate=AUTO) as (service, simulator):
        run = await start(service)
        begun = anyio.current_time()
        async with anyio.create_task_group() as group:
            for _ in range(500):
                group.start_soon(service.get_run, run.id)
        assert anyio.current_time() - begun <= 480 / 20 * 1.08
        assert simulator.state().calls["GetRun"].throttled <= 12
        simulator.script(*parse_faults("GetRun:throttle=1x"))
        await service.get_run(run.id)
