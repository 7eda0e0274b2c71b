"""
The options by which a launch tells those who do not watch.

Belongs here: options, and channels made from them. Does not: the moments of telling (``telling``), delivery
(``notify``).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import click

from batchrun.cli.command import Risk, option, texts
from batchrun.cli.values import Duration, OutputPath
from batchrun.errors import UsageError
from batchrun.service.target import Target

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from batchrun.clock import Clock
    from batchrun.model.notices import Notice
    from batchrun.notify import Channel

#: Seconds between two digests, at the least.
_SHORTEST: Final = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Hooks:
    """Who is told, and how many seconds each may take."""

    channels: Sequence[Channel] = ()
    limit: float = 30.0
    every: timedelta | None = None  #: between two digests; None without them


@dataclass(frozen=True, slots=True, kw_only=True)
class HookOptions:
    """Who is told, and what is kept for those who look from time to time."""

    on_end: tuple[str, ...] = texts(
        "--on-end",
        metavar="COMMAND",
        risk=Risk.RUNS,
        help="Run this command in /bin/sh when the batch has ended, or a launch has stopped and needs "
        "attention, with a summary as JSON on its standard input; repeatable.",
    )
    on_failure: tuple[str, ...] = texts(
        "--on-failure",
        metavar="COMMAND",
        risk=Risk.RUNS,
        help="Run this command in the same way at the first failure; repeatable.",
    )
    notify_url: tuple[str, ...] = texts(
        "--notify-url",
        metavar="URL",
        risk=Risk.RUNS,
        help="Post the summary to this HTTPS address at the first failure and at the end; repeatable.",
    )
    notify_format: str = option(
        "--notify-format",
        type=click.Choice(["json", "slack", "teams"]),
        default="json",
        help="What --notify-url takes: the summary as JSON, a message of Slack's, or a card for a webhook of "
        "Teams' Workflows.",
    )
    notify_every: float | None = option(
        "--notify-every",
        type=Duration(),
        metavar="DURATION",
        help="Tell --notify-url and --notify-topic how the batch stands every so often too, such as 6h, if "
        "anything has changed.  [default: never]",
    )
    notify_topic: tuple[str, ...] = texts(
        "--notify-topic",
        metavar="ARN",
        risk=Risk.RUNS,
        help="Publish the summary to this SNS topic at the first failure and at the end; repeatable.",
    )
    hook_timeout: float = option(
        "--hook-timeout", type=Duration(), default="30s", help="How long each command or notice may take."
    )
    metrics_file: str | None = option(
        "--metrics-file",
        type=OutputPath(),
        metavar="FILE",
        help="Write metrics for Prometheus to this *.prom file, for node exporter's textfile collector.",
    )

    def hooks(self, profile: str | None, clock: Clock) -> Hooks:
        """
        Make what the options describe.

        Args:
            profile: Who publishes to topics, unless the AWS configuration says it.
            clock: The time.

        Raises:
            UsageError: One of them cannot be meant.
        """
        if self.hook_timeout <= 0:
            raise UsageError(
                "--hook-timeout must be longer than that: a command that takes longer is stopped"
            )
        every = self.notify_every
        if every is not None and every < _SHORTEST:
            raise UsageError(f"--notify-every must be at least {_SHORTEST:g} s; give one such as 6h")
        return Hooks(
            channels=tuple(self._channels(profile, clock)),
            limit=self.hook_timeout,
            every=None if every is None else timedelta(seconds=every),
        )

    def _channels(self, profile: str | None, clock: Clock) -> Iterator[Channel]:
        from batchrun.model.notices import Notice  # noqa: PLC0415 (only who asks for hooks waits for them)
        from batchrun.notify import Form, Topic, Webhook  # noqa: PLC0415

        yield from _commands("--on-end", self.on_end, (Notice.STOPPED, Notice.END))
        yield from _commands("--on-failure", self.on_failure, (Notice.FAILURE,))
        for url in self.notify_url:
            yield Webhook(url, clock=clock, form=Form(self.notify_format))
        for arn in self.notify_topic:
            yield Topic(arn, partial(_publish, Target(profile=profile)))


def _commands(name: str, commands: Sequence[str], notices: Sequence[Notice]) -> Iterator[Channel]:
    from batchrun.notify import Command  # noqa: PLC0415 (as above)

    for number, command in enumerate(commands, 1):
        if not command.strip():
            raise UsageError(f"{name}: that is not a command")
        yield Command(command, name=name if number == 1 else f"{name} ({number})", notices=notices)


async def _publish(target: Target, region: str, request: Mapping[str, Any]) -> None:
    from batchrun.service.topics import publish  # noqa: PLC0415 (takes long to import, and is rarely needed)

    await publish(target, region, request)
