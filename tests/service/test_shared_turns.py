"""Turns that launchers share by a ledger, whatever the order in which they come, learn and go."""

from __future__ import annotations

import math
import random
from collections.abc import Awaitable
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import pairwise
from typing import TypeVar

import anyio
import pytest

from batchrun.clock import VirtualClock
from batchrun.engine.lanes.commons import LedgerPaces
from batchrun.errors import ThrottledError
from batchrun.ledger import SqlLedger, open_ledger
from batchrun.model.paces.pace import Pace
from batchrun.model.paces.rates import Rate
from batchrun.ports.call_paces import SharedPaces
from batchrun.ports.stored import Commons, LeftPace, Stretch
from batchrun.service.calling.pacing import Turns
from tests.model.bucket import Bucket

T = TypeVar("T")
STARTS = Commons(region="us-east-1", account="1" * 12, operation="StartRun")
THROTTLED = ThrottledError("no", operation="StartRun", code="ThrottlingException")


class Slow(SharedPaces):
    """Paces in a ledger that takes up to 20 ms for each word, and as long for its answer."""

    def __init__(self, paces: SharedPaces, chance: random.Random) -> None:
        self._paces = paces
        self._chance = chance
        self.taken = 0

    async def _soon(self, answer: Awaitable[T]) -> T:
        await anyio.sleep(self._chance.random() / 50)
        answered = await answer
        await anyio.sleep(self._chance.random() / 50)
        return answered

    async def are_shared(self, commons: Commons) -> bool:
        return await self._soon(self._paces.are_shared(commons))

    async def room(self, commons: Commons) -> float:
        return await self._soon(self._paces.room(commons))

    async def take(self, commons: Commons, seconds: float) -> Stretch:
        self.taken += 1
        return await self._soon(self._paces.take(commons, seconds))

    async def leave(self, commons: Commons, state: str, stretch: Stretch) -> None:
        await self._soon(self._paces.leave(commons, state, stretch))

    async def left(self, commons: Commons) -> LeftPace | None:
        return await self._soon(self._paces.left(commons))


@dataclass(slots=True)
class Account:
    """What launchers of one ledger have in common, and what became of their calls."""

    ledger: SqlLedger
    bucket: Bucket
    clock: VirtualClock
    seed: int
    answer: float = 0.005  #: seconds that a call takes
    rates: list[tuple[float, float]] = field(default_factory=list)  #: when, and from when on calls per second
    passed: int = 0
    throttled: int = 0
    taken: int = 0

    async def launch(
        self, name: str, calls: int, *, after: float = 0.0, stays: float = 0.0, at_once: int = 32
    ) -> None:
        """Make so many calls, as a launcher that comes *after* seconds, and *stays* on."""
        chance = random.Random(f"{name} {self.seed}")
        await anyio.sleep(after)
        at = self.clock.utcnow()
        await self.ledger.open_batch(name, region=STARTS.region, account=STARTS.account, at=at)
        held = await self.ledger.hold(name, holder=name, ttl=timedelta(hours=9), at=at)
        turns = Turns(Pace(supposed=5.0), self.clock, operation="StartRun")
        paces = Slow(LedgerPaces(self.ledger, holder=name, clock=self.clock), chance)
        turns.share(paces, lambda: STARTS)
        left = iter(range(calls))

        async def work() -> None:
            for _ in left:
                while not await self._call(turns):
                    pass

        async with anyio.create_task_group() as group:
            for _ in range(at_once):
                group.start_soon(work)
        self.taken += paces.taken
        await anyio.sleep(stays)
        await held.release()

    async def _call(self, turns: Turns) -> bool:
        turn = await turns.turn(early=0.02)
        await anyio.sleep(max(0.0, turn - self.clock.monotonic()))
        sent = self.clock.monotonic()
        await anyio.sleep(self.answer)
        passes = self.bucket.take(self.clock.monotonic())
        turns.answered(sent, None if passes else THROTTLED)
        self.passed, self.throttled = self.passed + passes, self.throttled + (not passes)
        self.rates.append((sent, turns.pace.rate))
        return passes

    @property
    def share(self) -> float:
        """The share of the calls that was throttled."""
        return self.throttled / (self.passed + self.throttled)

    @property
    def took(self) -> float:
        """How long it took, over the least time."""
        return self.rates[-1][0] / ((self.passed - self.bucket.burst) / self.bucket.rate)


async def played(folder, *launches, rate: float = 8, burst: int = 8, seed: int = 0, **account) -> Account:
    async with await open_ledger(folder / f"{seed}.db") as ledger, anyio.create_task_group() as group:
        played = Account(ledger, Bucket(rate, burst, **account), VirtualClock(), seed)
        for number, launch in enumerate(launches):
            group.start_soon(lambda launch, name: played.launch(name, **launch), launch, f"batch{number}")
    return played


