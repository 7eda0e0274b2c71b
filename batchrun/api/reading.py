"""
A ledger to read, for programs.

Belongs here: opening it so that nothing is made, changed or held up. Does not: what it can be asked
(``ports.ledger``).
"""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from batchrun import ledger
from batchrun.errors import UsageError
from batchrun.report.outputs import Inputs

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from batchrun.ports.ledger import Batch, Ledger


@asynccontextmanager
async def open_ledger(path: str | Path) -> AsyncIterator[Ledger]:
    """
    Open a ledger to read, also beside a launch: ``batches``, ``counts``, ``outcomes``, ``history``.

    Raises:
        LedgerUnusableError: There is no ledger there; says why, and what to do.
    """
    async with await ledger.open_ledger(path, read_only=True) as opened:
        yield opened


async def inputs_of(ledger: Ledger, *, read: tuple[str, ...] = ()) -> Inputs:
    """Return what no output may replace: the ledger, its batches' manifests, and what else is *read*."""
    manifests = tuple(batch.place for batch in await ledger.batches() if batch.place is not None)
    return Inputs(ledger=ledger.path, read=read, manifests=manifests)


async def find_batch(ledger: Ledger, name: str | None) -> Batch:
    """
    Return the batch of this name, or the only one.

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
