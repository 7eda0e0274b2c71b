"""The requests that an attempt may have sent: the row's content, or what a retry made of the attempt before.

Each possibility has its own requestId, which tells what a run was started with.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from batchrun.model.entries.duplicating import copy_of
from batchrun.model.entries.entry import Entry, Run
from batchrun.model.entries.retrying import changed
from batchrun.model.entries.states import ENDED, Outlook, outlook
from batchrun.model.lanes import offers_of
from batchrun.model.spec import request_id

#: Most requests that an attempt is compared with; more than any sensible rules lead to.
_MOST_REQUESTS: Final = 200
_WITHOUT_SUCCESS: Final = frozenset({Outlook.FAILED, Outlook.CANCELLED, Outlook.REMOVED})


def in_lanes(content: str) -> Iterator[tuple[str | None, str]]:
    """Yield the requests of a content by lane; the lane is None if it has none."""
    offers = offers_of(content)
    if not offers:
        yield None, content
    for offer in offers:
        yield offer.lane, offer.request


@dataclass(frozen=True, slots=True, kw_only=True)
class PossibleRequest:
    """What an attempt may have asked for, and where."""

    content: str
    lane: str | None  #: part of its requestId
    place: str | None  #: where its run is then
    request: str


class Requests:
    """The requests that an attempt of one row may have sent, given the attempts before it."""

    def __init__(self, entry: Entry, changes: Sequence[str], home: str | None) -> None:
        self._entry = entry
        self._changes = changes
        self._home = home
        self._number = entry.attempt  #: the attempt that `_possible` is for
        self._possible = {entry.asked, entry.content}
        if entry.state in ENDED:
            self._advance(entry.run, entry.lane)

    def by_id(self, number: int) -> Mapping[str, PossibleRequest]:
        """Return the possible requests of attempt *number* by requestId; call with rising numbers."""
        while self._number < number:
            self._advance(None, None)
        batch, entry_id = self._entry.batch, self._entry.id
        content = self._entry.content  # last, so that it wins over equal requests
        asked = (one for text in [*self._possible - {content}, content] for one in self._asked(text))
        return {request_id(batch, entry_id, number, one.request, one.lane): one for one in asked}

    def _asked(self, content: str) -> Iterator[PossibleRequest]:
        for place, request in in_lanes(content):
            if place == self._home:  # sent before the batch had lanes, or there are none
                yield PossibleRequest(content=content, lane=None, place=place, request=request)
            if place is not None:
                yield PossibleRequest(content=content, lane=place, place=place, request=request)

    def found(self, asked: PossibleRequest | None, run: Run, lane: str | None) -> None:
        """Note the attempt's run, and what it asked for, if known."""
        if asked is not None:
            self._possible = {asked.content}
        self._advance(run, lane)

    def _advance(self, run: Run | None, lane: str | None) -> None:
        """Advance to the next attempt; after one that goes on or succeeded it asks for the row's content."""
        content = self._entry.content
        possible = {content}
        if run is None or outlook(run.status) in _WITHOUT_SUCCESS:
            possible |= self._possible
            possible |= {changed(text, change) for text in self._possible for change in self._changes}
            if run is not None:
                possible |= {copy_of(text, run.id, lane) for text in self._possible}
        self._possible = {content, *sorted(possible)[:_MOST_REQUESTS]}
        self._number += 1
