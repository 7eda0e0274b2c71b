"""How queues are named."""

from __future__ import annotations

import pytest

from batchrun.errors import UsageError
from batchrun.model.texts.queue_names import queue_in, read_queue


def test_a_queue_of_aws_says_its_region_and_another_where_it_is():
    ours = read_queue("sqs:https://sqs.eu-west-1.amazonaws.com/123456789012/batchrun-wake")
    assert (ours.region, ours.endpoint, ours.name) == ("eu-west-1", None, "batchrun-wake")
    assert queue_in(str(ours)) == ours
    local = read_queue("sqs:http://127.0.0.1:8765/123456789012/w")
    assert (local.region, local.endpoint) == (None, "http://127.0.0.1:8765")


@pytest.mark.parametrize(
    "text",
    [
        "https://sqs.eu-west-1.amazonaws.com/123456789012/w",
        "sqs:https://sqs.eu-west-1.amazonaws.com/123/w",
        "sqs:https://sqs.eu-west-1.amazonaws.com/123456789012/w.fifo",
        "sqs:arn:aws:sqs:eu-west-1:123456789012:w",
        "sqs:",
    ],
)
def test_what_is_no_standard_queue_is_told(text: str):
    with pytest.raises(UsageError, match="that is no queue"):
        read_queue(text)
    assert queue_in(text) is None
