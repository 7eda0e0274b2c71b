"""
The last word of a launch, on stdout.

Belongs here: how an end is told to people and programs. Does not: the results file (``report``).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from batchrun.cli.printable import printable
from batchrun.cli.reporters import emit, numbers
from batchrun.cli.values import seconds
from batchrun.engine.launcher import Stop
from batchrun.report.results import row

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from batchrun.cli.progress import Snapshot
    from batchrun.model.entry import Entry

_STATES = (
    "planned",
    "submitting",
    "queued",
    "running",
    "succeeded",
    "failed",
    "cancelled",
    "deleted",
    "refused",
)


def tell_end(
    batch: str,
    now: Snapshot,
    failures: Sequence[Entry],
    results: Path,
    *,
    stop: Stop | None,
    as_json: bool,
) -> None:
    """Say how the batch stands at the end of a launch."""
    if as_json:
        reason = stop.value if stop else None
        emit("summary", batch=batch, stop=reason, results=str(results), **numbers(now))
        return
    click.echo(f"{printable(batch)}: {counts(now)} (of {now.total}, in {seconds(now.elapsed)})")
    for entry in failures:
        click.echo(f"  {failure(entry)}")
    if stop is Stop.FAILURES:
        click.echo("too many entries have failed: no more were submitted; raise --stop-after for the rest")
    if now.ended < now.total:
        click.echo(
            f"{now.total - now.ended} left; runs go on by themselves. Run the same command again to go on."
        )
    click.echo(f"results: {results}")


def counts(now: Snapshot) -> str:
    """Give the counts that are not zero, in the order of a run's life."""
    return (
        ", ".join(f"{getattr(now, name)} {name}" for name in _STATES if getattr(now, name)) or "nothing to do"
    )


def failure(entry: Entry) -> str:
    """Say in one line what became of an entry that did not succeed."""
    cells = row(entry)
    why = ": ".join(str(cells[name]) for name in ("failureReason", "statusMessage") if cells[name])
    return printable(f"{cells['status']} {entry.id} {why}").replace("\n", " ")
