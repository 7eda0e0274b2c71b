"""The last run of a batch that goes on, where nobody can tell the account: real client and simulators."""

from __future__ import annotations

import anyio
import pytest

from batchrun import Mode, ServiceUnusableError, State
from batchrun.simulator import Simulator, parse_faults
from tests.api.test_account import OTHERS, OURS, Lab, calls, lab

__all__ = ["lab"]
DEAD = "GetCallerIdentity:AccessDenied"


async def begun(lab: Lab, simulator: Simulator, *, going: int = 1) -> None:
    """Let five runs end, and start as many more as are *going* on; STS is dead from then on."""
    await lab.run(simulator, rows=5)
    await lab.run(simulator, rows=5 + going, mode=Mode.DETACH)
    simulator.script(*parse_faults(DEAD))


def forget(simulator: Simulator, *numbers: int) -> None:
    """Remove the runs of these rows from the service."""
    for run in [run for run in simulator.state().runs if int(run.name[-1]) in numbers]:
        simulator.service._forget(simulator.service.shelf.by_id[run.id])


def looks(simulator: Simulator) -> int:
    return calls(simulator).get("GetRun", 0)


@pytest.mark.parametrize("is_known", [True, False])
@pytest.mark.parametrize("mode", [Mode.WATCH, Mode.ONCE])
async def test_a_service_that_knows_no_run_of_the_batch_decides_nothing_of_the_last(lab, mode, is_known):
    """Seen: one run of six went on, and with another profile its row became DELETED for good."""
    async with lab.account(OURS) as ours, lab.account(OTHERS, DEAD) as others:
        await begun(lab, ours)
        if not is_known:
            lab.forget_account()
        if mode is Mode.ONCE:
            await lab.run(others, rows=6, mode=mode)
            await anyio.sleep(61)
        with pytest.raises(ServiceUnusableError, match=r"none of 4 runs .* another account or endpoint\?"):
            await lab.run(others, rows=6, mode=mode)
        assert await lab.states() == {State.SUCCEEDED: 5, State.ACTIVE: 1}
        assert looks(others) == 2 + 3  # the last one twice, and three that ended
        await lab.run(ours, rows=6)
        assert await lab.states() == {State.SUCCEEDED: 6}


@pytest.mark.parametrize("is_known", [True, False])
async def test_in_the_right_account_one_ended_run_speaks_for_the_last(lab, is_known):
    async with lab.account(OURS) as simulator:
        await begun(lab, simulator)
        if not is_known:
            lab.forget_account()
        forget(simulator, 5)
        before = looks(simulator)
        await lab.run(simulator, rows=6)
        assert await lab.states() == {State.SUCCEEDED: 5, State.DELETED: 1}
        assert looks(simulator) - before == 2 + 1


async def test_where_no_run_of_the_batch_has_ended_the_last_can_be_gone(lab):
    async with lab.account(OURS) as simulator:
        await lab.run(simulator, rows=1, mode=Mode.DETACH)
        simulator.script(*parse_faults(DEAD))
        forget(simulator, 0)
        await lab.run(simulator, rows=1)
        assert await lab.states() == {State.DELETED: 1}
        assert looks(simulator) == 2


async def test_where_the_account_is_known_nothing_more_is_asked_for(lab):
    async with lab.account(OURS) as simulator:
        await begun(lab, simulator)
        simulator.faults.replace(())
        forget(simulator, *range(6))
        before = looks(simulator)
        await lab.run(simulator, rows=6)
        assert await lab.states() == {State.SUCCEEDED: 5, State.DELETED: 1}
        assert looks(simulator) - before == 2


async def test_a_run_that_is_there_speaks_for_the_others(lab):
    """Else those that ended would be asked for, and none of these is there."""
    async with lab.account(OURS) as simulator:
        await begun(lab, simulator, going=2)
        lab.forget_account()
        forget(simulator, *range(6))
        await lab.run(simulator, rows=7)
        assert await lab.states() == {State.SUCCEEDED: 6, State.DELETED: 1}


async def test_where_an_ended_run_cannot_be_asked_for_the_last_is_looked_at_again(lab):
    async with lab.account(OURS) as simulator:
        await begun(lab, simulator)
        forget(simulator, 5)
        simulator.script(*parse_faults("GetRun:AccessDeniedException@cohort-s[0-4]=1x"))
        before = looks(simulator)
        await lab.run(simulator, rows=6)
        assert await lab.states() == {State.SUCCEEDED: 5, State.DELETED: 1}
        assert looks(simulator) - before == 2 + 1 + 1 + 1
