"""
Looks at a live page as browsers do: ``python -m tests.bench.peers.page_clients LINK BATCH CLIENTS``.

Each keeps a stream of events, and asks for the first page of rows when they have changed, every three seconds
at most, as ``live.js`` does. Says when all have been told once, and at the end of its input how often.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import sys
from collections import Counter

import aiohttp

EVERY = 3.0


class Client:
    """One page that somebody has open."""

    def __init__(self, http: aiohttp.ClientSession, base: str, batch: str, told: Counter[str]) -> None:
        self._http = http
        self._base = base
        self._facts = {"name": batch}
        self._told = told
        self._latest = self._shown = ""

    async def look(self) -> None:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._listen())
            tasks.create_task(self._ask())

    async def _listen(self) -> None:
        async with self._http.get(f"{self._base}/events", params=self._facts) as events:
            async for line in events.content:
                if line.startswith(b"data: ") and b'"version"' in line[:20]:
                    self._latest = json.loads(line[6:])["version"]
                    self._told["events"] += 1

    async def _ask(self) -> None:
        while True:
            await asyncio.sleep(EVERY + random.random() * 0.3)
            if self._latest != self._shown:
                self._shown = self._latest
                async with self._http.get(f"{self._base}/rows", params=self._facts) as rows:
                    await rows.read()
                self._told["pages"] += 1


async def main(link: str, batch: str, clients: str) -> None:
    told = Counter[str]()
    timeout = aiohttp.ClientTimeout(total=None)
    jar = aiohttp.CookieJar(unsafe=True)  # of an address in place of a name
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(connector=connector, timeout=timeout, cookie_jar=jar) as http:
        await (await http.get(link)).read()
        base = link.partition("/?")[0]
        async with asyncio.TaskGroup() as tasks:
            looking = [tasks.create_task(Client(http, base, batch, told).look()) for _ in range(int(clients))]
            while told["events"] < int(clients):  # noqa: ASYNC110 (a count that many raise)
                await asyncio.sleep(0.05)
            print("all look", flush=True)  # noqa: T201
            await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
            for one in looking:
                one.cancel()
    print(json.dumps(told))  # noqa: T201


if __name__ == "__main__":
    os.nice(10)  # browsers are on other machines, and so do not hold up a launch
    asyncio.run(main(*sys.argv[1:]))
