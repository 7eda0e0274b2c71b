"""The simulator's S3, as boto3 sees it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from anyio.from_thread import start_blocking_portal
from botocore.config import Config
from botocore.exceptions import ClientError

from batchrun.clock import SystemClock
from batchrun.simulator import Settings, StoredBucket, StoredObject, serve

COLD = StoredObject(content=bytes(7), storage_class="GLACIER", restore='ongoing-request="true"')
BUCKETS = (
    StoredBucket(
        name="lab", objects={**{f"a/{number}": StoredObject() for number in range(5)}, "cold": COLD}
    ),
    StoredBucket(name="far", objects={"x": StoredObject()}, region="eu-west-1"),
    StoredBucket(name="pays", objects={"x": StoredObject()}, requester_pays=True),
    StoredBucket(name="blind", objects={"x": StoredObject()}, may_list=False),
    StoredBucket(name="full", may_write=False),
    StoredBucket(name="closed", objects={"x": StoredObject()}, may_read=False),
)


@pytest.fixture
def s3() -> Iterator[Any]:
    with start_blocking_portal() as portal:
        settings = Settings(limits={"*": None}, storage=BUCKETS)
        with portal.wrap_async_context_manager(serve(settings, clock=SystemClock())) as simulator:
            client = boto3.client(
                "s3",
                region_name="us-east-1",
                endpoint_url=simulator.url,
                aws_access_key_id="any",
                aws_secret_access_key="any",
                config=Config(s3={"addressing_style": "path"}, retries={"total_max_attempts": 1}),
            )
            yield client
            client.close()


def refused(call: Any, **asked: Any) -> tuple[int, str]:
    with pytest.raises(ClientError) as caught:
        call(**asked)
    facts = caught.value.response
    return facts["ResponseMetadata"]["HTTPStatusCode"], facts["Error"]["Code"]


def test_keys_come_in_pages(s3):
    pages = s3.get_paginator("list_objects_v2").paginate(
        Bucket="lab", Prefix="a/", PaginationConfig={"PageSize": 2}
    )
    found = [[item["Key"] for item in page["Contents"]] for page in pages]
    assert found == [["a/0", "a/1"], ["a/2", "a/3"], ["a/4"]]
    assert s3.list_objects_v2(Bucket="lab", Prefix="b")["KeyCount"] == 0


def test_an_object_tells_its_class_and_whether_it_is_on_its_way_back(s3):
    head = s3.head_object(Bucket="lab", Key="cold")
    assert (head["ContentLength"], head["StorageClass"]) == (7, "GLACIER")
    assert head["Restore"] == 'ongoing-request="true"'
    assert "StorageClass" not in s3.head_object(Bucket="lab", Key="a/0")


def test_what_is_not_there_looks_like_what_is_denied_where_nothing_may_be_listed(s3):
    assert refused(s3.head_object, Bucket="lab", Key="none") == (404, "404")
    assert refused(s3.head_object, Bucket="none", Key="none") == (404, "404")
    assert refused(s3.head_object, Bucket="blind", Key="none") == (403, "403")
    assert refused(s3.head_object, Bucket="closed", Key="x") == (403, "403")
    assert refused(s3.list_objects_v2, Bucket="blind") == (403, "AccessDenied")
    assert refused(s3.list_objects_v2, Bucket="none") == (404, "NoSuchBucket")
    assert s3.head_object(Bucket="blind", Key="x")["ContentLength"] == 1


def test_who_does_not_pay_is_refused_where_the_requester_has_to(s3):
    assert refused(s3.head_object, Bucket="pays", Key="x") == (403, "403")
    assert s3.head_object(Bucket="pays", Key="x", RequestPayer="requester")["ContentLength"] == 1


def test_a_bucket_elsewhere_says_where_and_is_found_there(s3):
    answer = s3.head_object(Bucket="far", Key="x")
    assert answer["ResponseMetadata"]["HTTPHeaders"]["x-amz-bucket-region"] == "eu-west-1"


def test_other_calls_are_not_simulated(s3):
    assert refused(s3.delete_object, Bucket="lab", Key="x") == (400, "NotImplemented")
    assert refused(s3.list_buckets)[1] == "NotImplemented"


def test_what_is_put_is_there_to_get_with_what_it_was_told(s3):
    s3.put_object(Bucket="lab", Key="a/2b", Body=b"id\nA\n", ContentType="text/csv", Metadata={"by": "me"})
    found = s3.get_object(Bucket="lab", Key="a/2b")
    assert (found["Body"].read(), found["ContentType"], found["Metadata"]) == (
        b"id\nA\n",
        "text/csv",
        {"by": "me"},
    )
    keys = [item["Key"] for item in s3.list_objects_v2(Bucket="lab", Prefix="a/")["Contents"]]
    assert keys == ["a/0", "a/1", "a/2", "a/2b", "a/3", "a/4"]
    again = {"Bucket": "lab", "Key": "a/2b", "Body": b"other"}
    assert refused(s3.put_object, **again, IfNoneMatch="*") == (412, "PreconditionFailed")
    s3.put_object(**again)
    assert s3.get_object(Bucket="lab", Key="a/2b")["Body"].read() == b"other"
    s3.put_object(Bucket="lab", Key="new", Body=b"", IfNoneMatch="*")
    assert s3.head_object(Bucket="lab", Key="new")["ContentLength"] == 0


def test_what_cannot_be_got_or_put_says_why(s3):
    assert refused(s3.get_object, Bucket="lab", Key="none") == (404, "NoSuchKey")
    assert refused(s3.get_object, Bucket="none", Key="x") == (404, "NoSuchBucket")
    assert refused(s3.get_object, Bucket="lab", Key="cold") == (403, "InvalidObjectState")
    assert refused(s3.get_object, Bucket="closed", Key="x") == (403, "AccessDenied")
    assert refused(s3.put_object, Bucket="full", Key="x", Body=b"") == (403, "AccessDenied")
    assert refused(s3.put_object, Bucket="none", Key="x", Body=b"") == (404, "NoSuchBucket")
