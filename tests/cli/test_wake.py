"""``batchrun wake``: what it prints makes a queue that EventBridge's events come to, as moto has both."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import Any

import anyio
import boto3
import pytest
import yaml

from batchrun.model.planning.announcing import read_announcement
from batchrun.model.texts.queue_names import read_queue
from batchrun.service.login import Login
from batchrun.service.messages import sqs_queue
from batchrun.service.target import Target
from tests.cli.conftest import Shell

EVENT = {
    "Source": "aws.omics",
    "DetailType": "Run Status Change",
    "Detail": json.dumps({"status": "COMPLETED", "uuid": "u-1", "runId": "7"}),
}


@pytest.fixture(scope="module")
def aws() -> Iterator[str]:
    from moto.server import ThreadedMotoServer  # noqa: PLC0415 (a second, in each process that collects tests)

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


def client(aws: str, service: str) -> Any:
    keys = {"aws_access_key_id": "a", "aws_secret_access_key": "b"}
    return boto3.client(service, region_name="us-east-1", endpoint_url=aws, **keys)


def taken(queue: str, *, most: int) -> list[str]:
    """Receive from a queue until it is empty, deleting all, and return what is said of which runs."""

    async def take() -> list[str]:
        said: list[str] = []
        login = Login(Target(region="us-east-1"))
        async with sqs_queue(login, read_queue(queue), wall=time.time) as found:
            while len(said) < most and (messages := await found.receive(seconds=5)):
                said += [one.run for message in messages if (one := read_announcement(message.body))]
                assert all(0 <= message.age < 300 for message in messages)
                await found.delete([message.receipt for message in messages])
            assert await found.receive(seconds=0) == []
        return said

    return anyio.run(take)


#: What tests need of the AWS CLI, which is not installed with them: it makes the calls it is given.
STAND_IN = """\
import json, sys
import boto3

def value(name, text):
    if text.startswith("{"):
        return json.loads(text)
    if name == "attribute-names":
        return [text]
    if name in {"attributes", "targets"}:
        table = dict(one.split("=") for one in text.split(","))
        return table if name == "attributes" else [table]
    return text

service, operation, *rest = sys.argv[1:]
given = dict(zip([one[2:] for one in rest[::2]], rest[1::2]))
query, _ = given.pop("query", ""), given.pop("output", "")
pattern = given.pop("event-pattern", None)
asked = {"".join(word.title() for word in name.split("-")): value(name, text) for name, text in given.items()}
asked |= {"EventPattern": pattern} if pattern else {}
made = boto3.client(service).__getattribute__(operation.replace("-", "_"))(**asked)
for part in filter(None, query.split(".")):
    made = made[part]
print(made if query else "")
"""


@pytest.mark.long
def test_the_calls_make_a_queue_that_events_come_to_and_that_can_be_tried(shell: Shell, aws: str):
    script = shell.write("wake.sh", shell.run("wake", "init", "--cli", "lab-wake").stdout)
    stand_in = shell.write("aws", f"#!{sys.executable}\n{STAND_IN}")
    stand_in.chmod(stand_in.stat().st_mode | stat.S_IXUSR)
    done = subprocess.run(
        ["/bin/sh", script.name],
        cwd=shell.folder,
        env={
            **shell.environment,
            "PATH": f"{shell.folder}:{os.environ['PATH']}",
            "AWS_ENDPOINT_URL": aws,
            "AWS_REGION": "us-east-1",
            "AWS_DEFAULT_REGION": "us-east-1",
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    queue = done.stdout.split()[-1]
    events = client(aws, "events")
    events.put_events(Entries=[EVENT, EVENT | {"Detail": json.dumps({"status": "RUNNING", "uuid": "u-2"})}])
    assert taken(queue, most=1) == ["u-1"]
    tried = shell.run("wake", "test", queue)
    assert tried.returncode == 0, tried.stderr
    assert tried.stdout.startswith("lab-wake: a message was sent, received after ")
    assert taken(queue, most=0) == []
    # The template says the same.
    template = yaml.load(shell.run("wake", "init", "lab-wake").stdout, Loader=Template)["Resources"]
    (rule,) = [events.describe_rule(Name="lab-wake")]
    assert template["Rule"]["Properties"]["EventPattern"] == json.loads(rule["EventPattern"])
    asked = client(aws, "sqs").get_queue_attributes(
        QueueUrl=read_queue(queue).url, AttributeNames=["QueueArn", "Policy", "MessageRetentionPeriod"]
    )["Attributes"]
    policy = json.dumps(template["QueuePolicy"]["Properties"]["PolicyDocument"])
    policy = policy.replace("Queue.Arn", asked["QueueArn"]).replace("Rule.Arn", rule["Arn"])
    assert json.loads(policy) == json.loads(asked["Policy"])
    assert template["Queue"]["Properties"]["MessageRetentionPeriod"] == int(asked["MessageRetentionPeriod"])


class Template(yaml.SafeLoader):
    """Reads CloudFormation's own tags as the texts behind them."""


