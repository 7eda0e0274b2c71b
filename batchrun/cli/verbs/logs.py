"""``batchrun logs``: the log of a row's run, one stream after the other, or line by line as written."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Final

import anyio
import click

from batchrun.api.reading import find_batch
from batchrun.cli.calling import Calling
from batchrun.cli.command import argument, option, typed, typed_flag, verb
from batchrun.cli.completion import batches, rows
from batchrun.cli.exits import Exit
from batchrun.cli.naming import row_to_read
from batchrun.cli.signals import heard
from batchrun.cli.speak import complain, emit, is_terminal, printable, write
from batchrun.clock import SystemClock
from batchrun.errors import CallError, NotFoundError, ServiceUnusableError, UsageError
from batchrun.model.entries.states import Outlook, State, outlook
from batchrun.model.tasks import LOG_GROUP
from batchrun.ports.batch import StoredBatch

if TYPE_CHECKING:
    from batchrun.api.row_logs import RowRun, Stream
    from batchrun.ports.service import HealthOmics
    from batchrun.service.run_logs import LogLine, RunLogs


@dataclass(frozen=True, slots=True, kw_only=True)
class Options(Calling):
    """The options of ``batchrun logs``."""

    entry_id: str = argument(metavar="ID", shell_complete=rows)
    task: str | None = typed(metavar="NAME", help="Only the log of the task of this name, or id.")
    attempt: int | None = typed(
        type=click.IntRange(min=1), help="The run of this attempt.  [default: the last one]"
    )
    tail: int | None = typed(
        type=click.IntRange(1, 10_000), metavar="N", help="Only the last N lines of each log."
    )
    follow: bool = typed_flag(help="Go on with what is logged from now on, until the run has ended.")
    batch: str | None = option(shell_complete=batches, help="The batch, if ID is in several.")


@verb(
    Options,
    epilog="With --follow, Ctrl-C ends with 0. Needs logs:GetLogEvents on /aws/omics/WorkflowLog; for "
    "--task, and for failed tasks that the ledger does not know, omics:ListRunTasks and omics:GetRunTask too."
    "\n\nRead on: 'batchrun help retry', 'batchrun help iam'.",
)
async def logs(options: Options) -> Exit:
    """Show the log of the row ID's run: its failed tasks', then the engine's and the run's own.

    ID may also be the uuid, the id or the ARN of one of its runs.
    """
    async with options.opening(options.login(1)) as opened:
        ledger = await opened.found_ledger()
        outcome = await row_to_read(ledger, options.entry_id, options.batch)
        from batchrun.api.row_logs import access, run_of, streams_of, streams_of_task  # noqa: PLC0415 (not where there is no such row)
        from batchrun.service.run_logs import run_logs  # noqa: PLC0415

        row = run_of(outcome, options.entry_id, options.attempt)
        failed = await ledger.batch(row.batch).story.failed_tasks([row.id])
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
            as_json = options.output.as_json
            lines = RunLines(row=row, streams=streams, read=read, last=options.tail, as_json=as_json)
            if options.follow:
                await lines.follow(ledger.batch(row.batch), service)
            else:
                await lines.show()
    return Exit.OK


#: Seconds between two polls for new lines.
_EVERY: Final = 2.0
#: Polls after which the service is asked whether the run has ended: there may be no launcher.
_ASK_EVERY: Final = 10
#: How long before and after its run's times a line may be written.
_BEFORE: Final = timedelta(minutes=1)
_AFTER: Final = timedelta(minutes=15)


@dataclass(slots=True, kw_only=True)
class RunLines:
    """Prints the log lines of a run."""

    row: RowRun
    streams: Sequence[Stream]  #: in the order of printing
    read: RunLogs
    last: int | None  #: at most so many lines of each are printed, the last ones
    as_json: bool  #: whether each line is a JSON object
    _tokens: dict[str, str] = field(default_factory=dict)
    _told: str | None = None  #: the stream of the last printed line

    async def show(self) -> None:
        """Print the lines written so far. Raises UsageError if there are none."""
        missing = [one for one in self.streams if not await self._tell(one)]
        if len(missing) == len(self.streams):
            raise UsageError(
                f"there is no log of run {self.row.run.id} in {LOG_GROUP}: it begins some time after the "
                "run, and goes when its retention is over"
            )
        for one in missing:
            complain(f"{one.of}: there is no log stream {one.name}")

    async def follow(self, stored: StoredBatch, service: HealthOmics) -> None:
        """Print the lines, also new ones, until the run has ended and no more come, or until a signal.

        The launcher of the batch may record the end; if none works on it, *service* is asked.
        """
        looks = 0
        with anyio.CancelScope() as scope, heard(lambda _number: scope.cancel()):
            while True:
                has_ended = await self._has_ended(stored, service, is_asked=looks % _ASK_EVERY == 0)
                before = dict(self._tokens)
                for one in self.streams:
                    await self._tell(one)
                if has_ended and looks and before == self._tokens:
                    return
                looks += 1
                await SystemClock().sleep(_EVERY)

    async def _has_ended(self, stored: StoredBatch, service: HealthOmics, *, is_asked: bool) -> bool:
        entry = await stored.entry(self.row.id)
        if entry is None or entry.attempt != self.row.attempt or entry.state is not State.ACTIVE:
            return True
        if not is_asked:
            return False
        try:
            seen = await service.get_run(self.row.run.id)
        except NotFoundError:
            return True
        except (CallError, ServiceUnusableError):
            return False
        return seen.run.uuid != self.row.run.uuid or outlook(seen.run.status) is not Outlook.GOING

    async def _tell(self, stream: Stream) -> bool:
        """Print a stream's lines so far; return whether the stream exists."""
        run, token = self.row.run, self._tokens.get(stream.name)
        begin = None if run.creation_time is None else run.creation_time - _BEFORE
        end = None if run.stop_time is None else run.stop_time + _AFTER
        last = self.last if token is None else None
        is_there = False
        async with aclosing(
            self.read.pages(stream.name, token=token, begin=begin, end=end, last=last)
        ) as pages:
            async for page in pages:
                is_there = True
                for line in page.lines:
                    self._say(stream, line)
                if page.following is not None:
                    self._tokens[stream.name] = page.following
        return is_there

    def _say(self, stream: Stream, line: LogLine) -> None:
        at = None if line.at is None else f"{line.at:%Y-%m-%dT%H:%M:%S}.{line.at.microsecond // 1000:03}Z"
        if self.as_json:
            row = self.row
            emit(
                "log",
                batch=row.batch,
                id=row.id,
                runId=row.run.id,
                stream=stream.name,
                of=stream.of,
                at=at,
                message=line.message,
            )
            return
        if len(self.streams) > 1 and self._told != stream.name:
            _write(f"==> {stream.of} ({stream.name}) <==")
        self._told = stream.name
        message = line.message.rstrip("\r\n")
        _write(message if at is None else f"{at} {message}")


def _write(text: str) -> None:
    """Print a line as it was logged, made safe to show on a terminal."""
    write(sys.stdout, f"{printable(text) if is_terminal(sys.stdout) else text}\n")
