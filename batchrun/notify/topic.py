"""An SNS topic, for e-mail and other subscribers."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

from batchrun.errors import AccessDeniedError, BatchrunError, NoticeError, RefusedError, UsageError
from batchrun.notify.teller import Channel, Message

_ARN: Final = re.compile(
    r"arn:aws[a-z-]*:sns:(?P<region>[a-z0-9-]+):\d{12}:(?P<name>[A-Za-z0-9_-]+(\.fifo)?)"
)
#: SNS/API_Publish: ASCII, up to 100 characters, begins with a letter, digit or punctuation mark.
_LONGEST_SUBJECT: Final = 100


class Topic(Channel):
    """Publishes to one topic: the text to e-mail, JSON to all other subscribers."""

    def __init__(self, arn: str, publish: Callable[[str, Mapping[str, Any]], Awaitable[None]]) -> None:
        """Create one for the topic *arn*; *publish* takes its region and a request."""
        match = _ARN.fullmatch(arn)
        if match is None:
            raise UsageError(
                f"--notify-topic {arn}: that is not a topic; "
                "give an ARN such as arn:aws:sns:us-east-1:123456789012:cohort"
            )
        self._arn = arn
        self._region = match["region"]
        self._publish = publish

    @property
    def name(self) -> str:
        """The topic's ARN."""
        return f"--notify-topic {self._arn}"

    async def deliver(self, message: Message) -> None:
        """Publish *message*."""
        try:
            await self._publish(self._region, self._request(message))
        except AccessDeniedError as error:
            raise NoticeError(str(error), cure="allow sns:Publish on the topic") from error
        except RefusedError as error:
            raise NoticeError(str(error), cure="check the topic") from error
        except BatchrunError as error:
            cure = "check the credentials, and AWS_ENDPOINT_URL_SNS where it is set"
            raise NoticeError(str(error), cure=cure) from error

    def _request(self, message: Message) -> dict[str, Any]:
        request = {
            "TopicArn": self._arn,
            "Subject": _subject(message.title),
            "MessageStructure": "json",
            "Message": json.dumps({"default": message.as_json, "email": message.text}),
        }
        if self._arn.endswith(".fifo"):
            same = hashlib.sha256(message.as_json.encode()).hexdigest()
            request |= {"MessageGroupId": "batchrun", "MessageDeduplicationId": same}
        return request


def _subject(title: str) -> str:
    text = "".join(one if one.isascii() and one.isprintable() else "?" for one in f"batchrun: {title}")
    return text if len(text) <= _LONGEST_SUBJECT else text[: _LONGEST_SUBJECT - 3] + "..."