Template.add_multi_constructor("!", lambda loader, _tag, node: loader.construct_scalar(node))


@pytest.mark.long
def test_the_template_is_one(shell: Shell):
    """As AWS's own linter has it."""
    lint_all = pytest.importorskip("cfnlint.api", reason="cfn-lint has no wheels for this Python").lint_all

    printed = shell.run("wake", "init").stdout
    assert [one for one in lint_all(printed) if not one.rule.id.startswith("I")] == []  # what is no advice


def test_what_is_no_queue_is_told(shell: Shell):
    done = shell.run("wake", "test", "https://sqs.us-east-1.amazonaws.com/123456789012/x")
    assert (done.returncode, "that is no queue" in done.stderr) == (2, True)
    done = shell.run("wake", "init", "a b")
    assert (done.returncode, "cannot name a queue" in done.stderr) == (2, True)


LANES = """\
lanes:
  east: {{region: us-east-1, profile: lab, account: "111111111111", wake: "{ends}"}}
  near: {{region: us-east-1, profile: lab, account: "111111111111", wake: "{ends}"}}
  west: {{region: us-west-2, role: "arn:aws:iam::222222222222:role/launcher"}}
  gone: {{region: us-east-1, profile: lab, wake: "{ends}-of-nobody"}}
defaults: {{workflowId: "1234567"}}
runs: [{{id: A, lane: east}}]
"""


def test_each_lanes_queue_is_tried_and_told_where_one_is_needed(shell: Shell, aws: str, monkeypatch):
    ends = client(aws, "sqs").create_queue(QueueName="ends")["QueueUrl"]
    shell.write("cohort.yaml", LANES.format(ends=f"sqs:{ends}"))
    config = shell.write("config", "[profile lab]\naws_access_key_id = a\naws_secret_access_key = b\n")
    monkeypatch.setitem(shell.environment, "AWS_CONFIG_FILE", str(config))
    done = shell.run("wake", "test", "--lanes", "cohort.yaml")
    assert done.returncode == 5, done.stderr
    tried = [line.partition(" a message was sent")[0] for line in done.stdout.splitlines()]
    assert tried == ["lane east: ends:", "lane near: ends:", "lane west: no queue"]
    assert done.stderr.startswith("lane gone: queue ends-of-nobody: SendMessage")
    assert taken(f"sqs:{ends}", most=0) == []
    printed = shell.run("wake", "init", "--lanes", "cohort.yaml").stdout
    assert yaml.load(printed, Loader=Template)["Resources"]  # it is still a template
    said = "\n".join(printed.splitlines()[-6:])
    assert "lanes east, near: once in us-east-1 of account 111111111111 (aws ... --region us-east-1" in said
    assert "wake: sqs:https://sqs.us-west-2.amazonaws.com/222222222222/batchrun-wake" in said
    assert "lane gone: once in us-east-1 of account ACCOUNT" in said
    done = shell.run("wake", "test", "--lanes", "cohort.yaml", f"sqs:{ends}")
    assert (done.returncode, "give a queue" in done.stderr) == (2, True)
    done = shell.run("wake", "test", "--lanes", "cohort.yaml", "--profile", "lab")
    assert (done.returncode, "each lane says its own" in done.stderr) == (2, True)
