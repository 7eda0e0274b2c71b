"""The sockets: an aiohttp server around each :class:`~batchrun.simulator.accounts.Door`.

What belongs here: reading requests, sending answers whole, in part or not at all, starting and stopping the
server. What does not: the content of answers.
"""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

import anyio
from aiohttp import web

from batchrun.clock import Clock, SystemClock
from batchrun.simulator.accounts import Accounts, Door, SimulatedLane
from batchrun.simulator.refusal import RefusalError
from batchrun.simulator.server import Simulator
from batchrun.simulator.settings import Settings
from batchrun.simulator.wire import Ending, Inquiry, Manner, Reply, signature

if TYPE_CHECKING:
    from aiohttp.abc import AbstractStreamWriter
    from aiohttp.http import RawRequestMessage
    from aiohttp.streams import StreamReader
    from aiohttp.web_protocol import RequestHandler


#: Seconds to wait for hanging answers when the server stops.
_GRACE = 0.05
#: The answer to callers that wait for permission before they send a large body.
_GO_ON = b"HTTP/1.1 100 Continue\r\n\r\n"
#: Most bytes of a body: the service documents no limit for calls; a settings file is an object.
_LARGEST_CALL = 2**20
_LARGEST_OBJECT = 64 * 2**20
#: Closing with this linger sends a reset instead of an orderly end.
_RESET = struct.pack("ii", 1, 0)


@asynccontextmanager
async def serve(
    settings: Settings | None = None, *, clock: Clock | None = None, host: str = "127.0.0.1", port: int = 0
) -> AsyncIterator[Simulator]:
    """Serve a simulated account while the context lasts.

    Args:
        settings: how it behaves; by default much like the service
        clock: the time for everything; a virtual clock lets days pass at once
        host: address to listen on; callers are not checked, so keep it on loopback
        port: port to listen on; 0 for any free one

    Yields:
        the service; clients take its ``url`` as their endpoint
    """
    lane = SimulatedLane(name="", settings=settings or Settings())
    async with serve_lanes([lane], clock=clock, host=host, port=port) as served:
        yield served.lanes[""]


@dataclass(frozen=True, slots=True, kw_only=True)
class Served:
    """The served lanes by name."""

    url: str  #: of the door that leads to all lanes
    lanes: Mapping[str, Simulator]  #: ``url`` of each is its own door's, if it has one


@asynccontextmanager
async def serve_lanes(
    lanes: Sequence[SimulatedLane], *, clock: Clock | None = None, host: str = "127.0.0.1", port: int = 0
) -> AsyncIterator[Served]:
    """Serve several accounts and Regions while the context lasts.

    Args:
        lanes: one or more; those with the same port share a door
        clock: as for :func:`serve`
        host: likewise
        port: of the door that leads to all of them
    """
    clock = clock or SystemClock()
    accounts = Accounts(lanes, clock)
    async with AsyncExitStack() as stack:
        everywhere = await stack.enter_async_context(_open(Door(accounts, lanes), host, port, clock))
        for doored in _by_port(lanes, everywhere):
            door = await stack.enter_async_context(
                _open(Door(accounts, doored), host, doored[0].port or 0, clock)
            )
            for lane in doored:
                accounts.of(lane).url = door.url
        found = {lane.name: accounts.of(lane) for lane in lanes}
        for simulator in found.values():
            simulator.url = simulator.url or everywhere.url
        everywhere.tell({name: simulator.url for name, simulator in found.items()})
        yield Served(url=everywhere.url, lanes=found)


def _by_port(lanes: Sequence[SimulatedLane], everywhere: Door) -> Iterator[Sequence[SimulatedLane]]:
    """Yield the lanes of each door besides *everywhere*."""
    by_port: dict[int, list[SimulatedLane]] = {}
    for lane in lanes:
        if lane.port == 0:
            yield [lane]
        elif lane.port is not None and not everywhere.url.endswith(f":{lane.port}"):
            by_port.setdefault(lane.port, []).append(lane)
    yield from by_port.values()