@pytest.mark.parametrize("apart", [0.0, 0.01, 0.02, 0.03, 0.05, 0.2])
async def test_two_that_begin_beside_each_other_find_a_limit_once(tmp_path, apart):
    """Each by itself they cut twice: 4, 2, 1 calls per second, where 8 pass."""
    both = await played(tmp_path, {"calls": 80}, {"calls": 80, "after": apart}, burst=1)
    assert min(rate for _, rate in both.rates) >= 4
    assert both.throttled <= 4  # as by one: the first, and three that measure


@pytest.mark.parametrize("at_once", [1, 4])
async def test_where_nothing_passes_launchers_that_share_hardly_ask(tmp_path, at_once):
    """Calls in the air at a change of hands were taken to pass: together they made 6.8 calls per second."""
    async with await open_ledger(tmp_path / "ledger.db") as ledger:
        both = Account(ledger, Bucket(8, 8), VirtualClock(), 0, answer=0.3)
        with anyio.move_on_after(460):
            async with anyio.create_task_group() as group:
                for name in ("one", "two"):
                    group.start_soon(lambda name: both.launch(name, 10_000, at_once=at_once), name)
                await anyio.sleep(60)
                both.bucket.rate = 1e-9
    assert both.passed > 300
    assert len([at for at, _ in both.rates if at >= 300]) <= 160 / 4


@pytest.mark.parametrize("apart", [0.0, 0.02, 0.5, 1.2])
async def test_whatever_the_order_two_keep_a_limit_as_one(tmp_path, apart):
    both = await played(tmp_path, {"calls": 300}, {"calls": 300, "after": apart})
    assert both.share < 0.01
    assert both.took <= 1.02


async def test_who_waits_alone_for_long_looks_for_others_four_times_a_second(tmp_path, monkeypatch):
    looks, clock = [], VirtualClock()
    look = LedgerPaces.are_shared

    async def counted(paces: LedgerPaces, commons: Commons) -> bool:
        looks.append(clock.monotonic())
        return await look(paces, commons)

    monkeypatch.setattr(LedgerPaces, "are_shared", counted)
    async with await open_ledger(tmp_path / "alone.db") as ledger:
        turns = Turns(Pace(Rate(most=0.05)), clock, operation="StartRun")
        turns.share(LedgerPaces(ledger, holder="one", clock=clock), lambda: STARTS)
        for _ in range(4):
            await turns.turn()
    since = looks[0]
    assert len([at for at in looks if at < since + 10]) >= 90
    assert max(later - at for at, later in pairwise(looks)) < 0.3
    assert len([at for at in looks if since + 11 <= at < since + 51]) <= 165


async def test_a_newcomer_takes_over_what_was_learned_alone(tmp_path):
    """It would open at an empty bucket, and take the burst for 1: a tenth of all calls was throttled then."""
    both = await played(tmp_path, {"calls": 300}, {"calls": 20, "after": 15.0})
    assert both.share < 0.01
    assert min(rate for at, rate in both.rates if at > 10) > 7


@pytest.mark.parametrize("apart", [0.0, 0.02, 0.5])
async def test_what_one_learned_last_is_known_to_who_is_left_alone(tmp_path, apart):
    both = await played(tmp_path, {"calls": 300}, {"calls": 20, "after": apart})
    assert both.throttled <= 4
    assert both.took <= 1.02


async def test_who_makes_no_calls_holds_nobody_up(tmp_path):
    both = await played(tmp_path, {"calls": 300}, {"calls": 0, "stays": 60.0})
    assert both.took <= 1.02


async def test_a_slow_pace_asks_for_no_stretch_that_has_no_turn(tmp_path):
    both = await played(tmp_path, {"calls": 4}, {"calls": 4}, rate=1 / 20, burst=1)
    assert (both.passed, both.taken < both.rates[-1][0]) == (8, True)


async def test_a_bound_is_kept_by_all_of_them_together(tmp_path):
    async with await open_ledger(tmp_path / "bound.db") as ledger:
        clock = VirtualClock()
        at, all_turns = clock.utcnow(), []
        for name in ("one", "other"):
            await ledger.open_batch(name, region=STARTS.region, account=STARTS.account, at=at)
            await ledger.hold(name, holder=name, ttl=timedelta(hours=9), at=at)

        async def launch(name: str) -> None:
            turns = Turns(Pace(Rate(most=5.0)), clock, operation="StartRun")
            turns.share(LedgerPaces(ledger, holder=name, clock=clock), lambda: STARTS)
            for _ in range(20):
                all_turns.append(await turns.turn())
                turns.answered(clock.monotonic())

        async with anyio.create_task_group() as group:
            group.start_soon(launch, "one")
            group.start_soon(launch, "other")
    assert max(all_turns) - min(all_turns) >= 39 / 5 - 0.1
    assert not math.isinf(max(all_turns))
