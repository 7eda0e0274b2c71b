"""Launches that a service lets wait for ever: each ends in time, says why, and the next one goes on."""

from __future__ import annotations

from typing import Any

import anyio
import pytest

from batchrun.errors import ServiceUnusableError
from batchrun.ledger import open_ledger
from batchrun.model.entries.states import State
from batchrun.model.planning.limits import Mode
from batchrun.simulator import parse_faults
from batchrun.simulator.wire import token_of
from tests.engine.launching import bench, reconnected, rows
from tests.engine.test_hostile import spoilt
from tests.world import simulated

#: Seconds after which nothing is waited for that has no usable answer, with the waits in between.
IN_TIME = 2_000


def endless(operation: str, said: Any) -> Any:
    """Say of each page of ListRuns that the first one is next."""
    return said | {"nextToken": token_of(0)} if operation == "ListRuns" else said


async def test_a_listing_without_an_end_ends_a_launch_that_needs_it(tmp_path):
    is_endless = True

    def spoil(operation: str, said: Any) -> Any:
        return endless(operation, said) if is_endless else said

    async with spoilt(tmp_path, spoil) as it:
        with pytest.raises(ServiceUnusableError, match=r"ListRuns .*pages have no end.*--trust-ledger"):
            await it.launch(rows(8))
        assert anyio.current_time() < IN_TIME
        assert not it.simulator.state().runs
        is_endless = False
        async with reconnected(it):
            await it.launch(rows(8))
        await it.assert_agreement()


async def test_where_only_the_whole_listing_has_no_end_rows_are_looked_for_by_name(tmp_path):
    def spoil(operation: str, said: Any) -> Any:
        return endless(operation, said) if len(said.get("items", ())) > 1 else said

    async with spoilt(tmp_path, spoil, simulated()) as it:
        await it.launch(rows(8), trusts_ledger=True)
        await it.ledger.close()
        async with await open_ledger(tmp_path / "another.db") as it.ledger, reconnected(it):
            _, launcher = await it.launch(rows(16))
            assert launcher.taken_over.rows == 8
            await it.assert_agreement()
    assert anyio.current_time() < IN_TIME


async def test_a_run_that_is_listed_and_not_known_ends_a_launch_that_would_start_it_anew(tmp_path):
    async with bench(tmp_path) as it:
        await it.launch(rows(8), mode=Mode.DETACH)
        it.simulator.script(*parse_faults("GetRun:ResourceNotFoundException"))
        await it.ledger.close()
        async with await open_ledger(tmp_path / "another.db") as it.ledger, reconnected(it):
            with pytest.raises(ServiceUnusableError, match=r"GetRun .*, which ListRuns shows"):
                await it.launch(rows(8))
        assert anyio.current_time() < IN_TIME
        assert len(it.simulator.state().runs) == 8


async def test_a_run_that_is_gone_is_told_so_though_the_listing_has_no_end(tmp_path):
    async with spoilt(tmp_path, endless, simulated()) as it:
        await it.launch(rows(2), mode=Mode.DETACH, trusts_ledger=True)
        gone = (await it.entries())["row-0000"].run
        assert gone is not None
        await anyio.sleep(300)
        async with reconnected(it):
            await it.service.delete_run(gone.id)
            await it.launch(rows(2), trusts_ledger=True)
        states = [entry.state for entry in (await it.entries()).values()]
        assert states == [State.DELETED, State.SUCCEEDED]
        assert anyio.current_time() < IN_TIME