@asynccontextmanager
async def _open(door: Door, host: str, port: int, clock: Clock) -> AsyncIterator[Door]:
    server = web.Server(_Handler(door, clock).handle, request_factory=_request, access_log=None)
    runner = web.ServerRunner(server, shutdown_timeout=_GRACE)
    await runner.setup()
    try:
        await web.TCPSite(runner, host, port).start()
        door.url = _url(host, runner.addresses[0][1])
        yield door
    finally:
        with anyio.CancelScope(shield=True):
            await runner.cleanup()


def _url(host: str, port: int) -> str:
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


class _Handler:
    """Converts aiohttp's requests to inquiries, and carries out endings on the socket."""

    def __init__(self, door: Door, clock: Clock) -> None:
        self._door = door
        self._clock = clock

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer one request."""
        try:
            ending = await self._door.answer(await _read(request))
        except web.HTTPRequestEntityTooLarge:
            message = "The request is larger than 1 MiB, or 64 MiB for an object in S3"
            ending = self._door.refuse(RefusalError("RequestEntityTooLargeException", message))
        return await self._end(request, ending)

    async def _end(self, request: web.BaseRequest, ending: Ending) -> web.StreamResponse:
        # An answer without a body has no half: nothing is sent.
        if ending.manner is Manner.CUT and ending.reply.body:
            return await _send_half(request, ending.reply)
        if ending.manner is Manner.SLOW:
            return await self._send_slowly(request, ending.reply)
        if ending.manner is not Manner.WHOLE:
            _hang_up(request, reset=ending.manner is Manner.RESET)
        return self._response(ending.reply)

    async def _send_slowly(self, request: web.BaseRequest, reply: Reply) -> web.StreamResponse:
        response = web.StreamResponse(status=reply.status, headers=reply.headers)
        response.content_length = len(reply.body)
        await response.prepare(request)
        with suppress(ConnectionError):  # the caller is gone
            for byte in reply.body:
                await self._clock.sleep(1)
                await response.write(bytes([byte]))
        return response

    def _response(self, reply: Reply) -> web.Response:
        headers = {**reply.headers, "x-amzn-RequestId": self._door.next_request_id()}
        return web.Response(status=reply.status, body=reply.body, headers=headers)


def _request(
    message: RawRequestMessage,
    payload: StreamReader,
    protocol: RequestHandler,
    writer: AbstractStreamWriter,
    task: asyncio.Task[None],
) -> web.BaseRequest:
    """Create a request as aiohttp does, with a body limit that depends on what it is for."""
    signed = signature(message.headers.get("Authorization", ""))
    largest = _LARGEST_OBJECT if signed is not None and signed.service == "s3" else _LARGEST_CALL
    loop = asyncio.get_running_loop()
    return web.BaseRequest(message, payload, protocol, writer, task, loop, client_max_size=largest)


async def _read(request: web.BaseRequest) -> Inquiry:
    if "Expect" in request.headers and request.transport is not None:
        request.transport.write(_GO_ON)
    return Inquiry(
        method=request.method,
        path=request.rel_url.raw_path,
        query=request.rel_url.raw_query_string,
        body=await request.read(),
        content_type=request.content_type,
        target=request.headers.get("X-Amz-Target", ""),
        authorization=request.headers.get("Authorization", ""),
        headers={name.lower(): value for name, value in request.headers.items()},
    )


def _hang_up(request: web.BaseRequest, *, reset: bool) -> None:
    transport = request.transport
    if transport is None:
        return
    if reset:
        transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        transport.abort()
    else:
        transport.close()


async def _send_half(request: web.BaseRequest, reply: Reply) -> web.StreamResponse:
    response = web.StreamResponse(status=reply.status, headers=reply.headers)
    response.content_length = len(reply.body)
    await response.prepare(request)
    await response.write(reply.body[: len(reply.body) // 2])
    _hang_up(request, reset=False)
    return response
