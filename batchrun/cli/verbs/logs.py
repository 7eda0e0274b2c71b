"""``batchrun logs``: the log of a row's run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import click

from batchrun.api.reading import find_batch
from batchrun.cli.batches import row_to_read
from batchrun.cli.calling import login_of, opening
from batchrun.cli.command import argument, flag, group, option, verb
from batchrun.cli.completion import batches, rows
from batchrun.cli.exits import Exit
from batchrun.cli.options import LEDGER, REACHED, READ_RATE, Output, Service
from batchrun.errors import CallError, ServiceUnusableError, UsageError

if TYPE_CHECKING:
    from batchrun.model.paces.pace import Rate


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """The options of ``batchrun logs``."""

    entry_id: str = argument(metavar="ID", shell_complete=rows)
    task: str | None = option(
        "--task",
        metavar="NAME",
        each_time="give it on the command line",
        help="Only the log of the task of this name, or id.",
    )
    attempt: int | None = option(
        "--attempt",
        type=click.IntRange(min=1),
        each_time="give it on the command line",
        help="The run of this attempt.  [default: the last one]",
    )
    tail: int | None = option(
        "--tail",
        type=click.IntRange(1, 10_000),
        metavar="N",
        each_time="give it on the command line",
        help="Only the last N lines of each log.",
    )
    follow: bool = flag(
        "--follow",
        each_time="give it on the command line",
        help="Go on with what is logged from now on, until the run has ended.",
    )
    batch: str | None = option("--batch", shell_complete=batches, help="The batch, if ID is in several.")
    ledger: str = LEDGER()
    read_rate: Rate = READ_RATE()
    lanes: str | None = REACHED()
    service: Service = group(Service)
    output: Output = group(Output)

    @property
    def concurrency(self) -> int:
        """Calls in flight at once."""
        return 1


@verb(
    Options,
    epilog="With --follow, Ctrl-C ends with 0. Needs logs:GetLogEvents on /aws/omics/WorkflowLog; for "
    "--task, and for failed tasks that the ledger does not know, omics:ListRunTasks and omics:GetRunTask too."
    "\n\nRead on: 'batchrun help retry', 'batchrun help iam'.",
)
async def logs(options: Options) -> Exit:
    """
    Show the log of the row ID's run: its failed tasks', then the engine's and the run's own.

    ID may also be the uuid, the id or the ARN of a run of its.
    """
    async with opening(options, login_of(options)) as opened:
        ledger = await opened.found_ledger()
        outcome = await row_to_read(ledger, options.entry_id, options.batch)
        # Only now: to import the client takes longer than to find out that there is no such row.
        from batchrun.api.row_logs import access, run_of, streams_of, streams_of_task  # noqa: PLC0415
        from batchrun.cli.showing.log_lines import LogLines  # noqa: PLC0415
        from batchrun.service.run_logs import run_logs  # noqa: PLC0415

        row = run_of(outcome, options.entry_id, options.attempt)
        failed = await ledger.batch(row.batch).failed_tasks([row.id])
        known = failed.get(row.id, {}).get(row.attempt)
        batch = await find_batch(ledger, row.batch)
        service = access(await opened.reach_of(batch), row.lane)
        if options.task is None:
            streams = await streams_of(row, known, service)
        else:
            try:
                streams = await streams_of_task(row, options.task, known, service)
            except CallError as error:
                raise ServiceUnusableError(
                    f"run {row.run.id}: its tasks cannot be listed: {error}"
                ) from error
        if not streams:
            raise UsageError(f"run {row.run.id} has no log: its logLevel is OFF")
        async with run_logs(service.login, region=service.region, beside=service.endpoint) as read:
            lines = LogLines(row, streams, read, last=options.tail, as_json=options.output.as_json)
            if options.follow:
                await lines.follow(ledger.batch(row.batch), service)
            else:
                await lines.show()
    return Exit.OK
