"""
What the ledger asks of a database: named statements, transactions, a few words on who else is there.

Belongs here: the seam that each database implements. Does not: any rule of the ledger: those are verbs above
it (``verbs.reading``, ``held``), written once for every store. A store has the statements of ``sql/*.sql``,
and in its own words those of its folder there: the same names, named values and names of columns as others.
Truths are 0 and 1 wherever they are stored.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

Value: TypeAlias = int | float | str | bytes | None
Row: TypeAlias = Any  #: its columns are attributes
T = TypeVar("T")
Tables = TypeVar("Tables")


class Store(ABC):
    """
    One connection to one database, used by one thread.

    Raises:
        LedgerError: From every method, where the database cannot be used any more; says what to do.
        InvariantError: From every method, where a statement breaks a rule of the schema.
    """

    database: str  #: what keeps it, by its name
    called: str  #: what to call the ledger in messages; holds no password
    host: str  #: where this process runs: two that say the same can tell whether the other's process is gone
    schema: int  #: the number of the last migration, as it was opened
    slice_rows: int | None  #: rows of a manifest that are compared in one go; None: all
    has_locks: bool  #: whether a process shows that it lives by a lock; else its lease alone says so

    @abstractmethod
    def one(self, statement: str, /, **values: Value) -> Row | None:
        """Return the first row that the statement gives, or None."""

    @abstractmethod
    def value(self, statement: str, /, **values: Value) -> Any:
        """Return the first column of the first row, None where there is no row."""

    @abstractmethod
    def all(self, statement: str, /, **values: Value) -> Sequence[Row]:
        """Return all rows."""

    @abstractmethod
    def each(self, statement: str, /, **values: Value) -> Iterator[Row]:
        """Return the rows one after the other, as they are read."""

    @abstractmethod
    def run(self, statement: str, /, **values: Value) -> int:
        """Run a statement that writes, and return how many rows the last of it wrote."""

    @abstractmethod
    def many(self, statement: str, rows: Iterable[Mapping[str, Value]], /) -> None:
        """Run a statement that writes once for each of *rows*, its values."""

    @abstractmethod
    def later(self, statement: str, /, **values: Value) -> None:
        """Run a statement that writes by the end of :meth:`write`, before any that is asked for after it."""

    @abstractmethod
    def ahead(self, statement: str, /, **values: Value) -> None:
        """Say what :meth:`all` is asked after the next answer, so that both can come at once."""

    @abstractmethod
    def read(self, job: Callable[[], T]) -> T:
        """
        Return what *job* returns, which only reads.

        Where the connection is lost meanwhile it is run again from its start.
        """

    @abstractmethod
    def write(self, job: Callable[[], T]) -> T:
        """
        Return what *job* returns, and write all that it writes, durably, or nothing.

        Waits for its turn before the job begins, not within. Where the connection is lost meanwhile, and
        nothing of it was written, it is run again from its start.
        """

    @abstractmethod
    def write_beside(
        self, tables: Callable[[], AbstractContextManager[Tables]], job: Callable[[Tables], T]
    ) -> T:
        """
        Do as :meth:`write` does, with temporary *tables* that may take long to fill.

        Other connections write until the job begins. What fills the tables is run again, too.
        """

    @abstractmethod
    def reading(self) -> AbstractContextManager[None]:
        """Let the block see one consistent state; it may write temporary tables."""

    @abstractmethod
    def tables(self, made: str, dropped: str) -> AbstractContextManager[None]:
        """Have the temporary tables that the statement *made* makes, for as long as the block lasts."""

    @abstractmethod
    def snapshot(self) -> Store:
        """Return a store of its own that sees the state of now until it is closed, beside a writer."""

    @abstractmethod
    def version(self) -> int:
        """Return a number that is another as soon as another connection has written."""

    @abstractmethod
    def lock(self, batch: int, fence: int) -> None:
        """Show that this process lives for as long as it does, or until :meth:`unlock`."""

    @abstractmethod
    def unlock(self, batch: int, fence: int) -> None:
        """Take the lock away, where this process has it."""

    @abstractmethod
    def is_abandoned(self, batch: int, fence: int) -> bool | None:
        """
        Report whether the process that took the lock is gone; False where that cannot be known.

        None where no lock was taken by this name of the ledger, and no other of the batch's is in force: the
        lease is known from a copy, or the lock was taken away by hand.
        """

    @abstractmethod
    def hurry(self, seconds: float) -> None:
        """Wait no longer than so many seconds from now for a database that is away; from any thread."""

    @abstractmethod
    def close(self) -> None:
        """Close; locks are let go as a dying process lets them go."""
