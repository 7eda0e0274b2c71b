"""Names of SQS queues: ``sqs:`` and the URL."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from batchrun.errors import UsageError
from batchrun.model.texts.foreign import shortened

_NAMED: Final = re.compile(
    r"sqs:(?P<url>(?P<endpoint>https?://(?:sqs\.(?P<region>[a-z0-9-]+)\.amazonaws\.com(?:\.cn)?"
    r"|[A-Za-z0-9.:\[\]-]+))/[0-9]{12}/(?P<name>[A-Za-z0-9_-]{1,80}))"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueName:
    """A queue."""

    url: str
    name: str
    region: str | None  #: None for a queue outside AWS
    endpoint: str | None  #: the endpoint of a queue outside AWS; None for AWS's

    def __str__(self) -> str:
        return f"sqs:{self.url}"


#: The form of a name.
SUCH_AS: Final = "sqs:https://sqs.us-east-1.amazonaws.com/123456789012/batchrun-wake"


def read_queue(text: str) -> QueueName:
    """Return the queue of ``sqs:URL``, from ``--wake``. Raises UsageError if it is not a standard queue."""
    found = queue_in(text)
    if found is None:
        raise UsageError(
            f"--wake {shortened(text)}: that is no queue; give a standard queue such as {SUCH_AS}"
        )
    return found


def queue_in(text: str) -> QueueName | None:
    """Return the queue that a text names; None if it is not a standard queue."""
    found = _NAMED.fullmatch(text)
    if found is None:
        return None
    region = found["region"]
    return QueueName(
        url=found["url"], name=found["name"], region=region, endpoint=None if region else found["endpoint"]
    )
