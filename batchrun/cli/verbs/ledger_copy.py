"""``batchrun ledger copy``: batches into another ledger, of the same kind or the other."""

from __future__ import annotations

import contextlib
import os
import socket
from dataclasses import dataclass
from typing import TYPE_CHECKING

from batchrun.cli.command import argument, flag, group, option, verb
from batchrun.cli.exits import Exit
from batchrun.cli.options import Output, warned_of_password
from batchrun.cli.speak import complain, emit, say
from batchrun.cli.wording import counted, printable
from batchrun.clock import SystemClock
from batchrun.errors import LeaseHeldError, UsageError

if TYPE_CHECKING:
    from batchrun.ledger import LedgerPlace
    from batchrun.ledger.copying import Copied, Side
    from batchrun.ledger.store import Store


@dataclass(frozen=True, slots=True, kw_only=True)
class CopyOptions:
    """What ``batchrun ledger copy`` is told."""

    source: str = argument(metavar="FROM", callback=warned_of_password)
    target: str = argument(metavar="TO", callback=warned_of_password)
    batch: str | None = option("--batch", metavar="NAME", help="Copy this batch alone.  [default: all]")
    export: bool = flag(
        "--export",
        help="Make a copy to be read alone: what is in FROM stays as it is, and goes on there.",
    )
    output: Output = group(Output)


@verb(CopyOptions, epilog="Read on: 'batchrun help ledger'.")
def copy(told: CopyOptions) -> Exit:
    """
    Copy batches from the ledger FROM into the ledger TO, which is made where it is not there.

    Every row, attempt and event goes along, and is compared afterwards. A batch lives in one ledger: in FROM
    it is closed from then on, can still be read, and names TO. A batch that a launcher holds is left alone
    (exit 4): stop the launcher first; its runs go on. Whatever ends a copy, the same command goes on with it.
    """
    from batchrun.ledger import LedgerPlace  # noqa: PLC0415

    source, target = LedgerPlace(told.source), LedgerPlace(told.target)
    if not source.is_there():
        raise UsageError(f"there is no ledger {source}; nothing was copied")
    with (
        contextlib.closing(source.store(read_only=told.export)) as there,
        contextlib.closing(target.store()) as here,
    ):
        return _copied(_side(source, there), _side(target, here), told)


def _copied(source: Side, target: Side, told: CopyOptions) -> Exit:
    from batchrun.ledger.copying import Copy  # noqa: PLC0415

    if source.name == target.name:
        raise UsageError(f"FROM and TO are one ledger: {printable(source.name)}")
    holder = f"{socket.gethostname()}:{os.getpid()}"
    work = Copy(source, target, holder=holder, now=SystemClock().utcnow, is_export=told.export)
    wanted = work.batches() if told.batch is None else [told.batch]
    code = Exit.OK
    for batch in wanted:
        try:
            copied = work.copy(batch, lambda _count: None)
        except LeaseHeldError as error:
            complain(f"batchrun: {error!s}")
            code = Exit.HELD
        else:
            _tell(copied, target, told)
    if not wanted:
        complain(f"there is nothing to copy: {source.name} has no batch that is not in TO already")
    return code


def _tell(copied: Copied, target: Side, told: CopyOptions) -> None:
    if told.output.as_json:
        emit(
            "copy",
            batch=copied.batch,
            ledger=target.name,
            entries=copied.entries,
            events=copied.events,
            digest=copied.digest,
            is_export=told.export,
        )
    elif not told.output.quiet:
        entries, events = counted(copied.entries, "entry", "entries"), counted(copied.events, "event")
        kind = "copied to be read" if told.export else "moved"
        say(f"{copied.batch}: {kind}, {entries} and {events}, the same by digest; it is in {target.name}")


def _side(place: LedgerPlace, store: Store) -> Side:
    from batchrun.ledger.copying import Side  # noqa: PLC0415

    return Side(store=store, name=store.called if place.path is None else str(place.path.resolve()))
