"""
The socket: an aiohttp server around a :class:`~batchrun.simulator.server.Simulator`.

What belongs here: reading requests, sending answers whole, in part or not at all, start and end of the
server. What does not: what is answered.
"""

from __future__ import annotations

import socket
import struct
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING

import anyio
from aiohttp import web

from batchrun.clock import Clock, SystemClock
from batchrun.simulator.refusal import RefusalError
from batchrun.simulator.server import Inquiry, Simulator
from batchrun.simulator.settings import Settings
from batchrun.simulator.wire import Ending, Manner, Reply

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

#: Seconds that hanging answers are waited for when the server ends.
_GRACE = 0.05
#: What those wait for who ask before they send much.
_GO_ON = b"HTTP/1.1 100 Continue\r\n\r\n"
#: Closing with this linger sends a reset in place of an orderly end.
_RESET = struct.pack("ii", 1, 0)


@asynccontextmanager
async def serve(
    settings: Settings | None = None,
    *,
    clock: Clock | None = None,
    host: str = "127.0.0.1",
    port: int = 0,
) -> AsyncIterator[Simulator]:
    """
    Serve a simulated account while the context lasts.

    Args:
        settings: how it behaves; by default much as the service does
        clock: time for everything in it; a virtual one lets days pass at once
        host: address to listen on; nothing checks who calls, so leave it on loopback
        port: port to listen on; 0 for any free one

    Yields:
        the service, whose ``url`` clients are given as their endpoint
    """
    clock = clock or SystemClock()
    simulator = Simulator(settings or Settings(), clock)
    server = web.Server(_Handler(simulator, clock).handle, access_log=None)
    runner = web.ServerRunner(server, shutdown_timeout=_GRACE)
    await runner.setup()
    try:
        await web.TCPSite(runner, host, port).start()
        simulator.url = _url(host, runner.addresses[0][1])
        yield simulator
    finally:
        with anyio.CancelScope(shield=True):
            await runner.cleanup()


async def run_forever(
    settings: Settings,
    *,
    host: str = "127.0.0.1",
    port: int = 0,
    clock: Clock | None = None,
    ready: Callable[[Simulator], None] = lambda _: None,
) -> None:
    """Serve until cancelled; *ready* is called once, as soon as clients can connect."""
    async with serve(settings, clock=clock, host=host, port=port) as simulator:
        ready(simulator)
        await anyio.sleep_forever()


def _url(host: str, port: int) -> str:
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


class _Handler:
    """Turns aiohttp's requests into inquiries, and endings into what the socket does."""

    def __init__(self, simulator: Simulator, clock: Clock) -> None:
        self._simulator = simulator
        self._clock = clock

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer one request."""
        try:
            ending = await self._simulator.answer(await _read(request))
        except web.HTTPRequestEntityTooLarge:
            message = "The request is larger than 1 MiB"
            ending = self._simulator.refuse(RefusalError("RequestEntityTooLargeException", message))
        return await self._end(request, ending)

    async def _end(self, request: web.BaseRequest, ending: Ending) -> web.StreamResponse:
        # There is no half of an answer without a body: it is not sent at all.
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
        with suppress(ConnectionError):  # nobody waits for it any more
            for byte in reply.body:
                await self._clock.sleep(1)
                await response.write(bytes([byte]))
        return response

    def _response(self, reply: Reply) -> web.Response:
        headers = {**reply.headers, "x-amzn-RequestId": self._simulator.next_request_id()}
        return web.Response(status=reply.status, body=reply.body, headers=headers)


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
