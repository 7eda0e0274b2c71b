"""``batchrun retry``: give entries that ended without success another attempt."""

from __future__ import annotations

import sys
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import anyio
import click

from batchrun.cli.options import LEDGER, OUTPUT, option
from batchrun.cli.printable import printable
from batchrun.cli.speak import complain, emit, say
from batchrun.cli.status import find_batch
from batchrun.clock import SystemClock
from batchrun.errors import UsageError
from batchrun.ledger import open_ledger
from batchrun.model.duplicating import can_duplicate
from batchrun.model.states import State
from batchrun.report import where
from batchrun.report.results import row

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Collection, Iterable, Sequence

    from batchrun.model.entry import Entry
    from batchrun.ports.ledger import Ledger

_STATES: Final = (State.FAILED, State.CANCELLED, State.DELETED, State.REFUSED)
_PAGE: Final = 500
_SHOWN: Final = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """Which of the entries that ended without success are meant: those that all of this fits."""

    ids: frozenset[str] | None = None  #: None is any
    conditions: tuple[where.Condition, ...] = ()

    def fits(self, entry: Entry) -> bool:
        """Tell whether *entry* is meant."""
        if self.ids is not None and entry.id not in self.ids:
            return False
        cells = row(entry)
        return all(condition.matches(cells) for condition in self.conditions)


@click.command(
    epilog="Each attempt is a new run with a requestId of its own; earlier ones stay in the ledger and the "
    "results. 'batchrun run' itself retries SERVICE_ERROR, INSTANCE_RESERVATION_FAILED and whatever --retry "
    "and the manifest's retry: add."
)
@click.argument("batch", required=False)
@option("--ids", multiple=True, metavar="ID,...", envvar="BATCHRUN_IDS", help="Only these; repeatable.")
@option("--ids-from", metavar="FILE", help="Only the ids in this file, one a line; - is standard input.")
@option("--reason", metavar="GLOB", help="Only those whose failureReason is this, such as '*MEMORY*'.")
@option("--where", multiple=True, metavar="COLUMN=GLOB", help="Only those whose results say so; repeatable.")
@option(
    "--duplicate",
    is_flag=True,
    show_default=False,
    help="Have the service run the same once more (StartRun by runId): workflow and parameters as the last "
    "run had them, whatever the manifest says now; its output place, role and name stay the row's.",
)
@option("--dry-run", is_flag=True, show_default=False, help="Only say what would be done.")
@option("--yes", is_flag=True, show_default=False, help="Do not ask.")
@LEDGER
@OUTPUT
@click.pass_context
def retry(context: click.Context, /, **options: Any) -> None:
    """
    Give failed, cancelled, deleted and refused entries of BATCH a new attempt.

    It asks for what the last attempt asked for, and after a duplicate for what the manifest does.
    Shows what it will do, and asks. The next 'batchrun run' starts them; one that is running takes note
    within seconds. What succeeded or goes on is left alone.
    """
    context.exit(anyio.run(_retry, options))


async def _retry(options: dict[str, Any]) -> int:
    choice = _choice(options)
    async with await open_ledger(options["ledger"]) as ledger:
        batch = (await find_batch(ledger, options["batch"])).name
        await _check_ids(ledger, batch, choice.ids or ())
        fitting = [entry async for entry in _ended(ledger, batch) if choice.fits(entry)]
        duplicates = options["duplicate"]
        chosen = [entry for entry in fitting if can_duplicate(entry)] if duplicates else fitting
        if duplicates:
            _tell_left_out(entry.id for entry in fitting if not can_duplicate(entry))
        if not options["as_json"]:
            _tell(batch, chosen, "to run once more by runId" if duplicates else "to retry")
        if not chosen or options["dry_run"] or not _is_agreed(options, len(chosen)):
            return _end(batch, [], options, is_asked=bool(chosen))
        ids = [entry.id for entry in chosen]
        at = SystemClock().utcnow()
        retried = await ledger.retry(batch, ids, at=at, why=_why(options), duplicates=duplicates)
        if duplicates:
            _tell_left_out(id_ for id_ in ids if id_ not in set(retried))
        return _end(batch, retried, options, is_asked=False)


def _why(options: dict[str, Any]) -> str:
    return "asked for, as a duplicate" if options["duplicate"] else "asked for"


def _tell_left_out(ids: Iterable[str]) -> None:
    """Name what cannot be run once more by its run's id."""
    left_out = list(ids)
    if left_out:
        more = ", ..." if len(left_out) > _SHOWN else ""
        named = printable(", ".join(left_out[:_SHOWN]))
        complain(f"left out, for the service has no run of theirs to duplicate: {named}{more}")


def _choice(options: dict[str, Any]) -> Choice:
    named = [one for text in options["ids"] for one in text.split(",") if one]
    if options["ids_from"]:
        named += _listed(options["ids_from"])
    conditions = [where.parse(text) for text in options["where"]]
    if options["reason"]:
        conditions.append(where.Condition(column="failureReason", glob=options["reason"]))
    is_named = bool(options["ids"] or options["ids_from"])
    return Choice(ids=frozenset(named) if is_named else None, conditions=tuple(conditions))


def _listed(path: str) -> list[str]:
    try:
        with click.open_file(path, encoding="utf-8") as file:
            return [line.strip() for line in file if line.strip()]
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"--ids-from {path} cannot be read: {error}") from error


async def _check_ids(ledger: Ledger, batch: str, ids: Collection[str]) -> None:
    unknown = [one for one in sorted(ids) if await ledger.entry(batch, one) is None]
    if unknown:
        more = ", ..." if len(unknown) > _SHOWN else ""
        raise UsageError(f"batch '{batch}' has no entry {', '.join(unknown[:_SHOWN])}{more}; see its results")


async def _ended(ledger: Ledger, batch: str) -> AsyncIterator[Entry]:
    for state in _STATES:
        after = -1
        while page := await ledger.in_state(batch, state, limit=_PAGE, after=after):
            for entry in page:
                yield entry
            after = page[-1].position


def _tell(batch: str, chosen: Sequence[Entry], what: str) -> None:
    entries = "1 entry" if len(chosen) == 1 else f"{len(chosen)} entries"
    say(f"{printable(batch)}: {entries} {what}")
    reasons = Counter(str(row(entry)["failureReason"] or row(entry)["status"]) for entry in chosen)
    for reason, count in reasons.most_common():
        ids = [
            entry.id for entry in chosen if (row(entry)["failureReason"] or row(entry)["status"]) == reason
        ]
        more = ", ..." if count > _SHOWN else ""
        say(printable(f"  {reason}: {', '.join(ids[:_SHOWN])}{more}"))


def _is_agreed(options: dict[str, Any], count: int) -> bool:
    """Ask, where there is somebody to ask."""
    if options["yes"]:
        return True
    if not sys.stdin.isatty():
        raise UsageError("nobody can be asked here: give --yes to go ahead, or --dry-run to look first")
    return click.confirm(f"start {count} new {'attempt' if count == 1 else 'attempts'}?", err=True)


def _end(batch: str, retried: Sequence[str], options: dict[str, Any], *, is_asked: bool) -> int:
    if options["as_json"]:
        emit("retry", batch=batch, ids=list(retried), dryRun=options["dry_run"])
    elif retried:
        say(f"{len(retried)} will be started by 'batchrun run', or within seconds where it is running")
    elif is_asked:
        complain("nothing was changed")
    return 0
