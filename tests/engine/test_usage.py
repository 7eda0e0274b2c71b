"""What ended runs used, kept as it comes."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import anyio
import pytest

from batchrun.clock import VirtualClock
from batchrun.engine.upkeep.usage import UsageAnswers, ask_usage
from batchrun.errors import ServiceUnusableError
from batchrun.model.entries.events import Accepted, Completed
from batchrun.ports.ledger import Ledger
from batchrun.ports.stored import EndedRun
from batchrun.service.client import AwsHealthOmics
from batchrun.simulator import IdReuse, Simulator, parse_faults
from tests.engine.launching import reached
from tests.ledger.samples import AT, BATCH, filled, intended, kept_ledger, move
from tests.world import connected, simulated, start


class World:
    """A ledger with three completed runs, and the service that ran them."""

    def __init__(self, ledger: Ledger, service: AwsHealthOmics, simulator: Simulator) -> None:
        self.ledger = ledger
        self.service = service
        self.simulator = simulator
        self.told: list[int] = []

    async def runs(self) -> Sequence[EndedRun]:
        return await self.ledger.batch(BATCH).story.ended_runs(limit=9)

    async def ask(self, at_once: int = 8) -> UsageAnswers:
        return await ask_usage(
            await self.runs(),
            ledger=self.ledger,
            reach=reached(self.service),
            clock=VirtualClock(),
            at_once=at_once,
            tell=lambda asked: self.told.append(asked.done),
        )

    def calls(self, operation: str) -> int:
        tally = self.simulator.state().calls.get(operation)
        return tally.calls if tally else 0


@asynccontextmanager
async def world(faults: str = "", **changes: Any) -> AsyncIterator[World]:
    async with (
        kept_ledger() as ledger,
        connected(simulated(faults, **changes)) as (service, simulator),
    ):
        held = await filled(ledger, *"abc")
        for id_ in "abc":
            run = await start(service, name=id_, requestId=id_)
            await move(held, id_, intended(), Accepted(at=AT, run=run))
        await anyio.sleep(1_000)
        for id_ in "abc":
            entry = await ledger.batch(BATCH).entry(id_)
            assert entry is not None
            assert entry.run is not None
            seen = (await service.get_run(entry.run.id)).run
            await move(held, id_, Completed(at=AT, run=seen))
        yield World(ledger, service, simulator)


async def test_each_answer_is_kept():
    async with world() as it:
        asked = await it.ask()
        assert (asked.known, asked.gone, asked.unknown) == (3, 0, [])
        assert sorted(it.told) == [1, 2, 3]
        assert [run.usage is not None and run.usage.work[0].tasks for run in await it.runs()] == [2, 2, 2]
        assert it.calls("ListRunTasks") == 3


async def test_a_run_that_is_listed_is_not_gone_whatever_one_answer_says():
    async with world() as it:
        it.simulator.script(*parse_faults("GetRun:ResourceNotFoundException@b=1x"))
        asked = await it.ask()
        assert (asked.known, asked.gone) == (2, 0)
        assert [one.entry_id for one, _ in asked.unknown] == ["b"]
        again = await it.ask()
        assert (again.known, again.unknown) == (3, [])


async def test_a_run_that_is_gone_is_so_for_ever_also_where_another_has_its_id():
    async with world(id_reuse=IdReuse.LOWEST) as it:
        first, second, _ = [run.run.id for run in await it.runs()]
        await it.service.delete_run(first)
        await it.service.delete_run(second)
        assert (await start(it.service, name="d", requestId="d")).id == first
        asked = await it.ask()
        assert (asked.known, asked.gone, asked.unknown) == (1, 2, [])
        assert [run.is_gone for run in await it.runs()] == [True, True, False]
        assert it.calls("ListRunTasks") == 1


async def test_a_run_that_is_not_told_is_left_for_another_time():
    async with world("ListRunTasks:error_before") as it:
        asked = await it.ask()
        assert (asked.known, asked.gone) == (0, 0)
        assert {run.entry_id: why.split(":")[0] for run, why in asked.unknown} == dict.fromkeys(
            "abc", "InternalServerException"
        )
        assert len(asked.unknown) == 3
        assert [(run.usage, run.is_gone) for run in await it.runs()] == [(None, False)] * 3


async def test_without_permission_it_ends_and_says_which():
    async with world("ListRunTasks:AccessDeniedException") as it:
        with pytest.raises(ServiceUnusableError, match="allow omics:ListRunTasks"):
            await it.ask(at_once=1)
        assert it.calls("ListRunTasks") == 1


async def test_what_was_told_before_it_was_stopped_is_kept():
    async with world() as it:
        with anyio.CancelScope() as scope:
            await ask_usage(
                await it.runs(),
                ledger=it.ledger,
                reach=reached(it.service),
                clock=VirtualClock(),
                at_once=1,
                tell=lambda asked: scope.cancel() if asked.done == 2 else None,
            )
        assert [run.usage is None for run in await it.runs()] == [False, False, True]
