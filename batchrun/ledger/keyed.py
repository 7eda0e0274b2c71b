"""A store in a thread of its own, and the batch that a verb is about."""

from __future__ import annotations

import functools
from collections.abc import Callable, Collection, Coroutine, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec, TypeVar

from batchrun.ledger.rows import entry_of, lanes_text, micros, time_of
from batchrun.ledger.worker import Worker
from batchrun.model.entries.entry import Entry

if TYPE_CHECKING:
    from batchrun.ledger.store import Store, Value

P = ParamSpec("P")
T = TypeVar("T")
PlacedT = TypeVar("PlacedT", bound="Placed")


class Placed:
    """Something with verbs on a store, each of them one job for the one thread that touches it."""

    def __init__(self, store: Store, worker: Worker) -> None:
        self._store = store
        self._worker = worker

    async def _read(self, job: Callable[[], T]) -> T:
        return await self._worker.run(functools.partial(self._store.read, job))

    async def _write(self, job: Callable[[], T]) -> T:
        return await self._worker.run(functools.partial(self._store.write, job))


def reads(
    verb: Callable[Concatenate[PlacedT, P], T],
) -> Callable[Concatenate[PlacedT, P], Coroutine[Any, Any, T]]:
    """Have *verb* run in the store's thread."""

    @functools.wraps(verb)
    async def asked(self: PlacedT, /, *arguments: P.args, **options: P.kwargs) -> T:
        return await self._read(functools.partial(verb, self, *arguments, **options))

    return asked


def writes(
    verb: Callable[Concatenate[PlacedT, P], T],
) -> Callable[Concatenate[PlacedT, P], Coroutine[Any, Any, T]]:
    """Have *verb* run in the store's thread, in one transaction."""

    @functools.wraps(verb)
    async def asked(self: PlacedT, /, *arguments: P.args, **options: P.kwargs) -> T:
        return await self._write(functools.partial(verb, self, *arguments, **options))

    return asked


class Keyed(Placed):
    """A batch, whose key is looked up once."""

    def __init__(self, store: Store, worker: Worker, name: str, key: int | None = None) -> None:
        super().__init__(store, worker)
        self.name = name
        self._found = key

    @property
    def _key(self) -> int | None:
        """The key; None for as long as the ledger has no such batch."""
        if self._found is None:
            self._found = self._store.value("batch_key", name=self.name)
        return self._found

    def _entries(self, statement: str, **values: Value) -> Sequence[Entry]:
        rows = self._store.all(statement, batch=self._key, **values)
        return [entry_of(self.name, row) for row in rows]

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
