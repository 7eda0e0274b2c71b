"""``batchrun wake``: what ``--wake`` needs in AWS, and whether it works."""

from __future__ import annotations

import json
import re
import uuid
from dataclasses import dataclass
from importlib.resources import files
from typing import TYPE_CHECKING, Final

import click

from batchrun.api.objects import OneLogin
from batchrun.cli.command import HELP, argument, flag, group, verb
from batchrun.cli.options import Account
from batchrun.cli.speak import say
from batchrun.cli.wording import printable, seconds
from batchrun.clock import SystemClock
from batchrun.errors import AccessDeniedError, CallError, ServiceUnusableError, UsageError
from batchrun.model.queue_names import read_queue

if TYPE_CHECKING:
    from batchrun.service.wakes import SqsQueue

_NAME: Final = "batchrun-wake"
_PLACEHOLDER: Final = "QUEUE_NAME"
_NAMES: Final = re.compile("[A-Za-z0-9_-]{1,60}")
#: Seconds in which the test message must arrive: two long polls.
_PATIENCE: Final = 40.0


@dataclass(frozen=True, slots=True, kw_only=True)
class InitOptions:
    """What ``batchrun wake init`` is told."""

    name: str = argument(default=_NAME, metavar="[NAME]")
    cli: bool = flag(
        "--cli", each_time="give it on the command line", help="Print calls of the AWS CLI instead."
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class TestOptions:
    """What ``batchrun wake test`` is told."""

    queue: str = argument(metavar="sqs:URL")
    account: Account = group(Account)


@click.group(context_settings=HELP, epilog="Read on: 'batchrun help pace'.")
def wake() -> None:
    """
    Prepare an SQS queue for 'batchrun run --wake', and try it.

    EventBridge brings the ends of runs to it, so that they are seen within seconds.
    """


@verb(InitOptions, epilog="Read on: 'batchrun help pace', 'batchrun help iam'.")
def init(told: InitOptions) -> None:
    """
    Print a queue called NAME, the rule of EventBridge that fills it, and its policy, as CloudFormation.

    For each region that has runs; nothing is called. NAME is batchrun-wake unless it is given.
    """
    name = told.name
    if not _NAMES.fullmatch(name):
        raise UsageError(f"'{name}' cannot name a queue: give up to 60 letters, digits, - and _")
    template = "wake.sh" if told.cli else "wake.cfn.yaml"
    text = files("batchrun.cli").joinpath("assets", template).read_text(encoding="utf-8")
    say(text.replace(_PLACEHOLDER, name).rstrip("\n"))


@verb(TestOptions, epilog="Read on: 'batchrun help pace', 'batchrun help iam'.")
async def test(told: TestOptions) -> None:
    """
    Send a message to the queue, and see that it arrives and can be deleted.

    Other messages are left alone. That EventBridge's rule fills the queue shows with the first run that ends.
    Needs sqs:SendMessage, sqs:ReceiveMessage and sqs:DeleteMessage.
    """
    from batchrun.service.wakes import sqs_queue  # noqa: PLC0415 (loads aiobotocore)

    queue, clock = read_queue(told.queue), SystemClock()
    body = json.dumps({"source": "batchrun", "detail-type": "Test", "id": uuid.uuid4().hex})
    async with sqs_queue(OneLogin(told.account.target()).get(), queue) as found:
        begun = clock.monotonic()
        try:
            await found.send(body)
            is_there = await _arrived(found, body, until=begun + _PATIENCE)
        except AccessDeniedError as error:
            cure = "allow sqs:SendMessage, sqs:ReceiveMessage and sqs:DeleteMessage on the queue"
            raise ServiceUnusableError(f"queue {queue.name}: {error}; {cure}") from error
        except CallError as error:
            raise ServiceUnusableError(f"queue {queue.name}: {error}; check its URL and region") from error
    if not is_there:
        raise ServiceUnusableError(
            f"queue {queue.name}: the message was not received within {_PATIENCE:g} s; does another launcher "
            "listen to it, or has it a backlog? Each launcher should have a queue of its own"
        )
    took = seconds(clock.monotonic() - begun)
    say(printable(f"{queue.name}: a message was sent, received after {took}, and deleted"))
    say(f"next: batchrun run ... --wake {told.queue}")


async def _arrived(queue: SqsQueue, body: str, *, until: float) -> bool:
    while SystemClock().monotonic() < until:
        for message in await queue.receive():
            if message.body == body:
                await queue.delete([message.receipt])
                return True
    return False


wake.add_command(init)
wake.add_command(test)
