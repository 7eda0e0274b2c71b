# ruff: noqa: D102 - what each method promises stands in the contract, store
"""A store in one SQLite file, through apsw.

Does not belong here: opening the file (``connection``), the schema (``migrate``), any rule of the ledger.
"""

from __future__ import annotations

import contextlib
import itertools
from collections import namedtuple
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any
from weakref import WeakSet

import apsw

from batchrun.errors import InvariantError
from batchrun.ledger.sqlite.connection import check_in_place, identity, open_to_read, open_to_write
from batchrun.ledger.sqlite.errors import failed, told
from batchrun.ledger.sqlite.lease_locks import LeaseLocks
from batchrun.ledger.sqlite.migrate import version
from batchrun.ledger.sqlite.own_log import marking
from batchrun.ledger.sqlite.process_lock import kernel
from batchrun.ledger.sqlite.statements import migrations, queries, reading, writing
from batchrun.ledger.statements import brought_up
from batchrun.ledger.store import Row, Store, T, Tables, Value, not_text


class SqliteStore(Store):
    """The store in the file at *path*, made or brought up to date unless it is only to be read."""

    database = "SQLite"
    slice_rows = 2_000  #: few enough to stay in the cache
    locks: LeaseLocks

    def __init__(self, path: Path, *, read_only: bool = False, for_once: bool = False) -> None:
        self.path = path
        self.called = str(path)
        self.host = kernel()
        self.schema = migrations()[-1].number
        self._is_read_only = read_only
        self._for_once = for_once
        self._connection = open_to_read(path, for_once=for_once) if read_only else open_to_write(path)
        self._identity = identity(path)
        self.locks = LeaseLocks(path, self._identity)
        self._explained = _Explained(path, self._connection)
        self._snapshots = WeakSet[SqliteStore]()
        self._rows_of: dict[str, Callable[[Iterable[Any]], Row]] = {}
        self.run("attempt_rows")

    def all(self, statement: str, /, **values: Value) -> Sequence[Row]:
        with self._explained:
            return list(self._rows(statement, values))

    def each(self, statement: str, /, **values: Value) -> Iterator[Row]:
        with self._explained:
            yield from self._rows(statement, values)

    def run(self, statement: str, /, **values: Value) -> int:
        with self._explained:
            self._connection.execute(queries()[statement], values)
            return self._connection.changes()

    def many(self, statement: str, rows: Iterable[Mapping[str, Value]], /) -> None:
        with self._explained:
            self._connection.executemany(queries()[statement], rows)

    def prefetch(self, statement: str, /, **values: Value) -> None:
        """Do nothing: there are no round trips."""

    def write(self, job: Callable[[], T]) -> T:
        with self._writing():
            return job()

    def write_beside(
        self, tables: Callable[[], AbstractContextManager[Tables]], job: Callable[[Tables], T]
    ) -> T:
        with tables() as found, self._writing():
            return job(found)

    @contextlib.contextmanager
    def _writing(self) -> Iterator[None]:
        if self._is_read_only:
            raise InvariantError(f"a write to {self.path}, which was opened for reading only")
        check_in_place(self.path, self._identity)
        with self._explained, writing(self._connection), marking(self._connection):
            yield

    @contextlib.contextmanager
    def reading(self) -> Iterator[None]:
        with self._explained, reading(self._connection):
            yield

    @contextlib.contextmanager
    def tables(self, made: str, dropped: str) -> Iterator[None]:
        self.run(made)
        try:
            yield
        finally:
            self.run(dropped)

    def snapshot(self) -> SqliteStore:
        # A connection of its own: other calls must be able to write beside its long read transaction.
        with self._explained:
            store = SqliteStore(self.path, read_only=True, for_once=self._for_once)
            store.run("begin_reading")
        self._snapshots.add(store)
        return store

    def version(self) -> int:
        return int(self.value("data_version"))

    def hurry(self, seconds: float, *, for_this_job: bool = False) -> None:
        """Do nothing: a failing disk is not waited for."""

    def close(self) -> None:
        for snapshot in self._snapshots:
            snapshot.close()
        self.locks.let_go()
        with self._explained:
            self._connection.close()

    def _rows(self, statement: str, values: Mapping[str, Value]) -> Iterator[Row]:
        cursor = self._connection.execute(queries()[statement], values)
        first = next(cursor, None)
        if first is None:
            return iter(())
        made = self._rows_of.get(statement)
        if made is None:
            names = [name for name, *_ in cursor.get_description()]
            kind = namedtuple("Row", names, rename=True)  # type: ignore[misc]  # noqa: PYI024
            made = self._rows_of[statement] = kind._make
        return map(made, itertools.chain([first], cursor))


class _Explained:
    """Turns SQLite's errors into those of a ledger; a class, which is faster than a generator."""

    __slots__ = ("_connection", "_path")

    def __init__(self, path: Path, connection: apsw.Connection) -> None:
        self._path = path
        self._connection = connection

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, apsw.IOError):
            raise failed(self._path, told(error, self._connection.system_errno)) from error
        if isinstance(error, apsw.SQLError):
            self._check_known()
        if isinstance(error, apsw.Error):
            raise failed(self._path, error) from error
        if isinstance(error, UnicodeEncodeError):
            raise not_text(error) from error

    def _check_known(self) -> None:
        """Raise LedgerUnusableError where a newer batchrun has changed the tables meanwhile."""
        found, newest = version(self._connection), migrations()[-1].number
        if found > newest:
            raise brought_up(self._path, found, newest)
