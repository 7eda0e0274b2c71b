"""Launches that messages wake, over the real client, ledger and the simulator's queue, in virtual time."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import anyio
import pytest
from structlog.testing import capture_logs

from batchrun.model.entries.entry import Entry
from batchrun.model.entries.events import Event
from batchrun.model.entries.states import ENDED
from batchrun.model.planning.announcing import RARER, read_announcement
from batchrun.model.texts.queue_names import read_queue
from batchrun.ports.service import WakeMessage
from batchrun.service.login import Login
from batchrun.service.messages import SqsQueue, sqs_queue
from batchrun.service.target import Target
from batchrun.simulator import Durations, Span
from batchrun.simulator.faults import FaultRule
from batchrun.simulator.json_services import Queue
from tests.engine.launching import OFTEN, Bench, bench, reconnected, rows
from tests.engine.test_sweeps import calls, settings

pytestmark = pytest.mark.long

ROWS = 120
FEW = 20
#: Ends that are spread over ten minutes.
LONG = Durations(
    pending=Span(mean=5), starting=Span(mean=5), running=Span(mean=580, spread=0.5), stopping=Span(mean=10)
)

SHORT = replace(LONG, running=Span(mean=100, spread=0.5))
LONGER = replace(LONG, running=Span(mean=1100, spread=0.5))


@asynccontextmanager
async def waking(folder: Path, **changes: Any) -> AsyncIterator[tuple[Bench, SqsQueue]]:
    async with bench(folder, settings(**{"durations": LONG, **changes}), read_rate=10) as it:
        queue = read_queue(f"sqs:{it.simulator.url}/123456789012/wakes")
        login = Login(Target(region="us-east-1"))
        async with sqs_queue(login, queue, wall=lambda: it.clock.utcnow().timestamp()) as found:
            yield it, found


def kept(it: Bench) -> Queue:
    """Return what the simulator's queue has."""
    return it.simulator._queues._queues["wakes"]


class Ends:
    """Keeps when each end was recorded."""

    def __init__(self, it: Bench) -> None:
        self._it = it
        self._told = it.told.recorded
        self._seen: dict[str, float] = {}
        self._lists = 0
        it.told.recorded = self.recorded  # type: ignore[method-assign]

    def recorded(self, before: Entry, event: Event, after: Entry) -> None:
        self._told(before, event, after)
        if after.state in ENDED:
            self._lists = self._lists or calls(self._it, "ListRuns")
            self._seen[after.id] = self._it.clock.monotonic()

    @property
    def lists(self) -> int:
        """Calls of ListRuns since the first end."""
        return calls(self._it, "ListRuns") - self._lists

    @property
    def delays(self) -> list[float]:
        """Seconds after which ends were seen, in order."""
        runs = self._it.simulator.state().runs
        return sorted(self._seen[run.tags["batchrun:id"]] - (run.stopped or 0) for run in runs)


async def test_ends_are_seen_within_seconds_at_a_tenth_of_the_calls(tmp_path):
    async with waking(tmp_path, durations=LONGER) as (it, _):
        polled = Ends(it)
        await it.launch(rows(ROWS), watch=OFTEN)
    (tmp_path / "woken").mkdir()
    async with waking(tmp_path / "woken", durations=LONGER) as (it, queue):
        it.wakes = [queue]
        ends = Ends(it)
        await it.launch(rows(ROWS), watch=OFTEN)
        await it.assert_agreement()
        assert ends.delays[int(0.95 * ROWS)] <= 5
        assert calls(it, "GetRun") <= 1.05 * ROWS
        assert ends.lists <= polled.lists / 10
        assert not kept(it).messages


@pytest.mark.parametrize(("loss", "latest"), [(0.5, OFTEN.longest * RARER * 1.2), (1.0, OFTEN.longest * 1.2)])
async def test_lost_messages_cost_time_and_a_silent_queue_nothing(tmp_path, loss, latest):
    async with waking(tmp_path, event_loss=loss) as (it, queue):
        it.wakes = [queue]
        ends = Ends(it)
        await it.launch(rows(FEW), watch=OFTEN)
        await it.assert_agreement()
        assert ends.delays[-1] <= latest


async def test_a_queue_that_waits_for_no_message_is_not_asked_all_the_time(tmp_path, monkeypatch):
    asked = 0
    async with waking(tmp_path) as (it, queue):

        async def receive() -> Sequence[WakeMessage]:
            nonlocal asked
            asked += 1
            return await SqsQueue.receive(queue, seconds=0)

        monkeypatch.setattr(queue, "receive", receive)
        it.wakes = [queue]
        begun = it.clock.monotonic()
        await it.launch(rows(FEW), watch=OFTEN)
        await it.assert_agreement()
        assert asked <= it.clock.monotonic() - begun + FEW + 1


