"""The server: its sockets, a limit of connections, and its routes.

These are pages, rows, one row's story, a stream of changes, and assets. Names of batches and rows are in the
query, never in the path. Does not belong here: access (``access``), the content (``shown``).
"""

from __future__ import annotations

import asyncio
import logging
import secrets
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from http import HTTPStatus
from typing import TYPE_CHECKING, Final
from weakref import WeakSet

import anyio
from aiohttp import hdrs, web
from aiohttp.http_exceptions import HttpProcessingError

from batchrun.errors import BatchrunError, InvariantError, UsageError, why_not_listened
from batchrun.model.spec import Json
from batchrun.ports.stored import Outcome
from batchrun.report.packing import script_text
from batchrun.serve import shown
from batchrun.serve.access import HEADERS, Gate, Rules, path_of, refused
from batchrun.serve.choosing import read_query
from batchrun.serve.live import (
    MOST_SAID,
    Live,
    NothingThereError,
    Outdated,
    TooManyError,
    Watched,
    WatchedBatch,
)

if TYPE_CHECKING:
    from aiohttp.typedefs import Handler

    from batchrun.clock import Clock
    from batchrun.ports.ledger import Ledger

#: Most connections at once; a browser makes up to six.
MOST_CONNECTIONS: Final = 600
#: Seconds within which a connection must have made an authorised request.
_HURRY: Final = 20.0
#: Seconds that a connection is kept for the next request.
_KEPT: Final = 60.0
#: Seconds for which shutdown waits for answers.
_GRACE: Final = 0.05
#: Most bytes of a request line, and of a header.
_LONGEST: Final = 8190
#: Most streams at once.
MOST_STREAMS: Final = 200
#: Seconds between a stream's keep-alives, and for which a client may fail to read.
_ALIVE, _PATIENCE = 15.0, 20.0
#: Bytes that the kernel buffers for a client that does not read.
_UNREAD: Final = 64 * 1024
_HTML: Final = "text/html"
_FILES: Final[Mapping[str, tuple[Callable[[], str], str]]] = {
    "/live.js": (shown.script, "text/javascript"),
    "/uplot.js": (lambda: shown.asset("uplot/uPlot.iife.min.js"), "text/javascript"),
    "/live.css": (shown.style, "text/css"),
    "/icon.svg": (lambda: shown.asset("icon.svg"), "image/svg+xml"),
    "/licence.txt": (lambda: shown.asset("uplot/LICENSE"), "text/plain"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Listening:
    """Where the server listens."""

    host: str
    port: int

    @property
    def place(self) -> str:
        """The host and the port."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def url(self) -> str:
        """Its URL."""
        return f"http://{self.place}"


def secret() -> str:
    """Return a random token, or value of a cookie."""
    return secrets.token_urlsafe(32)


@asynccontextmanager
async def opened_doors(rules: Rules, port: int) -> AsyncIterator[Doors]:
    """Take the port at ``rules.bound`` while the context lasts, for one ledger after the other.

    Raises:
        UsageError: The port cannot be listened on.
    """
    doors = Doors(rules)
    await doors.open(port)
    try:
        yield doors
    finally:
        doors.close()


@asynccontextmanager
async def serving(
    ledger: Ledger, doors: Doors, clock: Clock, *, outdated: Outdated | None = None
) -> AsyncIterator[None]:
    """Serve a ledger, which is open for reading, while the context lasts.

    What *outdated* says meanwhile is told to everybody.
    """
    async with anyio.create_task_group() as tasks:
        routes = Routes(Live(ledger, clock, tasks, outdated or Outdated()))
        try:
            await doors.lead_to(routes.handle)
            yield
        finally:
            tasks.cancel_scope.cancel()
            with anyio.CancelScope(shield=True):
                await doors.shut()


def _log() -> logging.Logger:
    """Return where defects are logged, and not what is sent to us: whoever sends it may write there else."""
    logger = logging.getLogger(__name__)
    logger.addFilter(_is_ours)
    return logger


def _is_ours(record: logging.LogRecord) -> bool:
    error = record.exc_info[1] if record.exc_info else None
    return not isinstance(error, (HttpProcessingError, web.RequestPayloadError))


class Doors:
    """The sockets, and their connections. Nobody else can take the port between two ledgers."""

    def __init__(self, rules: Rules) -> None:
        self.at: Listening
        self._rules = rules
        self._listening: asyncio.Server
        self._server: web.Server | None = None  #: None while there is no ledger to show
        self._let_in: WeakSet[asyncio.Transport] = WeakSet()

    async def open(self, port: int) -> None:
        """Bind the port, without accepting connections yet."""
        loop, host = asyncio.get_running_loop(), self._rules.bound
        try:
            self._listening = await loop.create_server(self._answering, host, port, start_serving=False)
        except (OSError, UnicodeError) as error:  # the latter for a host name that is too long
            place = Listening(host=host, port=port).place
            problem = f"cannot listen on {place}: {why_not_listened(error)}"
            raise UsageError(f"{problem}; try another with --bind, or port 0") from error
        self.at = Listening(host=host, port=self._listening.sockets[0].getsockname()[1])

    async def lead_to(self, handle: Handler) -> None:
        """Accept connections, and let those in whom the rules allow: to *handle*."""

        async def noted(request: web.BaseRequest) -> web.StreamResponse:
            if request.transport is not None:
                self._let_in.add(request.transport)
            return await handle(request)  # type: ignore[arg-type]

        gate = Gate(rules=self._rules, cookie=f"batchrun-{self.at.port}")
        self._server = web.Server(
            gate.before(noted),
            access_log=None,
            logger=_log(),
            keepalive_timeout=_KEPT,
            max_line_size=_LONGEST,
            max_field_size=_LONGEST,
        )
        await self._listening.start_serving()

    async def shut(self) -> None:
        """Close all connections at once, and let nobody in until they lead somewhere again."""
        server, self._server = self._server, None
        if server is not None:
            await server.shutdown(_GRACE)

    def close(self) -> None:
        """Give up the port."""
        self._listening.close()

    def _answering(self) -> asyncio.Protocol:
        """Return the protocol for a new connection."""
        server = self._server
        if server is None or (len(server.connections) >= MOST_CONNECTIONS and not self._makes_room(server)):
            return _Shut()
        handler = server()
        asyncio.get_running_loop().call_later(_HURRY, self._hurry, handler)
        return handler

    def _makes_room(self, server: web.Server) -> bool:
        """Close the connection that has been without an authorised request for longest, if any."""
        for handler in server.connections:  # the oldest first
            transport = handler.transport
            if transport is not None and not transport.is_closing() and transport not in self._let_in:
                transport.abort()
                return True
        return False

    def _hurry(self, handler: web.RequestHandler) -> None:
        """Close a connection without an authorised request."""
        if handler.transport is not None and handler.transport not in self._let_in:
            handler.transport.abort()


class _Shut(asyncio.Protocol):
    """Closes a connection beyond the limit, or while there is no ledger: a browser tries again soon."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        if isinstance(transport, asyncio.Transport):
            transport.abort()


class Routes:
    """Answers authorised requests."""

    def __init__(self, live: Live) -> None:
        self._live = live
        self._streams = 0
        self._paths: Mapping[str, Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]] = {
            "/": self._shelf,
            "/batch": self._batch,
            "/rows": self._rows,
            "/row": self._row,
            "/row.json": self._row_facts,
            "/events": self._events,
        }

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer one request."""
        try:
            return await self._answer(request)
        except NothingThereError as error:
            return refused(HTTPStatus.NOT_FOUND, f"There is no {error} here. The batches that there are: /\n")
        except TooManyError:
            return refused(HTTPStatus.SERVICE_UNAVAILABLE, "Too much is being looked at; try again soon.\n")
        except UsageError as error:
            return refused(HTTPStatus.BAD_REQUEST, f"{error}\n")
        except InvariantError:
            raise
        except BatchrunError as error:
            return refused(HTTPStatus.SERVICE_UNAVAILABLE, f"The ledger cannot be read just now: {error}\n")

    async def _answer(self, request: web.BaseRequest) -> web.StreamResponse:
        path = path_of(request)
        if path in _FILES:
            made, kind = _FILES[path]
            return _text(made(), kind)
        if path not in self._paths:
            raise NothingThereError("such page")
        return await self._paths[path](request)

    async def _shelf(self, _request: web.BaseRequest) -> web.Response:
        watched = self._live.shelf()
        with watched.used():
            await watched.first_look()
            shelf = watched.shelf
            facts = shown.shelf_facts(shelf.batches, shelf.total)
            return _text(shown.page("shelf.html.j2", facts=facts, trouble=watched.trouble), _HTML)

    async def _batch(self, request: web.BaseRequest) -> web.Response:
        watched = await self._live.batch(request.query.get("name", ""))
        with watched.used():
            await _ready(watched)
            following, wanted = watched.following, read_query(request.query)
            text = shown.page(
                "batch.html.j2",
                trouble=watched.trouble,
                batch=following.batch,
                now=shown.now_facts(following),
                parts=shown.parts_of(following),
                regions=[lane.place.region for lane in following.lanes if lane.place]
                or [following.batch.region],
                data=shown.first_rows(following, wanted, self._live.clock.utcnow()),
            )
            return _text(text, _HTML)

    async def _rows(self, request: web.BaseRequest) -> web.Response:
        watched = await self._live.batch(request.query.get("name", ""))
        with watched.used():
            await _ready(watched)
            return _json(watched.page(read_query(request.query)))

    async def _row(self, request: web.BaseRequest) -> web.Response:
        facts = await self._live.soon(partial(self._story, request))
        names = {"batch": request.query["name"], "id": request.query["id"]}
        data = script_text(facts | {"parts": None, "timeline": None})
        trouble = self._live.outdated.reason
        page = shown.page("row.html.j2", parts=facts["parts"], data=data, trouble=trouble, **names)
        return _text(page, _HTML)

    async def _row_facts(self, request: web.BaseRequest) -> web.Response:
        return _json(shown.written(await self._live.soon(partial(self._story, request))))

    async def _story(self, request: web.BaseRequest) -> dict[str, Json]:
        name, id_ = request.query.get("name", ""), request.query.get("id", "")
        ledger = self._live.ledger
        batch, stored = await ledger.find_batch(name), ledger.batch(name)
        entry = None if batch is None else await stored.entry(id_)
        if batch is None or entry is None:
            raise NothingThereError(f"row {id_[:MOST_SAID]!r} of batch {name[:MOST_SAID]!r}")
        outcome = Outcome(entry=entry, earlier=tuple(await stored.earlier(id_)))
        tasks = (await stored.story.failed_tasks([id_])).get(id_, {})
        history = await stored.history(id_)
        return shown.story_facts(batch, outcome, tasks, history, self._live.clock.utcnow())

    async def _events(self, request: web.BaseRequest) -> web.StreamResponse:
        name = request.query.get("name")
        watched: Watched = self._live.shelf() if name is None else await self._live.batch(name)
        if self._streams >= MOST_STREAMS:
            raise TooManyError
        self._streams += 1
        try:
            with watched.used():
                return await self._stream(request, watched)
        finally:
            self._streams -= 1

    async def _stream(self, request: web.BaseRequest, watched: Watched) -> web.StreamResponse:
        stream = web.StreamResponse(headers={**HEADERS, hdrs.CONTENT_TYPE: "text/event-stream"})
        with watched.feed.listening() as told:
            try:
                await stream.prepare(request)
                _keep_little(request)
                while True:
                    event = b": still here\n\n"
                    with anyio.move_on_after(_ALIVE):
                        event = await told.next()
                    with anyio.fail_after(_PATIENCE):
                        await stream.write(event)
            except (TimeoutError, ConnectionError):  # the client does not read any more, or is gone
                if request.transport is not None:
                    request.transport.abort()
        return stream


async def _ready(watched: WatchedBatch) -> None:
    """Wait until the batch has been read once."""
    await watched.first_look()
    if watched.following.sums is None:
        raise BatchrunError(watched.failure or "try again")


def _keep_little(request: web.BaseRequest) -> None:
    """Make the kernel buffer little for a client that does not read, so that this is noticed soon."""
    if request.transport is not None:
        connection = request.transport.get_extra_info("socket")
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _UNREAD)


def _text(text: str, kind: str) -> web.Response:
    body = text.encode(errors="replace")
    return web.Response(body=body, content_type=kind, charset="utf-8", headers=HEADERS)


def _json(body: bytes) -> web.Response:
    return web.Response(body=body, content_type="application/json", headers=HEADERS)
