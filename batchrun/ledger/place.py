"""
Where a ledger is, in the words of a command.

Belongs here: which kind of store it is in, whether it is there, opening it, and what to call it. Does not:
what it says (``ledger``). Nobody else looks at its path, but for outputs, which may not replace it
(``report.outputs``).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from batchrun.errors import LedgerUnusableError, UsageError
from batchrun.ledger.ledger import SqlLedger
from batchrun.ledger.postgres.address import called, has_password, is_address
from batchrun.ledger.sqlite.connection import local_path
from batchrun.ledger.worker import Worker

if TYPE_CHECKING:
    from batchrun.ledger.store import Store


@dataclass(frozen=True, slots=True, kw_only=True)
class Stamp:
    """A file at one moment."""

    file: tuple[int, int]  #: which one it is
    size: int
    at: int  #: when it was last written to


@dataclass(frozen=True, slots=True)
class LedgerPlace:
    """
    One place: the path of a file, or the address of a database.

    Raises:
        LedgerUnusableError: From every method, where no ledger can be there; says why, and what to do.
    """

    named: str | Path  #: as it was given

    def __str__(self) -> str:
        """Return what to call it; no password is in it."""
        return called(str(self.named)) if self._is_address else str(self.named)

    @property
    def path(self) -> Path | None:
        """The file; None where it is none."""
        return None if self._is_address else local_path(self.named)

    @property
    def has_password(self) -> bool:
        """Whether its address holds one."""
        return self._is_address and has_password(str(self.named))

    def stamp(self) -> Stamp | None:
        """Return what changes with the file; None where it is not there, or is none."""
        try:
            found = None if self.path is None else self.path.stat()
        except OSError:
            return None
        return found and Stamp(file=(found.st_dev, found.st_ino), size=found.st_size, at=found.st_mtime_ns)

    def is_there(self) -> bool:
        """Report whether there is a ledger already."""
        if (path := self.path) is not None:
            return path.exists()
        with _driver(self):
            from batchrun.ledger.postgres.connection import is_there  # noqa: PLC0415

        return is_there(str(self.named))

    async def open(self, *, read_only: bool = False) -> SqlLedger:
        """
        Open the ledger, to be used with ``async with``; made if it is not there, a file with mode 0600.

        With *read_only* nothing is made, nothing brought up to date, no writer held up.
        """
        worker = Worker()
        try:
            store = await worker.run(lambda: self.store(read_only=read_only))
            return SqlLedger(store, worker, self.path)
        except BaseException:
            worker.stop()
            raise

    def init(self, *, launchers: Sequence[str], readers: Sequence[str]) -> None:
        """
        Make the ledger where it is not there, and let these roles of a database launch and read.

        Raises:
            UsageError: Roles for a file, which has a mode.
        """
        if (path := self.path) is not None:
            if launchers or readers:
                raise UsageError(f"{path} is a file, which has no roles; share it by its mode: chmod {path}")
            self.store().close()
            return
        with _driver(self):
            from batchrun.ledger.postgres.connection import first  # noqa: PLC0415
            from batchrun.ledger.postgres.roles import grant  # noqa: PLC0415

        grant(str(self), first(str(self.named), read_only=False), launchers=launchers, readers=readers)

    def store(self, *, read_only: bool = False) -> Store:
        """Open what keeps the ledger, for the thread that is to use it."""
        if (path := self.path) is not None:
            from batchrun.ledger.sqlite.store import SqliteStore  # noqa: PLC0415

            return SqliteStore(path, read_only=read_only)
        with _driver(self):
            from batchrun.ledger.postgres.store import PostgresStore  # noqa: PLC0415 (an extra)

        return PostgresStore(str(self.named), read_only=read_only)

    @property
    def _is_address(self) -> bool:
        return isinstance(self.named, str) and is_address(self.named)


@contextmanager
def _driver(place: LedgerPlace) -> Iterator[None]:
    """Say what to install where the driver is not there."""
    try:
        yield
    except ImportError as error:
        raise LedgerUnusableError(
            f"{place} is a PostgreSQL ledger, which needs more than batchrun itself ({error}); "
            "run pip install 'batchrun[postgres]'"
        ) from error


async def open_ledger(place: str | Path, *, read_only: bool = False) -> SqlLedger:
    """Open the ledger at *place*; see :meth:`LedgerPlace.open`."""
    return await LedgerPlace(place).open(read_only=read_only)
