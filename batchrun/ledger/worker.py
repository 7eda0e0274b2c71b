"""The thread that a store is used in, and the bases of classes whose verbs run there."""

from __future__ import annotations

import asyncio
import functools
import time
from collections.abc import Callable, Collection, Coroutine, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from typing import Any, Concatenate, Final, Generic, ParamSpec, TypeVar

import anyio
import anyio.lowlevel

from batchrun.errors import InvariantError
from batchrun.ledger.rows import entry_of, lanes_text, micros, past_attempt_of, time_of
from batchrun.ledger.store import Store, Value
from batchrun.model.entries.entry import Entry
from batchrun.ports.stored import PastAttempt

P = ParamSpec("P")
T = TypeVar("T")
#: Seconds that a job for which nobody waits any more may wait for a server.
_UNAWAITED: Final = 15.0
VerbsT = TypeVar("VerbsT", bound="StoreVerbs")


class Worker:
    """Runs jobs one after the other in a thread of its own.

    A job that was started is finished even if the task that waits for it is cancelled; the cancellation is
    raised afterwards, unless the job failed: then its error is raised. It is told to hurry where no launch
    uses the ledger: a launch says so by itself, and cancels many a wait before that.
    """

    def __init__(self) -> None:
        self._executor = ThreadPoolExecutor(max_workers=1, thread_name_prefix="batchrun-ledger")
        self.is_stopped = False  #: takes no more jobs
        self.launches = set[object]()  #: those under way

    async def run(self, job: Callable[[], T], *, hurry: Callable[[float], None] | None = None) -> T:
        """Return what *job* returns; *hurry* tells a job how many seconds it may still wait for a server."""
        if self.is_stopped:
            raise InvariantError("the ledger was used after it was closed")
        # Not anyio.to_thread: the virtual loop sees only run_in_executor.
        hasty = _Hasty(job, hurry or (lambda _: None))
        future: asyncio.Future[T] = asyncio.get_running_loop().run_in_executor(self._executor, hasty)
        cancellation = None
        if hurry is not None and not self.launches:
            cancellation = await _cancelled_before(future)
            if cancellation is not None:
                hasty.begin_hurrying()
        with anyio.CancelScope(shield=True):
            cancellation = await _outwait(future) or cancellation
        result = future.result()
        if cancellation is not None:
            raise cancellation
        await anyio.lowlevel.checkpoint_if_cancelled()
        return result

    def stop(self) -> None:
        """Accept no more jobs; safe to repeat."""
        self.is_stopped = True
        self._executor.shutdown(wait=False)


class _Hasty(Generic[T]):
    """A job that can be told to hurry before its turn comes, and while it runs; others are not."""

    def __init__(self, job: Callable[[], T], hurry: Callable[[float], None]) -> None:
        self._job = job
        self._hurry = hurry
        self._until: float | None = None
        self._is_running = False

    def __call__(self) -> T:
        """Do the job."""
        self._is_running = True
        try:
            if self._until is not None:
                self._hurry(self._until - time.monotonic())
            return self._job()
        finally:
            self._is_running = False

    def begin_hurrying(self) -> None:
        """Wait for a server no longer than a few seconds from now; from another thread."""
        self._until = time.monotonic() + _UNAWAITED
        if self._is_running:
            self._hurry(_UNAWAITED)


async def _cancelled_before(future: asyncio.Future[T]) -> asyncio.CancelledError | None:
    """Wait for *future*, and return the cancellation of this task if that comes first."""
    try:
        await asyncio.wait([future])
    except asyncio.CancelledError as error:
        return error
    return None


async def _outwait(future: asyncio.Future[T]) -> asyncio.CancelledError | None:
    """Wait for *future* even if the task is cancelled by asyncio, which an anyio shield does not stop."""
    cancellation = None
    while not future.done():
        try:
            await asyncio.wait([future])
        except asyncio.CancelledError as error:
            cancellation = error
    return cancellation


class StoreVerbs:
    """Verbs on a store; each is one job in the store's thread."""

    def __init__(self, store: Store, worker: Worker) -> None:
        self._store = store
        self._worker = worker

    async def _read(self, job: Callable[[], T]) -> T:
        return await self._run(functools.partial(self._store.read, job))

    async def _write(self, job: Callable[[], T]) -> T:
        return await self._run(functools.partial(self._store.write, job))

    async def _run(self, job: Callable[[], T]) -> T:
        return await self._worker.run(job, hurry=functools.partial(self._store.hurry, for_this_job=True))


def reads(
    verb: Callable[Concatenate[VerbsT, P], T],
) -> Callable[Concatenate[VerbsT, P], Coroutine[Any, Any, T]]:
    """Make *verb* run in the store's thread."""

    @functools.wraps(verb)
    async def asked(self: VerbsT, /, *arguments: P.args, **options: P.kwargs) -> T:
        return await self._read(functools.partial(verb, self, *arguments, **options))

    return asked


def writes(
    verb: Callable[Concatenate[VerbsT, P], T],
) -> Callable[Concatenate[VerbsT, P], Coroutine[Any, Any, T]]:
    """Make *verb* run in the store's thread, in one transaction."""

    @functools.wraps(verb)
    async def asked(self: VerbsT, /, *arguments: P.args, **options: P.kwargs) -> T:
        return await self._write(functools.partial(verb, self, *arguments, **options))

    return asked


class BatchVerbs(StoreVerbs):
    """Verbs on one batch, whose key is looked up once."""

    def __init__(self, store: Store, worker: Worker, name: str, key: int | None = None) -> None:
        super().__init__(store, worker)
        self.name = name
        self._found = key

    @property
    def _key(self) -> int | None:
        """The key; None while the ledger has no such batch."""
        if self._found is None:
            self._found = self._store.value("batch_key", name=self.name)
        return self._found

    def _entries(self, statement: str, **values: Value) -> Sequence[Entry]:
        rows = self._store.all(statement, batch=self._key, **values)
        return [entry_of(self.name, row) for row in rows]

    def _earlier(self, entry_id: str) -> tuple[PastAttempt, ...]:
        rows = self._store.all("earlier_attempts", batch=self._key, id=entry_id)
        return tuple(past_attempt_of(row) for row in rows)

    def _next_due(
        self, after: datetime, lanes: Collection[str] | None = None, shape: str | None = None
    ) -> datetime | None:
        which = {"batch": self._key, "after": micros(after)}
        if shape is not None:
            named = lanes_text(lanes or ())
            stored = self._store.value("next_due_of_shape", **which, lanes=named, shape=shape)
        elif lanes is None:
            stored = self._store.value("next_due", **which)
        else:
            stored = self._store.value("next_due_in_lanes", **which, lanes=lanes_text(lanes))
        return None if stored is None else time_of(stored)


class HeldVerbs(BatchVerbs):
    """Verbs on a batch that is held."""

    def __init__(
        self, store: Store, worker: Worker, name: str, key: int, *, fenced: Callable[[], int]
    ) -> None:
        """Begin; *fenced* returns the batch's key, or raises LeaseLostError where the lease is not ours."""
        super().__init__(store, worker, name, key)
        self._fenced = fenced
