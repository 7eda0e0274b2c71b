"""The options of ``batchrun run``: for the launch, and for its notices and metrics.

Belongs here: options, their meaning for the model, and channels made from them. Does not: the launch
(``launch``, ``folder``), when notices are sent (``beside``), delivery (``notify``).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import click

from batchrun.cli import options
from batchrun.cli.command import Risk, duration, flag, group, option, texts
from batchrun.cli.manifest_options import ManifestOptions
from batchrun.cli.values import FailureLimit, OutputPath, Retry
from batchrun.errors import UsageError
from batchrun.model.entries.policies import WatchPolicy
from batchrun.model.entries.retrying import DEFAULT_RULES, RetryPolicy, RetryRule
from batchrun.model.paces.rates import Rate
from batchrun.model.planning.limits import Limits, Mode, StopAfter
from batchrun.model.planning.sweeps import Way
from batchrun.service.target import Target

if TYPE_CHECKING:
    from batchrun.clock import Clock
    from batchrun.model.notices import Notice
    from batchrun.notify.teller import Channel

#: Fewest seconds between two digests.
_SHORTEST: Final = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Hooks:
    """The channels for notices, and how many seconds each may take."""

    channels: Sequence[Channel] = ()
    limit: float = 30.0
    every: timedelta | None = None  #: between two digests; None: no digests


@dataclass(frozen=True, slots=True, kw_only=True)
class HookOptions:
    """The options for notices and metrics."""

    on_end: tuple[str, ...] = texts(
        metavar="COMMAND",
        risk=Risk.RUNS,
        help="Run this command in /bin/sh when the batch has ended, or a launch has stopped and needs "
        "attention, with a summary as JSON on its standard input; repeatable.",
    )
    on_failure: tuple[str, ...] = texts(
        metavar="COMMAND",
        risk=Risk.RUNS,
        help="Run this command in the same way at the first failure; repeatable.",
    )
    notify_url: tuple[str, ...] = texts(
        metavar="URL",
        risk=Risk.RUNS,
        help="Post the summary to this HTTPS address at the first failure and at the end; repeatable.",
    )
    notify_format: str = option(
        type=click.Choice(["json", "slack", "teams"]),
        default="json",
        help="What --notify-url receives: the summary as JSON, a Slack message, or a card for a Teams "
        "Workflows webhook.",
    )
    notify_every: float | None = duration(
        help="Also send the batch's progress to --notify-url and --notify-topic at this interval, such as "
        "6h, if anything has changed.  [default: never]"
    )
    notify_topic: tuple[str, ...] = texts(
        metavar="ARN",
        risk=Risk.RUNS,
        help="Publish the summary to this SNS topic at the first failure and at the end; repeatable.",
    )
    hook_timeout: float = duration(default="30s", help="How long each command or notice may take.")
    metrics_file: str | None = option(
        type=OutputPath(),
        metavar="FILE",
        help="Write metrics for Prometheus to this *.prom file, for node exporter's textfile collector.",
    )

    def hooks(self, profile: str | None, clock: Clock) -> Hooks:
        """Return the channels of the options; the AWS *profile* publishes to topics."""
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
        from batchrun.model.notices import Notice  # noqa: PLC0415 (for hooks only)
        from batchrun.notify.topic import Topic  # noqa: PLC0415
        from batchrun.notify.webhook import Form, Webhook  # noqa: PLC0415

        yield from _commands("--on-end", self.on_end, (Notice.STOPPED, Notice.END))
        yield from _commands("--on-failure", self.on_failure, (Notice.FAILURE,))
        for url in self.notify_url:
            yield Webhook(url, clock=clock, form=Form(self.notify_format))
        for arn in self.notify_topic:
            yield Topic(arn, partial(_publish, Target(profile=profile)))


def _commands(name: str, commands: Sequence[str], notices: Sequence[Notice]) -> Iterator[Channel]:
    from batchrun.notify.command import Command  # noqa: PLC0415 (as above)

    for number, command in enumerate(commands, 1):
        if not command.strip():
            raise UsageError(f"{name}: that is not a command")
        yield Command(command, name=name if number == 1 else f"{name} ({number})", notices=notices)


async def _publish(target: Target, region: str, request: Mapping[str, Any]) -> None:
    from batchrun.service.messages import publish  # noqa: PLC0415 (takes long to import, and is rarely needed)

    await publish(target, region, request)


@dataclass(frozen=True, slots=True, kw_only=True)
class LaunchOptions:
    """The options of ``batchrun run``."""

    manifest: ManifestOptions = group(ManifestOptions)
    strict: bool = options.STRICT()
    once: bool = flag(help="Make one pass: submit what is due, look at each run once.")
    detach: bool = flag(help="Submit without watching.")
    deadline: float | None = duration(help="Stop cleanly after this time, such as 50m.")
    changed: str | None = options.CHANGED(
        help="What to do about rows whose content changed after submission: keep what was submitted, or "
        "start new runs.  [default: refuse]"
    )
    rate: Rate = options.RATE()
    read_rate: Rate = options.READ_RATE()
    concurrency: int = options.CONCURRENCY()
    max_active: int | None = options.MAX_ACTIVE()
    account_max_active: int | None = option(
        type=click.IntRange(min=1),
        help="At most this many active runs at once of all batches of the ledger together, in an account and "
        "region.  [default: no cap]",
    )
    together: options.EngineOptions = group(options.EngineOptions)
    stop_after: StopAfter | None = option(
        type=FailureLimit(),
        metavar="N|N%",
        help="Stop submitting once this many entries have failed, and exit with 6; active runs continue.  "
        "[default: never]",
    )
    retry: tuple[RetryRule, ...] = option(
        multiple=True,
        type=Retry(),
        metavar="REASON=N",
        help="Retry runs that fail for this reason (a glob) this many times; repeatable, the first "
        "match counts, then retry: in the manifest, then SERVICE_ERROR=2 and "
        "INSTANCE_RESERVATION_FAILED=2.",
    )
    no_retry: bool = flag(help="Do not retry failed runs automatically.")
    retry_wait: float | None = duration(
        help="How long to wait before the first retry; doubles with each.  [default: the manifest's, else 1m]"
    )
    poll_interval: float = duration(default="60s", help="The longest time between two looks at a run.")
    watch: str = option(
        type=click.Choice([way.value for way in Way]),
        default=Way.AUTO.value,
        help="How to watch runs: each by GetRun, all by ListRuns, or whichever takes fewer calls.",
    )
    wake: tuple[str, ...] = texts(
        metavar="sqs:URL",
        risk=Risk.ADDRESS,
        help="An SQS queue that receives EventBridge's events about runs (see 'batchrun wake init'): runs "
        "that end are noticed within seconds, and polled less often while events arrive; repeatable.",
    )
    replay_window: float = duration(
        default="1h",
        help="How long the service is trusted to remember a requestId. A row is sent only after a search for "
        "its run, which found none and is younger than this less --listing-lag.",
    )
    batch_replay_window: float = duration(
        default="0s",
        help="How long the service is trusted to remember a StartRunBatch's requestId, which is not "
        "documented. A call whose answer was lost is repeated within this time: if the service forgets "
        "sooner, every row of it runs twice. At 0 the batch is searched for first.",
    )
    listing_lag: float = options.LISTING_LAG()
    trust_ledger: bool = flag(
        help="Send rows without checking whether another ledger has started them: only if this is the only "
        "ledger."
    )
    lease: float = duration(
        default="30s", help="How long a dead launcher on another host holds the batch; 15m at most."
    )
    standby: bool = flag(
        help="If another launcher holds the batch, wait; take over if it stops or dies, and end when the "
        "batch has ended."
    )
    ledger: str = options.LEDGER()
    results: str | None = options.RESULTS()
    safe_csv: bool = options.SAFE_CSV()
    hooks: HookOptions = group(HookOptions)
    service: options.Service = group(options.Service)
    credentials_wait: float = duration(
        default="15m",
        help="How long to wait for a new login when credentials stop working; with --once, not at all.",
    )
    output: options.Output = group(options.Output)

    @property
    def limits(self) -> Limits:
        """The limits of the launch."""
        longest = max(0.1, self.poll_interval)
        return Limits(
            mode=Mode.ONCE if self.once else Mode.DETACH if self.detach else Mode.WATCH,
            concurrency=self.concurrency,
            max_active=self.max_active,
            account_max_active=self.account_max_active,
            stop_after=self.stop_after or StopAfter(),
            tag=self.manifest.tags,
            replay_window=self.replay_window,
            listing_lag=self.listing_lag,
            trusts_ledger=self.trust_ledger,
            engine=self.together.kind,
            batch_rows=self.together.batch_rows,
            batch_replay_window=self.batch_replay_window,
            retry=RetryPolicy(
                rules=() if self.no_retry else (*self.retry, *DEFAULT_RULES), wait=self.retry_wait
            ),
            way=Way(self.watch),
            watch=WatchPolicy(shortest=min(WatchPolicy().shortest, longest), longest=longest),
        )
