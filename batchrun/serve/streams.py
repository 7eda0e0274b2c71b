"""
What many clients are told as it changes: each has the latest word of each kind, and who lags misses the rest.

So a client's queue is never longer than there are kinds.
"""

from __future__ import annotations

import json
from contextlib import contextmanager
from typing import TYPE_CHECKING

import anyio

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from batchrun.model.spec import Json


class Subscription:
    """What one client has not been sent yet."""

    def __init__(self, waiting: Mapping[str, bytes]) -> None:
        self._waiting = dict(waiting)
        self._came = anyio.Event()

    def put(self, kind: str, event: bytes) -> None:
        """Have *event* sent; an earlier one of its kind that still waits is not."""
        self._waiting[kind] = event
        self._came.set()

    async def next(self) -> bytes:
        """Return all that waits, once something does."""
        while not self._waiting:
            self._came = anyio.Event()
            await self._came.wait()
        told = b"".join(self._waiting.values())
        self._waiting.clear()
        return told


class Channel:
    """What there is to tell of one thing."""

    def __init__(self) -> None:
        self._latest: dict[str, bytes] = {}
        self._subscriptions: set[Subscription] = set()

    @property
    def has_listeners(self) -> bool:
        """Whether anybody listens."""
        return bool(self._subscriptions)

    def tell(self, kind: str, facts: Mapping[str, Json]) -> None:
        """Tell everybody; nobody, where it is what was told last."""
        event = f"event: {kind}\ndata: {json.dumps(facts, separators=(',', ':'))}\n\n".encode()
        if self._latest.get(kind) == event:
            return
        self._latest[kind] = event
        for subscription in self._subscriptions:
            subscription.put(kind, event)

    @contextmanager
    def listening(self) -> Iterator[Subscription]:
        """Listen: first to what was told last."""
        subscription = Subscription(self._latest)
        self._subscriptions.add(subscription)
        try:
            yield subscription
        finally:
            self._subscriptions.discard(subscription)
