"""Queues that lanes name: each wakes its own lanes, over real clients and the simulators' queues."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from batchrun.engine.parts import WakeLink
from batchrun.model.entries.entry import Entry
from batchrun.model.entries.events import Event
from batchrun.model.entries.policies import WatchPolicy
from batchrun.model.entries.states import ENDED
from batchrun.model.texts.queue_names import read_queue
from batchrun.ports.service import WakeQueue
from batchrun.service.login import Login
from batchrun.service.messages import sqs_queue
from batchrun.service.target import Target
from batchrun.simulator import Durations, Span
from batchrun.simulator.faults import FaultRule
from batchrun.simulator.json_services import Queue
from tests.engine.lanes import LaneBench, lane_bench, rows
from tests.engine.test_sweeps import settings

pytestmark = pytest.mark.long

#: Few looks at runs of minutes, and one right after a message.
SELDOM = WatchPolicy(share_of_few=0.4)
FEW = 6
SPREAD = Durations(pending=Span(mean=5), starting=Span(mean=5), running=Span(mean=200, spread=0.5))


class Woken:
    """Two lanes, the queues of both, and when each end was recorded."""

    def __init__(self, it: LaneBench, stack: AsyncExitStack) -> None:
        self.it = it
        self._stack = stack
        self._seen: dict[str, float] = {}
        self._told = it.told.recorded
        it.told.recorded = self._recorded  # type: ignore[method-assign]

    def _recorded(self, before: Entry, event: Event, after: Entry) -> None:
        self._told(before, event, after)
        if after.state in ENDED:
            self._seen[after.id] = self.it.clock.monotonic()

    async def queue(self, lane: str, name: str = "wakes", url: str | None = None) -> WakeQueue:
        queue = read_queue(f"sqs:{url or self.it.simulators[lane].url}/123456789012/{name}")
        connecting = sqs_queue(
            Login(Target(region="us-east-1")), queue, wall=lambda: self.it.clock.utcnow().timestamp()
        )
        return await self._stack.enter_async_context(connecting)

    def kept(self, lane: str) -> Queue:
        return self.it.simulators[lane]._queues._queues["wakes"]

    def delay(self, lane: str) -> float:
        """Seconds after which the last-seen end of a lane was seen."""
        runs = self.it.simulators[lane].state().runs
        return max(self._seen[run.tags["batchrun:id"]] - (run.stopped or 0) for run in runs)

    async def launch(self) -> list[dict[str, Any]]:
        specs = [*rows(FEW, "east", prefix="e"), *rows(FEW, "west", prefix="w", start=FEW)]
        with capture_logs() as logs:
            await self.it.launch(specs, watch=SELDOM)
        await self.it.assert_agreement()
        return [{**one} for one in logs if one["event"].startswith("wake_")]


@asynccontextmanager
async def woken(folder: Path) -> AsyncIterator[Woken]:
    options = {"settings": settings(durations=SPREAD), "read_rate": 10}
    async with lane_bench(folder, east=options, west=options) as it, AsyncExitStack() as stack:
        yield Woken(it, stack)


async def test_a_silent_queue_of_one_lane_touches_no_other(tmp_path):
    async with woken(tmp_path) as they:
        east, west = await they.queue("east"), await they.queue("west")
        they.it.wakes = [
            WakeLink(queues=[east], lanes=frozenset({"east"})),
            WakeLink(queues=[west], lanes=frozenset({"west"})),
        ]
        rule = FaultRule(operation="ReceiveMessage", fault="AccessDeniedException")
        they.it.simulators["west"].script(rule)
        logs = await they.launch()
        assert [one["event"] for one in logs] == ["wake_queue_silent"]
        assert they.delay("east") <= 5
        assert not they.kept("east").messages
        assert they.delay("west") <= SELDOM.longest * 1.2  # the usual pace


async def test_lanes_with_one_queue_share_it_and_the_login_that_is_let_in_asks(tmp_path):
    """As where one lane's account may not ask the other's queue; here its calls arrive nowhere."""
    async with woken(tmp_path) as they:
        nowhere = await they.queue("west", url="http://127.0.0.1:9")
        queue = await they.queue("east")
        they.it.wakes = [WakeLink(queues=[nowhere, queue], lanes=frozenset({"east", "west"}))]
        logs = await they.launch()
        assert logs == []  # nobody had to be told: the next login was let in
        assert they.delay("east") <= 5
        assert not they.kept("east").messages


async def test_a_queue_that_a_manifest_names_and_that_is_somebody_elses_is_left_alone(tmp_path):
    async with woken(tmp_path) as they:
        queue = await they.queue("east")
        orders = json.dumps({"order": 7})
        await queue.send(orders)  # type: ignore[attr-defined]  # SqsQueue's own
        they.it.wakes = [WakeLink(queues=[queue], lanes=frozenset({"east"}), is_given=False)]
        logs = await they.launch()
        assert [one["event"] for one in logs] == ["wake_queue_left"]
        (message,) = (one for one in they.kept("east").messages.values() if one.body == orders)
        assert message.receives == 1
        assert they.delay("east") <= SELDOM.longest * 1.2
