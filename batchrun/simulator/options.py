"""
Settings out of text, as command-line options and ``/_simulator/faults`` give them.

Every parser raises ValueError with a message that quotes the part it cannot read. What does not belong
here: the options themselves.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator
from difflib import get_close_matches

from batchrun.simulator.buckets import Limit
from batchrun.simulator.faults import ELSEWHERE, ROW_STEPS, Fault, FaultRule, RowFault
from batchrun.simulator.lifecycle import FailFirst
from batchrun.simulator.s3 import StoredBucket, StoredObject

#: What a rule or a limit may be for.
OPERATIONS = (
    "StartRun",
    "GetRun",
    "ListRuns",
    "CancelRun",
    "DeleteRun",
    "GetWorkflow",
    "GetWorkflowVersion",
    "ListTagsForResource",
    "TagResource",
    "UntagResource",
    "ListRunTasks",
    "GetRunTask",
    "StartRunBatch",
    "GetBatch",
    "ListBatch",
    "ListRunsInBatch",
    "CancelRunBatch",
    "DeleteRunBatch",
    "DeleteBatch",
)

_FAULT = re.compile(r"(?P<operation>[^:@=]+):(?P<fault>[^:@=]+)(?:@(?P<name>[^=]+))?(?:=(?P<how>.*))?")
_URI = re.compile(r"s3://(?P<bucket>[^/\s]+)(?:/(?P<key>.*))?", re.DOTALL)
#: Error codes are the service's own words; a fault's name is lower case.
_ERROR_CODE = re.compile(r"[A-Z][A-Za-z]+")


def parse_faults(text: str) -> tuple[FaultRule, ...]:
    """
    Read rules such as ``StartRun:drop_after=0.08,*:throttle=3x,GetRun:AccessDeniedException@lab-*=1``.

    Each is ``OPERATION:FAULT[@NAME]=HOW``, separated by commas. OPERATION is the API's name or ``*``; FAULT
    one of :class:`Fault` or a service error's code; NAME a glob over the run's or batch's name; HOW a chance
    from 0 to 1, or ``3x`` for the next three calls. Without HOW, every call. What the service does by itself
    with a row of a batch is an OPERATION too, one of ROW_STEPS, with FAULT out of :class:`RowFault`.
    """
    return tuple(_fault_rule(part) for part in _parts(text))


def parse_limits(text: str) -> dict[str, Limit | None]:
    """
    Read limits such as ``StartRun=100/20,*=unlimited``: tokens per second, and the burst after a slash.

    Without a burst it is the rate, at least 1.
    """
    return {
        _known(operation, (*OPERATIONS, "*"), "operation"): _limit(value, part)
        for part in _parts(text)
        for operation, value in [_pair(part)]
    }


def parse_failures(text: str) -> dict[str, float]:
    """Read chances by failureReason, such as ``SERVICE_ERROR=0.1,RUN_TASK_FAILED=0.02``."""
    return {reason: _number(value, part) for part in _parts(text) for reason, value in [_pair(part)]}


def parse_fail_first(text: str) -> tuple[FailFirst, ...]:
    """
    Read runs that fail some times and then pass, such as ``sample-7*=2,*/retry/*=1:RUN_TASK_FAILED``.

    Each is ``GLOB=TIMES[:REASON]``, over the run's name or its outputUri.
    """
    rules = []
    for part in _parts(text):
        match, value = _pair(part)
        times, _, reason = value.partition(":")
        if not times.isdecimal():
            raise ValueError(f"{part!r}: {times!r} is not a number of runs")
        rules.append(FailFirst(match=match, times=int(times), reason=reason or "SERVICE_ERROR"))
    return tuple(rules)


def parse_objects(lines: Iterable[str]) -> tuple[StoredBucket, ...]:
    """
    Read buckets out of *lines*, each ``s3://BUCKET/KEY``, with a class of storage behind a tab or without.

    What has no key is a bucket, which may be empty.
    """
    found: dict[str, dict[str, StoredObject]] = {}
    for line in lines:
        uri, _, storage_class = line.rstrip("\r\n").partition("\t")
        if not uri:
            continue
        match = _URI.fullmatch(uri)
        if match is None:
            raise ValueError(f"{uri[:100]!r} is not s3://BUCKET/KEY")
        objects = found.setdefault(match["bucket"], {})
        if match["key"]:
            objects[match["key"]] = StoredObject(storage_class=storage_class or "STANDARD")
    return tuple(StoredBucket(name=name, objects=objects) for name, objects in found.items())


def of_lane(text: str, lane: str, lanes: Collection[str]) -> str:
    """
    Return what a text says of one of several *lanes*: ``east/StartRun=8`` is of ``east`` alone.

    What names no lane is of all, and comes first, so that a lane's own outranks it.
    """
    shared, own = [], []
    for part in _parts(text):
        name, slash, rest = part.partition("/")
        if not slash or name not in lanes:
            shared.append(part)
        elif name == lane:
            own.append(rest)
    return ",".join([*shared, *own])


def _parts(text: str) -> Iterator[str]:
    return (part.strip() for part in text.split(",") if part.strip())


def _pair(part: str) -> tuple[str, str]:
    name, equals, value = part.rpartition("=")
    if not (equals and name and value):
        raise ValueError(f"{part!r} is not NAME=VALUE")
    return name, value


def _known(word: str, words: Iterable[str], kind: str) -> str:
    known = tuple(words)
    if word not in known:
        near = get_close_matches(word, known, n=1)
        hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(known)}"
        raise ValueError(f"{word!r} is not a {kind}; {hint}")
    return word


def _number(value: str, part: str) -> float:
    try:
        return float(value)
    except ValueError:
        raise ValueError(f"{part!r}: {value!r} is not a number") from None


def _fault_rule(part: str) -> FaultRule:
    match = _FAULT.fullmatch(part)
    if match is None:
        raise ValueError(f"{part!r} is not OPERATION:FAULT=CHANCE or OPERATION:FAULT=TIMESx")
    operation = _known(match["operation"], (*OPERATIONS, *sorted(ELSEWHERE), "*"), "operation")
    times, chance = _how(match["how"] if match["how"] is not None else "1", part)
    return FaultRule(
        operation=operation,
        fault=_fault(match["fault"], operation),
        name=match["name"] or "*",
        chance=chance,
        times=times,
    )


def _fault(word: str, operation: str) -> Fault | RowFault | str:
    if _ERROR_CODE.fullmatch(word):
        return word
    if operation not in ROW_STEPS or word == Fault.PASS:
        return Fault(_known(word, tuple(Fault), "fault"))
    found = RowFault(_known(word, tuple(RowFault), "fault of rows"))
    if operation != "SubmitRow":
        raise ValueError(f"{operation}:{word}: only SubmitRow can go wrong in this way")
    return found


def _how(value: str, part: str) -> tuple[int | None, float]:
    count = value.removesuffix("x")
    if value.endswith("x") and count.isdecimal():
        return int(count), 1.0
    chance = _number(value, part)
    if not 0 <= chance <= 1:
        raise ValueError(f"{part!r}: a chance is from 0 to 1, a number of calls ends in x")
    return None, chance


def _limit(value: str, part: str) -> Limit | None:
    if value == "unlimited":
        return None
    rate_text, _, burst = value.partition("/")
    rate = _number(rate_text, part)
    if burst and not burst.isdecimal():
        raise ValueError(f"{part!r}: the burst {burst!r} is not a whole number")
    try:
        return Limit(rate=rate, burst=int(burst) if burst else max(1, int(min(rate, 1e9))))
    except (ValueError, OverflowError) as error:
        raise ValueError(f"{part!r}: {error}") from None
