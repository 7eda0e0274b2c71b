"""
The options of a launch.

Belongs here: the options of ``batchrun run`` and what they mean for the model. Does not: the launch
(``launch``, ``folder``).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import click

from batchrun.cli.command import Risk, flag, group, option, texts
from batchrun.cli.launching.hooks import HookOptions
from batchrun.cli.manifest_options import ManifestOptions
from batchrun.cli.options import (
    ACCOUNT_MAX_ACTIVE,
    CHANGED,
    CONCURRENCY,
    LEDGER,
    LISTING_LAG,
    MAX_ACTIVE,
    RATE,
    READ_RATE,
    RESULTS,
    SAFE_CSV,
    STRICT,
    EngineOptions,
    Output,
    Service,
)
from batchrun.cli.values import Duration, FailureLimit, Retry
from batchrun.model.entries.policies import WatchPolicy
from batchrun.model.entries.retrying import DEFAULT_RULES, RetryPolicy, RetryRule
from batchrun.model.planning.limits import Limits, Mode, StopAfter
from batchrun.model.planning.sweeps import Way

if TYPE_CHECKING:
    from batchrun.model.paces.pace import Rate


@dataclass(frozen=True, slots=True, kw_only=True)
class LaunchOptions:
    """The options of ``batchrun run``."""

    manifest: ManifestOptions = group(ManifestOptions)
    strict: bool = STRICT()
    once: bool = flag("--once", help="Make one pass: submit what is due, look at each run once.")
    detach: bool = flag("--detach", help="Submit without watching.")
    deadline: float | None = option(
        "--deadline", type=Duration(), metavar="DURATION", help="Stop cleanly after this time, such as 50m."
    )
    changed: str | None = CHANGED(
        help="What to do about rows whose content changed after submission: keep what was submitted, or "
        "start new runs.  [default: refuse]"
    )
    rate: Rate = RATE()
    read_rate: Rate = READ_RATE()
    concurrency: int = CONCURRENCY()
    max_active: int | None = MAX_ACTIVE()
    account_max_active: int | None = ACCOUNT_MAX_ACTIVE()
    together: EngineOptions = group(EngineOptions)
    stop_after: StopAfter | None = option(
        "--stop-after",
        type=FailureLimit(),
        metavar="N|N%",
        help="Stop submitting once this many entries have failed, and exit with 6; active runs continue.  "
        "[default: never]",
    )
    retries: tuple[RetryRule, ...] = option(
        "--retry",
        multiple=True,
        type=Retry(),
        metavar="REASON=N",
        help="Retry runs that fail for this reason (a glob) this many times; repeatable, the first "
        "match counts, then retry: in the manifest, then SERVICE_ERROR=2 and "
        "INSTANCE_RESERVATION_FAILED=2.",
    )
    no_retry: bool = flag("--no-retry", help="Do not retry failed runs automatically.")
    retry_wait: float | None = option(
        "--retry-wait",
        type=Duration(),
        metavar="DURATION",
        help="How long to wait before the first retry; doubles with each.  [default: the manifest's, else "
        "1m]",
    )
    poll_interval: float = option(
        "--poll-interval", type=Duration(), default="60s", help="The longest time between two looks at a run."
    )
    watch: str = option(
        "--watch",
        type=click.Choice([way.value for way in Way]),
        default=Way.AUTO.value,
        help="How to watch: each run by GetRun, all of them by ListRuns, or whichever takes fewer calls.",
    )
    wake: tuple[str, ...] = texts(
        "--wake",
        metavar="sqs:URL",
        risk=Risk.ADDRESS,
        help="An SQS queue that EventBridge's events of runs come to (see 'batchrun wake init'): ends are "
        "seen within seconds, and looks are rarer for as long as it announces them; repeatable.",
    )
    replay_window: float = option(
        "--replay-window",
        type=Duration(),
        default="1h",
        help="How long the service is trusted to remember a requestId. A row is sent only if it was looked "
        "up within this time less --listing-lag, and not found.",
    )
    batch_replay_window: float = option(
        "--batch-replay-window",
        type=Duration(),
        default="0s",
        help="How long the service is trusted to remember the requestId of a StartRunBatch: one whose answer "
        "was lost is sent again within this time. How long that is, is not documented: where the service "
        "forgets sooner, every row runs twice. At 0 the batch is looked for first.",
    )
    listing_lag: float = LISTING_LAG()
    trusts_ledger: bool = flag(
        "--trust-ledger",
        help="Send rows without checking whether another ledger has started them: only if this is the only "
        "ledger.",
    )
    lease: float = option(
        "--lease",
        type=Duration(),
        default="30s",
        help="How long a dead launcher on another host holds the batch.",
    )
    standby: bool = flag(
        "--standby",
        help="Where another launcher holds the batch, wait: take over when it ends or dies, and end when the "
        "batch has ended.",
    )
    ledger: str = LEDGER()
    results: str | None = RESULTS()
    safe_csv: bool = SAFE_CSV()
    hooks: HookOptions = group(HookOptions)
    service: Service = group(Service)
    credentials_wait: float = option(
        "--credentials-wait",
        type=Duration(),
        default="15m",
        help="How long to wait for credentials that stopped working; with --once, not at all.",
    )
    output: Output = group(Output)

    @property
    def limits(self) -> Limits:
        """How far and how hard to go."""
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
            trusts_ledger=self.trusts_ledger,
            engine=self.together.kind,
            batch_rows=self.together.batch_rows,
            batch_replay_window=self.batch_replay_window,
            retry=RetryPolicy(
                rules=() if self.no_retry else (*self.retries, *DEFAULT_RULES), wait=self.retry_wait
            ),
            way=Way(self.watch),
            watch=WatchPolicy(shortest=min(WatchPolicy().shortest, longest), longest=longest),
        )
