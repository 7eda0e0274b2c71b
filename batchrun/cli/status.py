"""``batchrun status``: how it stands, from the ledger alone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import anyio
import click

from batchrun.cli.options import LEDGER, OUTPUT, option
from batchrun.cli.printable import printable
from batchrun.cli.speak import emit, say
from batchrun.errors import UsageError
from batchrun.ledger import open_ledger
from batchrun.model.states import ENDED, QUEUED_STATUSES, State
from batchrun.report.results import row

if TYPE_CHECKING:
    from batchrun.model.entry import Entry
    from batchrun.ports.ledger import Batch, Counts, Ledger

_BAD = (State.FAILED, State.CANCELLED, State.DELETED, State.REFUSED)
_PAGE = 500


@click.command()
@click.argument("batch", required=False)
@option(
    "--failed", is_flag=True, show_default=False, help="Show each entry that ended without success, and why."
)
@LEDGER
@OUTPUT
def status(**options: Any) -> None:
    """
    Say how BATCH stands, or every batch of the ledger; call nothing.

    Works beside a running launcher.
    """
    anyio.run(_status, options)


async def _status(options: dict[str, Any]) -> None:
    async with await open_ledger(options["ledger"], read_only=True) as ledger:
        for batch in await _chosen(ledger, options["batch"]):
            counts = await ledger.counts(batch.name)
            (_emit if options["as_json"] else _tell)(batch, counts)
            if options["failed"]:
                await _tell_failed(ledger, batch.name, as_json=options["as_json"])


async def _chosen(ledger: Ledger, name: str | None) -> list[Batch]:
    if name is None:
        return list(await ledger.batches())
    return [await find_batch(ledger, name)]


async def find_batch(ledger: Ledger, name: str | None) -> Batch:
    """
    Give the batch of this name, or the only one.

    Raises:
        UsageError: There is none of this name, or several to choose from.
    """
    if name is not None and (found := await ledger.find_batch(name)) is not None:
        return found
    names = [batch.name for batch in await ledger.batches()]
    if name is None and len(names) == 1:
        return await find_batch(ledger, names[0])
    problem = "which batch?" if name is None else f"the ledger has no batch '{name}';"
    raise UsageError(f"{problem} it has: {', '.join(names) or 'none'}")


def _numbers(counts: Counts) -> dict[str, int]:
    queued = sum(counts.by_status.get(status, 0) for status in QUEUED_STATUSES)
    state = {one: counts.by_state.get(one, 0) for one in State}
    return {
        "planned": state[State.PLANNED] + state[State.BACKOFF],
        "submitting": state[State.SUBMITTING],
        "queued": queued,
        "running": state[State.ACTIVE] - queued,
        **{one.value: state[one] for one in State if one in ENDED},
    }


def _emit(batch: Batch, counts: Counts) -> None:
    emit("status", batch=batch.name, region=batch.region, total=counts.total, **_numbers(counts))


def _tell(batch: Batch, counts: Counts) -> None:
    shown = ", ".join(f"{number} {name}" for name, number in _numbers(counts).items() if number)
    say(f"{printable(batch.name)}: {shown or 'no rows'} (of {counts.total})")


async def _tell_failed(ledger: Ledger, batch: str, *, as_json: bool) -> None:
    for state in _BAD:
        after = -1
        while page := await ledger.in_state(batch, state, limit=_PAGE, after=after):
            for entry in page:
                _tell_entry(entry, as_json=as_json)
            after = page[-1].position


def _tell_entry(entry: Entry, *, as_json: bool) -> None:
    cells = row(entry)
    if as_json:
        emit("entry", batch=entry.batch, **cells)
        return
    why = ": ".join(str(cells[name]) for name in ("failureReason", "statusMessage") if cells[name])
    run = f" (run {cells['runId']})" if cells["runId"] else ""
    say(printable(f"  {cells['status']} {entry.id}{run} {why}").replace("\n", " "))
