"""Where a ledger is, as a command names it: a path or an address.

Belongs here: which kind of store that is, whether it exists, opening it, and its name in messages. Does not:
its contents (``ledger``). Only outputs look at its path elsewhere, since they must not replace it
(``report.outputs``).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from batchrun.errors import LedgerUnusableError, UsageError
from batchrun.ledger.ledger import SqlLedger
from batchrun.ledger.postgres.address import called, has_password, is_address
from batchrun.ledger.sqlite.connection import local_path
from batchrun.ledger.store import Store
from batchrun.ledger.worker import Worker


@dataclass(frozen=True, slots=True, kw_only=True)
class Stamp:
    """A file at one moment."""

    file: tuple[int, int]  #: device and inode
    size: int
    at: int  #: when it was last written, in ns


@dataclass(frozen=True, slots=True)
class LedgerPlace:
    """The path of a file, or the address of a database.

    Raises:
        LedgerUnusableError: From every method, where no ledger can be there; says why, and the cure.
    """

    named: str | Path  #: as it was given

    def __str__(self) -> str:
        """Return its name for messages, without a password."""
        return called(str(self.named)) if self._is_address else str(self.named)

    @property
    def is_file(self) -> bool:
        """Whether it names a file, which may be missing; else a database."""
        return not self._is_address

    @property
    def path(self) -> Path | None:
        """The file; None for a database."""
        return None if self._is_address else local_path(self.named)

    @property
    def has_password(self) -> bool:
        """Whether its address holds one."""
        return self._is_address and has_password(str(self.named))

    def stamp(self) -> Stamp | None:
        """Return what changes with the file; None where there is no file."""
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

    async def open(self, *, read_only: bool = False, for_once: bool = False) -> SqlLedger:
        """Open the ledger, for use with ``async with``; made if it does not exist, a file with mode 0600.

        With *read_only* it is not made, not migrated, and no writer has to wait for it. If it is read *for
        once*, a file may also be an earlier batchrun's: later writes to that are not seen.
        """
        worker = Worker()
        try:
            store = await worker.run(lambda: self.store(read_only=read_only, for_once=for_once))
            return SqlLedger(store, worker, self.path)
        except BaseException:
            worker.stop()
            raise

    def init(self, *, launchers: Sequence[str], readers: Sequence[str]) -> None:
        """Make the ledger if it does not exist, and let these roles of a database launch and read.

        Raises:
            UsageError: Roles were given for a file, which has none.
        """
        if (path := self.path) is not None:
            if launchers or readers:
                raise UsageError(f"{path} is a file, which has no roles; share it by its mode: chmod {path}")
            self.store().close()
            return
        with _driver(self):
            from batchrun.ledger.postgres.connection import first  # noqa: PLC0415
            from batchrun.ledger.postgres.migrate import grant  # noqa: PLC0415

        grant(str(self), first(str(self.named), read_only=False), launchers=launchers, readers=readers)

    def store(self, *, read_only: bool = False, for_once: bool = False) -> Store:
        """Open the store of the ledger, for the thread that will use it."""
        if (path := self.path) is not None:
            from batchrun.ledger.sqlite.store import SqliteStore  # noqa: PLC0415

            return SqliteStore(path, read_only=read_only, for_once=for_once)
        with _driver(self):
            from batchrun.ledger.postgres.store import PostgresStore  # noqa: PLC0415 (an extra)

        return PostgresStore(str(self.named), read_only=read_only)

    @property
    def _is_address(self) -> bool:
        return isinstance(self.named, str) and is_address(self.named)


@contextmanager
def _driver(place: LedgerPlace) -> Iterator[None]:
    """Turn a missing driver into an error that says what to install."""
    try:
        yield
    except ImportError as error:
        raise LedgerUnusableError(
            f"{place} is a PostgreSQL ledger, which needs more than batchrun itself ({error}); "
            "run pip install 'batchrun[postgres]'"
        ) from error


async def open_ledger(place: str | Path, *, read_only: bool = False, for_once: bool = False) -> SqlLedger:
    """Open the ledger at *place*; see :meth:`LedgerPlace.open`."""
    return await LedgerPlace(place).open(read_only=read_only, for_once=for_once)
