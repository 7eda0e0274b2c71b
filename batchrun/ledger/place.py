"""
Where a ledger is, in the words of a command.

Belongs here: whether it is there, opening it, and what to call it. Does not: what it says (``ledger``).
Nobody else looks at its path, but for outputs, which may not replace it (``report.outputs``). Today it is a
file; a URL is for a store that is yet to come.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from batchrun.ledger.connection import local_path
from batchrun.ledger.ledger import SqlLedger
from batchrun.ledger.sqlite import SqliteStore
from batchrun.ledger.worker import Worker

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class LedgerPlace:
    """
    One place.

    Raises:
        LedgerUnusableError: From every method, where no ledger can be there; says why, and what to do.
    """

    named: str | Path  #: as it was given, which is what people call it

    def __str__(self) -> str:
        return str(self.named)

    @property
    def path(self) -> Path:
        """The file."""
        return local_path(self.named)

    def is_there(self) -> bool:
        """Report whether there is a ledger already."""
        return self.path.exists()

    async def open(self, *, read_only: bool = False) -> SqlLedger:
        """
        Open the ledger, to be used with ``async with``; made, with mode 0600, if it is not there.

        Args:
            read_only: Only look: nothing is made, nothing brought up to date, nobody is held up.
        """
        worker = Worker()
        try:
            store = await worker.run(lambda: SqliteStore(self.path, read_only=read_only))
            return SqlLedger(store, worker)
        except BaseException:
            worker.stop()
            raise


async def open_ledger(place: str | Path, *, read_only: bool = False) -> SqlLedger:
    """Open the ledger at *place*; see :meth:`LedgerPlace.open`."""
    return await LedgerPlace(place).open(read_only=read_only)
