"""Who watches what: a batch is followed once for all clients, from the first until some time after the last.

Belongs here: start, interval and end of following, and continuing while the ledger cannot be read. Does not:
reading (``following``), what is sent (``shown``).
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final, TypeVar

import anyio

from batchrun.errors import BatchrunError, InvariantError, LedgerError
from batchrun.model.spec import Json
from batchrun.ports.stored import Batch
from batchrun.serve.choosing import Query
from batchrun.serve.following import Following, Shelf
from batchrun.serve.shown import now_facts, rows_facts, shelf_facts, sums_facts, written

if TYPE_CHECKING:
    from anyio.abc import TaskGroup

    from batchrun.clock import Clock
    from batchrun.ports.ledger import Ledger

T = TypeVar("T")

#: Seconds between two looks, and after one that could not read the ledger.
_EVERY, _AFTER_TROUBLE = 1.0, 5.0
#: Seconds after which an unfinished look is reported; a database that is away is waited for much longer.
_SILENT: Final = 15.0
#: The same for a client's request.
_SOON: Final = 10.0
#: Seconds for which a batch is followed after its last client.
_KEPT: Final = 60.0
#: Pages of rows that are cached for other clients.
_PAGES: Final = 200
#: Most batches that are followed at once; each needs memory for all of its rows.
MOST_BATCHES: Final = 16
#: Characters of a name in an address that are said again.
MOST_SAID: Final = 80


class Subscription:
    """The events that one client has not been sent yet."""

    def __init__(self, waiting: Mapping[str, bytes]) -> None:
        self._waiting = dict(waiting)
        self._came = anyio.Event()

    def put(self, kind: str, event: bytes) -> None:
        """Queue *event*; it replaces an earlier one of its kind that is still queued."""
        self._waiting[kind] = event
        self._came.set()

    async def next(self) -> bytes:
        """Wait for events, and return all that are queued."""
        while not self._waiting:
            self._came = anyio.Event()
            await self._came.wait()
        told = b"".join(self._waiting.values())
        self._waiting.clear()
        return told


class Feed:
    """The events about one thing, for all of its listeners."""

    def __init__(self) -> None:
        self._latest: dict[str, bytes] = {}
        self._subscriptions: set[Subscription] = set()

    def tell(self, kind: str, facts: Mapping[str, Json]) -> None:
        """Send the facts to all listeners, unless they are the same as the last."""
        event = f"event: {kind}\ndata: {json.dumps(facts, separators=(',', ':'))}\n\n".encode()
        if self._latest.get(kind) == event:
            return
        self._latest[kind] = event
        for subscription in self._subscriptions:
            subscription.put(kind, event)

    @contextmanager
    def listening(self) -> Iterator[Subscription]:
        """Yield a subscription, which starts with the last events."""
        subscription = Subscription(self._latest)
        self._subscriptions.add(subscription)
        try:
            yield subscription
        finally:
            self._subscriptions.discard(subscription)


def _silent(seconds: float) -> LedgerError:
    return LedgerError(f"it has not answered for {seconds:g} s; try again soon")


class NothingThereError(Exception):
    """There is no such page, batch or row; it says which.

    The name is an address's: it may be anything, and is quoted.
    """


class TooManyError(Exception):
    """More batches are being followed than this server allows."""


class Outdated:
    """Why the ledger that is read is not the one at its place any more, while there is no other yet."""

    def __init__(self) -> None:
        self.reason: str | None = None


class Watched:
    """Something that clients watch, with its feed."""

    def __init__(self, clock: Clock, outdated: Outdated, look: Callable[[Feed], Awaitable[None]]) -> None:
        self.feed = Feed()
        self.failure: str | None = None  #: why the ledger could not be read at the last look
        self._clock = clock
        self._outdated = outdated
        self._look = look
        self._looked = anyio.Event()
        self._users = 0
        self._left_at = clock.monotonic()

    @property
    def trouble(self) -> str | None:
        """Why what is shown may be old."""
        return self.failure or self._outdated.reason

    @property
    def is_left(self) -> bool:
        """Whether no client has watched it for some time."""
        return not self._users and self._clock.monotonic() - self._left_at > _KEPT

    @contextmanager
    def used(self) -> Iterator[None]:
        """Keep it while the block lasts, and some time longer."""
        self._users += 1
        try:
            yield
        finally:
            self._users -= 1
            self._left_at = self._clock.monotonic()

    async def first_look(self) -> None:
        """Wait for the first look, successful or not. Raises LedgerError if that takes too long."""
        with anyio.move_on_after(_SILENT):
            await self._looked.wait()
        if not self._looked.is_set():
            raise _silent(_SILENT)

    async def watch(self) -> None:
        """Look at intervals, until no client has watched it for some time."""
        while not self.is_left:
            if self._users or not self._looked.is_set():
                await self._look_once()
            await self._clock.sleep(_EVERY if self.failure is None else _AFTER_TROUBLE)

    async def _look_once(self) -> None:
        silence = {"text": f"it has not answered for {_SILENT:g} s; what is shown is from before"}
        late = asyncio.get_running_loop().call_later(_SILENT, self.feed.tell, "trouble", silence)
        try:
            await self._look(self.feed)
            self.failure = None
        except InvariantError:
            raise  # a defect of batchrun, which must not look temporary
        except BatchrunError as error:
            self.failure = str(error)
        finally:
            late.cancel()
        self.feed.tell("trouble", {"text": self.trouble})
        self._looked.set()


class WatchedBatch(Watched):
    """A batch that clients watch."""

    def __init__(self, ledger: Ledger, batch: Batch, clock: Clock, outdated: Outdated) -> None:
        super().__init__(clock, outdated, self._tell)
        self.following = Following(ledger, batch, clock)
        self._pages: dict[Query, bytes] = {}
        self._paged = 0  #: the version of the rows in the cached pages

    def page(self, wanted: Query) -> bytes:
        """Return a page of rows as JSON, cached while the rows are unchanged."""
        if self._paged != self.following.version or len(self._pages) >= _PAGES:
            self._paged = self.following.version
            self._pages.clear()
        if wanted not in self._pages:
            facts = rows_facts(self.following, wanted, self._clock.utcnow())
            self._pages[wanted] = written(facts)
        return self._pages[wanted]

    async def _tell(self, feed: Feed) -> None:
        if self.following.version == 0:
            await self.following.load()
        else:
            await self.following.look()
        if await self.following.add_up():
            feed.tell("sums", sums_facts(self.following))
        feed.tell("now", now_facts(self.following))


class WatchedShelf(Watched):
    """The list of batches that clients watch."""

    def __init__(self, ledger: Ledger, clock: Clock, outdated: Outdated) -> None:
        super().__init__(clock, outdated, self._tell)
        self.shelf = Shelf(ledger, clock)

    async def _tell(self, feed: Feed) -> None:
        if await self.shelf.look():
            feed.tell("batches", shelf_facts(self.shelf.batches, self.shelf.total))


class Live:
    """Everything that is watched; looks run in *tasks*."""

    def __init__(self, ledger: Ledger, clock: Clock, tasks: TaskGroup, outdated: Outdated) -> None:
        self.ledger = ledger
        self.clock = clock
        self.outdated = outdated
        self._tasks = tasks
        self._batches: dict[str, WatchedBatch] = {}
        self._shelf: WatchedShelf | None = None
        self._late: set[asyncio.Future[object]] = set()  #: queries that nobody waits for any more

    async def soon(self, read: Callable[[], Awaitable[T]]) -> T:
        """Return the result of *read*, which queries the ledger.

        Raises:
            LedgerError: It takes too long, or an earlier query has not ended yet.
        """
        answer: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        if not self._late:
            self._tasks.start_soon(self._ask, read, answer)
            await asyncio.wait([answer], timeout=_SOON)
        if not answer.done():
            if not self._late:
                self._late.add(answer)
            raise _silent(_SOON)
        result: T = answer.result()
        return result

    async def _ask(self, read: Callable[[], Awaitable[T]], answer: asyncio.Future[T]) -> None:
        """Run the query to its end, even if nobody waits any more."""
        try:
            result = await read()
        except Exception as error:  # noqa: BLE001 (it is theirs who asked)
            if answer not in self._late:
                answer.set_exception(error)
                answer.exception()  # the caller may be gone
        else:
            answer.set_result(result)
        finally:
            self._late.discard(answer)

    def shelf(self) -> WatchedShelf:
        """Return the list of batches, which is watched from now on."""
        if self._shelf is None:
            self._shelf = WatchedShelf(self.ledger, self.clock, self.outdated)
            self._tasks.start_soon(self._watch_shelf, self._shelf)
        return self._shelf

    async def batch(self, name: str) -> WatchedBatch:
        """Return a batch, which is watched from now on. Raises NothingThereError or TooManyError."""
        if name not in self._batches:
            found = await self.soon(lambda: self.ledger.find_batch(name))
            if found is None:
                raise NothingThereError(f"batch {name[:MOST_SAID]!r}")
            if name not in self._batches:  # unless another task was quicker
                if len(self._batches) >= MOST_BATCHES:
                    raise TooManyError
                self._batches[name] = WatchedBatch(self.ledger, found, self.clock, self.outdated)
                self._tasks.start_soon(self._watch_batch, name)
        return self._batches[name]

    async def _watch_batch(self, name: str) -> None:
        await self._batches[name].watch()
        del self._batches[name]

    async def _watch_shelf(self, shelf: WatchedShelf) -> None:
        await shelf.watch()
        self._shelf = None
