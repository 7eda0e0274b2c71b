"""``batchrun show``: an entry's whole story, from the ledger alone."""

from __future__ import annotations

from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import TYPE_CHECKING, Final

from batchrun.api.reading import find_batch, open_ledger
from batchrun.cli.command import argument, option, verb
from batchrun.cli.completion import batches, rows
from batchrun.cli.options import JSON, LEDGER
from batchrun.cli.speak import emit, say
from batchrun.errors import UsageError
from batchrun.ports.ledger import Outcome

if TYPE_CHECKING:
    from batchrun.model.entry import Entry
    from batchrun.ports.ledger import Ledger

_SUGGESTED: Final = 3
#: How like what was typed an id must be, from 0 to 1.
_CUTOFF: Final = 0.4


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What ``batchrun show`` is told."""

    entry_id: str = argument(metavar="ID", shell_complete=rows)
    batch: str | None = option("--batch", shell_complete=batches, help="The batch, where ID is in several.")
    ledger: str = LEDGER()
    as_json: bool = JSON()


@verb(Options, epilog="Read on: 'batchrun help results', 'batchrun help states'.")
async def show(told: Options) -> None:
    """
    Tell the story of the row ID: its run, its attempts, their failed tasks, its request, and each event.

    ID may also be the uuid, the id or the ARN of a run of its. Everything comes from the ledger; nothing is
    called.
    """
    from batchrun.cli.showing import story  # noqa: PLC0415 (only for an entry that is there)

    async with open_ledger(told.ledger) as ledger:
        found = await _find(ledger, told.entry_id, told.batch)
        history = await ledger.history(found.entry.batch, found.entry.id)
        failed = await ledger.failed_tasks(found.entry.batch, [found.entry.id])
    tasks = failed.get(found.entry.id, {})
    if told.as_json:
        emit("entry", **story.facts(found, history, tasks))
        return
    for line in story.lines(found, history, tasks):
        say(line)


async def _find(ledger: Ledger, entry_id: str, batch: str | None) -> Outcome:
    """
    Return the entry of this id, or of the run of this id, from the batch that was named, or the only one.

    Raises:
        UsageError: There is none, or several.
    """
    if batch is not None:
        names = [(await find_batch(ledger, batch)).name]
    else:
        names = [one.name for one in await ledger.batches()]
    found = [entry for name in names if (entry := await ledger.entry(name, entry_id)) is not None]
    found = found or await _of_run(ledger, entry_id, names)
    if len(found) == 1:
        (entry,) = found
        return Outcome(entry=entry, earlier=tuple(await ledger.earlier(entry.batch, entry.id)))
    if found:
        raise UsageError(_several(entry_id, found))
    raise UsageError(await _unknown(ledger, entry_id, names))


async def _of_run(ledger: Ledger, run: str, batches: list[str]) -> list[Entry]:
    ids = [(name, id_) for name in batches for id_ in await ledger.ids_of_run(name, run)]
    return [entry for name, id_ in ids if (entry := await ledger.entry(name, id_)) is not None]


def _several(text: str, found: list[Entry]) -> str:
    if all(entry.id == text for entry in found):
        having = ", ".join(entry.batch for entry in found)
        return f"'{text}' is in several batches: {having}; say which with --batch"
    rows = ", ".join(f"{entry.id} of {entry.batch}" for entry in found)
    return f"'{text}' was the run of several rows: {rows}; name the row, and its batch with --batch"


async def _unknown(ledger: Ledger, entry_id: str, batches: list[str]) -> str:
    where = f"batch '{batches[0]}' has" if len(batches) == 1 else "the ledger has"
    near = _nearest(entry_id, [one for name in batches for one in await ledger.near_ids(name, entry_id)])
    hint = f"; did you mean {', '.join(near)}?" if near else ""
    return f"{where} no row '{entry_id}'{hint}"


def _nearest(text: str, ids: list[str]) -> list[str]:
    likeness = SequenceMatcher(b=text.casefold(), autojunk=False)
    ranked = []
    for one in ids:
        likeness.set_seq1(one.casefold())
        ranked.append((-likeness.ratio(), one))
    return [one for ratio, one in sorted(ranked)[:_SUGGESTED] if -ratio >= _CUTOFF]
