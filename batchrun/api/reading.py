"""
A ledger to read, for programs.

Belongs here: opening it so that nothing is made, changed or held up. Does not: what it can be asked
(``ports.ledger``).
"""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from batchrun import ledger

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from batchrun.ports.ledger import Ledger


@asynccontextmanager
async def open_ledger(path: str | Path) -> AsyncIterator[Ledger]:
    """
    Open a ledger to read, also beside a launch: ``batches``, ``counts``, ``outcomes``, ``history``.

    Raises:
        LedgerUnusableError: There is no ledger there; says why, and what to do.
    """
    async with await ledger.open_ledger(path, read_only=True) as opened:
        yield opened
