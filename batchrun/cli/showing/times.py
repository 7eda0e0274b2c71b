"""
Times of day for people at a terminal: theirs, with the zone's name.

Belongs here: when something will be over. Does not: times that are kept or compared, which are in UTC.
"""

from __future__ import annotations

from datetime import datetime, timedelta

_WEEK = timedelta(days=6)


def until(at: datetime, seconds: float) -> str:
    """
    Write what time it will be *seconds* after *at*, in the machine's zone.

    To the minute; with the day where that is another one, with the date where the day would not say which.
    """
    now, then = at.astimezone(), (at + timedelta(seconds=seconds)).astimezone()
    day = "%a " if then - now < _WEEK else "%d %b "
    day = "" if then.date() == now.date() else day
    return then.strftime(f"{day}%H:%M %Z")
