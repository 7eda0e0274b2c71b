# ruff: noqa: D102 - what each method promises stands in the contract, ports.service
"""Messages: an SQS queue for wake-ups, an SNS topic for notices.

Belongs here: the calls, ReceiveMessage with long polls among them. Does not: what a message says
(``model.planning.announcing``, ``notify``).
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from functools import partial
from operator import methodcaller
from typing import Any, Final

from batchrun.model.texts.queue_names import QueueName
from batchrun.ports.service import WakeMessage, WakeQueue
from batchrun.service.calling.one_try import classified, in_time
from batchrun.service.kept_client import KeptClient
from batchrun.service.login import Login
from batchrun.service.session import queue_client, topics_client
from batchrun.service.target import Target
from batchrun.service.wire import table

#: Seconds that one call waits, messages that it returns, and seconds until they come again.
_LONGEST_POLL: Final = 20
_MOST: Final = 10
_HIDDEN_FOR: Final = 30
#: Seconds beyond its poll that an answer may take.
_PATIENCE: Final = 10.0


class SqsQueue(WakeQueue):
    """One queue. Made by :func:`sqs_queue`."""

    def __init__(self, client: KeptClient, queue: QueueName, wall: Callable[[], float]) -> None:
        self._client = client
        self._queue = queue
        self._wall = wall

    @property
    def name(self) -> str:
        return self._queue.name

    async def receive(self, *, seconds: int = _LONGEST_POLL) -> Sequence[WakeMessage]:
        asked = {
            "QueueUrl": self._queue.url,
            "MaxNumberOfMessages": _MOST,
            "WaitTimeSeconds": seconds,
            "VisibilityTimeout": _HIDDEN_FOR,
            "AttributeNames": ["SentTimestamp"],
        }
        receive = methodcaller("receive_message", **asked)
        answer = table(await self._client.call(receive, "ReceiveMessage", seconds + _PATIENCE))
        found = answer.get("Messages")
        messages = found[:_MOST] if isinstance(found, list) else []
        return [message for item in messages if (message := self._read(table(item))) is not None]

    def _read(self, item: dict[str, Any]) -> WakeMessage | None:
        body, receipt = item.get("Body"), item.get("ReceiptHandle")
        if not isinstance(body, str) or not isinstance(receipt, str):
            return None
        sent = str(table(item.get("Attributes")).get("SentTimestamp"))
        age = self._wall() - int(sent) / 1000 if sent.isdecimal() and len(sent) < 16 else 0.0  # noqa: PLR2004
        return WakeMessage(body=body, receipt=receipt, age=age)

    async def delete(self, receipts: Sequence[str]) -> None:
        for begin in range(0, len(receipts), _MOST):
            page = receipts[begin : begin + _MOST]
            entries = [{"Id": str(number), "ReceiptHandle": receipt} for number, receipt in enumerate(page)]
            delete = methodcaller("delete_message_batch", QueueUrl=self._queue.url, Entries=entries)
            await self._client.call(delete, "DeleteMessageBatch", _PATIENCE)

    async def send(self, body: str) -> None:
        """Call SendMessage. Raises CallError where it was not accepted."""
        send = methodcaller("send_message", QueueUrl=self._queue.url, MessageBody=body)
        await self._client.call(send, "SendMessage", _PATIENCE)


@asynccontextmanager
async def sqs_queue(
    login: Login, queue: QueueName, *, wall: Callable[[], float] = time.time
) -> AsyncIterator[SqsQueue]:
    """Connect to a queue; *wall* is the time, in seconds since 1970.

    Raises:
        UsageError: The profile does not exist, or no region is set.
        ServiceUnusableError: There are no credentials.
    """
    make = partial(queue_client, region=queue.region, endpoint_url=queue.endpoint, poll=_LONGEST_POLL)
    async with KeptClient(login, make) as client:
        yield SqsQueue(client, queue, wall)


async def publish(target: Target, region: str, request: Mapping[str, Any]) -> None:
    """Publish to a topic in *region*, with botocore's own retries.

    Raises:
        UsageError: The profile does not exist.
        ServiceUnusableError: There are no credentials.
        CallError: It was not accepted.
    """
    with classified("Publish"):
        async with topics_client(Login(target), region=region) as client:
            await in_time(client.publish(**request), "Publish", target.call_timeout)
