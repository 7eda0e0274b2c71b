"""
What it means for a row that was sent that its manifest offers other lanes by now.

The lane of its attempt is chosen, so only what it asks for there counts: lanes that are added change no such
row, and are for attempts to come. A row that was sent before its manifest had lanes is in the batch's *home*
lane, the one of its region and account.

Belongs here: whether such a row is changed, and how its content is taken over. Does not: which lane is home,
and rows that were not sent: these take whatever their manifest says.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from batchrun.model.lanes import first_request, offers_of, or_home_alone, request_in

if TYPE_CHECKING:
    from batchrun.model.entries.entry import Entry


def asks_otherwise(entry: Entry, content: str, home: str | None) -> bool:
    """
    Report whether *content* asks for something else where the entry was sent, or does not offer that lane.

    What was withdrawn before it was sent may have gone to several lanes: those count that are offered still.

    Args:
        entry: As it is stored; its content is another text.
        content: What the manifest asks for now.
        home: The lane of rows that have none; None where the manifest has no lanes.
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
