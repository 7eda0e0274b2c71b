"""Launches for tests: the real engine, client, ledger and simulator, in virtual time."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

from batchrun.clock import VirtualClock
from batchrun.engine.launcher import Launcher, Stop, Timing
from batchrun.engine.parts import LaneLink, LaunchParts, WakeLink
from batchrun.engine.reach import Reach
from batchrun.engine.recognition import Recognition
from batchrun.errors import CallError
from batchrun.ledger import SqlLedger, open_ledger
from batchrun.model.entries.entry import Entry
from batchrun.model.entries.events import Event, kind
from batchrun.model.entries.policies import WatchPolicy
from batchrun.model.planning.limits import Changed, Limits
from batchrun.model.spec import Spec
from batchrun.model.tasks import FailedTasks
from batchrun.ports.held import HeldBatch
from batchrun.ports.objects import SettingsPlace
from batchrun.ports.service import HealthOmics, WakeQueue
from batchrun.service.client import AwsHealthOmics
from batchrun.simulator import Settings, Simulator
from tests.builders import spec
from tests.world import SELDOM, connected

OFTEN = WatchPolicy()


class Told:
    """An observer that keeps what it is told."""

    def __init__(self) -> None:
        self.steps: list[tuple[str, str]] = []
        self.failed_looks: list[str] = []
        self.failed_tasks: dict[tuple[str, int], FailedTasks] = {}

    def recorded(self, before: Entry, event: Event, after: Entry) -> None:
        assert before.id == after.id
        self.steps.append((after.id, kind(event)))

    def look_failed(self, entry: Entry, error: CallError) -> None:
        assert error.operation in {"GetRun", "ListRuns"}
        self.failed_looks.append(entry.id)

    def tasks_found(self, entry_id: str, attempt: int, found: FailedTasks) -> None:
        self.failed_tasks[entry_id, attempt] = found


class Bench:
    """One batch on one ledger against one simulated account; launch it as often as you like."""

    def __init__(
        self, ledger: SqlLedger, service: AwsHealthOmics, simulator: Simulator, clock: VirtualClock
    ) -> None:
        self.ledger = ledger
        self.service = service
        self.simulator = simulator
        self.clock = clock
        self.told = Told()
        self.ttl = timedelta(seconds=300)
        self.notice = 60.0
        self.wakes: Sequence[WakeQueue] = ()
        self.settings: SettingsPlace | None = None
        assert ledger.path is not None
        self.path = ledger.path

    async def take_in(self, specs: Iterable[Spec], changed: Changed = Changed.REFUSE) -> HeldBatch:
        now = self.clock.utcnow()
        await self.ledger.open_batch("cohort", region="us-east-1", at=now)
        held = await self.ledger.hold("cohort", holder="test:1", ttl=self.ttl, at=now)
        await held.sync(specs, changed=changed, at=now)
        return held

    def launcher(self, held: HeldBatch, *, deadline: float | None = None, **limits: Any) -> Launcher:
        parts = LaunchParts(
            ledger=self.ledger,
            held=held,
            links=[
                LaneLink(
                    service=self.service,
                    recognition=Recognition(held, self.service),
                    settings=self.settings,
                )
            ],
            limits=Limits(**{"watch": SELDOM, **limits}),
            clock=self.clock,
            wakes=[WakeLink(queues=[queue]) for queue in self.wakes],
        )
        timing = Timing(lease=self.ttl, deadline=deadline, notice=self.notice)
        return Launcher(parts, timing=timing, observer=self.told)

    async def launch(
        self, specs: Iterable[Spec], *, changed: Changed = Changed.REFUSE, **options: Any
    ) -> tuple[Stop, Launcher]:
        launcher = self.launcher(await self.take_in(specs, changed), changed=changed, **options)
        try:
            return await launcher.run(), launcher
        finally:
            await launcher._held.release()

    async def entries(self) -> dict[str, Entry]:
        story = self.ledger.batch("cohort").story
        return {outcome.entry.id: outcome.entry async for outcome in story.outcomes()}

    async def assert_agreement(self) -> None:
        """Hold the ledger against what really happened: one run per row, and the same uuids and ends."""
        runs = {record.tags["batchrun:id"]: record for record in self.simulator.state().runs}
        entries = await self.entries()
        assert len(runs) == len(self.simulator.state().runs), "a row was started twice"
        assert {id for id, entry in entries.items() if entry.run} == set(runs), "a run was forgotten"
        for id, record in runs.items():
            run = entries[id].run
            assert run is not None
            assert (run.id, run.uuid, run.output_uri) == (record.id, record.uuid, record.run_output_uri)
            assert run.status == str(record.status)


def reached(service: HealthOmics) -> Reach:
    """The way to the runs of a batch without lanes."""
    return Reach(services={None: service})


@asynccontextmanager
async def bench(folder: Path, settings: Settings | None = None, **options: Any) -> AsyncIterator[Bench]:
    clock = VirtualClock()
    async with (
        connected(settings, clock=clock, **options) as (service, simulator),
        await open_ledger(folder / "batchrun.db") as ledger,
    ):
        yield Bench(ledger, service, simulator, clock)


@asynccontextmanager
async def reconnected(it: Bench, **options: Any) -> AsyncIterator[None]:
    """Return *it* a new client, as the next launch has one: a client that drained is in a hurry for ever."""
    async with connected(endpoint_url=it.simulator.url, clock=it.clock, **options) as (service, _):
        before, it.service = it.service, service
        try:
            yield
        finally:
            it.service = before


def rows(count: int, **fields: Any) -> list[Spec]:
    return [spec(f"row-{number:04}", number, **fields) for number in range(count)]
