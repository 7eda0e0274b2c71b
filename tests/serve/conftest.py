"""A ledger that is served: written by one connection, as a launch does, and read by the server's."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from batchrun.clock import Clock, SystemClock, VirtualClock
from batchrun.ledger import open_ledger
from batchrun.model.planning.limits import Changed
from batchrun.model.spec import Spec
from batchrun.ports.held import HeldBatch
from batchrun.ports.ledger import Ledger
from batchrun.serve.access import Rules, TrustedProxy
from batchrun.serve.live import Outdated
from batchrun.serve.server import opened_doors, serving
from tests.ledger.samples import AT, lease_on, specs
from tests.postgres.fixtures import database, in_postgres, postgres

__all__ = ["database", "in_postgres", "postgres"]

TOKEN, SESSION = "t" * 43, "s" * 43


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """A server, and the ledger that it shows."""

    url: str
    ledger: Ledger  #: to write to
    http: aiohttp.ClientSession
    cookie: dict[str, str] = field(default_factory=dict)
    outdated: Outdated = field(default_factory=Outdated)  #: what the pages say of the file

    @property
    def link(self) -> str:
        return f"{self.url}/?token={TOKEN}"

    async def get(self, path: str, **options: Any) -> tuple[int, str]:
        """Ask for a page as somebody who was let in, and return its status and text."""
        async with self.http.get(self.url + path, headers=self.cookie, **options) as answer:
            return answer.status, await answer.text()

    async def facts(self, path: str) -> dict[str, Any]:
        status, text = await self.get(path)
        assert status == 200, text
        facts: dict[str, Any] = json.loads(text)
        return facts


@asynccontextmanager
async def site(
    place: Path | str, clock: Clock, *, bound: str = "127.0.0.1", proxy: TrustedProxy | None = None
) -> AsyncIterator[Site]:
    path = place / "batchrun.db" if isinstance(place, Path) else place
    outdated = Outdated()
    rules = Rules(bound=bound, token=TOKEN, session=SESSION, names=frozenset({"lab.example"}), proxy=proxy)
    async with (
        await open_ledger(path) as writing,
        await open_ledger(path, read_only=True) as reading,
        aiohttp.ClientSession() as http,
        opened_doors(rules, 0) as doors,
        serving(reading, doors, clock, outdated=outdated),
    ):
        cookie = {"Cookie": f"batchrun-{doors.at.port}={SESSION}"}
        yield Site(url=doors.at.url, ledger=writing, http=http, cookie=cookie, outdated=outdated)


async def held_open(place: Path | str, clock: Clock) -> AsyncIterator[Site]:
    """Keep it open in one task: a fixture ends in another than it begins in."""
    made, is_over = asyncio.get_running_loop().create_future(), asyncio.Event()

    async def hold() -> None:
        async with site(place, clock) as opened:
            made.set_result(opened)
            await is_over.wait()

    task = asyncio.create_task(hold())
    await asyncio.wait([task, made], return_when=asyncio.FIRST_COMPLETED)
    if made.done():
        yield made.result()
    is_over.set()
    await task


@pytest.fixture
async def served_of_postgres(in_postgres) -> AsyncIterator[Site]:
    async for made in held_open(in_postgres, SystemClock()):
        yield made


@pytest.fixture
async def served(tmp_path) -> AsyncIterator[Site]:
    async for made in held_open(tmp_path, VirtualClock(AT)):
        yield made


@pytest.fixture
async def served_now(tmp_path) -> AsyncIterator[Site]:
    """Serve in real time, for a browser."""
    async for made in held_open(tmp_path, SystemClock()):
        yield made


async def filled(ledger: Ledger, *rows: str | Spec, batch: str = "cohort") -> HeldBatch:
    held = await lease_on(ledger, batch)
    given = [one if isinstance(one, Spec) else specs(one)[0] for one in rows]
    placed = [Spec(id=one.id, position=at, request=one.request) for at, one in enumerate(given)]
    await held.sync(placed, changed=Changed.REFUSE, at=AT)
    return held
