"""``batchrun run``: submit what is due, watch to the end; the same command resumes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from batchrun.api.objects import OneLogin
from batchrun.cli.command import flag, group, option, verb
from batchrun.cli.launching.hooks import HookOptions
from batchrun.cli.manifest_options import ManifestOptions
from batchrun.cli.options import (
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
    Output,
    Service,
)
from batchrun.cli.values import Duration, FailureLimit, Retry
from batchrun.clock import SystemClock
from batchrun.errors import UsageError
from batchrun.model.limits import Limits, Mode, StopAfter
from batchrun.model.policies import WatchPolicy
from batchrun.model.retrying import DEFAULT_RULES, RetryPolicy, RetryRule
from batchrun.model.watch import Way

if TYPE_CHECKING:
    from batchrun.cli.exits import Exit
    from batchrun.cli.launching.launch import Job
    from batchrun.model.pace import Rate


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What ``batchrun run`` is told."""

    manifest: ManifestOptions = group(ManifestOptions)
    strict: bool = STRICT()
    once: bool = flag("--once", help="One pass: submit what is due, look at each run once.")
    detach: bool = flag("--detach", help="Submit, and do not watch.")
    deadline: float | None = option(
        "--deadline", type=Duration(), metavar="DURATION", help="Stop in good order after this, such as 50m."
    )
    changed: str | None = CHANGED(
        help="What to do about rows whose content changed after submission: go on with what was submitted, "
        "or start new runs.  [default: refuse]"
    )
    rate: Rate = RATE()
    read_rate: Rate = READ_RATE()
    concurrency: int = CONCURRENCY()
    max_active: int | None = MAX_ACTIVE()
    stop_after: StopAfter | None = option(
        "--stop-after",
        type=FailureLimit(),
        metavar="N|N%",
        help="Submit nothing more once so many entries have failed, and exit with 6; runs are left alone.  "
        "[default: never]",
    )
    retries: tuple[RetryRule, ...] = option(
        "--retry",
        multiple=True,
        type=Retry(),
        metavar="REASON=N",
        help="Give runs that fail for this reason, a glob, so many more attempts; repeatable, the first "
        "that matches counts, then retry: in the manifest, then SERVICE_ERROR=2 and "
        "INSTANCE_RESERVATION_FAILED=2.",
    )
    no_retry: bool = flag("--no-retry", help="Give no run another attempt by itself.")
    retry_wait: float | None = option(
        "--retry-wait",
        type=Duration(),
        metavar="DURATION",
        help="How long to wait before the first of them; doubles with each.  [default: the manifest's, else "
        "1m]",
    )
    poll_interval: float = option(
        "--poll-interval", type=Duration(), default="60s", help="The longest wait between two looks at a run."
    )
    watch: str = option(
        "--watch",
        type=click.Choice([way.value for way in Way]),
        default=Way.AUTO.value,
        help="How to watch: each run by GetRun, all of them by ListRuns, or whichever takes fewer calls.",
    )
    replay_window: float = option(
        "--replay-window",
        type=Duration(),
        default="1h",
        help="How long the service is trusted to remember a requestId. A row is sent only when it was looked "
        "for within this less --listing-lag, and not found.",
    )
    listing_lag: float = LISTING_LAG()
    trusts_ledger: bool = flag(
        "--trust-ledger",
        help="Send rows without looking whether another ledger has started them: there is none but this.",
    )
    lease: float = option(
        "--lease",
        type=Duration(),
        default="30s",
        help="How long a dead launcher on another host holds the batch.",
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
        help="How long to wait for credentials that were good before; under --once not at all.",
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
            stop_after=self.stop_after or StopAfter(),
            tag=self.manifest.tags,
            replay_window=self.replay_window,
            listing_lag=self.listing_lag,
            trusts_ledger=self.trusts_ledger,
            retry=RetryPolicy(
                rules=() if self.no_retry else (*self.retries, *DEFAULT_RULES), wait=self.retry_wait
            ),
            way=Way(self.watch),
            watch=WatchPolicy(shortest=min(WatchPolicy().shortest, longest), longest=longest),
        )


@verb(
    Options,
    epilog="Runs go on at the service whatever happens to this command. The first Ctrl-C ends it in good "
    "order, the second at once; the same command goes on where it stood. Of a folder's batches, the first of "
    "70, 5, 2, 6, 3, 4, 1, 0 that any of them ends with is the exit code: 1 waits until no work is left."
    "\n\nRead on: 'batchrun help manifest', 'batchrun help retry', 'batchrun help cron' (systemd and hooks "
    "too), 'batchrun help reliability'.",
)
async def run(told: Options) -> Exit:
    """
    Submit every row of MANIFEST once, and watch the runs to their ends.

    MANIFEST is a YAML, JSON, JSON Lines, CSV or TSV file, s3://BUCKET/KEY, or - for standard input; or a
    folder, whose manifests are checked together and then launched side by side, each into its own batch and
    results.
    """
    _check(told)
    # Only now: botocore takes half a second to import.
    if told.manifest.is_folder:
        from batchrun.cli.launching.folder import launch_folder as launch  # noqa: PLC0415
        from batchrun.cli.launching.manifests import refuse_for_folder  # noqa: PLC0415

        refuse_for_folder(told.manifest, results=told.results)
    else:
        from batchrun.cli.launching.launch import launch  # noqa: PLC0415
    return await launch(job(told))


def _check(told: Options) -> None:
    told.manifest.check()
    if told.once and told.detach:
        raise UsageError(
            "--once and --detach do not go together: --once looks at the runs, --detach does not"
        )
    if told.lease < 1:
        raise UsageError("--lease must be 1s or longer: it is renewed three times in its life")


def job(told: Options) -> Job:
    """
    Make of the options what a launch needs.

    Raises:
        UsageError: One of them cannot be meant.
    """
    from batchrun.cli.launching.launch import Job  # noqa: PLC0415
    from batchrun.cli.launching.manifests import source  # noqa: PLC0415

    target, metrics = told.service.target(concurrency=told.concurrency), told.hooks.metrics_file
    return Job(
        told=told,
        source=source(told.manifest, strict=told.strict),
        target=target,
        login=OneLogin(target),
        limits=told.limits,
        hooks=told.hooks.hooks(told.service.profile, SystemClock()),
        metrics=Path(metrics) if metrics else None,
    )
