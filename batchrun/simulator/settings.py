"""The settings of the simulated service; by default it behaves like the service.

Some can be parsed from text, for command-line options and ``/_simulator/faults``: every parser raises
ValueError, and quotes the part that it cannot read. What does not belong here: the options themselves.
"""

from __future__ import annotations

import enum
import math
import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches

from batchrun.simulator.buckets import Limit
from batchrun.simulator.faults import ELSEWHERE, ROW_STEPS, Fault, FaultRule, RowFault
from batchrun.simulator.lifecycle import BatchDurations, Durations, FailFirst, Span
from batchrun.simulator.s3 import StoredBucket, StoredObject

_ACCOUNT = re.compile("[0-9]{12}")
_NOT_NEGATIVE = (
    "time_scale",
    "hang",
    "listing_lag",
    "idempotency_window",
    "batch_idempotency_window",
    "row_retries",
    "event_loss",
)


class IdReuse(enum.StrEnum):
    """Which deleted run's id a new run gets."""

    NEVER = "never"  #: ids are never reused
    LOWEST = "lowest"  #: the lowest free one
    LATEST = "latest"  #: the one freed last: the hardest case for a caller that trusts ids


class NameFilter(enum.StrEnum):
    """What the filter ``name`` of ListRuns and ListBatch matches; not documented by the service."""

    EXACT = "exact"
    PREFIX = "prefix"

    def fits(self, name: str, wanted: str) -> bool:
        """Return whether *name* matches the filter *wanted*."""
        return name.startswith(wanted) if self is NameFilter.PREFIX else name == wanted


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameter:
    """One entry of a workflow's parameter template."""

    description: str = ""
    optional: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Version:
    """A version of a workflow."""

    status: str = "ACTIVE"
    parameters: Mapping[str, Parameter] | None = None  #: as for a workflow


