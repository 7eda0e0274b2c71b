"""SNS, as far as notices need it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from batchrun.errors import BatchrunError
from batchrun.service.calling.one_try import in_time
from batchrun.service.classify import classify
from batchrun.service.login import Login
from batchrun.service.session import topics_client

if TYPE_CHECKING:
    from batchrun.service.target import Target


async def publish(target: Target, region: str, request: Mapping[str, Any]) -> None:
    """
    Publish to a topic in *region*, with botocore's own retries.

    Raises:
        UsageError: The profile does not exist.
        ServiceUnusableError: There are no credentials.
        CallError: It was not taken.
    """
    try:
        async with topics_client(Login(target), region=region) as client:
            await in_time(client.publish(**request), "Publish", target.call_timeout)
    except BatchrunError:
        raise
    except Exception as raw:
        raise classify(raw, "Publish") from raw
