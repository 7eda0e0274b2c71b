"""Other services than HealthOmics that speak JSON: SQS, CloudWatch Logs and Service Quotas.

From SQS: ReceiveMessage, DeleteMessageBatch and SendMessage; from CloudWatch Logs: GetLogEvents of
HealthOmics' log group; from Service Quotas: GetServiceQuota. Every queue exists, and gets an event of each
run that ends, as from EventBridge. Belongs here: reading these calls, and their answers. Does not: when runs
end (``runs``), waiting (``server``), the limits themselves (``buckets``, ``settings``).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from batchrun.simulator.buckets import Buckets
from batchrun.simulator.chance import draw, draw_uuid
from batchrun.simulator.refusal import RefusalError, invalid
from batchrun.simulator.runs import Run
from batchrun.simulator.settings import Settings
from batchrun.simulator.wire import Inquiry, Reply, json_object, json_reply

if TYPE_CHECKING:
    Wall = Callable[[float], datetime]

#: Prefix of SQS operations in the header X-Amz-Target.
SQS = "AmazonSQS."
_OPERATIONS = frozenset({"ReceiveMessage", "DeleteMessageBatch", "SendMessage"})
_HIDDEN_FOR = 30.0
#: Seconds from a run's end until its event is in a queue.
_EVENT_DELAY = 1.0
_MOST = 10


@dataclass(slots=True, kw_only=True)
class _Message:
    id: str
    body: str
    sent: float  #: loop time
    visible: float  #: loop time from which it can be received
    receives: int = 0


class Queue:
    """One standard queue."""

    def __init__(self) -> None:
        self.messages: dict[str, _Message] = {}
        self.taken = 0  #: number of ended runs already turned into events
        self.sent = 0

    def put(self, body: str, at: float) -> str:
        """Add a message that can be received from *at* on; return its id."""
        self.sent += 1
        made = _Message(id=draw_uuid("queue", self.sent), body=body, sent=at, visible=at)
        self.messages[made.id] = made
        return made.id

    def visible(self, now: float) -> list[_Message]:
        """Return the messages that can be received, at most ten."""
        found: list[_Message] = []
        for message in self.messages.values():
            if message.visible <= now:
                found.append(message)
            if len(found) == _MOST:
                break
        return found


class Queues:
    """All queues of an account and region."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._queues: dict[str, Queue] = {}

    def of(self, url: str, ended: Sequence[Run], wall: Wall) -> Queue:
        """Return the queue of this URL, with an event for each run that has *ended*."""
        queue = self._queues.setdefault(url.rpartition("/")[2], Queue())
        for run in ended[queue.taken :]:
            if draw(self._settings.seed, "event", run.serial) >= self._settings.event_loss:
                at = (run.stopped or 0.0) + _EVENT_DELAY
                queue.put(_event(run, self._settings, wall(at)), at)
        queue.taken = len(ended)
        return queue


class SqsCall:
    """One call."""

    def __init__(self, inquiry: Inquiry) -> None:
        self.name = inquiry.target.removeprefix(SQS)[:40]
        self._body = inquiry.body

    def parse(self) -> dict[str, Any]:
        """Read it. Raises RefusalError if it is not supported, or names no queue."""
        if self.name not in _OPERATIONS:
            raise RefusalError("UnknownOperationException", f"{self.name} is not known")
        asked = json_object(self._body)
        if not isinstance(asked.get("QueueUrl"), str):
            raise RefusalError("QueueDoesNotExist", "The specified queue does not exist.")
        return asked

    def answer(self, queue: Queue, params: Mapping[str, Any], now: float, wall: Wall) -> Reply:
        """Carry out the call."""
        if self.name == "SendMessage":
            body = str(params.get("MessageBody"))
            return json_reply({"MessageId": queue.put(body, now), "MD5OfMessageBody": _digest(body)})
        if self.name == "DeleteMessageBatch":
            entries = params.get("Entries", [])
            for entry in entries:
                queue.messages.pop(str(entry["ReceiptHandle"]).partition("#")[0], None)
            return json_reply({"Successful": [{"Id": entry["Id"]} for entry in entries], "Failed": []})
        hidden = float(params.get("VisibilityTimeout", _HIDDEN_FOR))
        found = queue.visible(now)[: int(params.get("MaxNumberOfMessages", 1))]
        for message in found:
            message.visible, message.receives = now + hidden, message.receives + 1
        return json_reply({"Messages": [_written(one, wall) for one in found]} if found else {})

    def refusal(self, error: RefusalError) -> Reply:
        """Write an error answer."""
        status = 403 if error.code.startswith("AccessDenied") else 400
        return json_reply({"__type": f"com.amazonaws.sqs#{error.code}", "message": error.message}, status)


def _written(message: _Message, wall: Wall) -> dict[str, Any]:
    return {
        "MessageId": message.id,
        "ReceiptHandle": f"{message.id}#{message.receives}",
        "Body": message.body,
        "MD5OfBody": _digest(message.body),
        "Attributes": {"SentTimestamp": str(int(wall(message.sent).timestamp() * 1000))},
    }


