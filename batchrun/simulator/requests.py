"""
The memory for requestIds, which makes StartRun and StartRunBatch idempotent.

The service documents that a repeated requestId starts nothing a second time, and little else. Assumed here:

- the same requestId with the same content answers the first run's or batch's id and uuid, even after its
  deletion;
- the same requestId with other content is a ConflictException;
- a repeat while the first call is still being answered is a ConflictException;
- the memory lasts for a window that begins with the first use; repeats do not prolong it.
"""

from __future__ import annotations

import json
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from batchrun.simulator.refusal import conflict

Made = TypeVar("Made")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Memo(Generic[Made]):
    content: str
    made: Made
    until: float


class RequestMemory(Generic[Made]):
    """Which requestId made which run, or which batch."""

    def __init__(self, window: float) -> None:
        self._window = window
        self._memos: OrderedDict[str, _Memo[Made]] = OrderedDict()
        self._in_flight: set[str] = set()

    @contextmanager
    def in_flight(self, request_id: str) -> Iterator[None]:
        """Hold *request_id* while its call is answered. Raises RefusalError where another call holds it."""
        if request_id in self._in_flight:
            raise conflict(f"A request with requestId {request_id} is in progress")
        self._in_flight.add(request_id)
        try:
            yield
        finally:
            self._in_flight.discard(request_id)

    def recall(self, request: Mapping[str, Any], now: float) -> Made | None:
        """Return what this request made before. Raises RefusalError where its id had other content."""
        self._forget(now)
        memo = self._memos.get(request["requestId"])
        if memo is None:
            return None
        if memo.content != _content(request):
            raise conflict(f"requestId {request['requestId']} was used before with other parameters")
        return memo.made

    def remember(self, request: Mapping[str, Any], made: Made, now: float) -> None:
        """Keep what *request* made."""
        memo = _Memo(content=_content(request), made=made, until=now + self._window)
        self._memos[request["requestId"]] = memo

    def forget(self, request_id: str) -> None:
        """Lose what *request_id* made."""
        self._memos.pop(request_id, None)

    def _forget(self, now: float) -> None:
        while self._memos and next(iter(self._memos.values())).until <= now:
            self._memos.popitem(last=False)


def _content(request: Mapping[str, Any]) -> str:
    return json.dumps(request, sort_keys=True, separators=(",", ":"))
