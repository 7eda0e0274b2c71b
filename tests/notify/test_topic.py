"""An SNS topic: one Publish, as botocore sends it."""

from __future__ import annotations

import json
from functools import partial
from urllib.parse import parse_qsl

import pytest
from aiohttp import web

from batchrun.errors import NoticeError, UsageError
from batchrun.model.notices import Notice
from batchrun.notify.teller import Message
from batchrun.notify.topic import Topic
from batchrun.service.messages import publish
from batchrun.service.target import Target
from tests.notify.samples import message, serving

ARN = "arn:aws:sns:eu-west-1:123456789012:cohort"
_PUBLISHED = """<PublishResponse xmlns="http://sns.amazonaws.com/doc/2010-03-31/"><PublishResult>
<MessageId>567910cd-659e-55d4-8ccb-5aaf14679dc0</MessageId></PublishResult></PublishResponse>"""
_DENIED = """<ErrorResponse xmlns="http://sns.amazonaws.com/doc/2010-03-31/"><Error><Type>Sender</Type>
<Code>AuthorizationError</Code><Message>not allowed</Message></Error></ErrorResponse>"""


def topic(arn: str = ARN, profile: str | None = None) -> Topic:
    return Topic(arn, partial(publish, Target(profile=profile)))


class Sns:
    """Takes publications, or denies them."""

    def __init__(self, *, denies: bool = False) -> None:
        self._denies = denies
        self.published: list[dict[str, str]] = []
        self.signed_for = ""

    async def __call__(self, request: web.Request) -> web.Response:
        self.published.append(dict(parse_qsl((await request.read()).decode())))
        self.signed_for = request.headers["Authorization"]
        if self._denies:
            return web.Response(status=403, text=_DENIED, content_type="text/xml")
        return web.Response(text=_PUBLISHED, content_type="text/xml")


async def test_the_text_goes_to_mail_and_the_json_to_the_rest(monkeypatch):
    sns = Sns()
    async with serving(sns) as url:
        monkeypatch.setenv("AWS_ENDPOINT_URL_SNS", url)
        await topic().deliver(message())
    (published,) = sns.published
    assert (published["Action"], published["TopicArn"]) == ("Publish", ARN)
    assert published["Subject"] == "batchrun: cohort has ended: 3 failed (of 3)"
    bodies = json.loads(published["Message"])
    assert json.loads(bodies["default"]) == message().summary
    assert bodies["email"] == message().text
    assert "/eu-west-1/sns/" in sns.signed_for


async def test_a_subject_is_what_sns_takes_and_a_fifo_topic_gets_what_it_asks_for(monkeypatch):
    sns = Sns()
    long = Message(notice=Notice.END, batch="ü", title="ü\n" + "x" * 200, text="", summary={})
    async with serving(sns) as url:
        monkeypatch.setenv("AWS_ENDPOINT_URL_SNS", url)
        await topic(f"{ARN}.fifo").deliver(long)
    (published,) = sns.published
    assert published["Subject"].startswith("batchrun: ??xxx")
    assert len(published["Subject"]) == 100
    assert published["MessageGroupId"] == "batchrun"
    assert len(published["MessageDeduplicationId"]) == 64


async def test_a_refusal_names_the_permission(monkeypatch):
    async with serving(Sns(denies=True)) as url:
        monkeypatch.setenv("AWS_ENDPOINT_URL_SNS", url)
        with pytest.raises(NoticeError, match=r"AuthorizationError.*; allow sns:Publish"):
            await topic().deliver(message())


async def test_missing_credentials_and_profiles_are_told(monkeypatch):
    with pytest.raises(NoticeError, match="nobody"):
        await topic(profile="nobody").deliver(message())
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    with pytest.raises(NoticeError, match="check the credentials"):
        await topic().deliver(message())


@pytest.mark.parametrize(
    "arn", ["", "cohort", "arn:aws:sqs:us-east-1:123456789012:x", "arn:aws:sns:us-east-1:1:x", f"{ARN}:sub"]
)
def test_what_is_no_topic_is_refused(arn):
    with pytest.raises(UsageError, match="give an ARN such as"):
        topic(arn)


@pytest.mark.parametrize("partition", ["aws", "aws-cn", "aws-us-gov"])
def test_topics_of_every_partition_are_taken(partition):
    assert partition in topic(ARN.replace("aws", partition, 1)).name
