"""
The report's numbers: what stands where, what failed and why, what took longest.

What the service said of many runs is told once: messages that differ in ids and numbers alone are one.
Belongs here: adding up rows, as values that know nothing of HTML. Does not: runs over time (``packing``),
calls (``gathering``), words and layout (``html``).
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

from batchrun.model.entries.reasons import Advice, Owner, advice
from batchrun.ports.stored import TaskFailures
from batchrun.report.gathering import RowStanding, ShownAttempt, ShownRow

#: Stands for what differs.
GAP: Final = "…"
_WORDS: Final = re.compile(r"(\s+)")
_DIGIT: Final = re.compile(r"\d")
#: Characters of a message that are compared: who writes more is not read to the end either.
_COMPARED: Final = 2_000


@dataclass(frozen=True, slots=True, kw_only=True)
class FailureMessage:
    """What was said, with a mark for what differs, and how often."""

    text: str
    count: int


def grouped(texts: Mapping[str, int]) -> Sequence[FailureMessage]:
    """
    Put messages together that differ only in words with digits, which ids, paths and sizes are; most first.

    Args:
        texts: How often each was said.
    """
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
    """Return the word where all are the same, else what they begin and end with."""
    different = set(words)
    if len(different) == 1:
        return words[0]
    start = common_start(different)
    rests = [word[len(start) :][::-1] for word in different]
    # Numbers that differ are left out as a whole: that two of them begin alike says nothing.
    return f"{start.rstrip(digits)}{GAP}{common_start(rests).rstrip(digits)[::-1]}"


def common_start(texts: Collection[str]) -> str:
    """Return what all of *texts* begin with."""
    least, most = min(texts, default=""), max(texts, default="")  # what these two share, all share
    same = takewhile(lambda pair: pair[0] == pair[1], zip(least, most, strict=False))
    return "".join(one for one, _ in same)


#: How many of the slowest runs are shown.
SLOWEST: Final = 10
#: How many different messages of one reason are shown: those that differ in an id alone are one.
MESSAGES: Final = 3
_NONE: Final = timedelta()


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """How the batch stands."""

    total: int
    counts: Mapping[RowStanding, int]  #: every standing, in the order of the enumeration
    attempts: int  #: of all rows, those that were never sent left out
    rows_with_retries: int
    most_attempts: int
    first_created: datetime | None
    last_stopped: datetime | None  #: of all runs so far
    median_queued: timedelta | None  #: of runs that have started
    median_ran: timedelta | None  #: of runs that have ended
    total_ran: timedelta  #: time in RUNNING, all runs added up

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
    """One reason why rows ended without success."""

    standing: RowStanding
    reason: str | None
    ids: tuple[str, ...]  #: rows that stand so now, in manifest order
    earlier: int  #: attempts that ended so, and were followed by another
    messages: tuple[FailureMessage, ...]  #: the most frequent
    other_messages: int  #: how many different ones are not shown
    advice: Advice | None
    tasks: tuple[TaskFailures, ...] = ()  #: why tasks of these rows' runs failed, as far as is known


@dataclass(frozen=True, slots=True, kw_only=True)
class Slow:
    """A run that took long, or has been taking long so far."""

    id: str
    attempt: ShownAttempt
    queued: timedelta | None
    ran: timedelta


def counted(rows: Iterable[ShownRow]) -> Mapping[RowStanding, int]:
    """Count the rows that stand so, for every standing."""
    found = Counter(row.standing for row in rows)
    return {standing: found[standing] for standing in RowStanding}


def summary(rows: Sequence[ShownRow], at: datetime) -> Figures:
    """Count what stands where, and how long things took."""
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
    """Group what ended without success by reason: those that hold most rows now come first."""
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
    """Add up the attempts that ended in one way, each with its row's id and whether the row stands so now."""
    ids = tuple(id_ for id_, _, is_current in attempts if is_current)
    messages = grouped(Counter(one.message for _, one, _ in attempts if one.message))
    return Failure(
        standing=standing,
        reason=reason,
        ids=ids,
        earlier=len(attempts) - len(ids),
        messages=tuple(messages[:MESSAGES]),
        other_messages=max(0, len(messages) - MESSAGES),
        advice=_advice(standing, reason),
        tasks=tasks,
    )


def slowest(rows: Iterable[ShownRow], at: datetime, *, most: int = SLOWEST) -> tuple[Slow, ...]:
    """Return the current runs with the longest running time, those that still run included."""
    timed = (
        Slow(id=row.id, attempt=row.current, queued=row.current.queued(at), ran=ran)
        for row in rows
        if (ran := row.current.ran(at)) is not None
    )
    return tuple(heapq.nlargest(most, timed, key=lambda slow: slow.ran))


def _advice(standing: RowStanding, reason: str | None) -> Advice | None:
    """Say what to do; why runs failed is in ``model.entries.reasons``."""
    match standing:
        case RowStanding.FAILED:
            return advice(reason)
        case RowStanding.REFUSED:
            action = "correct the row as the message says, then start it again; it never became a run"
            return Advice(owner=Owner.YOU, action=action)
        case RowStanding.DELETED:
            action = "retry the row if its results are missing; its run was removed before its end was seen"
            return Advice(owner=Owner.YOU, action=action)
        case _:
            return None


def _median(spans: Iterable[timedelta | None]) -> timedelta | None:
    known = [span.total_seconds() for span in spans if span is not None]
    return timedelta(seconds=median(known)) if known else None
