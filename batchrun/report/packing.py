"""All runs in a compact form: columns in place of rows, each text once, times as seconds since the first.

20,000 runs take about 4 MB; with them go the numbers of queued, running and ended runs at some hundred
moments. Belongs here: this form, which ``assets/rows.js`` and ``assets/timeline.js`` read, and its
arithmetic. Does not: HTML.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import accumulate
from typing import Final

from batchrun.model.entries.entry import Run
from batchrun.model.spec import Json
from batchrun.model.tasks import LOG_GROUP, FailedTask, log_streams, stream_name
from batchrun.report.bill import rounded
from batchrun.report.figures import common_start
from batchrun.report.gathering import Report, RowStanding, ShownAttempt, ShownRow

#: Moments of the chart.
MOMENTS: Final = 300
_SHORTEST: Final = timedelta(seconds=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class ChartPoint:
    """The number of runs by standing at *at*."""

    at: datetime
    queued: int
    running: int
    succeeded: int
    ended_otherwise: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeline:
    """Runs over time, earlier attempts included."""

    moments: tuple[ChartPoint, ...]  #: evenly spread from the first creation to the last end, or to now
    undated: int  #: runs left out because their beginning or end is unknown


#: Changes at one instant: queued, running, succeeded, ended otherwise.
_Change = tuple[int, int, int, int]


def timeline(rows: Iterable[ShownRow], at: datetime, *, moments: int = MOMENTS) -> Timeline:
    """Count the runs of *rows* at evenly spread moments; active ones last until *at*."""
    changes: defaultdict[datetime, list[_Change]] = defaultdict(list)
    undated, is_going = 0, False
    runs = (one for row in rows for one in row.attempts if one.uuid is not None)
    for attempt in runs:
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


def _is_dated(attempt: ShownAttempt) -> bool:
    return attempt.created is not None and (attempt.stopped is not None or not attempt.standing.is_end)


def _changes(attempt: ShownAttempt) -> Iterator[tuple[datetime, _Change]]:
    """Yield the changes in the run's life; the service's times may be out of order."""
    created = attempt.created
    if created is None:  # pragma: no cover (only dated runs get here)
        return
    yield created, (1, 0, 0, 0)
    if attempt.started is not None:
        yield max(created, attempt.started), (-1, 1, 0, 0)
    if attempt.stopped is not None and attempt.standing.is_end:
        left = (0, -1) if attempt.started is not None else (-1, 0)
        ended = (1, 0) if attempt.standing is RowStanding.SUCCEEDED else (0, 1)
        yield max(created, attempt.started or created, attempt.stopped), (*left, *ended)


def _counted(changes: dict[datetime, list[_Change]], times: list[datetime]) -> Iterator[ChartPoint]:
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
        yield ChartPoint(
            at=time, queued=queued, running=running, succeeded=succeeded, ended_otherwise=otherwise
        )


def _added(one: tuple[int, ...], other: tuple[int, ...]) -> _Change:
    queued, running, succeeded, otherwise = (a + b for a, b in zip(one, other, strict=True))
    return queued, running, succeeded, otherwise


#: Characters kept of one text, and of all distinct messages together, to bound the file's size. The results
#: have them whole.
TEXT: Final = 1_200
MESSAGES: Final = 2_000_000
#: Failed tasks of all runs together, beside one of each run; the ledger has all of them.
TASKS: Final = 20_000
_SHORTEST_TEXT: Final = 80
_STANDINGS: Final = {standing: place for place, standing in enumerate(RowStanding)}
#: Stand for ids of run and task in the name of a log stream, so that one name serves for all.
_RUN, _TASK = "{run}", "{task}"


def packed(report: Report, timeline: Timeline, base: datetime | None = None) -> dict[str, Json]:
    """Return everything that the page's scripts draw, as JSON, with times counted from *base*.

    The report has all rows, or those of one page. *base* is by default the first creation.
    """
    rows, at = report.rows, report.at
    current = [row.current for row in rows]
    earlier = [(place, past) for place, row in enumerate(rows) for past in row.earlier]
    past = [attempt for _, attempt in earlier]
    has_lanes = bool(report.lanes) or any(one.lane for one in (*current, *past))
    base = base or first_created(rows) or at
    return {
        "base": base.timestamp(),
        "at": _seconds(base)(at),
        "region": report.batch.region,
        "currency": None if report.bill is None else cut(report.bill.prices.currency),
        "logGroup": LOG_GROUP,
        "logStreams": list(log_streams(Run(id=_RUN, uuid="", arn="", status=""), {})),
        "hasLanes": has_lanes,
        "standings": [standing.value for standing in RowStanding],
        "ids": [cut(row.id) for row in rows],
        "runs": _columns(current, base, has_lanes=has_lanes),
        "earlier": {
            "row": [place for place, _ in earlier],
            **_columns(past, base, has_lanes=has_lanes),
        },
        "timeline": moments_of(timeline, base),
    }


def first_created(rows: Iterable[ShownRow]) -> datetime | None:
    """Return when the first run of *rows* was created, including earlier attempts."""
    attempts = (attempt for row in rows for attempt in row.attempts)
    return min((one.created for one in attempts if one.created is not None), default=None)


def script_text(value: Json) -> str:
    """Return JSON that an HTML parser takes only as text.

    It is ASCII, so that lone surrogates and line separators do no harm, and has no character that could end
    the script element or begin another.
    """
    text = json.dumps(value, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def cut(text: str, most: int = TEXT) -> str:
    """Return the beginning of *text*, with a mark if it was cut."""
    return text if len(text) <= most else f"{text[:most]}…"


def _columns(attempts: Sequence[ShownAttempt], base: datetime, *, has_lanes: bool) -> dict[str, Json]:
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
        "withoutLogs": [place for place, one in enumerate(attempts) if not one.has_logs],
        "tasks": _tasks(attempts),
        **(_lanes(attempts) if has_lanes else {}),
        **_costs(attempts),
    }


def _lanes(attempts: Sequence[ShownAttempt]) -> dict[str, Json]:
    """Return the lane of each attempt and the region of its run."""
    return {
        "lane": _worded(one.lane for one in attempts),
        "region": _worded(one.region for one in attempts),
    }


def _costs(attempts: Sequence[ShownAttempt]) -> dict[str, Json]:
    """Return each run's cost and what that leaves out; nothing if no run has a price."""
    if not any(one.charged for one in attempts):
        return {}
    costs = [one.charged.total if one.charged and one.charged.cost else None for one in attempts]
    return {
        "cost": [None if cost is None else rounded(cost) for cost in costs],
        "unpriced": _worded("; ".join(one.charged.lacks) if one.charged else None for one in attempts),
    }


