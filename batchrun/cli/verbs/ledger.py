"""``batchrun ledger``: check it, rebuild a lost one, copy batches into another, of either kind."""

from __future__ import annotations

import contextlib
import os
import socket
from dataclasses import dataclass
from typing import TYPE_CHECKING

import click

from batchrun.cli import options as shared
from batchrun.cli.calling import Calling
from batchrun.cli.command import HELP, argument, flag, group, option, texts, verb
from batchrun.cli.exits import Exit
from batchrun.cli.manifest_options import ManifestOptions
from batchrun.cli.signals import run_async
from batchrun.cli.speak import complain, emit, printable, say, whole_line
from batchrun.clock import SystemClock
from batchrun.errors import LeaseHeldError, LedgerError, UsageError
from batchrun.model.paces.rates import Rate
from batchrun.model.planning.limits import Changed
from batchrun.model.texts.words import counted
from batchrun.report.json_names import with_old_names

if TYPE_CHECKING:
    from batchrun.ledger import LedgerPlace
    from batchrun.ledger.copying import Copied, Side
    from batchrun.ledger.store import Store
    from batchrun.ledger.verify import Verification


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifyOptions(Calling):
    """The options of ``batchrun ledger verify``."""

    batch: str | None = shared.BATCH()
    online: bool = flag(
        help="Then compare BATCH, or every batch, with the service, each in its own region. A run that was "
        "recorded as deleted but still exists is given back to its row."
    )
    concurrency: int = shared.CONCURRENCY()


@dataclass(frozen=True, slots=True, kw_only=True)
class RebuildOptions:
    """The options of ``batchrun ledger rebuild``."""

    manifest: ManifestOptions = group(ManifestOptions)
    changed: str | None = shared.CHANGED(
        help="What to do about runs that were started with other content than their rows have now: keep them "
        "as the rows' runs, or plan new attempts.  [default: refuse]"
    )
    read_rate: Rate = shared.READ_RATE()
    ledger: str = shared.LEDGER()
    service: shared.Service = group(shared.Service)
    output: shared.Output = group(shared.Output)


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerInitOptions:
    """The options of ``batchrun ledger init``."""

    launcher: tuple[str, ...] = texts(
        metavar="ROLE", help="Let this role of the database launch. May be repeated."
    )
    reader: tuple[str, ...] = texts(metavar="ROLE", help="Let this role read, and no more. May be repeated.")
    ledger: str = shared.LEDGER()
    output: shared.Output = group(shared.Output)


@click.group(context_settings=HELP, epilog="Read on: 'batchrun help ledger'.")
def ledger() -> None:
    """Make a ledger, check it, rebuild a lost one, or copy batches into another.

    The ledger is where batchrun keeps what it submitted: batchrun.db, or what --ledger says.
    """


@verb(VerifyOptions, epilog="Read on: 'batchrun help ledger'.")
def verify(options: VerifyOptions) -> Exit:
    """Check the ledger; without --online it changes nothing and calls nothing.

    Asks SQLite whether the file is whole, and replays every entry's history: one requestId for each attempt,
    one entry for each run, nothing after an end, and events that add up to what is stored. Works beside a
    running launcher. Exits with 5 where something is wrong, naming the entry and the cure. With --online it
    exits with 3 where something is left for 'batchrun run', such as runs that ended since.
    """
    if options.batch is not None and not options.online:
        raise UsageError("the file is checked whole: leave BATCH out, or give --online to compare that batch")
    _verify(options.ledger, as_json=options.output.as_json)
    if not options.online:
        return Exit.OK
    from batchrun.cli.verbs.ledger_online import compare_online  # noqa: PLC0415 (imports the engine)

    return run_async(compare_online, options, options.concurrency, options.batch)


def _verify(path: str, *, as_json: bool) -> None:
    from batchrun.ledger.verify import Verification  # noqa: PLC0415

    verification = Verification(path)
    problems = 0
    for finding in verification.findings():
        problems += 1
        if as_json:
            facts = {"batch": finding.batch, "id": finding.id, "message": finding.what, "cure": finding.cure}
            emit("problem", **with_old_names("finding", facts))
        else:
            say(whole_line(str(finding)))
    _tell_verified(verification, problems, as_json=as_json)
    if problems:
        file = verification.place.path
        beside = f"(and {file.name}-wal, if there is one), " if file else ""
        raise LedgerError(
            f"the ledger is damaged: {counted(problems, 'problem')} in {verification.place}; move it away "
            f"{beside}then rebuild it with batchrun ledger rebuild"
        )


def _tell_verified(verification: Verification, problems: int, *, as_json: bool) -> None:
    path, entries, events = str(verification.place), verification.entries, verification.events
    if as_json:
        emit("verify", ledger=path, entries=entries, events=events, problems=problems)
    elif not problems:
        held = counted(entries, "entry", "entries")
        batches = counted(verification.batches, "batch", "batches")
        say(f"{path}: {held} in {batches}, {counted(events, 'event')}: no problems found")


