"""The sockets: an aiohttp server with a limit of connections, from start to end."""

from __future__ import annotations

import asyncio
import os
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final
from weakref import WeakSet

import anyio
from aiohttp import web

from batchrun.errors import UsageError
from batchrun.serve.access import Gate, Rules
from batchrun.serve.live import Live
from batchrun.serve.routes import Routes

if TYPE_CHECKING:
    from aiohttp.typedefs import Handler

    from batchrun.clock import Clock
    from batchrun.ports.ledger import Ledger

#: Connections at once; a browser makes up to six.
MOST_CONNECTIONS: Final = 600
#: Seconds within which a connection has to have asked for something that it may have.
_HURRY: Final = 20.0
#: Seconds that a connection is kept for the next request.
_KEPT: Final = 60.0
#: Seconds that answers are waited for at the end.
_GRACE: Final = 0.05
#: Bytes of a request's line, and of each header.
_LONGEST: Final = 8190


@dataclass(frozen=True, slots=True, kw_only=True)
class Listening:
    """Where it listens."""

    host: str
    port: int

    @property
    def place(self) -> str:
        """The host and the port."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def url(self) -> str:
        """Its address."""
        return f"http://{self.place}"


def secret() -> str:
    """Make a token, or a cookie's value, that cannot be guessed."""
    return secrets.token_urlsafe(32)


@asynccontextmanager
async def serving(ledger: Ledger, rules: Rules, clock: Clock, *, port: int) -> AsyncIterator[Listening]:
    """
    Serve the ledger, which was opened to read, while the context lasts.

    Args:
        ledger: What is shown.
        rules: Who is let in; ``rules.bound`` is listened on.
        clock: Time for all of it.
        port: Where to listen; 0 for any free port.

    Raises:
        UsageError: The port cannot be listened on.
    """
    async with anyio.create_task_group() as tasks:
        doors = _Doors()
        listening = await doors.open(rules.bound, port)
        gate = Gate(rules=rules, cookie=f"batchrun-{listening.port}")
        routes = Routes(Live(ledger, clock, tasks))
        try:
            await doors.lead_to(gate, routes.handle)
            yield listening
        finally:
            tasks.cancel_scope.cancel()
            with anyio.CancelScope(shield=True):
                await doors.close()


class _Doors:
    """The sockets, and who has come in by them."""

    def __init__(self) -> None:
        self._listening: asyncio.Server
        self._server: web.Server
        self._let_in: WeakSet[asyncio.Transport] = WeakSet()

    async def open(self, host: str, port: int) -> Listening:
        """Listen, without letting anyone in yet."""
        loop = asyncio.get_running_loop()
        try:
            self._listening = await loop.create_server(self._answering, host, port, start_serving=False)
        except (OSError, UnicodeError) as error:  # a name that is too long is the latter
            reason = os.strerror(error.errno) if isinstance(error, OSError) and error.errno else error
            problem = f"cannot listen on {Listening(host=host, port=port).place}: {reason}"
            raise UsageError(f"{problem}; try another with --bind, or port 0") from error
        return Listening(host=host, port=self._listening.sockets[0].getsockname()[1])

    async def lead_to(self, gate: Gate, handle: Handler) -> None:
        """Let people in: through *gate*, to *handle*."""

        async def noted(request: web.BaseRequest) -> web.StreamResponse:
            if request.transport is not None:
                self._let_in.add(request.transport)
            return await handle(request)  # type: ignore[arg-type]

        self._server = web.Server(
            gate.before(noted),
            access_log=None,
            keepalive_timeout=_KEPT,
            max_line_size=_LONGEST,
            max_field_size=_LONGEST,
        )
        await self._listening.start_serving()

    async def close(self) -> None:
        """Hang up on everybody, at once."""
        self._listening.close()
        await self._server.shutdown(_GRACE)

    def _answering(self) -> asyncio.Protocol:
        """Return who answers a connection that has just been made."""
        if len(self._server.connections) >= MOST_CONNECTIONS:
            return _Full()
        handler = self._server()
        asyncio.get_running_loop().call_later(_HURRY, self._hurry, handler)
        return handler

    def _hurry(self, handler: web.RequestHandler) -> None:
        """Hang up on who was not let in, or never asked."""
        if handler.transport is not None and handler.transport not in self._let_in:
            handler.transport.abort()


class _Full(asyncio.Protocol):
    """Hangs up: there are so many connections already."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        if isinstance(transport, asyncio.Transport):
            transport.abort()