def _digest(body: str) -> str:
    return hashlib.md5(body.encode(), usedforsecurity=False).hexdigest()


def _event(run: Run, settings: Settings, at: datetime) -> str:
    """Return the event of a run's end in EventBridge's form."""
    arn = f"arn:aws:omics:{settings.region}:{settings.account}:run/{run.id}"
    failure = {} if run.course.failure is None else {"failureReason": run.course.failure}
    return json.dumps(
        {
            "version": "0",
            "id": draw_uuid(run.uuid, "event"),
            "detail-type": "Run Status Change",
            "source": "aws.omics",
            "account": settings.account,
            "time": f"{at:%Y-%m-%dT%H:%M:%SZ}",
            "region": settings.region,
            "resources": [arn],
            "detail": {
                "omicsVersion": "1.0.0",
                "arn": arn,
                "status": str(run.outcome),
                "uuid": run.uuid,
                "runId": run.id,
                "runName": run.name,
                "runOutputUri": run.output,
                **failure,
            },
        }
    )


#: Prefix of CloudWatch Logs operations in the header X-Amz-Target.
CLOUDWATCH_LOGS = "Logs_20140328."
GROUP = "/aws/omics/WorkflowLog"
_MOST_LINES = 10_000
_HEAD = "f/"


class LogsCall:
    """A call of CloudWatch Logs."""

    def __init__(self, inquiry: Inquiry) -> None:
        self.name = inquiry.target.removeprefix(CLOUDWATCH_LOGS)[:40]
        self._body = inquiry.body

    def parse(self) -> dict[str, Any]:
        """Read the call. Raises RefusalError if it is not supported, or for another log group."""
        if self.name != "GetLogEvents":
            raise RefusalError("UnknownOperationException", f"{self.name} is not known")
        params = json_object(self._body)
        if params.get("logGroupName") != GROUP:
            raise RefusalError("ResourceNotFoundException", "The specified log group does not exist.")
        if not isinstance(params.get("limit", 1), int):
            raise invalid("limit must be a number")
        return params

    def answer(
        self, lines: Sequence[tuple[float, str]] | None, at: Callable[[float], int], params: Mapping[str, Any]
    ) -> Reply:
        """Return a page of *lines*; *at* converts times. Raises RefusalError: no such stream or token."""
        if lines is None:
            raise RefusalError("ResourceNotFoundException", "The specified log stream does not exist.")
        first, last = params.get("startTime", 0), params.get("endTime", 1 << 62)
        events = [
            {"timestamp": at(when), "message": text} for when, text in lines if first <= at(when) < last
        ]
        size = min(params.get("limit", _MOST_LINES), _MOST_LINES)
        begin = 0 if params.get("startFromHead") else max(0, len(events) - size)
        if token := str(params.get("nextToken", "")):
            begin = _line_of(token)
        page = events[begin : begin + size]
        return json_reply(
            {
                "events": page,
                "nextForwardToken": f"{_HEAD}{begin + len(page)}",
                "nextBackwardToken": f"b/{begin}",
            }
        )

    def refusal(self, error: RefusalError) -> Reply:
        """Write an error answer."""
        return json_reply({"__type": error.code, "message": error.message}, status=400)


def _line_of(token: str) -> int:
    number = token.removeprefix(_HEAD)
    if not token.startswith(_HEAD) or not number.isdecimal():
        raise invalid("The specified nextToken is invalid.")
    return int(number)


#: Prefix of Service Quotas operations in the header X-Amz-Target.
SERVICE_QUOTAS = "ServiceQuotasV20190624."
#: The usual quota of an account; no simulated task needs any of it.
_GPUS = 12


def quota_reply(target: str, body: bytes, settings: Settings, buckets: Buckets) -> Reply:
    """Answer GetServiceQuota; what has no limit is answered as a quota that does not exist."""
    asked = json_object(body)
    code = str(asked.get("QuotaCode"))
    name, value = _quotas(settings, buckets).get(code, ("", None))
    is_known = target == f"{SERVICE_QUOTAS}GetServiceQuota" and asked.get("ServiceCode") == "omics"
    if not is_known or value is None:
        refusal = {"__type": "NoSuchResourceException", "Message": "There is no such quota"}
        return json_reply(refusal, status=400)
    quota = {"QuotaCode": code, "QuotaName": name, "Value": value, "Adjustable": True}
    return json_reply({"Quota": {"ServiceCode": "omics", **quota}})


def _quotas(settings: Settings, buckets: Buckets) -> dict[str, tuple[str, float | None]]:
    """Return names and values by quota code."""
    starts = buckets.limit("StartRun")
    return {
        "L-24A3B174": ("StartRun requests per second", starts.rate if starts else None),
        "L-C9679DBC": ("Maximum runs", settings.max_stored),
        "L-BE38079A": ("Maximum concurrent active runs, dynamic storage", settings.max_active),
        "L-A30FD31B": ("Maximum concurrent active runs, static storage", settings.max_active_static),
        "L-AFB19B96": ("Maximum active GPUs", _GPUS),
    }
