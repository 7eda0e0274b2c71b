"""The report's numbers: rows by standing, failures by reason, the slowest runs.

Messages of the service that differ only in ids and numbers are shown once. Belongs here: adding up rows, as
values that know nothing of HTML. Does not: runs over time (``packing``), calls (``gathering``), words and
layout (``html``).
"""

from __future__ import annotations

import heapq
import re
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import takewhile
from statistics import median
from string import digits
from typing import Final

from batchrun.model.entries.reasons import Advice, advice_for
from batchrun.model.entries.states import State
from batchrun.ports.stored import TaskFailures
from batchrun.report.gathering import RowStanding, ShownAttempt, ShownRow

#: Stands for a differing part.
GAP: Final = "…"
_WORDS: Final = re.compile(r"(\s+)")
_DIGIT: Final = re.compile(r"\d")
#: Characters of a message that are compared.
_COMPARED: Final = 2_000


@dataclass(frozen=True, slots=True, kw_only=True)
class FailureMessage:
    """A message, with a mark for differing parts, and its count."""

    text: str
    count: int


def grouped(texts: Mapping[str, int]) -> Sequence[FailureMessage]:
    """Merge messages that differ only in words with digits (ids, paths, sizes), the most frequent first."""
    alike: defaultdict[tuple[str, ...], Counter[str]] = defaultdict(Counter)
    for text, count in texts.items():
        alike[_shape(text)][text] += count
    found = [FailureMessage(text=_common(list(group)), count=group.total()) for group in alike.values()]
    return sorted(found, key=lambda message: -message.count)


def _shape(text: str) -> tuple[str, ...]:
    return tuple(GAP if _DIGIT.search(word) else word for word in _words(text))


def _words(text: str) -> list[str]:
    return _WORDS.split(text[:_COMPARED])


def _common(texts: Sequence[str]) -> str:
    if len(texts) == 1:
        return texts[0]
    return "".join(_word(places) for places in zip(*map(_words, texts), strict=True))


def _word(words: Sequence[str]) -> str:
    """Return the word if all are the same, else their common beginning and end."""
    different = set(words)
    if len(different) == 1:
        return words[0]
    start = common_start(different)
    rests = [word[len(start) :][::-1] for word in different]
    # Differing numbers are replaced as a whole: a common first digit means nothing.
    return f"{start.rstrip(digits)}{GAP}{common_start(rests).rstrip(digits)[::-1]}"


def common_start(texts: Collection[str]) -> str:
    """Return the longest common beginning of *texts*."""
    least, most = min(texts, default=""), max(texts, default="")  # what these two share, all share
    same = takewhile(lambda pair: pair[0] == pair[1], zip(least, most, strict=False))
    return "".join(one for one, _ in same)


#: Slowest runs that are shown.
SLOWEST: Final = 10
#: Messages that are shown of one reason, merged ones counted once.
MESSAGES: Final = 3
_NONE: Final = timedelta()


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """The batch in numbers."""

    total: int
    counts: Mapping[RowStanding, int]  #: all standings, in the enumeration's order
    attempts: int  #: of all rows, without those never sent
    rows_with_retries: int
    most_attempts: int
    first_created: datetime | None
    last_stopped: datetime | None  #: of all runs so far
    median_queued: timedelta | None  #: of runs that have started
    median_ran: timedelta | None  #: of runs that have ended
    total_ran: timedelta  #: time in RUNNING of all runs together

    @property
    def open(self) -> int:
        """Rows with work left."""
        return sum(number for standing, number in self.counts.items() if not standing.is_end)

    @property
    def trouble(self) -> int:
        """Rows that ended without success."""
        return sum(number for standing, number in self.counts.items() if standing.is_trouble)


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """One reason for which rows ended without success."""

    standing: RowStanding
    reason: str | None
    ids: tuple[str, ...]  #: rows that have failed so now, in manifest order
    earlier: int  #: attempts that failed so and were retried
    messages: tuple[FailureMessage, ...]  #: the most frequent
    other_messages: int  #: number of further messages
    advice: Advice
    tasks: tuple[TaskFailures, ...] = ()  #: known reasons for which tasks of these rows' runs failed