def _tasks(attempts: Sequence[ShownAttempt]) -> Json:
    """Return failed tasks in columns, *run* being the run's index; of many runs fewer tasks each."""
    known = [(place, one, one.tasks) for place, one in enumerate(attempts) if one.tasks]
    most = max(1, TASKS // max(1, len(known)))
    found = [(place, one, task) for place, one, tasks in known for task in tasks.tasks[:most]]
    return {
        "run": [place for place, _, _ in found],
        "id": [cut(task.id) for _, _, task in found],
        "name": _worded(task.name for _, _, task in found),
        "reason": _worded(task.failure_reason for _, _, task in found),
        "message": _messages([task.status_message for _, _, task in found]),
        "stream": _worded(_stream(one, task) for _, one, task in found),
        "andMore": [place for place, _, tasks in known if tasks.has_more or len(tasks.tasks) > most],
    }


def _stream(attempt: ShownAttempt, task: FailedTask) -> str | None:
    """Return the task's log stream, with marks in place of ids if it has the usual name."""
    if task.log_stream is None:
        return None
    name = stream_name(task.log_stream)
    usual = f"run/{_RUN}/task/{_TASK}"
    is_usual = name == usual.replace(_RUN, attempt.run_id or "").replace(_TASK, task.id)
    return usual if is_usual else name


def _seconds(base: datetime) -> Callable[[datetime | None], float | None]:
    """Return a function from times to seconds since *base*, to a tenth."""
    return lambda time: None if time is None else round((time - base).total_seconds(), 1)


def _worded(texts: Iterable[str | None], most: int = TEXT) -> Json:
    """Return each distinct text once, and the index of its text for each item."""
    numbers: dict[str | None, int] = {}
    at: list[Json] = [numbers.setdefault(text, len(numbers)) for text in texts]
    return {"words": [None if text is None else cut(text, most) for text in numbers], "at": at}


def _messages(texts: Sequence[str | None]) -> Json:
    """Return messages as :func:`_worded`; of many distinct ones less of each."""
    different = len(set(texts))
    return _worded(texts, max(_SHORTEST_TEXT, min(TEXT, MESSAGES // max(1, different))))


def _begun(texts: Sequence[str | None]) -> Json:
    """Return the common beginning of all texts, and the rest of each."""
    start = common_start([text for text in texts if text is not None])
    return {"start": start, "rest": [None if text is None else cut(text[len(start) :]) for text in texts]}


def moments_of(timeline: Timeline, base: datetime) -> Json:
    """Return the timeline in columns, times as seconds since *base*."""
    seconds = _seconds(base)
    moments = timeline.moments
    return {
        "at": [seconds(moment.at) for moment in moments],
        "queued": [moment.queued for moment in moments],
        "running": [moment.running for moment in moments],
        "succeeded": [moment.succeeded for moment in moments],
        "otherwise": [moment.ended_otherwise for moment in moments],
    }
