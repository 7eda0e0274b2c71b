"""Words for people: others' text made safe to show, numbers, durations, times of day."""

from __future__ import annotations

import unicodedata
from datetime import datetime, timedelta
from difflib import get_close_matches
from typing import TYPE_CHECKING, Final

from batchrun.model.texts.foreign import TOLD, shortened

if TYPE_CHECKING:
    from collections.abc import Sequence

_WEEK: Final = timedelta(days=6)


def printable(text: str) -> str:
    r"""Return *text* with control, format and surrogate characters written as ``\x1b`` and the like."""
    if text.isprintable():
        return text
    return "".join(_shown(character) for character in text)


def one_line(text: str) -> str:
    """Return text of others as one line that is safe to show, and no longer than anybody reads."""
    return shortened(whole_line(text), TOLD)


def whole_line(text: str) -> str:
    """Return all of a text of others as one line that is safe to show, to whoever asked for just that."""
    return printable(text).replace("\n", " ").rstrip()


def _shown(character: str) -> str:
    if character.isprintable() or character == "\n":
        return character
    if unicodedata.category(character) == "Zs":
        return " "
    return character.encode("unicode_escape").decode("ascii")


def counted(number: int, one: str, many: str | None = None) -> str:
    """Write how many there are: ``1 row``, ``2 rows``."""
    return f"{number} {one if number == 1 else many or f'{one}s'}"


def seconds(value: float) -> str:
    """Write a duration: ``45 s``, ``3 min``, ``2 h 05 min``, ``3 d 4 h``."""
    whole = round(value)
    if whole < 90:  # noqa: PLR2004
        return f"{whole} s"
    if whole < 5400:  # noqa: PLR2004
        return f"{round(whole / 60)} min"
    hours, minutes = divmod(round(whole / 60), 60)
    if hours < 48:  # noqa: PLR2004
        return f"{hours} h {minutes:02} min"
    return f"{hours // 24} d {hours % 24} h"


def until(at: datetime, seconds: float) -> str:
    """
    Write what time it will be *seconds* after *at*, in the machine's zone, for people at a terminal.

    To the minute; with the day where that is another one, with the date where the day would not say which.
    """
    now, then = at.astimezone(), (at + timedelta(seconds=seconds)).astimezone()
    day = "%a " if then - now < _WEEK else "%d %b "
    day = "" if then.date() == now.date() else day
    return then.strftime(f"{day}%H:%M %Z")


def hint(typed: str, known: Sequence[str], otherwise: str) -> str:
    """Ask whether the *known* word that is nearest to what was typed was meant; *otherwise* where none is."""
    near = get_close_matches(typed, known, n=1)
    return f"did you mean '{near[0]}'?" if near else otherwise
