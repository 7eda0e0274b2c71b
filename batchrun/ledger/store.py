"""
What the ledger asks of a database: named statements, transactions, a few words on who else is there.

Belongs here: the seam that a second database implements. Does not: any rule of the ledger: those are verbs
above it (``reading``, ``held``), written once for every store. A store has the statements of
``sql/queries.sql`` in its own dialect: the same names, the same named values, the same names of columns.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from contextlib import AbstractContextManager

Value: TypeAlias = int | float | str | bytes | None
Row: TypeAlias = Any  #: its columns are attributes


class Store(ABC):
    """
    One connection to one database, used by one thread.

    Raises:
        LedgerError: From every method, where the database cannot be used any more; says what to do.
        InvariantError: From every method, where a statement breaks a rule of the schema.
    """

    host: str  #: where this process runs: two that say the same can tell whether the other's process is gone

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
    def writing(self) -> AbstractContextManager[None]:
        """
        Write all that the block writes, durably, or nothing.

        Waits for its turn before the block begins, not within.
        """

    @abstractmethod
    def reading(self) -> AbstractContextManager[None]:
        """Let the block see one consistent state; it may write temporary tables."""

    @abstractmethod
    def snapshot(self) -> Store:
        """Return a store of its own that sees the state of now until it is closed, beside whoever writes."""

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
    def is_abandoned(self, batch: int, fence: int) -> bool:
        """Report whether the process that took the lock is gone; False where nobody can know."""

    @abstractmethod
    def close(self) -> None:
        """Close; locks are let go as a dying process lets them go."""
