"""``batchrun show``: an entry's whole story, from the ledger alone."""

from __future__ import annotations

from dataclasses import dataclass

from batchrun.api.reading import open_ledger
from batchrun.cli.batches import row_to_read
from batchrun.cli.command import argument, option, verb
from batchrun.cli.completion import batches, rows
from batchrun.cli.options import JSON, LEDGER
from batchrun.cli.speak import emit, say


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What ``batchrun show`` is told."""

    entry_id: str = argument(metavar="ID", shell_complete=rows)
    batch: str | None = option("--batch", shell_complete=batches, help="The batch, if ID is in several.")
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
        found = await row_to_read(ledger, told.entry_id, told.batch)
        batch, entry = ledger.batch(found.entry.batch), found.entry
        history = await batch.history(entry.id)
        failed = await batch.failed_tasks([entry.id])
        last = {
            attempt: await batch.last_submission(entry.id, attempt) for attempt in range(1, entry.attempt + 1)
        }
    tasks = failed.get(entry.id, {})
    submissions = {attempt: one for attempt, one in last.items() if one is not None}
    if told.as_json:
        emit("entry", **story.facts(found, history, tasks, submissions))
        return
    for line in story.lines(found, history, tasks, submissions):
        say(line)
