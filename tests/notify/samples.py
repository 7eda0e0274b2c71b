"""A message, channels that remember, and servers that take it: real ones, on loopback."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import web

from batchrun.model.notices import Notice
from batchrun.notify.teller import Channel, Message


def message(notice: Notice = Notice.END, **facts: Any) -> Message:
    summary = {
        "notice": notice.value,
        "batch": "cohort",
        "exit_code": 1,
        "results": "/srv/cohort.results.csv",
    }
    return Message(
        notice=notice,
        batch="cohort",
        title="cohort has ended: 3 failed (of 3)",
        text="cohort has ended: 3 failed (of 3)\n",
        summary={**summary, **facts},
    )


class Kept(Channel):
    """Keeps what it was told."""

    def __init__(self, *takes: Notice) -> None:
        self._takes = takes or tuple(Notice)
        self.told: list[Notice] = []

    @property
    def name(self) -> str:
        return "kept"

    def takes(self, notice: Notice) -> bool:
        return notice in self._takes

    async def deliver(self, message: Message) -> None:
        self.told.append(message.notice)


@asynccontextmanager
async def serving(answer: Callable[[web.Request], Awaitable[web.StreamResponse]]):
    """Serve *answer*, an aiohttp handler, on every path of a free port, and return its address."""

    async def handle(request: web.Request) -> web.StreamResponse:
        return await answer(request)

    application = web.Application()
    application.router.add_route("*", "/{path:.*}", handle)
    runner = web.AppRunner(application)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()
