"""What faults make of an answer that would have been good."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from batchrun.simulator.faults import Fault
from batchrun.simulator.wire import Ending, Reply

if TYPE_CHECKING:
    from collections.abc import Mapping

_HTML = b"<html><head><title>503</title></head><body>Service Unavailable</body></html>"
_HTML_HEADERS = {"Content-Type": "text/html"}
UNAVAILABLE = Ending(reply=Reply(status=503, body=_HTML, headers=_HTML_HEADERS))
#: Nobody listens there (port 9 is the one for what is to be thrown away).
REDIRECT = Ending(reply=Reply(status=307, headers={"Location": "http://127.0.0.1:9/?token=simulated"}))
#: What tells which run it is, and what becomes of it; all else a caller can do without.
_LISTS = frozenset({"items", "runs"})
_NEEDED = frozenset(
    {"id", "uuid", "status", "taskId", "nextToken", "runId", "runSettingId", "submissionStatus"}
)


def spoilt(fault: str, reply: Reply, *, other: str, account: str) -> Reply:
    """Return what *fault* makes of *reply*; *other* is another run's uuid, *account* the true one."""
    match fault:
        case Fault.OTHER_ACCOUNT_AFTER:
            return _with(reply, reply.body.replace(account.encode(), account[::-1].encode()))
        case Fault.HTML_AFTER:
            return Reply(status=reply.status, body=_HTML, headers=_HTML_HEADERS)
        case Fault.OTHER_UUID_AFTER:
            return _with(reply, json.dumps(_told_of(other, json.loads(reply.body))).encode())
        case Fault.DELETED_AFTER:
            return _changed(reply, {"status": "DELETED"})
        case Fault.MISTYPED_AFTER:
            return _with(reply, json.dumps(_mistyped(json.loads(reply.body or b"{}"))).encode())
        case _:
            kept = 0 if fault == Fault.EMPTY_AFTER else len(reply.body) // 2
            return _with(reply, reply.body[:kept])


def _told_of(other: str, answer: dict[str, Any]) -> dict[str, Any]:
    """Say *other* where a uuid is told: in each row of a batch, or once."""
    if "runs" not in answer:
        return answer | {"uuid": other}
    return answer | {"runs": [row | {"runInternalUuid": other} for row in answer["runs"]]}


def _changed(reply: Reply, lie: Mapping[str, str]) -> Reply:
    return _with(reply, json.dumps(json.loads(reply.body) | lie).encode())


def _with(reply: Reply, body: bytes) -> Reply:
    return Reply(status=reply.status, body=body, headers=reply.headers)


def _mistyped(value: Any) -> Any:
    """Put a number in place of each text, half a character into messages, and nothing in place of tables."""
    if isinstance(value, list):
        return [_mistyped(one) for one in value]
    return {name: one if name in _NEEDED else _odd(name, one) for name, one in value.items()}


def _odd(name: str, value: Any) -> Any:
    if name in _LISTS:
        return _mistyped(value)
    if name == "statusMessage":
        return f"{value}\ud83d"
    return 7 if isinstance(value, str) else None
