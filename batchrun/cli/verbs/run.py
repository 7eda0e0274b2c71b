"""``batchrun run``: submit what is due, watch to the end; the same command resumes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from batchrun.api.one_login import OneLogin
from batchrun.cli.launching.hooks import TOLD, hooks
from batchrun.cli.options import (
    LEDGER,
    LISTING_LAG,
    MANIFEST,
    OUTPUT,
    PACE,
    RESULTS,
    SAFE_CSV,
    SERVICE,
    STRICT,
    option,
    output,
    target,
)
from batchrun.cli.signals import run_async
from batchrun.cli.values import Duration, FailureLimit, Retry, given_path, is_folder
from batchrun.clock import SystemClock
from batchrun.errors import UsageError
from batchrun.model.limits import Changed, Limits, Mode, StopAfter
from batchrun.model.policies import WatchPolicy
from batchrun.model.retrying import DEFAULT_RULES, RetryPolicy
from batchrun.model.watch import Way

if TYPE_CHECKING:
    from batchrun.cli.launching.launch import Job


@click.command(
    epilog="Runs go on at the service whatever happens to this command. The first Ctrl-C ends it in good "
    "order, the second at once; the same command goes on where it stood. Of a folder's batches, the first of "
    "70, 5, 2, 6, 3, 4, 1, 0 that any of them ends with is the exit code: 1 waits until no work is left."
    "\n\nRead on: 'batchrun help manifest', 'batchrun help retry', 'batchrun help cron' (systemd and hooks "
    "too), 'batchrun help reliability'."
)
@MANIFEST
@STRICT
@option(
    "--once", is_flag=True, show_default=False, help="One pass: submit what is due, look at each run once."
)
@option("--detach", is_flag=True, show_default=False, help="Submit, and do not watch.")
@option("--deadline", type=Duration(), metavar="DURATION", help="Stop in good order after this, such as 50m.")
@option(
    "--changed",
    type=click.Choice(["keep", "resubmit"]),
    help="What to do about rows whose content changed after submission: go on with what was submitted, "
    "or start new runs.  [default: refuse]",
)
@PACE
@option(
    "--stop-after",
    type=FailureLimit(),
    metavar="N|N%",
    help="Submit nothing more once so many entries have failed, and exit with 6; runs are left alone.  "
    "[default: never]",
)
@option(
    "--retry",
    "retries",
    multiple=True,
    type=Retry(),
    metavar="REASON=N",
    help="Give runs that fail for this reason, a glob, so many more attempts; repeatable, the first that "
    "matches counts, then retry: in the manifest, then SERVICE_ERROR=2 and INSTANCE_RESERVATION_FAILED=2.",
)
@option("--no-retry", is_flag=True, show_default=False, help="Give no run another attempt by itself.")
@option(
    "--retry-wait",
    type=Duration(),
    metavar="DURATION",
    help="How long to wait before the first of them; doubles with each.  [default: the manifest's, else 1m]",
)
@option(
    "--poll-interval", type=Duration(), default="60s", help="The longest wait between two looks at a run."
)
@option(
    "--watch",
    type=click.Choice([way.value for way in Way]),
    default=Way.AUTO.value,
    help="How to watch: each run by GetRun, all of them by ListRuns, or whichever takes fewer calls.",
)
@option(
    "--replay-window",
    type=Duration(),
    default="1h",
    help="How long the service is trusted to remember a requestId. A row is sent only when it was looked for "
    "within this less --listing-lag, and not found.",
)
@LISTING_LAG
@option(
    "--trust-ledger",
    "trusts_ledger",
    is_flag=True,
    show_default=False,
    help="Send rows without looking whether another ledger has started them: there is none but this.",
)
@option(
    "--lease",
    type=Duration(),
    default="30s",
    help="How long a dead launcher on another host holds the batch.",
)
@LEDGER
@RESULTS
@SAFE_CSV
@TOLD
@SERVICE
@option(
    "--credentials-wait",
    type=Duration(),
    default="15m",
    help="How long to wait for credentials that were good before; under --once not at all.",
)
@OUTPUT
@click.pass_context
def run(context: click.Context, /, **options: Any) -> None:
    """
    Submit every row of MANIFEST once, and watch the runs to their ends.

    MANIFEST is a YAML, JSON, JSON Lines, CSV or TSV file, s3://BUCKET/KEY, or - for standard input; or a
    folder, whose manifests are checked together and then launched side by side, each into its own batch and
    results.
    """
    given_path(options["manifest"], options["each_file"])
    # Only now: botocore takes half a second to import.
    if is_folder(options["manifest"]):
        from batchrun.cli.launching.folder import launch_folder as launch  # noqa: PLC0415
        from batchrun.cli.launching.manifests import refuse_for_folder  # noqa: PLC0415

        refuse_for_folder(options, "batch", "results", "manifest_format")
    else:
        from batchrun.cli.launching.launch import launch  # noqa: PLC0415
    context.exit(run_async(launch, _job(options)))


def _job(options: dict[str, Any]) -> Job:
    from batchrun.cli.launching.launch import Job  # noqa: PLC0415
    from batchrun.cli.launching.manifests import source  # noqa: PLC0415

    if options["once"] and options["detach"]:
        raise UsageError(
            "--once and --detach do not go together: --once looks at the runs, --detach does not"
        )
    if options["lease"] < 1:
        raise UsageError("--lease must be 1s or longer: it is renewed three times in its life")
    reached = target(options)
    return Job(
        source=source(options),
        target=reached,
        login=OneLogin(reached),
        ledger=options["ledger"],
        results=options["results"],
        rate=options["rate"],
        read_rate=options["read_rate"],
        limits=_limits(options),
        changed=Changed(options["changed"] or "refuse"),
        deadline=options["deadline"],
        credentials_wait=options["credentials_wait"],
        safe_csv=options["safe_csv"],
        lease=options["lease"],
        hooks=hooks(options, SystemClock()),
        metrics=Path(options["metrics_file"]) if options["metrics_file"] else None,
        output=output(options),
    )


def _limits(options: dict[str, Any]) -> Limits:
    mode = Mode.ONCE if options["once"] else Mode.DETACH if options["detach"] else Mode.WATCH
    longest = max(0.1, options["poll_interval"])
    return Limits(
        mode=mode,
        concurrency=options["concurrency"],
        max_active=options["max_active"],
        stop_after=options["stop_after"] or StopAfter(),
        tag=options["tags"],
        replay_window=options["replay_window"],
        listing_lag=options["listing_lag"],
        trusts_ledger=options["trusts_ledger"],
        retry=RetryPolicy(
            rules=() if options["no_retry"] else (*options["retries"], *DEFAULT_RULES),
            wait=options["retry_wait"],
        ),
        way=Way(options["watch"]),
        watch=WatchPolicy(shortest=min(WatchPolicy().shortest, longest), longest=longest),
    )
