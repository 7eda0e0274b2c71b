"""Faults between caller and service: which there are, which calls they strike, how they spoil an answer.

A fault strikes *before* the commit (the call took no effect) or *after* it (it did, and the caller cannot
know). Does not belong here: carrying a fault out, which needs a socket (``server``), and failures of runs,
which are not faults (``lifecycle``).
"""

from __future__ import annotations

import enum
import json
import math
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from typing import Any

from batchrun.simulator.chance import draw
from batchrun.simulator.wire import Ending, Reply

#: Steps that the service itself takes with each row of a batch.
ROW_STEPS = frozenset({"SubmitRow", "CancelRow", "DeleteRow"})
#: Those, and operations of other services: only rules that name them strike, not ``*``.
ELSEWHERE = ROW_STEPS | frozenset(
    {
        "AssumeRole",
        "AssumeRoleWithWebIdentity",
        "GetCallerIdentity",
        "GetLogEvents",
        "GetObject",
        "GetRoleCredentials",
        "HeadObject",
        "ListObjectsV2",
        "PutObject",
        "DeleteMessageBatch",
        "ReceiveMessage",
        "SendMessage",
    }
)


class Fault(enum.StrEnum):
    """One way for a call to go wrong; the value is its name in rules."""

    PASS = "pass"  # noqa: S105 — a step of a script: this call goes well
    THROTTLE = "throttle"  #: before: 429 ThrottlingException
    ERROR_BEFORE = "error_before"  #: before: 500 InternalServerException
    UNAVAILABLE_BEFORE = "unavailable_before"  #: before: 503 with an HTML body, as a load balancer has it
    REDIRECT_BEFORE = "redirect_before"  #: before: 307 to a place that does not answer, as a captive portal
    DROP_BEFORE = "drop_before"  #: before: TCP reset
    CLOSE_BEFORE = "close_before"  #: before: the connection is closed without an answer
    HANG_BEFORE = "hang_before"  #: before: silence for ``hang`` seconds, then closed
    LATE = "late"  #: silence for ``hang`` seconds; only then it takes effect, and answers
    DROP_AFTER = "drop_after"  #: after: TCP reset
    CLOSE_AFTER = "close_after"  #: after: the connection is closed without an answer
    ERROR_AFTER = "error_after"  #: after: 500 InternalServerException
    UNAVAILABLE_AFTER = "unavailable_after"  #: after: 503 with an HTML body
    HANG_AFTER = "hang_after"  #: after: silence for ``hang`` seconds, then closed
    HTML_AFTER = "html_after"  #: after: the status of success over an HTML body
    TRUNCATED_AFTER = "truncated_after"  #: after: the status of success over the first half of the JSON
    EMPTY_AFTER = "empty_after"  #: after: the status of success and no body
    OTHER_UUID_AFTER = "other_uuid_after"  #: after: the answer has another run's uuid
    OTHER_ACCOUNT_AFTER = "other_account_after"  #: after: the answer has another account's number
    DELETED_AFTER = "deleted_after"  #: after: the answer has the status DELETED
    MISTYPED_AFTER = "mistyped_after"  #: after: numbers for most texts, half a character in messages
    FORGET = "forget"  #: the call goes well, but its requestId, if it was used before, is forgotten
    SLOW_AFTER = "slow_after"  #: after: the answer comes a byte a second
    CUT_AFTER = "cut_after"  #: after: closed in the middle of the body that was announced


class RowFault(enum.StrEnum):
    """One way for the submission of a batch's row to go wrong, besides service errors."""

    FAIL_BATCH = "fail_batch"  #: the batch is FAILED in place of trying this row; runs that it made continue
    HIDE = "hide"  #: it becomes a run, and ListRunsInBatch never has it
    SHOW_LATE = "show_late"  #: it becomes a run, and ListRunsInBatch has it after ``hang`` seconds
    SKIP = "skip"  #: it is never tried, and ListRunsInBatch never has it


@dataclass(frozen=True, slots=True, kw_only=True)
class FaultRule:
    """Which calls a fault strikes.

    A rule with ``times`` is a script: it strikes the next calls that it matches; scripts come first, in
    their order. Rules without ``times`` are chances: at most one of those that match a call strikes, so
    their chances add up.
    """

    #: A fault, or the code of a service error such as ``AccessDeniedException``.
    fault: Fault | RowFault | str
    operation: str = "*"  #: the API's name, or ``*`` for every operation of HealthOmics
    name: str = "*"  #: glob over the run's or batch's name; the name is empty for calls about neither
    chance: float = 1.0  #: that a matching call is struck, 0 to 1
    times: int | None = None  #: how many calls are struck; None: no limit

    def __post_init__(self) -> None:
        if not 0 <= self.chance <= 1:
            raise ValueError(f"a chance must be from 0 to 1, not {self.chance}")
        if self.times is not None and self.times < 0:
            raise ValueError(f"a number of calls must be 0 or more, not {self.times}")

    def matches(self, operation: str, name: str) -> bool:
        """Return whether the rule is for this call."""
        is_any = self.operation == "*" and operation not in ELSEWHERE
        is_meant = is_any or self.operation == operation
        return is_meant and (self.name == "*" or fnmatchcase(name, self.name))