@dataclass(frozen=True, slots=True, kw_only=True)
class Workflow:
    """A workflow that exists."""

    id: str
    name: str = ""  #: defaults to ``workflow-<id>``
    type: str = "PRIVATE"  #: or READY2RUN
    status: str = "ACTIVE"
    engine: str = "NEXTFLOW"
    #: The parameter template; None: the workflow has none, and accepts any parameters.
    parameters: Mapping[str, Parameter] | None = None
    profiles: Mapping[str, Mapping[str, Parameter]] = field(default_factory=dict)  #: for Nextflow, by name
    versions: Mapping[str, Version] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Role:
    """A role, of any account, and whom it trusts."""

    arn: str
    trusts: frozenset[str] | None = None  #: accounts; None: all
    external_id: str | None = None  #: that a caller must give
    mfa_serial: str | None = None  #: the device whose code a caller must give; any six digits are accepted


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """One simulated account in one Region."""

    seed: int | str = 0  #: the same seed and requests give the same results
    account: str = "123456789012"
    region: str = "us-east-1"

    keys: Mapping[str, str] = field(default_factory=dict)  #: account by access key; others: ``account``
    roles: tuple[Role, ...] = ()  #: those with conditions for assuming them
    any_role: bool = True  #: whether any caller may assume the roles not listed
    role_seconds: float | None = None  #: lifetime of a role's keys, whatever the caller asks for; not scaled

    #: Rate limit by operation; ``"*"`` is every operation not named, None is no limit.
    #: Without ``"*"`` the service's defaults hold for the rest: StartRun and tags 5 per second, others 10.
    limits: Mapping[str, Limit | None] = field(default_factory=dict)
    retry_after: bool = False  #: whether a 429 has Retry-After

    max_active: int | None = 50  #: runs outside PENDING at once, DYNAMIC storage; None for no limit
    max_active_static: int | None = 10  #: the same for STATIC storage
    max_stored: int = 100_000  #: runs kept, finished ones too

    durations: Durations = field(default_factory=Durations)
    time_scale: float = 1.0  #: every duration is multiplied by it: 0.001 makes an hour 3.6 seconds
    batch_durations: BatchDurations = field(default_factory=BatchDurations)
    row_retries: int = 5  #: how often the service itself retries a row of a batch
    failures: Mapping[str, float] = field(default_factory=dict)  #: chance by failureReason
    fail_first: tuple[FailFirst, ...] = ()  #: runs that fail some times and then complete
    tasks_per_run: int = 2
    failed_tasks: int = 1  #: how many of a failed run's last tasks failed

    faults: tuple[FaultRule, ...] = ()  #: of calls
    hang: float = 120.0  #: seconds of silence of the faults that hang; not scaled
    latency: Span = field(default=Span(mean=0))  #: time between a call's arrival and its effect; not scaled

    event_loss: float = 0.0  #: chance that an event is lost
    listing_lag: float = 0.0  #: seconds until lists show a new run, batch, or row of a batch
    #: Seconds for which a requestId is remembered from its first use. Not documented by the service.
    idempotency_window: float = math.inf
    batch_idempotency_window: float = math.inf  #: the same for StartRunBatch
    failed_batch_again: bool = True  #: whether its requestId returns a FAILED batch again; else a new one
    #: Whether ListRunsInBatch lists waiting rows, without a status, and whether it lists rows that a cancel
    #: kept from starting, as CANCEL_SUCCESS. Neither is documented.
    waiting_rows_listed: bool = False
    cancelled_rows_listed: bool = False
    id_reuse: IdReuse = IdReuse.LOWEST
    name_filter: NameFilter = NameFilter.EXACT

    workflows: tuple[Workflow, ...] = ()
    storage: tuple[StoredBucket, ...] = ()  #: buckets of S3
    any_workflow: bool = True  #: whether workflows not listed exist too, ACTIVE and without a template

    def __post_init__(self) -> None:
        for name in _NOT_NEGATIVE:
            if not getattr(self, name) >= 0:
                raise ValueError(f"{name} must be 0 or more, not {getattr(self, name)}")
        for name in ("max_active", "max_active_static", "max_stored", "tasks_per_run", "failed_tasks"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise ValueError(f"{name} must be at least 1, not {value}")
        for account in (self.account, *self.keys.values()):
            if not _ACCOUNT.fullmatch(account):
                raise ValueError(f"an account has twelve digits, and {account!r} has not")
        if math.fsum(self.failures.values()) > 1 or any(c < 0 for c in self.failures.values()):
            raise ValueError("the chances of failures must be 0 or more and add up to 1 at most")


#: Operations that a rule or a limit may name.
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
#: Error codes are the service's own; names of faults are in lower case.
_ERROR_CODE = re.compile(r"[A-Z][A-Za-z]+")


def parse_faults(text: str) -> tuple[FaultRule, ...]:
    """Read rules such as ``StartRun:drop_after=0.08,*:throttle=3x,GetRun:AccessDeniedException@lab-*=1``.

    Each is ``OPERATION:FAULT[@NAME]=HOW``, separated by commas. OPERATION is the API's name or ``*``; FAULT
    one of :class:`Fault` or a service error's code; NAME a glob over the run's or batch's name; HOW a chance
    from 0 to 1, or ``3x`` for the next three calls. Without HOW, every call. The service's own steps with a
    row of a batch (ROW_STEPS) are OPERATIONs too, with a FAULT of :class:`RowFault`.
    """
    return tuple(_fault_rule(part) for part in _parts(text))


def parse_limits(text: str) -> dict[str, Limit | None]:
    """Read limits such as ``StartRun=100/20,*=unlimited``: tokens per second, and the burst after a slash.

    Without a slash, the burst is the rate, but at least 1.
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
    """Read runs that fail some times and then complete, such as ``sample-7*=2,*/retry/*=1:RUN_TASK_FAILED``.

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
    """Read buckets from *lines*, each ``s3://BUCKET/KEY``, optionally with a tab and a storage class.

    A line without a key is a bucket, which may stay empty.
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
    """Return the entries of a text for one of several *lanes*: ``east/StartRun=8`` is for ``east`` alone.

    Entries without a lane hold for all and come first, so that a lane's own override them.
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
        raise ValueError(f"{word!r} is no {kind}; {hint}")
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
