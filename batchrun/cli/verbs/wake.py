"""``batchrun wake``: set up and test what ``--wake``, and ``wake`` of a lane, need in AWS."""

from __future__ import annotations

import json
import re
import shlex
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.resources import files
from typing import TYPE_CHECKING, Final

import click

from batchrun.api.objects import ObjectsOnce, OneLogin
from batchrun.cli.calling import login_to
from batchrun.cli.command import HELP, argument, group, typed_flag, verb
from batchrun.cli.exits import Exit, exit_code, worst
from batchrun.cli.options import LANES, NO_ACCOUNT, Account
from batchrun.cli.signals import interruptible, run_async
from batchrun.cli.speak import complain, say
from batchrun.clock import SystemClock
from batchrun.errors import AccessDeniedError, CallError, InputError, ServiceUnusableError, UsageError
from batchrun.model.lanes import Lane
from batchrun.model.planning.announcing import OURS
from batchrun.model.texts.queue_names import QueueName, read_queue
from batchrun.model.texts.words import seconds
from batchrun.service.target import Target, target_of

if TYPE_CHECKING:
    from batchrun.service.login import Login
    from batchrun.service.messages import SqsQueue

_NAMES: Final = re.compile("[A-Za-z0-9_-]{1,60}")
#: Seconds in which the test message must arrive: two long polls.
_PATIENCE: Final = 40.0


@dataclass(frozen=True, slots=True, kw_only=True)
class WakeInitOptions:
    """The options of ``batchrun wake init``."""

    name: str = argument(default="batchrun-wake", metavar="[NAME]")
    cli: bool = typed_flag(help="Print calls of the AWS CLI instead.")
    lanes: str | None = LANES()


@dataclass(frozen=True, slots=True, kw_only=True)
class TestOptions:
    """The options of ``batchrun wake test``."""

    queue: str | None = argument(metavar="[sqs:URL]", required=False)
    lanes: str | None = LANES()
    account: Account = group(Account)


@click.group(context_settings=HELP, epilog="Read on: 'batchrun help pace'.")
def wake() -> None:
    """Prepare an SQS queue for 'batchrun run --wake', and try it.

    EventBridge brings the ends of runs to it, so that they are seen within seconds.
    """


@verb(WakeInitOptions, epilog="Read on: 'batchrun help pace', 'batchrun help iam'.")
def init(options: WakeInitOptions) -> None:
    """Print a queue called NAME, the rule of EventBridge that fills it, and its policy, as CloudFormation.

    For each region that has runs; nothing is called. NAME is batchrun-wake unless it is given. With --lanes,
    a file of lanes or a manifest that has its own, it says in which account and region each lane needs one,
    and what is to be written into the lane.
    """
    name = options.name
    if not _NAMES.fullmatch(name):
        raise UsageError(f"'{name}' cannot name a queue: give up to 60 letters, digits, - and _")
    template = "wake.sh" if options.cli else "wake.cfn.yaml"
    text = files("batchrun.cli").joinpath("assets", template).read_text(encoding="utf-8")
    say(text.replace("QUEUE_NAME", name).rstrip("\n"))
    if options.lanes is not None:
        for line in places(_lanes(options.lanes), name):
            say(f"# {line}")


def _lanes(path: str) -> Sequence[Lane]:
    from batchrun.manifest.lanes.table import lanes_to_use  # noqa: PLC0415 (loads botocore)

    with interruptible(), ObjectsOnce(login_to(NO_ACCOUNT)) as in_s3:
        return lanes_to_use(path, in_s3, beside_rows=True)


@verb(TestOptions, epilog="Read on: 'batchrun help pace', 'batchrun help iam'.")
def test(options: TestOptions) -> Exit:
    """Send a message to the queue, and see that it arrives and can be deleted.

    With --lanes, a file of lanes or a manifest that has its own, each lane's queue is tried with that lane's
    login. Other messages are left alone. That EventBridge's rule fills the queue shows with the first run
    that ends. Needs sqs:SendMessage, sqs:ReceiveMessage and sqs:DeleteMessage.
    """
    if (options.queue is None) is (options.lanes is None):
        raise UsageError("give a queue, sqs:URL, or --lanes FILE")
    if options.queue is not None:
        queue = read_queue(options.queue)
        run_async(_try, queue, OneLogin(options.account.target()).get())
        say(f"next: batchrun run ... --wake {options.queue}")
        return Exit.OK
    if options.account != NO_ACCOUNT:
        raise UsageError("--profile and --region cannot be given with --lanes: each lane says its own")
    return run_async(_try_each, _lanes(options.lanes or ""))


async def _try_each(lanes: Sequence[Lane]) -> Exit:
    """Test one lane's queue after the other: lanes that share one would take each other's message."""
    login, codes = OneLogin(Target()).get(), [Exit.OK]
    for lane in lanes:
        if lane.wake is None:
            say(f"lane {lane.name}: no queue")
            continue
        try:
            await _try(lane.wake, login.beside(target_of(lane, login.target)), f"lane {lane.name}: ")
        except (InputError, ServiceUnusableError) as error:
            complain(f"lane {lane.name}: {error}")
            codes.append(exit_code(error))
    return worst(codes)


async def _try(queue: QueueName, login: Login, whose: str = "") -> None:
    """Send a message, receive it, and delete it."""
    from batchrun.service.messages import sqs_queue  # noqa: PLC0415 (loads aiobotocore)

    clock = SystemClock()
    body = json.dumps({"source": OURS, "detail-type": "Test", "id": uuid.uuid4().hex})
    async with sqs_queue(login, queue) as found:
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
    say(f"{whose}{queue.name}: a message was sent, received after {took}, and deleted")


async def _arrived(queue: SqsQueue, body: str, *, until: float) -> bool:
    while SystemClock().monotonic() < until:
        for message in await queue.receive():
            if message.body == body:
                await queue.delete([message.receipt])
                return True
    return False


wake.add_command(init)
wake.add_command(test)


def places(lanes: Sequence[Lane], name: str) -> Iterator[str]:
    """Yield lines: for each account and region of *lanes*, the lanes that need a queue *name* there."""
    by_place: dict[tuple[str | None, ...], list[Lane]] = {}
    for lane in lanes:
        whose = (lane.account,) if lane.account is not None else (lane.profile, lane.role)
        by_place.setdefault((lane.region, *whose), []).append(lane)
    for sharing in by_place.values():
        first = sharing[0]
        region, account = first.region or "REGION", first.owner or "ACCOUNT"
        china = ".cn" if region.startswith("cn-") else ""
        whom = f"{'lane' if len(sharing) == 1 else 'lanes'} {', '.join(lane.name for lane in sharing)}"
        yield f"{whom}: once in {region} of account {account}{_login(first)}; then write into the lane"
        yield f"    wake: sqs:https://sqs.{region}.amazonaws.com{china}/{account}/{name}"


def _login(lane: Lane) -> str:
    said = [f"--region {lane.region}"] if lane.region else []
    if lane.profile is not None and lane.role is None:
        said.append(f"--profile {shlex.quote(lane.profile)}")
    return f" (aws ... {' '.join(said)})" if said else ""