class FaultBook:
    """The rules in force, and how many calls each script will still strike."""

    def __init__(self, rules: Iterable[FaultRule], *, seed: object) -> None:
        self._seed = seed
        self._calls: Counter[tuple[str, str]] = Counter()
        self.replace(rules)

    @property
    def rules(self) -> tuple[FaultRule, ...]:
        """The rules in force; ``times`` of a script is what is left of it."""
        scripts = (replace(rule, times=left) for rule, left in self._scripts)
        return (*scripts, *self._chances)

    def replace(self, rules: Iterable[FaultRule]) -> None:
        """Replace all rules by *rules*."""
        self._chances: list[FaultRule] = []
        self._scripts: list[tuple[FaultRule, int]] = []
        self.add(*rules)

    def add(self, *rules: FaultRule) -> None:
        """Add *rules* after those in force."""
        for rule in rules:
            if rule.times is None:
                self._chances.append(rule)
            elif rule.times > 0:
                self._scripts.append((rule, rule.times))

    def choose(self, operation: str, key: str, name: str) -> Fault | RowFault | str:
        """Return the fault that strikes this call; ``Fault.PASS`` if none does.

        *key* names what the call is about, such as its requestId: chance is drawn from the seed, the
        operation, the key and the number of calls with that key so far, not from the order of callers.
        """
        self._calls[operation, key] += 1
        lot = draw(self._seed, "fault", operation, key, self._calls[operation, key])
        scripted = self._next_scripted(operation, name, lot)
        return scripted if scripted is not None else self._drawn(operation, name, lot)

    def _next_scripted(self, operation: str, name: str, lot: float) -> Fault | RowFault | str | None:
        for index, (rule, left) in enumerate(self._scripts):
            if rule.matches(operation, name) and lot < rule.chance:
                self._scripts[index : index + 1] = [(rule, left - 1)] if left > 1 else []
                return rule.fault
        return None

    def _drawn(self, operation: str, name: str, lot: float) -> Fault | RowFault | str:
        reach = 0.0
        for rule in self._chances:
            if rule.matches(operation, name):
                reach = math.fsum((reach, rule.chance))
                if lot < reach:
                    return rule.fault
        return Fault.PASS


_HTML = b"<html><head><title>503</title></head><body>Service Unavailable</body></html>"
_HTML_HEADERS = {"Content-Type": "text/html"}
UNAVAILABLE = Ending(reply=Reply(status=503, body=_HTML, headers=_HTML_HEADERS))
#: Nobody listens there (port 9 is for discarded data).
REDIRECT = Ending(reply=Reply(status=307, headers={"Location": "http://127.0.0.1:9/?token=simulated"}))
#: Fields that identify a run, and its status; a caller can do without all others.
_LISTS = frozenset({"items", "runs"})
_NEEDED = frozenset(
    {"id", "uuid", "status", "taskId", "nextToken", "runId", "runSettingId", "submissionStatus"}
)


def spoilt(fault: str, reply: Reply, *, other: str, account: str) -> Reply:
    """Return *reply* as spoilt by *fault*; *other* is another run's uuid, *account* the true account."""
    match fault:
        case Fault.OTHER_ACCOUNT_AFTER:
            return replace(reply, body=reply.body.replace(account.encode(), account[::-1].encode()))
        case Fault.HTML_AFTER:
            return replace(reply, body=_HTML, headers=_HTML_HEADERS)
        case Fault.OTHER_UUID_AFTER:
            return _changed(reply, lambda answer: _told_of(other, answer))
        case Fault.DELETED_AFTER:
            return _changed(reply, lambda answer: answer | {"status": "DELETED"})
        case Fault.MISTYPED_AFTER:
            return _changed(reply, _mistyped)
        case _:
            kept = 0 if fault == Fault.EMPTY_AFTER else len(reply.body) // 2
            return replace(reply, body=reply.body[:kept])


def _told_of(other: str, answer: dict[str, Any]) -> dict[str, Any]:
    """Replace the uuid by *other*, or that of each row of a batch."""
    if "runs" not in answer:
        return answer | {"uuid": other}
    return answer | {"runs": [row | {"runInternalUuid": other} for row in answer["runs"]]}


def _changed(reply: Reply, change: Callable[[dict[str, Any]], Any]) -> Reply:
    return replace(reply, body=json.dumps(change(json.loads(reply.body or b"{}"))).encode())


def _mistyped(value: Any) -> Any:
    """Replace texts by numbers, others by null, except ``_NEEDED`` ones; messages get a lone surrogate."""
    if isinstance(value, list):
        return [_mistyped(one) for one in value]
    return {name: one if name in _NEEDED else _odd(name, one) for name, one in value.items()}


def _odd(name: str, value: Any) -> Any:
    if name in _LISTS:
        return _mistyped(value)
    if name == "statusMessage":
        return f"{value}\ud83d"
    return 7 if isinstance(value, str) else None
