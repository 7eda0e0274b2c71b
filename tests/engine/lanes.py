"""Launches over two lanes: the real engine, clients and ledger, a simulator for each, in virtual time."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Iterable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

from batchrun.clock import VirtualClock
from batchrun.engine.launcher import Launcher, Stop, Timing
from batchrun.engine.parts import LaneLink, LaunchParts, WakeLink
from batchrun.engine.recognition import Recognition
from batchrun.errors import ServiceUnusableError
from batchrun.ledger import SqlLedger, open_ledger
from batchrun.model.entries.entry import Entry
from batchrun.model.lanes import Offer, offers_text
from batchrun.model.planning.limits import Changed, LaneLimits, Limits
from batchrun.model.spec import Spec
from batchrun.ports.service import LaneTrouble
from batchrun.service.client import AwsHealthOmics
from batchrun.simulator import Simulator
from tests.builders import request, spec
from tests.engine.launching import Told
from tests.world import SELDOM, connected, simulated

PLACES = {"east": ("us-east-1", "111111111111"), "west": ("us-west-2", "222222222222")}


class LaneBench:
    """One batch on one ledger against an account in each lane."""

    def __init__(
        self,
        ledger: SqlLedger,
        services: Mapping[str, AwsHealthOmics],
        simulators: Mapping[str, Simulator],
        clock: VirtualClock,
    ) -> None:
        self.ledger = ledger
        self.services = dict(services)
        self.simulators = simulators
        self.clock = clock
        self.told = Told()
        self.ttl = timedelta(seconds=300)
        self.wakes: Sequence[WakeLink] = ()
        self.launcher: Launcher  #: the last

    async def launch(
        self,
        specs: Iterable[Spec],
        *,
        max_active: Mapping[str, int] = {},
        deadline: float | None = None,
        home: str | None = "east",
        changed: Changed = Changed.REFUSE,
        stopped: Collection[str] = (),
        **limits: Any,
    ) -> tuple[Stop, Launcher]:
        now = self.clock.utcnow()
        await self.ledger.open_batch("cohort", region="us-east-1", at=now)
        held = await self.ledger.hold("cohort", holder="test:1", ttl=self.ttl, at=now)
        try:
            for lane, service in self.services.items():
                await service.ask_account()
                region, account = PLACES[lane]
                await held.keep_lane(lane, region=region, account=account, at=now)
                service.expect(account)
            await held.sync(specs, changed=changed, at=now, home=home)
            links = [
                LaneLink(
                    service=service.apart(),
                    recognition=Recognition(held, service, lane=lane, is_home=lane == home),
                    limits=LaneLimits(name=lane, max_active=max_active.get(lane)),
                )
                for lane, service in self.services.items()
                if lane not in stopped
            ]
            parts = LaunchParts(
                ledger=self.ledger,
                held=held,
                links=links,
                limits=Limits(**{"watch": SELDOM, "changed": changed, **limits}),
                clock=self.clock,
                home=home,
                wakes=self.wakes,
                stopped={lane: ServiceUnusableError("no login") for lane in stopped},
            )
            timing = Timing(lease=self.ttl, deadline=deadline)
            self.launcher = Launcher(parts, timing=timing, observer=self.told)
            return await self.launcher.run(), self.launcher
        finally:
            await held.release()

    async def troubles_at(self, seconds: float, found: list[Mapping[str, LaneTrouble]]) -> None:
        """Take down the troubles of lanes so long from now."""
        await self.clock.sleep(seconds)
        found.append(self.launcher.troubles.lanes)

    async def entries(self) -> dict[str, Entry]:
        story = self.ledger.batch("cohort").story
        return {outcome.entry.id: outcome.entry async for outcome in story.outcomes()}

    async def assert_agreement(self) -> dict[str, list[str]]:
        """Hold the ledger against what is in both lanes: one run per attempt; returns the rows by lane."""
        entries = await self.entries()
        found: dict[str, list[str]] = {}
        attempts: list[tuple[str, str]] = []
        for lane, simulator in self.simulators.items():
            for record in simulator.state().runs:
                attempts.append((record.tags["batchrun:id"], record.tags["batchrun:attempt"]))
                entry = entries[record.tags["batchrun:id"]]
                if record.tags["batchrun:attempt"] != str(entry.attempt):
                    continue
                found.setdefault(lane, []).append(entry.id)
                assert entry.lane == lane
                assert entry.run is not None
                assert (entry.run.uuid, entry.run.status) == (record.uuid, str(record.status))
        assert len(attempts) == len(set(attempts)), "an attempt was started twice"
        assert {id for id, entry in entries.items() if entry.run} == {
            id for ids in found.values() for id in ids
        }
        return found


@asynccontextmanager
async def lane_bench(folder: Path, **by_lane: Mapping[str, Any]) -> AsyncIterator[LaneBench]:
    """Make a lane of each name; its mapping is what ``connected`` takes, and ``settings`` the simulator's."""
    clock = VirtualClock()
    async with AsyncExitStack() as stack:
        services, simulators = {}, {}
        for lane, options in (by_lane or {"east": {}, "west": {}}).items():
            region, account = PLACES[lane]
            own = dict(options)
            settings = replace(own.pop("settings", simulated()), region=region, account=account)
            connecting = connected(settings, clock=clock, region=region, **own)
            services[lane], simulators[lane] = await stack.enter_async_context(connecting)
        ledger = await stack.enter_async_context(await open_ledger(folder / "batchrun.db"))
        yield LaneBench(ledger, services, simulators, clock)


def row(id: str, position: int, *lanes: str, closed: tuple[str, ...] = (), **fields: Any) -> Spec:
    """A row that may take *lanes*, and *closed* ones after a retry rule said so."""
    made = spec(id, position, **fields)
    text = request(**({"name": f"cohort-{id}"} | fields))
    offers = [Offer(lane=lane, request=text, is_open=lane not in closed) for lane in (*lanes, *closed)]
    return replace(made, offers=offers_text(offers))


def rows(count: int, *lanes: str, start: int = 0, prefix: str = "row", **fields: Any) -> list[Spec]:
    return [row(f"{prefix}-{number:04}", start + number, *lanes, **fields) for number in range(count)]
