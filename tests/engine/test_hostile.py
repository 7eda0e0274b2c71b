"""Launches against a service that says anything: none ends as a defect, and each batch comes to its end."""

from __future__ import annotations

import json
import random
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import pytest

from batchrun.clock import VirtualClock
from batchrun.engine.launcher import Stop
from batchrun.errors import ServiceUnusableError
from batchrun.ledger import open_ledger
from batchrun.ledger.verify import Verification
from batchrun.model.entries.states import State
from batchrun.model.planning.limits import Mode
from batchrun.model.planning.sweeps import Way
from batchrun.model.texts.foreign import KEPT
from batchrun.simulator import Settings
from tests.engine.launching import Bench, bench, reconnected, rows
from tests.hostile import JSON, Stranger, endless, head, spoiling, without
from tests.world import connected, simulated

#: What may stand where something else belongs, and is no lie that could be true.
NO_TEXT: list[Any] = [None, 5, -1, 1e308, True, "", [], [None], ["x"], {}, {"a": {}}, [[]]]
ODD = [*NO_TEXT, "half \ud83d", "\x00", "\x1b[2J", "x" * 50_000]
MESSAGES = {"statusMessage", "failureReason", "logStream"}
#: What a row cannot do without.
NEEDED = {
    "StartRun": {"id"},
    "GetRun": {"id", "status", "uuid", "tags"},
    "ListRuns": {"items", "nextToken"},
    "ListRunTasks": {"items", "nextToken"},
    "GetRunTask": {"taskId"},
}
FAILING: dict[str, Any] = {"failures": {"RUN_TASK_FAILED": 0.4}, "max_active": None}


@asynccontextmanager
async def spoilt(
    folder: Path, spoil: Callable[[str, Any], Any], settings: Settings | None = None, **options: Any
) -> AsyncIterator[Bench]:
    clock = VirtualClock()
    async with (
        spoiling(spoil, settings or simulated(**FAILING), clock) as (stranger, simulator),
        await open_ledger(folder / "batchrun.db") as ledger,
        connected(endpoint_url=stranger.url, clock=clock, **options) as (service, _),
    ):
        simulator.url = stranger.url
        yield Bench(ledger, service, simulator, clock)


async def test_half_a_surrogate_in_every_message_ends_no_launch(tmp_path):
    def spoil(_: str, said: Any) -> Any:
        return said | {"statusMessage": "half \ud83d of it", "failureReason": "ODD\udc00"}

    async with spoilt(tmp_path, spoil) as it:
        stop, _ = await it.launch(rows(5))
        assert stop is Stop.FINISHED
        await it.assert_agreement()
        messages = {entry.run and entry.run.status_message for entry in (await it.entries()).values()}
        assert messages == {"half \ufffd of it"}


@pytest.mark.long
@pytest.mark.parametrize("odd", ODD, ids=lambda odd: repr(odd)[:12])
@pytest.mark.parametrize("way", [Way.GET, Way.LIST])
async def test_what_a_row_can_do_without_may_be_anything_for_ever(tmp_path, odd, way):
    def spoil(operation: str, said: Any) -> Any:
        if operation == "ListRuns" and "items" in said:
            said["items"] = [dict.fromkeys(item, odd) | {"id": item["id"]} for item in said["items"]]
            return said
        return said | dict.fromkeys(without(NEEDED.get(operation, ()), said), odd)

    async with spoilt(tmp_path, spoil) as it:
        stop, launcher = await it.launch(rows(3), way=way)
        assert stop is Stop.FINISHED
        assert launcher.tally.open == 0
        assert [*Verification(it.path).findings()] == []
        for entry in (await it.entries()).values():
            assert entry.run is not None
            assert len(entry.run.status_message or "") <= KEPT


@pytest.mark.long
@pytest.mark.parametrize("odd", [None, 5, "x", {}, {"id": 5}, ["x"]], ids=repr)
async def test_a_listing_with_a_run_that_cannot_be_told_proves_nothing(tmp_path, odd):
    is_hostile = True

    def spoil(operation: str, said: Any) -> Any:
        return said | {"items": [*said["items"], odd]} if operation == "ListRuns" and is_hostile else said

    async with spoilt(tmp_path, spoil) as it:
        with pytest.raises(ServiceUnusableError, match="ListRuns: UnparsableAnswer"):
            await it.launch(rows(8))
        assert not it.simulator.state().runs
        is_hostile = False
        async with reconnected(it):
            launcher = it.launcher(await it.take_in(rows(8)), way=Way.LIST)
            async with anyio.create_task_group() as group:
                group.start_soon(launcher.run)
                await anyio.sleep(5)
                is_hostile = True  # from here on runs are only watched, for which a look at each does as well
            await it.assert_agreement()


@pytest.mark.long
@pytest.mark.parametrize("seed", range(6))
async def test_after_any_hostility_there_is_one_run_for_each_row(tmp_path, seed):
    chance = random.Random(seed)
    hostile_until = 400.0

    def spoil(_: str, said: Any) -> Any:
        if anyio.current_time() > hostile_until or chance.random() < 0.4:
            return said
        return mutated(chance, said)

    settings = simulated("StartRun:drop_after=0.1,*:error_before=0.1", **FAILING)
    async with spoilt(tmp_path, spoil, settings) as it:
        stop = None
        while stop is not Stop.FINISHED:
            try:
                stop, _ = await it.launch(rows(8), listing_lag=5)
            except ServiceUnusableError:  # what the client that has seen this learned stays with it
                await anyio.sleep(30)
        assert {entry.state for entry in (await it.entries()).values()} <= {State.SUCCEEDED, State.FAILED}
        await it.assert_agreement()
        assert [*Verification(it.path).findings()] == []


def mutated(chance: random.Random, said: Any) -> Any:
    """Put something odd somewhere into an answer."""
    whole = [b"", b"null", b"[1]", b"<html>", b"\xff", json.dumps(said).encode()[:-1], b"[" * 5000]
    if chance.random() < 0.2:
        return chance.choice(whole)
    name = chance.choice([*said])
    if isinstance(said[name], list) and said[name] and chance.random() < 0.7:
        items = said[name]
        at = chance.randrange(len(items))
        items[at] = mutated(chance, items[at]) if chance.random() < 0.7 else chance.choice(ODD)
        if isinstance(items[at], bytes):
            items[at] = None
    else:
        said[name] = chance.choice(ODD if name in MESSAGES else NO_TEXT)
    return said


@pytest.mark.parametrize("mode", [Mode.ONCE, Mode.DETACH])
async def test_a_byte_a_second_does_not_hold_a_pass(tmp_path, mode):
    slow = endless(head(200, {**JSON, "Content-Length": "100000"}), b" ", every=1)
    async with Stranger(slow).served() as stranger, bench(tmp_path, endpoint_url=stranger.url) as it:
        begun = anyio.current_time()
        with pytest.raises(ServiceUnusableError, match="ReadTimeoutError"):
            await it.launch(rows(3), mode=mode)
        assert anyio.current_time() - begun < 120
        assert {entry.state for entry in (await it.entries()).values()} <= {State.PLANNED, State.SUBMITTING}
