"""
Where a ledger is, in the words of a command.

Belongs here: which kind of store it is in, whether it is there, opening it, and what to call it. Does not:
what it says (``ledger``). Nobody else looks at its path, but for outputs, which may not replace it
(``report.outputs``). Today it is a
file; a URL is for a store that is yet to come.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from batchrun.ledger.ledger import SqlLedger
from batchrun.ledger.sqlite.connection import local_path
from batchrun.ledger.sqlite.store import SqliteStore
from batchrun.ledger.worker import Worker

if TYPE_CHECKING:
    from pathlib import Path

    from batchrun.ledger.store import Store


@dataclass(frozen=True, slots=True)
class LedgerPlace:
    """
    One place.

    Raises:
        LedgerUnusableError: From every method, where no ledger can be there; says why, and what to do.
    """

    named: str | Path  #: as it was given

    def __str__(self) -> str:
        return str(self.named)

    @property
    def path(self) -> Path | None:
        """The file; None where it is none."""
        return local_path(self.named)

    def is_there(self) -> bool:
        """Report whether there is a ledger already."""
        return local_path(self.named).exists()

    async def open(self, *, read_only: bool = False) -> SqlLedger:
        """
        Open the ledger, to be used with ``async with``; made if it is not there, a file with mode 0600.

        Args:
            read_only: Only look: nothing is made, nothing brought up to date, nobody is held up.
        """
        worker = Worker()
        try:
            store = await worker.run(lambda: self.store(read_only=read_only))
            return SqlLedger(store, worker, self.path)
        except BaseException:
            worker.stop()
            raise

    def store(self, *, read_only: bool = False) -> Store:
        """Open what keeps the ledger, for the thread that is to use it."""
        return SqliteStore(local_path(self.named), read_only=read_only)


async def open_ledger(place: str | Path, *, read_only: bool = False) -> SqlLedger:
    """Open the ledger at *place*; see :meth:`LedgerPlace.open`."""
    return await LedgerPlace(place).open(read_only=read_only)