@verb(
    RebuildOptions,
    epilog="A row without a run is planned, and 'batchrun run' will start it: runs that were deleted from "
    "the service cannot be found."
    "\n\nRead on: 'batchrun help ledger'.",
)
async def rebuild(options: RebuildOptions) -> None:
    """Make a lost ledger again from MANIFEST and the service; start nothing.

    Lists the runs, looks at each whose name is in the manifest, and finds each row's run by the tags that it
    was started with, or, with --no-tags, by its name, workflow, output place and parameters. Writes all of
    it, or nothing where a row is in doubt. 'batchrun run' continues from there. Give the same MANIFEST and
    options as to 'batchrun run', a minute or more after it ended.
    """
    from batchrun.cli.launching.manifests import source  # noqa: PLC0415 (botocore takes half a second to import)
    from batchrun.cli.verbs.ledger_online import recover  # noqa: PLC0415

    calling = Calling(
        ledger=options.ledger,
        read_rate=options.read_rate,
        lanes=options.manifest.lanes,
        service=options.service,
        output=options.output,
    )
    await recover(calling, source(options.manifest), Changed(options.changed or "refuse"))


@verb(LedgerInitOptions, epilog="Read on: 'batchrun help postgres'.")
def init(options: LedgerInitOptions) -> None:
    """Make the ledger, or bring it up to date; in PostgreSQL, let roles use it.

    Needed once for a database, by its owner, where those who launch may not make tables. Safe to repeat. The
    roles must be there already.
    """
    from batchrun.ledger import LedgerPlace  # noqa: PLC0415

    place = LedgerPlace(options.ledger)
    place.init(launchers=options.launcher, readers=options.reader)
    if options.output.as_json:
        emit("init", ledger=str(place), launchers=[*options.launcher], readers=[*options.reader])
        return
    roles = [f"{role} may launch" for role in options.launcher] + [
        f"{role} may read" for role in options.reader
    ]
    say(f"{place}: {', '.join(['ready', *roles])}")


@dataclass(frozen=True, slots=True, kw_only=True)
class CopyOptions:
    """The options of ``batchrun ledger copy``."""

    source: str = argument(metavar="FROM", callback=shared.warned_of_password)
    target: str = argument(metavar="TO", callback=shared.warned_of_password)
    batch: str | None = option(metavar="NAME", help="Copy this batch alone.  [default: all]")
    export: bool = flag(
        help="Make a copy that can only be read: the batches in FROM are not closed, and continue there."
    )
    output: shared.Output = group(shared.Output)


@verb(CopyOptions, epilog="Read on: 'batchrun help ledger'.")
def copy(options: CopyOptions) -> Exit:
    """Copy batches from the ledger FROM into the ledger TO, which is made where it is not there.

    Every row, attempt and event is copied, and compared afterwards. A batch has one ledger: in FROM it is
    closed from then on, can still be read, and names TO. A batch that a launcher holds is left alone (exit
    4): stop the launcher first; its runs continue. If a copy is interrupted, the same command continues it.
    """
    from batchrun.ledger import LedgerPlace  # noqa: PLC0415

    source, target = LedgerPlace(options.source), LedgerPlace(options.target)
    if not source.is_there():
        raise UsageError(f"there is no ledger {source}; nothing was copied")
    with (
        contextlib.closing(source.store(read_only=options.export)) as there,
        contextlib.closing(target.store()) as here,
    ):
        return _copied(_side(source, there), _side(target, here), options)


def _copied(source: Side, target: Side, options: CopyOptions) -> Exit:
    from batchrun.ledger.copying import Copy  # noqa: PLC0415

    if source.name == target.name:
        raise UsageError(f"FROM and TO are one ledger: {printable(source.name)}")
    holder = f"{socket.gethostname()}:{os.getpid()}"
    work = Copy(source, target, holder=holder, now=SystemClock().utcnow, is_export=options.export)
    wanted = work.batches() if options.batch is None else [options.batch]
    code = Exit.OK
    for batch in wanted:
        try:
            copied = work.copy(batch, lambda _count: None)
        except LeaseHeldError as error:
            complain(f"batchrun: {error!s}")
            code = Exit.HELD
        else:
            _tell(copied, target, options)
    if not wanted:
        complain(f"there is nothing to copy: {source.name} has no batch that is not in TO already")
    return code


def _tell(copied: Copied, target: Side, options: CopyOptions) -> None:
    if options.output.as_json:
        emit(
            "copy",
            batch=copied.batch,
            ledger=target.name,
            entries=copied.entries,
            events=copied.events,
            digest=copied.digest,
            is_export=options.export,
        )
    elif not options.output.quiet:
        entries, events = counted(copied.entries, "entry", "entries"), counted(copied.events, "event")
        kind = "copied to be read" if options.export else "moved"
        say(f"{copied.batch}: {kind}, {entries} and {events}, the same by digest; it is in {target.name}")


def _side(place: LedgerPlace, store: Store) -> Side:
    from batchrun.ledger.copying import Side  # noqa: PLC0415

    return Side(store=store, name=store.called if place.path is None else str(place.path.resolve()))


for _one in (init, verify, rebuild, copy):
    ledger.add_command(_one)
