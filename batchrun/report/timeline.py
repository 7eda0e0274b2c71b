"""
Runs over time: how many were queued, running and ended at each of some hundred moments.

Belongs here: this arithmetic. Does not: drawing (``assets/timeline.js``).
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from datetime import timedelta
from itertools import accumulate
from typing import TYPE_CHECKING, Final

from batchrun.report.rows import Standing

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from datetime import datetime

    from batchrun.report.rows import Attempt, Row

#: Moments that are counted: more than a phone has room for, fewer than a screen has points.
MOMENTS: Final = 300
_SHORTEST: Final = timedelta(seconds=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """How many runs stood where at *at*."""

    at: datetime
    queued: int
    running: int
    succeeded: int
    ended_otherwise: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeline:
    """Runs over time, earlier attempts included."""

    moments: tuple[Moment, ...]  #: evenly spread from the first creation to the last end, or to now
    undated: int  #: runs that are left out, because the ledger does not know when they began or ended


#: What one instant changes: queued, running, succeeded, ended otherwise.
_Change = tuple[int, int, int, int]


def timeline(rows: Iterable[Row], at: datetime, *, moments: int = MOMENTS) -> Timeline:
    """Count the runs of *rows* at evenly spread moments; those that go on do so until *at*."""
    changes: defaultdict[datetime, list[_Change]] = defaultdict(list)
    undated, is_going = 0, False
    for attempt in _runs(rows):
        if not _is_dated(attempt):
            undated += 1
            continue
        is_going = is_going or not attempt.standing.is_end
        for when, change in _changes(attempt):
            changes[when].append(change)
    if not changes:
        return Timeline(moments=(), undated=undated)
    first, last = min(changes), max(changes)
    last = max(last, at if is_going else first + _SHORTEST)
    times = [first + (last - first) * step / (moments - 1) for step in range(moments)]
    return Timeline(moments=tuple(_counted(changes, times)), undated=undated)


def _runs(rows: Iterable[Row]) -> Iterator[Attempt]:
    for row in rows:
        yield from (attempt for attempt in (*row.earlier, row.current) if attempt.uuid is not None)


def _is_dated(attempt: Attempt) -> bool:
    return attempt.created is not None and (attempt.stopped is not None or not attempt.standing.is_end)


def _changes(attempt: Attempt) -> Iterator[tuple[datetime, _Change]]:
    """Say what the run's life changes, and when; the service's times are not trusted to be in order."""
    created = attempt.created
    if created is None:  # pragma: no cover (only dated runs get here)
        return
    yield created, (1, 0, 0, 0)
    if attempt.started is not None:
        yield max(created, attempt.started), (-1, 1, 0, 0)
    if attempt.stopped is not None and attempt.standing.is_end:
        left = (0, -1) if attempt.started is not None else (-1, 0)
        ended = (1, 0) if attempt.standing is Standing.SUCCEEDED else (0, 1)
        yield max(created, attempt.started or created, attempt.stopped), (*left, *ended)


def _counted(changes: dict[datetime, list[_Change]], times: list[datetime]) -> Iterator[Moment]:
    whens = sorted(changes)
    each = ((sum(part) for part in zip(*changes[when], strict=True)) for when in whens)
    totals = accumulate((tuple(change) for change in each), _added)
    now, ahead = (0, 0, 0, 0), list(zip(whens, totals, strict=True))
    place = 0
    for time in times:
        while place < len(ahead) and ahead[place][0] <= time:
            now = ahead[place][1]
            place += 1
        queued, running, succeeded, otherwise = now
        yield Moment(at=time, queued=queued, running=running, succeeded=succeeded, ended_otherwise=otherwise)


def _added(one: tuple[int, ...], other: tuple[int, ...]) -> _Change:
    queued, running, succeeded, otherwise = (a + b for a, b in zip(one, other, strict=True))
    return queued, running, succeeded, otherwise