@dataclass(frozen=True, slots=True, kw_only=True)
class Slow:
    """One of the slowest runs, ended or not."""

    id: str
    attempt: ShownAttempt
    queued: timedelta | None
    ran: timedelta


def counted(rows: Iterable[ShownRow]) -> Mapping[RowStanding, int]:
    """Return the number of rows for every standing."""
    found = Counter(row.standing for row in rows)
    return {standing: found[standing] for standing in RowStanding}


def summary(rows: Sequence[ShownRow], at: datetime) -> Figures:
    """Return the batch's numbers and durations."""
    sent = [len(row.earlier) + (row.standing is not RowStanding.PLANNED) for row in rows]
    runs = [attempt for row in rows for attempt in row.attempts]
    return Figures(
        total=len(rows),
        counts=counted(rows),
        attempts=sum(sent),
        rows_with_retries=sum(number > 1 for number in sent),
        most_attempts=max(sent, default=0),
        first_created=min((run.created for run in runs if run.created), default=None),
        last_stopped=max((run.stopped for run in runs if run.stopped), default=None),
        median_queued=_median(run.queued(at) for run in runs if run.started),
        median_ran=_median(run.ran(at) for run in runs if run.stopped),
        total_ran=sum((run.ran(at) or _NONE for run in runs), start=_NONE),
    )


def failures(rows: Iterable[ShownRow], tasks: Iterable[TaskFailures] = ()) -> tuple[Failure, ...]:
    """Return failures by reason, those with most rows now first."""
    groups: defaultdict[tuple[RowStanding, str | None], list[tuple[str, ShownAttempt, bool]]] = defaultdict(
        list
    )
    for row in rows:
        for attempt in row.attempts:
            if attempt.standing.is_trouble:
                groups[attempt.standing, attempt.reason].append((row.id, attempt, attempt is row.current))
    whys: defaultdict[tuple[RowStanding, str | None], list[TaskFailures]] = defaultdict(list)
    for why in tasks:
        whys[RowStanding.FAILED, why.run_reason].append(why)
    found = [_failure(*key, group, tuple(whys[key])) for key, group in groups.items()]
    return tuple(sorted(found, key=lambda one: (-len(one.ids), -one.earlier)))


def _failure(
    standing: RowStanding,
    reason: str | None,
    attempts: Sequence[tuple[str, ShownAttempt, bool]],
    tasks: tuple[TaskFailures, ...],
) -> Failure:
    """Return one failure from its attempts, each with the row's id and whether it is the row's last."""
    ids = tuple(id_ for id_, _, is_current in attempts if is_current)
    messages = grouped(Counter(one.message for _, one, _ in attempts if one.message))
    return Failure(
        standing=standing,
        reason=reason,
        ids=ids,
        earlier=len(attempts) - len(ids),
        messages=tuple(messages[:MESSAGES]),
        other_messages=max(0, len(messages) - MESSAGES),
        advice=advice_for(State(standing.value), reason),
        tasks=tasks,
    )


def slowest(rows: Iterable[ShownRow], at: datetime, *, most: int = SLOWEST) -> tuple[Slow, ...]:
    """Return the current runs with the longest running time, including those still running."""
    timed = (
        Slow(id=row.id, attempt=row.current, queued=row.current.queued(at), ran=ran)
        for row in rows
        if (ran := row.current.ran(at)) is not None
    )
    return tuple(heapq.nlargest(most, timed, key=lambda slow: slow.ran))


def _median(spans: Iterable[timedelta | None]) -> timedelta | None:
    known = [span.total_seconds() for span in spans if span is not None]
    return timedelta(seconds=median(known)) if known else None
