"""Compares two contents of a row: whether it has changed, and in which fields.

An attempt that was sent has a lane, and only what it asks for there counts: adding lanes to the manifest does
not change such a row, but serves later attempts. A row that was sent before its manifest had lanes is in the
batch's *home* lane, the one of its region and account.

Belongs here: whether a row that was sent has changed, taking over its content, the differences in words. Does
not: which lane is home, and rows that were not sent, which simply take their new content.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

from batchrun.model.entries.entry import Entry
from batchrun.model.lanes import first_request, lanes_of, offers_of, or_home, or_home_alone, request_in
from batchrun.model.spec import Json


def asks_otherwise(entry: Entry, content: str, home: str | None) -> bool:
    """Report whether *content*, another text than the entry's, asks for something else in the entry's lane.

    It also does if it does not offer that lane. An entry that was withdrawn unsent may have gone to several
    lanes: those count that are still offered. *home* is None if the manifest has no lanes.
    """
    lanes = or_home_alone(entry.may_take, home)
    offered = [lane for lane in lanes if request_in(content, lane) is not None]
    return not offered or any(_asked(entry, lane) != request_in(content, lane) for lane in offered)


def with_content(entry: Entry, content: str) -> Entry:
    """Return the entry with another *content* that asks for the same in its lane."""
    if entry.next_request is not None:
        before = replace(entry, next_request=None)
        return replace(before, next_request=None if content == before.content else content)
    if entry.manifest_request is not None:
        return replace(entry, manifest_request=None if content == entry.asked else content)
    offers = content if offers_of(content) else None
    request = entry.request if entry.intended_at is not None else first_request(content)
    return replace(entry, offers=offers, request=request)


def _asked(entry: Entry, lane: str | None) -> str | None:
    """Return what the manifest that was last taken in asked for in *lane*."""
    if entry.intended_at is not None and entry.content == entry.asked:
        return entry.request
    return request_in(entry.content, lane) if offers_of(entry.content) else entry.content


_SHOWN: Final = 60
#: The field of a difference in lanes; no field of StartRun has that name.
_LANE: Final = "lane"
#: The cure where they were forgotten.
LANES_AGAIN: Final = "give the lanes again (--lanes FILE, or lanes: in the manifest)"


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
    """Return how *content* (:mod:`lanes`) differs from what the entry's row asked for, in its lane.

    If it is the same there, or the lane is not offered any more, the lanes are the difference. *home* is the
    lane of a row that was sent before its manifest had lanes.
    """
    lane = or_home(entry.lane, home if entry.intended_at is not None else None)
    now = first_request(content) if lane is None else request_in(content, lane)
    found = [] if now is None else differences(entry.row_request, now)
    if found or content == entry.content:
        return found
    before, after = lanes_of(entry.content) if lane is None else (lane,), lanes_of(content)
    return [Difference(field=_LANE, was=_named(before), now=_named(after))]


def lane_cure(changes: Iterable[Sequence[Difference]], lanes: Collection[str]) -> str | None:
    """Return what gives rows the lane again that they had; None if more than their lane has changed.

    *changes* are the differences of each row, as :func:`row_differences` has them.
    """
    rows = list(changes)
    had = {one.was for row in rows for one in row if one.field == _LANE}
    if not rows or None in had or any([one.field for one in row] != [_LANE] for row in rows):
        return None
    if not lanes:
        return LANES_AGAIN
    names = sorted({name for was in had for name in (was or "").split("|")})
    lacking = [name for name in names if name not in lanes]
    if lacking:
        return f"put back what was named {' and '.join(map(repr, lacking))} in the table of lanes"
    return f"put back the rows' lane ({', '.join(names)})"


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
    # In Python 1 == True and 1 == 1.0.
    elif json.dumps(was, sort_keys=True) != json.dumps(now, sort_keys=True):
        yield Difference(field=path, was=_words(was), now=_words(now))


def _words(value: Json) -> str:
    if isinstance(value, list):
        return f"a list of {len(value)}"
    if isinstance(value, dict):
        return "a table"
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."
