"""``batchrun run``: submit what is due, watch to the end; the same command resumes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from batchrun.api.objects import OneLogin
from batchrun.cli.command import verb
from batchrun.cli.exits import Exit
from batchrun.cli.launching.options import LaunchOptions
from batchrun.clock import SystemClock
from batchrun.errors import UsageError
from batchrun.model.texts.queue_names import read_queue

if TYPE_CHECKING:
    from batchrun.cli.launching.launch import Job


@verb(
    LaunchOptions,
    epilog="Runs continue at the service whatever happens to this command. The first Ctrl-C stops it "
    "cleanly, the second at once; the same command resumes. For a folder, the exit code is the first of 70, "
    "5, 2, 6, 3, 4, 1, 0 that any of its batches ends with."
    "\n\nRead on: 'batchrun help manifest', 'batchrun help retry', 'batchrun help cron' (systemd and hooks "
    "too), 'batchrun help engines', 'batchrun help reliability'.",
)
async def run(options: LaunchOptions) -> Exit:
    """Submit every row of MANIFEST once, and watch the runs to their ends.

    MANIFEST is a YAML, JSON, JSON Lines, CSV or TSV file, s3://BUCKET/KEY, or - for standard input; or a
    folder, whose manifests are checked together and then launched side by side, each into its own batch and
    results.
    """
    _check(options)
    # Imported late: botocore takes half a second.
    if options.manifest.is_folder:
        from batchrun.cli.launching.folder import launch_folder as launch  # noqa: PLC0415
        from batchrun.cli.launching.manifests import refuse_for_folder  # noqa: PLC0415

        refuse_for_folder(options.manifest, results=options.results, standby=options.standby)
    elif options.standby:
        from batchrun.cli.launching.standby import launch_standing_by as launch  # noqa: PLC0415
    else:
        from batchrun.cli.launching.launch import launch  # noqa: PLC0415
    return await launch(job(options))


def _check(options: LaunchOptions) -> None:
    options.manifest.check()
    if options.once and options.detach:
        raise UsageError(
            "--once and --detach cannot be combined: --once looks at the runs, --detach does not"
        )
    if options.standby:
        _check_standby(options)
    if options.lease < 1:
        raise UsageError("--lease must be 1s or longer: it is renewed three times before it ends")


def _check_standby(options: LaunchOptions) -> None:
    if options.once or options.detach:
        raise UsageError(
            "--standby stays until the batch has ended, so it cannot be combined with --once or --detach"
        )
    if options.manifest.path == "-":
        raise UsageError(
            "--standby reads the manifest again when it takes over, which standard input "
            "cannot be; give a file"
        )


def job(options: LaunchOptions) -> Job:
    """Return the job that the options describe. Raises UsageError if one of them cannot be meant."""
    from batchrun.cli.launching.launch import Job  # noqa: PLC0415
    from batchrun.cli.launching.manifests import source  # noqa: PLC0415

    for queue in options.wake:
        read_queue(queue)
    metrics = options.hooks.metrics_file
    return Job(
        options=options,
        source=source(options.manifest, strict=options.strict, goes_together=options.together.goes_together),
        login=OneLogin(options.service.target(concurrency=options.concurrency)),
        limits=options.limits,
        hooks=options.hooks.hooks(options.service.profile, SystemClock()),
        metrics=Path(metrics) if metrics else None,
    )
