"""What is done first about rows that are DELETED: a row whose run is there after all has it again."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from batchrun.model.entries.states import State
from batchrun.model.entries.transitions import apply
from batchrun.model.planning.absence import after_reappearing

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from datetime import datetime

    from batchrun.api.opening import Opening
    from batchrun.engine.proof.run_lookup import Looked
    from batchrun.model.entries.entry import Entry
    from batchrun.ports.ledger import Ledger
    from batchrun.ports.stored import Batch


@dataclass(frozen=True, slots=True, kw_only=True)
class How:
    """How it is looked for them."""

    at_once: int = 32  #: runs that are asked for at once
    is_dry: bool = False  #: whether nothing is to be written
    tell: Callable[[int], None] | None = None  #: is told how many they are, before it begins


_USUALLY: Final = How()


@dataclass(frozen=True, slots=True, kw_only=True)
class FirstLook:
    """What looking for the runs of DELETED rows came to."""

    back: Mapping[str, Entry] = field(default_factory=dict)  #: those that are there, as they are by that
    unknown: Mapping[str, str] = field(default_factory=dict)  #: why nobody can tell, by id

    def now(self, entry: Entry) -> Entry | None:
        """Return *entry* as it is after the look; None where nobody can tell."""
        return None if entry.id in self.unknown else self.back.get(entry.id, entry)


async def first_look(
    opened: Opening,
    batch: Batch,
    entries: Sequence[Entry],
    *,
    at: datetime,
    how: How = _USUALLY,
) -> FirstLook:
    """
    Look for the runs of those of *entries* that are DELETED; without any of these nobody is called.

    Raises:
        UsageError, ServiceUnusableError: The service cannot be asked.
    """
    deleted = [entry for entry in entries if entry.state is State.DELETED]
    if not deleted:
        return FirstLook()
    # Only now: to import the client takes longer than to look into the ledger.
    from batchrun.engine.proof.run_lookup import look_for  # noqa: PLC0415

    if how.tell is not None:
        how.tell(len(deleted))
    looked = await look_for(deleted, reach=await opened.reach_of(batch), at_once=how.at_once)
    return await give_back(await opened.ledger(), batch, looked, at=at, is_dry=how.is_dry)


async def give_back(
    ledger: Ledger, batch: Batch, looked: Looked, *, at: datetime, is_dry: bool = False
) -> FirstLook:
    """Give DELETED rows back to those of their runs that are there; where it *is_dry* nothing is written."""
    back: dict[str, Entry] = {}
    for entry, run in looked.there:
        for event in after_reappearing(run, at):
            back[entry.id] = apply(back.get(entry.id, entry), event)
    if back and not is_dry:
        await ledger.batch(batch.name).give_back([run for _, run in looked.there], at=at)
    return FirstLook(back=back, unknown={entry.id: why for entry, why in looked.unknown})
