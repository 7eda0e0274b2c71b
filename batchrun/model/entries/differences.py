"""What changed between two requests of one row, in places that people know from their manifest."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from batchrun.model.lanes import first_request, lanes_of, or_home, request_in

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from batchrun.model.entries.entry import Entry
    from batchrun.model.spec import Json

_SHOWN: Final = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """One place in which two requests differ."""

    field: str  #: ``parameters.reads[0].r1``
    was: str | None  #: in words, cut short; None where there was nothing
    now: str | None

    def __str__(self) -> str:
        if self.was is None:
            return f"{self.field} is new: {self.now}"
        if self.now is None:
            return f"{self.field} is gone, was {self.was}"
        return f"{self.field} is {self.now}, was {self.was}"


def differences(before: str, after: str) -> list[Difference]:
    """Return the places in which two canonical requests differ, in the order of their names."""
    return list(_between(json.loads(before), json.loads(after), ""))


def row_differences(entry: Entry, content: str, home: str | None = None) -> list[Difference]:
    """
    Return in what *content* (:mod:`lanes`) differs from what the entry's row asked for, in its lane.

    Where that is the same, or not offered any more, the lanes are what differs. *home* is the lane of a row
    that was sent before its manifest had lanes.
    """
    lane = or_home(entry.lane, home if entry.intended_at is not None else None)
    now = first_request(content) if lane is None else request_in(content, lane)
    found = [] if now is None else differences(entry.row_request, now)
    if found or content == entry.content:
        return found
    before, after = lanes_of(entry.content) if lane is None else (lane,), lanes_of(content)
    return [Difference(field="lane", was=_named(before), now=_named(after))]


def _named(lanes: Sequence[str]) -> str | None:
    return "|".join(lanes) or None


def _between(was: Json, now: Json, path: str) -> Iterator[Difference]:
    if isinstance(was, dict) and isinstance(now, dict):
        for name in sorted({*was, *now}):
            inner = f"{path}.{name}" if path else name
            if name not in now:
                yield Difference(field=inner, was=_words(was[name]), now=None)
            elif name not in was:
                yield Difference(field=inner, was=None, now=_words(now[name]))
            else:
                yield from _between(was[name], now[name], inner)
    elif isinstance(was, list) and isinstance(now, list) and len(was) == len(now):
        for index, (first, second) in enumerate(zip(was, now, strict=True)):
            yield from _between(first, second, f"{path}[{index}]")
    # To Python, 1 is true and 1.0 is 1.
    elif json.dumps(was, sort_keys=True) != json.dumps(now, sort_keys=True):
        yield Difference(field=path, was=_words(was), now=_words(now))


def _words(value: Json) -> str:
    if isinstance(value, list):
        return f"a list of {len(value)}"
    if isinstance(value, dict):
        return "a table"
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."
