"""
Two contents of one row beside each other: whether it is changed, and where, in places that people know.

The lane of an attempt that was sent is chosen, so only what it asks for there counts: lanes that are added
change no such row, and are for attempts to come. A row that was sent before its manifest had lanes is in the
batch's *home* lane, the one of its region and account.

Belongs here: whether such a row is changed, how its content is taken over, and the differences in words. Does
not: which lane is home, and rows that were not sent: these take whatever their manifest says.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

from batchrun.model.entries.entry import Entry
from batchrun.model.lanes import first_request, lanes_of, offers_of, or_home, or_home_alone, request_in
from batchrun.model.spec import Json


def asks_otherwise(entry: Entry, content: str, home: str | None) -> bool:
    """
    Report whether *content* asks for something else where the entry was sent, or does not offer that lane.

    The entry's own content is another text. What was withdrawn before it was sent may have gone to several
    lanes: those count that are offered still. *home* is None where the manifest has no lanes.
    """
    lanes = or_home_alone(entry.may_take, home)
    offered = [lane for lane in lanes if request_in(content, lane) is not None]
    return not offered or any(_asked(entry, lane) != request_in(content, lane) for lane in offered)


def with_content(entry: Entry, content: str) -> Entry:
    """Return the entry with another content that asks for the same where it was sent."""
    if entry.next_request is not None:
        before = replace(entry, next_request=None)
        return replace(before, next_request=None if content == before.content else content)
    if entry.manifest_request is not None:
        return replace(entry, manifest_request=None if content == entry.asked else content)
    offers = content if offers_of(content) else None
    request = entry.request if entry.intended_at is not None else first_request(content)
    return replace(entry, offers=offers, request=request)


def _asked(entry: Entry, lane: str | None) -> str | None:
    """Return what the manifest asked for in *lane*, as it was last taken up."""
    if entry.intended_at is not None and entry.content == entry.asked:
        return entry.request
    return request_in(entry.content, lane) if offers_of(entry.content) else entry.content


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
