"""
The options by which a launch tells those who do not watch.

Belongs here: options, and channels made from them. Does not: the moments of telling (``telling``), delivery
(``notify``).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from batchrun.cli.options import option, stacked
from batchrun.cli.values import Duration, Lines, OutputPath
from batchrun.errors import UsageError
from batchrun.service.target import Target

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from batchrun.clock import Clock
    from batchrun.notify import Channel

TOLD = stacked(
    option(
        "--on-end",
        type=Lines(),
        multiple=True,
        metavar="COMMAND",
        help="Run this in /bin/sh once the batch has ended, or a launch has stopped and needs somebody, with "
        "a summary as JSON on its standard input; repeatable.",
    ),
    option(
        "--on-failure",
        type=Lines(),
        multiple=True,
        metavar="COMMAND",
        help="The same at the first entry that fails; repeatable.",
    ),
    option(
        "--notify-url",
        type=Lines(),
        multiple=True,
        metavar="URL",
        help="Post the summary to this HTTPS address at each of these moments; repeatable.",
    ),
    option(
        "--notify-topic",
        type=Lines(),
        multiple=True,
        metavar="ARN",
        help="Publish the summary to this SNS topic at each of these moments; repeatable.",
    ),
    option("--hook-timeout", type=Duration(), default="30s", help="How long each of these may take."),
    option(
        "--metrics-file",
        type=OutputPath(),
        metavar="FILE",
        help="Keep metrics of the launch there for Prometheus, as node exporter's textfile collector reads "
        "them from *.prom.",
    ),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Hooks:
    """Who is told, and how many seconds each may take."""

    channels: Sequence[Channel] = ()
    limit: float = 30.0


def hooks(options: dict[str, Any], clock: Clock) -> Hooks:
    """
    Make what the options describe.

    Raises:
        UsageError: One of them cannot be meant.
    """
    if options["hook_timeout"] <= 0:
        raise UsageError("--hook-timeout must be longer than that: whatever takes longer is ended")
    return Hooks(channels=tuple(_channels(options, clock)), limit=options["hook_timeout"])


def _channels(options: dict[str, Any], clock: Clock) -> Iterator[Channel]:
    from batchrun.model.notices import Notice  # noqa: PLC0415 (only who asks for hooks waits for them)
    from batchrun.notify import Command, Topic, Webhook  # noqa: PLC0415

    moments = {"on_end": (Notice.STOPPED, Notice.END), "on_failure": (Notice.FAILURE,)}
    for key, notices in moments.items():
        name = f"--{key.replace('_', '-')}"
        for number, command in enumerate(options[key], 1):
            if not command.strip():
                raise UsageError(f"{name}: that is no command")
            yield Command(command, name=name if number == 1 else f"{name} ({number})", notices=notices)
    for url in options["notify_url"]:
        yield Webhook(url, clock=clock)
    for arn in options["notify_topic"]:
        yield Topic(arn, partial(_publish, Target(profile=options["profile"])))


async def _publish(target: Target, region: str, request: Mapping[str, Any]) -> None:
    from batchrun.service.topics import publish  # noqa: PLC0415 (takes long to import, and is rarely needed)

    await publish(target, region, request)
