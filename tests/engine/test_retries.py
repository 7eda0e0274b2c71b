"""Failed runs that get another attempt, over the real client, ledger and simulator, in virtual time."""

from __future__ import annotations

import anyio

from batchrun.engine.launcher import Stop
from batchrun.ledger import open_ledger
from batchrun.model.entries.retrying import RetryPolicy, RetryRule
from batchrun.model.entries.states import State
from batchrun.model.planning.limits import Mode, StopAfter
from batchrun.simulator import FailFirst, Settings
from tests.engine.launching import Bench, bench, rows
from tests.world import simulated


def failing(times: int, reason: str = "SERVICE_ERROR", match: str = "*") -> Settings:
    return simulated(fail_first=(FailFirst(times=times, match=match, reason=reason),), max_active=None)


async def attempts(it: Bench) -> dict[str, list[str | None]]:
    """Return the failureReason of each attempt, the current one last."""
    found = {}
    async for outcome in it.ledger.batch("cohort").story.outcomes():
        runs = [*(one.run for one in outcome.earlier), outcome.entry.run]
        found[outcome.entry.id] = [run.failure_reason if run else None for run in runs]
    return found


async def test_what_passes_by_itself_is_retried_and_succeeds(tmp_path):
    async with bench(tmp_path, failing(2)) as it:
        stop, launcher = await it.launch(rows(5))
        assert stop is Stop.FINISHED
        assert launcher.tally.has_only_succeeded
        assert set(map(tuple, (await attempts(it)).values())) == {("SERVICE_ERROR", "SERVICE_ERROR", None)}
        ids = set(it.simulator.state().starts_by_request)
        assert len(ids) == 15  # each attempt has a requestId of its own
        assert {kind for _, kind in it.told.steps} >= {"failed", "retried", "completed"}


async def test_retries_wait_and_the_wait_grows(tmp_path):
    async with bench(tmp_path, failing(2)) as it:
        await it.launch(rows(1))
        first, second, third = (call.at for call in it.simulator.state().start_calls)
        assert second - first >= 54
        assert third - second >= 108


async def test_retries_end(tmp_path):
    async with bench(tmp_path, failing(9)) as it:
        _, launcher = await it.launch(rows(3))
        assert launcher.tally.by_state[State.FAILED] == 3
        assert len(it.simulator.state().runs) == 9
        await it.launch(rows(3))
        assert len(it.simulator.state().runs) == 9


async def test_what_is_for_people_is_left_alone(tmp_path):
    async with bench(tmp_path, failing(1, "WORKFLOW_RUN_FAILED")) as it:
        await it.launch(rows(3))
        assert len(it.simulator.state().runs) == 3


async def test_a_rule_of_ones_own_and_none_at_all(tmp_path):
    policy = RetryPolicy(rules=(RetryRule(reason="WORKFLOW_*", times=1),), wait=5)
    async with bench(tmp_path, failing(1, "WORKFLOW_RUN_FAILED")) as it:
        _, launcher = await it.launch(rows(3), retry=policy)
        assert launcher.tally.has_only_succeeded


async def test_nobody_is_made_to_retry(tmp_path):
    async with bench(tmp_path, failing(1)) as it:
        _, launcher = await it.launch(rows(3), retry=RetryPolicy(rules=()))
        assert launcher.tally.by_state[State.FAILED] == 3


async def test_passes_retry_too_and_the_last_one_says_that_all_is_well(tmp_path):
    async with bench(tmp_path, failing(1)) as it:
        left = []
        for _ in range(40):
            _, launcher = await it.launch(rows(4), mode=Mode.ONCE)
            left.append(launcher.tally.open)
            await anyio.sleep(20)
        assert left[0] == 4
        assert left[-1] == 0
        assert {entry.state for entry in (await it.entries()).values()} == {State.SUCCEEDED}
        assert len(it.simulator.state().runs) == 8


async def test_a_killed_launch_forgets_no_retry(tmp_path):
    async with bench(tmp_path, failing(1)) as it:
        launcher = it.launcher(await it.take_in(rows(3)), retry=RetryPolicy(wait=600))
        with anyio.move_on_after(150):  # all have failed, and wait for their retries
            await launcher.run()
        assert {entry.state for entry in (await it.entries()).values()} == {State.PLANNED}
        held = await it.ledger.hold("cohort", holder="x", ttl=it.ttl, at=it.clock.utcnow().replace(year=2030))
        assert await held.due(at=it.clock.utcnow(), limit=9) == []
        await it.launcher(held).run()
        assert {entry.state for entry in (await it.entries()).values()} == {State.SUCCEEDED}


async def test_a_failure_that_is_retried_is_not_one_that_stops_the_submission(tmp_path):
    async with bench(tmp_path, failing(1)) as it:
        stop, _ = await it.launch(rows(10), max_active=2, stop_after=StopAfter(count=1))
        assert stop is Stop.FINISHED
        assert len(it.simulator.state().runs) == 20


async def test_a_launch_that_is_held_back_goes_on_once_what_failed_is_retried(tmp_path):
    """One row is refused while another begins to run: whoever retries the one meanwhile has decided."""
    async with bench(tmp_path, simulated("StartRun:ValidationException@*row-0000=1x")) as it:
        held = await it.take_in(rows(6))
        launcher = it.launcher(held, max_active=2, stop_after=StopAfter(count=1))
        async with anyio.create_task_group() as aside:
            aside.start_soon(decide, it)
            stop = await launcher.run()
        assert stop is Stop.FINISHED
        assert launcher.tally.has_only_succeeded
        assert len(it.simulator.state().runs) == 6


async def decide(it: Bench) -> None:
    await anyio.sleep(10)
    assert ("row-0000", "refused") in it.told.steps
    assert len(it.simulator.state().runs) == 1
    async with await open_ledger(it.path) as ledger:  # as another process does
        requests = ledger.batch("cohort").requests
        assert await requests.retry(["row-0000"], at=it.clock.utcnow(), why="asked for")
