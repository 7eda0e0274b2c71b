"""
Servers that do what the shipped simulator cannot: raw sockets, and a HealthOmics whose answers are spoilt.

What they answer is bytes, sent piece by piece as they come.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

from batchrun.clock import Clock, VirtualClock
from batchrun.simulator import Settings, Simulator
from batchrun.simulator.wire import Inquiry
from tests.world import simulated

JSON = {"Content-Type": "application/json"}


@dataclass(frozen=True, slots=True)
class Asked:
    """A request as it came."""

    method: str
    target: str  #: path and query
    headers: dict[str, str]
    body: bytes


Answer = AsyncIterator[bytes]


@dataclass(slots=True)
class Stranger:
    """A server on loopback that answers as it likes."""

    answer: Callable[[Asked], Answer]
    url: str = ""
    asked: list[Asked] = field(default_factory=list)
    sent: int = 0  #: bytes that were written
    _open: set[asyncio.Task[Any]] = field(default_factory=set)

    @asynccontextmanager
    async def served(self) -> AsyncIterator[Stranger]:
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        host, port = server.sockets[0].getsockname()[:2]
        self.url = f"http://{host}:{port}"
        try:
            yield self
        finally:
            server.close()
            for task in self._open:
                task.cancel()
            await asyncio.gather(*self._open)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._open.add(task)
        with suppress(OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            while True:
                asked = await _read(reader)
                self.asked.append(asked)
                async for piece in self.answer(asked):
                    writer.write(piece)
                    await writer.drain()
                    self.sent += len(piece)
        writer.close()


async def _read(reader: asyncio.StreamReader) -> Asked:
    first, *lines = (await reader.readuntil(b"\r\n\r\n")).decode().strip().split("\r\n")
    method, target, _ = first.split(" ")
    headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
    body = await reader.readexactly(int(headers.get("content-length", 0)))
    return Asked(method, target, headers, body)


def head(status: int, headers: dict[str, str] | None = None) -> bytes:
    lines = "".join(f"{name}: {value}\r\n" for name, value in (headers or {}).items())
    return f"HTTP/1.1 {status} Whatever\r\n{lines}\r\n".encode()


def whole(status: int, body: bytes, headers: dict[str, str] | None = None) -> bytes:
    return head(status, {"Content-Length": str(len(body)), **(headers or JSON)}) + body


def always(*pieces: bytes) -> Callable[[Asked], Answer]:
    """Answer everything with the same."""

    async def answer(_: Asked) -> Answer:
        for piece in pieces:
            yield piece

    return answer


def endless(first: bytes, piece: bytes, *, every: float = 0.0) -> Callable[[Asked], Answer]:
    """Begin with *first*, and then send *piece* again and again, every so many seconds."""

    async def answer(_: Asked) -> Answer:
        yield first
        while True:
            await asyncio.sleep(every)
            yield piece

    return answer


def spoilt(simulator: Simulator, spoil: Callable[[str, Any], Any]) -> Callable[[Asked], Answer]:
    """Answer as *simulator* does, what it says of each operation put through *spoil*."""

    async def answer(asked: Asked) -> Answer:
        path, _, query = asked.target.partition("?")
        inquiry = Inquiry(
            method=asked.method,
            path=path,
            query=query,
            body=asked.body,
            content_type=asked.headers.get("content-type", ""),
            target=asked.headers.get("x-amz-target", ""),
        )
        reply = (await simulator.answer(inquiry)).reply
        body = reply.body
        if body:
            made = spoil(_operation(asked.method, path), json.loads(body))
            body = made if isinstance(made, bytes) else json.dumps(made).encode()
        yield whole(reply.status, body, {**JSON, **reply.headers})

    return answer


_OPERATIONS = (
    ("POST", ("run",), "StartRun"),
    ("GET", ("run",), "ListRuns"),
    ("GET", ("run", ""), "GetRun"),
    ("DELETE", ("run", ""), "DeleteRun"),
    ("POST", ("run", "", "cancel"), "CancelRun"),
    ("GET", ("run", "", "task"), "ListRunTasks"),
    ("GET", ("run", "", "task", ""), "GetRunTask"),
    ("GET", ("workflow", ""), "GetWorkflow"),
    ("POST", ("runBatch",), "StartRunBatch"),
    ("GET", ("runBatch",), "ListBatch"),
    ("GET", ("runBatch", ""), "GetBatch"),
    ("GET", ("runBatch", "", "run"), "ListRunsInBatch"),
)


def _operation(method: str, path: str) -> str:
    segments = path.strip("/").split("/")
    for known, pattern, operation in _OPERATIONS:
        fits = len(pattern) == len(segments) and all(
            one in ("", segment) for one, segment in zip(pattern, segments, strict=True)
        )
        if known == method and fits:
            return operation
    return f"{method} {path}"


@asynccontextmanager
async def spoiling(
    spoil: Callable[[str, Any], Any], settings: Settings | None = None, clock: Clock | None = None
) -> AsyncIterator[tuple[Stranger, Simulator]]:
    """Serve a simulated account whose answers go through *spoil*."""
    simulator = Simulator(settings or simulated(), clock or VirtualClock())
    async with Stranger(spoilt(simulator, spoil)).served() as stranger:
        yield stranger, simulator


def without(names: Iterable[str], table: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in table.items() if name not in names}
