"""
All runs in little room: columns in place of rows, each word once, times as seconds since the first.

20,000 runs take about 4 MB so. Belongs here: this form, which ``assets/rows.js`` reads. Does not: HTML.
"""

from __future__ import annotations

import json
from itertools import takewhile
from typing import TYPE_CHECKING, Final

from batchrun.report.rows import Standing

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from datetime import datetime

    from batchrun.model.spec import Json
    from batchrun.report.rows import Attempt, Row
    from batchrun.report.timeline import Timeline

#: Characters of a text that are kept, and of all different messages together, so that the file stays small
#: whatever the service says. The results have them whole.
TEXT: Final = 1_200
MESSAGES: Final = 2_000_000
_SHORTEST: Final = 80

_STANDINGS: Final = {standing: place for place, standing in enumerate(Standing)}


def packed(rows: Sequence[Row], timeline: Timeline, at: datetime) -> Json:
    """Give everything that the page draws by itself, as JSON."""
    current = [row.current for row in rows]
    earlier = [(place, past) for place, row in enumerate(rows) for past in row.earlier]
    past = [attempt for _, attempt in earlier]
    created = (attempt.created for attempt in (*current, *past) if attempt.created is not None)
    base = min(created, default=at)
    return {
        "base": base.timestamp(),
        "at": _seconds(base)(at),
        "standings": [standing.value for standing in Standing],
        "ids": [cut(row.id) for row in rows],
        "runs": _columns(current, base),
        "earlier": {"row": [place for place, _ in earlier], **_columns(past, base)},
        "timeline": _moments(timeline, base),
    }


def script_text(value: Json) -> str:
    """
    Write JSON that no HTML parser takes for anything but text.

    ASCII alone, so that a lone surrogate or a line separator is no matter; and no character that could
    end the script element or begin another.
    """
    text = json.dumps(value, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def cut(text: str, most: int = TEXT) -> str:
    """Keep the beginning of *text*, with a mark where it goes on."""
    return text if len(text) <= most else f"{text[:most]}…"


def _columns(attempts: Sequence[Attempt], base: datetime) -> dict[str, Json]:
    seconds = _seconds(base)
    return {
        "standing": [_STANDINGS[one.standing] for one in attempts],
        "status": _worded(one.status for one in attempts),
        "attempt": [one.number for one in attempts],
        "runId": [one.run_id for one in attempts],
        "uuid": [one.uuid for one in attempts],
        "uri": _begun([one.output_uri for one in attempts]),
        "created": [seconds(one.created) for one in attempts],
        "started": [seconds(one.started) for one in attempts],
        "stopped": [seconds(one.stopped) for one in attempts],
        "reason": _worded(one.reason for one in attempts),
        "message": _messages([one.message for one in attempts]),
    }


def _seconds(base: datetime) -> Callable[[datetime | None], float | None]:
    """Give times as seconds since *base*, to a tenth."""
    return lambda time: None if time is None else round((time - base).total_seconds(), 1)


def _worded(texts: Iterable[str | None], most: int = TEXT) -> Json:
    """Give each different text once, and for each place the number of its text."""
    numbers: dict[str | None, int] = {}
    at: list[Json] = [numbers.setdefault(text, len(numbers)) for text in texts]
    return {"words": [None if text is None else cut(text, most) for text in numbers], "at": at}


def _messages(texts: Sequence[str | None]) -> Json:
    """Many different messages get less room each."""
    different = len(set(texts))
    return _worded(texts, max(_SHORTEST, min(TEXT, MESSAGES // max(1, different))))


def _begun(texts: Sequence[str | None]) -> Json:
    """Give what all texts begin with, and the rest of each."""
    known = [text for text in texts if text is not None]
    least, most = min(known, default=""), max(known, default="")  # what these two share, all share
    same = takewhile(lambda pair: pair[0] == pair[1], zip(least, most, strict=False))
    start = "".join(one for one, _ in same)
    return {"start": start, "rest": [None if text is None else cut(text[len(start) :]) for text in texts]}


def _moments(timeline: Timeline, base: datetime) -> Json:
    seconds = _seconds(base)
    moments = timeline.moments
    return {
        "at": [seconds(moment.at) for moment in moments],
        "queued": [moment.queued for moment in moments],
        "running": [moment.running for moment in moments],
        "succeeded": [moment.succeeded for moment in moments],
        "otherwise": [moment.ended_otherwise for moment in moments],
    }