async def test_a_queue_that_is_always_full_of_other_messages_is_not_asked_all_the_time(tmp_path, monkeypatch):
    """Seen: 35 calls a second, and each message looked up in the ledger."""
    asked = 0
    async with waking(tmp_path, durations=SHORT) as (it, queue):

        async def receive() -> Sequence[WakeMessage]:
            nonlocal asked
            asked += 1
            await it.clock.sleep(0.02)
            return [WakeMessage(body=event("other-run"), receipt="r", age=0)]

        monkeypatch.setattr(queue, "receive", receive)
        it.wakes = [queue]
        begun = it.clock.monotonic()
        await it.launch(rows(3), watch=OFTEN)
        await it.assert_agreement()
        assert asked <= 4 * (it.clock.monotonic() - begun) + 25


HOSTILE = (
    "",
    "null",
    "[" * 50_000,
    "x" * 263_000,
    json.dumps({"source": "aws.omics", "detail-type": "Run Status Change", "detail": {"uuid": ["x"]}}),
    json.dumps({"source": "aws.omics", "detail-type": "Run Status Change", "detail": "x" * 70}),
    json.dumps({"source": "evil", "detail-type": "Run Status Change", "detail": {"uuid": "x"}}),
)


def event(uuid: str, status: str = "COMPLETED") -> str:
    detail = {"uuid": uuid, "status": status}
    return json.dumps({"source": "aws.omics", "detail-type": "Run Status Change", "detail": detail})


async def test_other_peoples_early_and_hostile_messages_change_nothing(tmp_path, monkeypatch):
    async with waking(tmp_path) as (it, queue):
        it.wakes = [queue]
        noted: list[bool] = []
        delete = queue.delete

        async def watched(receipts: Sequence[str]) -> None:
            """Look whether the ledger has the ends of which messages are deleted."""
            bodies = [kept(it).messages[one.partition("#")[0]].body for one in receipts]
            states = {one.run.uuid: one.state for one in (await it.entries()).values() if one.run}
            said = [read_announcement(body) for body in bodies]
            noted.extend(states[one.run] in ENDED for one in said if one is not None and one.run in states)
            await delete(receipts)

        monkeypatch.setattr(queue, "delete", watched)

        async def disturb() -> None:
            await it.clock.sleep(60)
            for run in it.simulator.state().runs:
                await queue.send(event(run.uuid))  # long before its end
                await queue.send(event(run.uuid, "RUNNING"))
            for body in (*HOSTILE, event("other-run"), json.dumps({"Type": "Notification", "Message": "x"})):
                await queue.send(body)

        async with anyio.create_task_group() as group:
            group.start_soon(disturb)
            await it.launch(rows(FEW), watch=OFTEN)
        await it.assert_agreement()
        assert noted.count(True) >= FEW
        assert all(noted)
        # What is nobody's was left for five minutes, and is gone by now; what speaks of no end says nothing.
        assert len(kept(it).messages) == 0


async def test_messages_that_a_killed_launch_did_not_delete_change_nothing_twice(tmp_path, monkeypatch):
    """As after a SIGKILL: the ends are in the ledger, and every message comes again to the next launch."""
    async with waking(tmp_path, durations=SHORT) as (it, queue):
        it.wakes = [queue]

        async def lost(_: Sequence[str]) -> None:
            """Delete nothing: it was killed before."""

        with monkeypatch.context() as killed:
            killed.setattr(queue, "delete", lost)
            await it.launch(rows(FEW), watch=OFTEN)
        left = [one.body for one in kept(it).messages.values()]
        assert len([one for one in map(read_announcement, left) if one]) >= FEW
        before = await stories(it)
        await it.clock.sleep(60)
        async with reconnected(it, read_rate=10):
            await it.launch(rows(FEW + 5), watch=OFTEN)
        await it.assert_agreement()
        after = await stories(it)
        assert {id: after[id] for id in before} == before
        assert not kept(it).messages


async def stories(it: Bench) -> dict[str, Sequence[object]]:
    """Return every event of each row."""
    batch = it.ledger.batch("cohort")
    return {id: await batch.history(id) for id in await it.entries()}


async def test_a_queue_that_may_not_be_asked_is_told_of_and_does_no_harm(tmp_path):
    async with waking(tmp_path) as (it, queue):
        it.wakes = [queue]
        it.simulator.script(FaultRule(operation="ReceiveMessage", fault="AccessDeniedException", times=9))
        with capture_logs() as logs:
            await it.launch(rows(FEW), watch=OFTEN)
        await it.assert_agreement()
        told = [(one["event"], one.get("cure")) for one in logs if one["event"].startswith("wake_")]
        cure = "allow sqs:ReceiveMessage and sqs:DeleteMessage on it"
        assert told == [("wake_queue_silent", cure), ("wake_queue_back", None)]
