"""
What verbs do first about rows that are DELETED: look for their runs, and give the rows back to those there.

Belongs here: the order of that, and the words. Does not: the calls (``engine.looking``), what verbs do then.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from batchrun.cli.choice import counted, shortened
from batchrun.cli.options import target
from batchrun.cli.printable import printable
from batchrun.cli.speak import complain
from batchrun.clock import SystemClock
from batchrun.model.absence import after_reappearing
from batchrun.model.states import State
from batchrun.model.transitions import apply

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from batchrun.engine.looking import Looked
    from batchrun.model.entry import Entry
    from batchrun.ports.ledger import Batch, Ledger

#: Rows from which on people are told that looking for them takes a while.
_MANY: Final = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class FirstLook:
    """What looking for the runs of DELETED rows came to."""

    back: Mapping[str, Entry] = field(default_factory=dict)  #: those that are there, as they are by that
    unknown: Mapping[str, str] = field(default_factory=dict)  #: why nobody can tell, by id

    def now(self, entry: Entry) -> Entry | None:
        """Return *entry* as it is after the look; None where nobody can tell."""
        return None if entry.id in self.unknown else self.back.get(entry.id, entry)


async def first_look(
    ledger: Ledger, batch: Batch, entries: Sequence[Entry], options: Mapping[str, Any]
) -> FirstLook:
    """
    Look for the runs of those of *entries* that are DELETED; with --dry-run nothing is written.

    Raises:
        UsageError, ServiceUnusableError: The service cannot be asked.
    """
    deleted = [entry for entry in entries if entry.state is State.DELETED]
    if not deleted:
        return FirstLook()
    looked = await give_back(
        ledger, batch, await _looked(batch, deleted, options), is_dry_run=options["dry_run"]
    )
    for why in sorted(set(looked.unknown.values())):
        ids = [id_ for id_, reason in looked.unknown.items() if reason == why]
        complain(printable(f"left out: {shortened(ids)}: {why}; try again in a minute"))
    return looked


async def give_back(ledger: Ledger, batch: Batch, looked: Looked, *, is_dry_run: bool = False) -> FirstLook:
    """Give DELETED rows back to those of their runs that are there, and say so."""
    at = SystemClock().utcnow()
    back: dict[str, Entry] = {}
    for entry, run in looked.there:
        for event in after_reappearing(run, at):
            back[entry.id] = apply(back.get(entry.id, entry), event)
    if back and not is_dry_run:
        await ledger.give_back(batch.name, [run for _, run in looked.there], at=at)
    _tell(back.values(), "would have" if is_dry_run else "has")
    return FirstLook(back=back, unknown={entry.id: why for entry, why in looked.unknown})


async def _looked(batch: Batch, deleted: Sequence[Entry], options: Mapping[str, Any]) -> Looked:
    # Only now: to import the client takes longer than to look into the ledger.
    from batchrun.api.session import Session  # noqa: PLC0415
    from batchrun.engine.looking import look_for  # noqa: PLC0415

    if len(deleted) > _MANY:
        complain(f"looking for the runs of {counted(len(deleted), 'row', 'rows')} that are DELETED first")
    async with Session(options["ledger"], target=target(options), read_rate=options["read_rate"]) as session:
        service = await session.service_of(batch)
        return await look_for(deleted, service=service, at_once=options["concurrency"])


def _tell(back: Iterable[Entry], has: str) -> None:
    there: defaultdict[str, list[str]] = defaultdict(list)
    for entry in back:
        there[entry.run.status if entry.run else ""].append(entry.id)
    for status, ids in there.items():
        complain(printable(f"there after all, {status}: the run of {shortened(ids)}; it {has} its row again"))
