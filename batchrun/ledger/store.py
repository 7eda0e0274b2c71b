"""The interface to a database: named statements and transactions.

Every database implements what is abstract here, and replaces the rest where it has something better. The
rules of the ledger are verbs above it (``verbs``, ``held``), written once. Statements are those of
``sql/*.sql`` and of the database's folder there, with the same names, named values and columns in every
database. Booleans are stored as 0 and 1.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any, Final, TypeAlias, TypeVar

from batchrun.errors import ServiceUnusableError, UsageError
from batchrun.ledger.locks import Locks

Value: TypeAlias = int | float | str | bytes | None
Row: TypeAlias = Any  #: its columns are attributes
T = TypeVar("T")
Tables = TypeVar("Tables")
#: The index that keeps two rows from having one run.
ONE_RUN: Final = "one_entry_per_run"


class Store(ABC):
    """One connection to one database, used by one thread.

    Raises:
        LedgerError: From every method, where the database cannot be used any more; names the cure.
        InvariantError: From every method, where a statement violates the schema.
    """

    database: str  #: the product's name
    called: str  #: the ledger's name in messages, without a password
    host: str  #: where this process runs: processes with the same one can see each other's locks
    schema: int  #: the number of the last migration when it was opened
    slice_rows: int | None  #: rows of a manifest that are compared at once; None: all
    locks: Locks | None  #: None where only a lease shows that its launcher is alive

    @abstractmethod
    def all(self, statement: str, /, **values: Value) -> Sequence[Row]:
        """Return all rows."""

    @abstractmethod
    def each(self, statement: str, /, **values: Value) -> Iterator[Row]:
        """Stream the rows."""

    @abstractmethod
    def run(self, statement: str, /, **values: Value) -> int:
        """Run a statement that writes, and return how many rows its last command wrote."""

    @abstractmethod
    def many(self, statement: str, rows: Iterable[Mapping[str, Value]], /) -> None:
        """Run a statement that writes once for each of *rows*."""

    @abstractmethod
    def prefetch(self, statement: str, /, **values: Value) -> None:
        """Announce the call of :meth:`all` after the next one, so that both can share a round trip."""

    @abstractmethod
    def write(self, job: Callable[[], T]) -> T:
        """Return what *job* returns, and write all that it writes, durably, or nothing.

        Waits for other writers before the job begins, not within. Where the connection is lost and nothing
        was written, the job is run again.
        """

    @abstractmethod
    def write_beside(
        self, tables: Callable[[], AbstractContextManager[Tables]], job: Callable[[Tables], T]
    ) -> T:
        """Do as :meth:`write` does, with temporary *tables* that may take long to fill.

        Others can write until the job begins. Where the job is run again, so is the filling.
        """

    @abstractmethod
    def reading(self) -> AbstractContextManager[None]:
        """Show the block one consistent state; it may write temporary tables."""

    @abstractmethod
    def tables(self, made: str, dropped: str) -> AbstractContextManager[None]:
        """Have temporary tables in the block: the statement *made* makes them, *dropped* drops them."""

    @abstractmethod
    def snapshot(self) -> Store:
        """Return another store, which sees the present state until it is closed, beside a writer."""

    @abstractmethod
    def version(self) -> int:
        """Return a number that changes whenever another connection has written."""

    @abstractmethod
    def hurry(self, seconds: float, *, for_this_job: bool = False) -> None:
        """Wait for an unreachable database no longer than *seconds* from now; from any thread.

        Only *for_this_job*: in the one that runs now.
        """

    @abstractmethod
    def close(self) -> None:
        """Close; locks are released as a dying process releases them."""

    def one(self, statement: str, /, **values: Value) -> Row | None:
        """Return the first row, or None."""
        return next(iter(self.all(statement, **values)), None)

    def value(self, statement: str, /, **values: Value) -> Any:
        """Return the first column of the first row, or None."""
        row = self.one(statement, **values)
        return None if row is None else row[0]

    def defer(self, statement: str, /, **values: Value) -> None:
        """Run a statement that writes, at the latest at the end of :meth:`write`; order is kept."""
        self.run(statement, **values)

    def read(self, job: Callable[[], T]) -> T:
        """Return what *job* returns, which only reads; it is run again where the connection is lost."""
        return job()


def not_text(error: UnicodeEncodeError) -> UsageError:
    """Return the error for a value that no database can store as text."""
    return UsageError(f"{error.object!a} is not text: bytes of it are not UTF-8; check how it was typed")


def told_twice(called: str) -> ServiceUnusableError:
    """Return the error where ONE_RUN refuses what the service told."""
    return ServiceUnusableError(
        f"the service tells of one run for two rows, of which the ledger {called} keeps neither; nothing is "
        "lost: run the same command again, which asks for both anew"
    )
