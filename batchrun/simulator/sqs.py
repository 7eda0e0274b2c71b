"""
SQS queues that EventBridge's events of runs come to: ReceiveMessage, DeleteMessageBatch and SendMessage.

Every queue that is named is there, and has an event of each run that has ended. What belongs here: the
queues, reading calls and writing answers. What does not: when runs end (``timetable``), waiting (``server``).
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from batchrun.simulator.chance import draw, draw_uuid
from batchrun.simulator.refusal import RefusalError
from batchrun.simulator.wire import Reply, json_object, json_reply

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from datetime import datetime

    from batchrun.simulator.runs import Run
    from batchrun.simulator.settings import Settings
    from batchrun.simulator.wire import Inquiry

    Wall = Callable[[float], datetime]

#: What the operations of SQS are called by, in the header X-Amz-Target.
SQS = "AmazonSQS."
_OPERATIONS = frozenset({"ReceiveMessage", "DeleteMessageBatch", "SendMessage"})
_HIDDEN_FOR = 30.0
_MOST = 10


@dataclass(slots=True, kw_only=True)
class _Message:
    id: str
    body: str
    sent: float  #: loop time
    visible: float  #: likewise
    receives: int = 0


class Queue:
    """One standard queue."""

    def __init__(self) -> None:
        self.messages: dict[str, _Message] = {}
        self.taken = 0  #: of the runs that ended
        self.sent = 0

    def put(self, body: str, at: float) -> str:
        """Take a message that is there from *at* on."""
        self.sent += 1
        made = _Message(id=draw_uuid("queue", self.sent), body=body, sent=at, visible=at)
        self.messages[made.id] = made
        return made.id

    def visible(self, now: float) -> list[_Message]:
        """Return what may be received, up to ten."""
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
                at = (run.stopped or 0.0) + self._settings.event_delay
                queue.put(_event(run, self._settings, wall(at)), at)
        queue.taken = len(ended)
        return queue


class SqsCall:
    """One call."""

    def __init__(self, inquiry: Inquiry) -> None:
        self.name = inquiry.target.removeprefix(SQS)[:40]
        self._body = inquiry.body

    def parse(self) -> dict[str, Any]:
        """Read it. Raises RefusalError where it is another one, or names no queue."""
        if self.name not in _OPERATIONS:
            raise RefusalError("UnknownOperationException", f"{self.name} is not known")
        asked = json_object(self._body)
        if not isinstance(asked.get("QueueUrl"), str):
            raise RefusalError("QueueDoesNotExist", "The specified queue does not exist.")
        return asked

    def answer(self, queue: Queue, params: Mapping[str, Any], now: float, wall: Wall) -> Reply:
        """Carry it out."""
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
        body = json_reply({"__type": f"com.amazonaws.sqs#{error.code}", "message": error.message})
        status = 403 if error.code.startswith("AccessDenied") else 400
        return Reply(status=status, body=body.body, headers=body.headers)


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
    """Write the event of a run's end, as EventBridge has it."""
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
