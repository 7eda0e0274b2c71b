"""The rows of a batch that a client sees: searched, filtered, sorted, one page of them.

``report/assets/at_hand.js`` does the same in the browser. Does not belong here: reading them (``following``),
their format (``report.packing``).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from batchrun.report.gathering import RowStanding, ShownAttempt, ShownRow

#: Most rows of a page.
MOST: Final = 500
_PAGE: Final = 100
#: Most characters and words of a search.
_SEARCHED: Final = 300
#: Highest row that can be requested.
_FARTHEST: Final = 10**9


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """What a client requests."""

    words: tuple[str, ...] = ()  #: in lower case; each must be found
    standing: RowStanding | None = None
    lane: str | None = None
    reason: str | None = None
    sort: str = ""  #: a key of ORDERS; else the manifest's order
    is_down: bool = False
    first: int = 0
    most: int = _PAGE


def read_query(query: Mapping[str, str]) -> Query:
    """Return what a query string requests; bad values are ignored."""
    standings = {one.value: one for one in RowStanding}
    return Query(
        words=tuple(query.get("search", "")[:_SEARCHED].lower().split()),
        standing=standings.get(query.get("standing", "")),
        lane=query.get("lane"),
        reason=query.get("reason"),
        sort=query.get("sort", "") if query.get("sort") in ORDERS else "",
        is_down=query.get("down") == "1",
        first=_number(query.get("first"), _FARTHEST, 0),
        most=_number(query.get("most"), MOST, _PAGE),
    )


class TextSearch:
    """Finds words in rows, and caches each row's text while the row is unchanged."""

    def __init__(self) -> None:
        self._said: dict[str, tuple[ShownRow, str]] = {}

    def finds(self, row: ShownRow, words: Sequence[str]) -> bool:
        """Report whether the row has all *words*."""
        if not words:
            return True
        known = self._said.get(row.id)
        if known is None or known[0] is not row:
            known = self._said[row.id] = row, "\n".join(_texts(row)).lower()
        return all(word in known[1] for word in words)


def chosen(rows: Sequence[ShownRow], wanted: Query, search: TextSearch, at: datetime) -> Sequence[ShownRow]:
    """Return all requested rows, in the requested order."""
    found = [row for row in rows if _fits(row, wanted) and search.finds(row, wanted.words)]
    if wanted.sort:
        key = ORDERS[wanted.sort]
        # Unknown values come last in either direction; equal ones keep manifest order.
        known = [row for row in found if key(row.current, row, at) is not None]
        unknown = [row for row in found if key(row.current, row, at) is None]
        known.sort(key=lambda row: key(row.current, row, at), reverse=wanted.is_down)  # type: ignore[arg-type,return-value]
        return [*known, *unknown]
    return found


def _fits(row: ShownRow, wanted: Query) -> bool:
    current = row.current
    return (
        (wanted.standing is None or current.standing is wanted.standing)
        and (wanted.lane is None or current.lane == wanted.lane)
        and (wanted.reason is None or current.reason == wanted.reason)
    )


def _texts(row: ShownRow) -> Iterator[str]:
    yield row.id
    for one in (row.current, *row.earlier):
        facts = (one.status, one.standing.value, one.lane, one.reason, one.uuid, one.run_id, one.output_uri)
        yield from filter(None, (*facts, one.message))
        for task in one.tasks.tasks if one.tasks else ():
            yield from filter(None, (task.name, task.failure_reason))


#: Sort keys by the names of the table's columns.
ORDERS: Final[Mapping[str, Callable[[ShownAttempt, ShownRow, datetime], object]]] = {
    "id": lambda _now, row, _at: row.id,
    "status": lambda now, _row, _at: f"{now.status} {now.reason or ''}",
    "lane": lambda now, _row, _at: now.lane,
    "attempt": lambda now, _row, _at: now.number,
    "queued": lambda now, _row, at: now.queued(at),
    "ran": lambda now, _row, at: now.ran(at),
    "created": lambda now, _row, _at: now.created,
    "stopped": lambda now, _row, _at: now.stopped,
}


def _number(text: str | None, most: int, otherwise: int) -> int:
    is_one = text is not None and text.isascii() and text.isdigit() and len(text) <= len(str(most))
    return min(int(text or 0), most) if is_one else otherwise
