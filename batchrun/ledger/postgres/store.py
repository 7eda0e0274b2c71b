# ruff: noqa: D102 - what each method promises stands in the contract, store
"""A store in PostgreSQL, through psycopg.

Does not belong here: connecting (``connection``), outages (``link``), the schema (``migrate``), any rule of
the ledger.
"""

from __future__ import annotations

import contextlib
import operator
import platform
import re
import secrets
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any, Final
from weakref import WeakSet

import psycopg

from batchrun.errors import InvariantError
from batchrun.ledger.postgres.link import ANSWER_WITHIN, Link
from batchrun.ledger.postgres.statements import migrations, queries
from batchrun.ledger.postgres.together import WrittenBeforeError, send
from batchrun.ledger.store import Row, Store, T, Tables, Value, not_text

#: Statements that fill a temporary table with very many rows, by COPY.
_COPIED: Final = frozenset({"add_spec", "add_work", "add_intent"})
_INSERTED: Final = re.compile(r"INSERT INTO (\w+) \(([\w, ]+)\)")
#: Seconds that a statement over a whole manifest may take.
_BULK_WITHIN: Final = 900.0
#: Rows that are fetched at once when streaming.
_PAGE: Final = 2_000


class PostgresStore(Store):
    """The store at *address*, made or brought up to date unless it is only to be read."""

    database = "PostgreSQL"
    slice_rows = None
    locks = None

    def __init__(self, address: str, *, read_only: bool = False, is_snapshot: bool = False) -> None:
        self._address = address
        self._is_read_only = read_only
        self._link = Link(address, read_only=read_only, is_snapshot=is_snapshot)
        self.called = self._link.called
        self.host = platform.node()
        self.schema = migrations()[-1].number
        self._writer = secrets.token_hex(8)
        self._within = ANSWER_WITHIN
        self._is_open = False  #: a transaction
        self._deferred: list[tuple[str, Mapping[str, Value]]] = []
        self._prefetched: tuple[str, Mapping[str, Value]] | None = None
        #: The statement of :meth:`prefetch` and its answer, until anything else is asked or written.
        self._known: tuple[tuple[str, Mapping[str, Value]], Sequence[Row]] | None = None
        self._snapshots = WeakSet[PostgresStore]()
        if not read_only:
            try:
                self.read(lambda: self.run("forget_writers"))
            except BaseException:
                self._link.close()
                raise

    def all(self, statement: str, /, **values: Value) -> Sequence[Row]:
        known, self._known = self._known, None
        if known is not None and known[0] == (statement, values):
            return known[1]
        with self._asking(statement, values) as cursor:
            return cursor.fetchall()

    def each(self, statement: str, /, **values: Value) -> Iterator[Row]:
        if not self._is_open:
            yield from self.all(statement, **values)
            return
        with self._connected() as connection:
            cursor = connection.cursor(name=f"each_{secrets.token_hex(4)}")
            cursor.itersize = _PAGE
            cursor.execute(queries()[statement], values or None)
        try:
            while True:
                with self._connected():
                    rows = cursor.fetchmany(_PAGE)
                if not rows:
                    return
                yield from rows
        finally:
            with contextlib.suppress(psycopg.Error):  # the connection is lost, and the cursor with it
                cursor.close()

    def run(self, statement: str, /, **values: Value) -> int:
        with self._asking(statement, values) as cursor:
            return cursor.rowcount

    def many(self, statement: str, rows: Iterable[Mapping[str, Value]], /) -> None:
        self._known = None
        if statement in _COPIED:
            self._copy(statement, rows)
        else:
            self._deferred += ((statement, row) for row in rows)

    def defer(self, statement: str, /, **values: Value) -> None:
        self._known = None
        self._deferred.append((statement, values))

    def prefetch(self, statement: str, /, **values: Value) -> None:
        self._prefetched = (statement, values)

    def read(self, job: Callable[[], T]) -> T:
        return self._link.retrying(job)

    def write(self, job: Callable[[], T]) -> T:
        return self._written("begin_writing", job)

    def write_beside(
        self, tables: Callable[[], AbstractContextManager[Tables]], job: Callable[[Tables], T]
    ) -> T:
        def whole() -> T:
            with self._at_length(), tables() as found:
                # From here on others have to wait for it.
                self.run("bound_the_rest")
                result = job(found)
                self.run("refresh_statistics")
                return result

        return self._written("begin_filling", whole)

    @contextlib.contextmanager
    def reading(self) -> Iterator[None]:
        with self._transaction("begin_reading"):
            yield

    @contextlib.contextmanager
    def tables(self, made: str, dropped: str) -> Iterator[None]:
        with self._at_length(), self._transaction("begin_comparing"):
            self.run(made)
            yield
            self.run(dropped)

    def snapshot(self) -> PostgresStore:
        self.one("schema_version")  # waits out an outage, which a snapshot does not
        store = PostgresStore(self._address, read_only=True, is_snapshot=True)
        store._begin("begin_reading")
        store.one("schema_version")  # the first query fixes the snapshot
        self._snapshots.add(store)
        return store

    def version(self) -> int:
        return int(self.value("marks_of_others", writer=self._writer))

    def hurry(self, seconds: float, *, for_this_job: bool = False) -> None:
        (self._link.hurry_once if for_this_job else self._link.hurry)(seconds)

    def close(self) -> None:
        for snapshot in self._snapshots:
            snapshot.close()
        self._link.close()

    # -- transactions

    def _written(self, begin: str, job: Callable[[], T]) -> T:
        """Run *job* in a transaction begun by the statement *begin*; retried until it is committed, once."""
        if self._is_read_only:
            raise InvariantError(f"a write to {self.called}, which was opened for reading only")
        mark = secrets.randbits(62)
        done: list[T] = []

        def whole() -> T:
            try:
                with self._transaction(begin):
                    self.defer("mark", writer=self._writer, mark=mark)
                    if done:  # it may have been committed: the mark says so before it is done again
                        self._flush()
                    done[:] = [job()]
            except WrittenBeforeError:
                pass  # it was committed, and only the answer was lost
            return done[0]

        return self._link.retrying(whole)

    @contextlib.contextmanager
    def _transaction(self, begin: str) -> Iterator[None]:
        if self._is_open:
            yield
            return
        self._begin(begin)
        try:
            yield
            self.run("commit")
        except BaseException:
            self._roll_back()
            raise
        finally:
            self._is_open = False
            self._deferred.clear()

    def _begin(self, begin: str) -> None:
        self._deferred[:] = [(begin, {})]
        self._prefetched = self._known = None
        self._is_open = True

    def _roll_back(self) -> None:
        self._deferred.clear()
        self._link.roll_back()

    @contextlib.contextmanager
    def _at_length(self) -> Iterator[None]:
        before, self._within = self._within, _BULK_WITHIN
        try:
            yield
        finally:
            self._within = before

    # -- statements

    @contextlib.contextmanager
    def _asking(self, statement: str, values: Mapping[str, Value]) -> Iterator[psycopg.Cursor[Any]]:
        with self._linked() as connection:
            self._known = None
            ahead, self._prefetched = self._prefetched, None
            if self._deferred and ahead:
                self._deferred += ((statement, values), ahead)
                cursor = self._sent(connection)
                self._known = (ahead, cursor.fetchall())
                yield cursor.set_result(-2)
            elif self._deferred:
                self._deferred.append((statement, values))
                yield self._sent(connection)
            else:
                yield connection.execute(queries()[statement], values or None)

    def _flush(self) -> None:
        with self._connected():
            pass

    @contextlib.contextmanager
    def _connected(self) -> Iterator[psycopg.Connection[Any]]:
        """Use the connection after sending what was put off."""
        with self._linked() as connection:
            if self._deferred:
                self._sent(connection)
            yield connection

    @contextlib.contextmanager
    def _linked(self) -> Iterator[psycopg.Connection[Any]]:
        with _text_alone(), self._link.asking(self._within) as connection:
            yield connection

    def _sent(self, connection: psycopg.Connection[Any]) -> psycopg.Cursor[Any]:
        """Send what was put off, and return the answer to the last statement."""
        rows, self._deferred = self._deferred, []
        return send(connection, rows, self._link.prepared)

    def _copy(self, statement: str, rows: Iterable[Mapping[str, Value]]) -> None:
        found = _INSERTED.search(queries()[statement])
        assert found is not None, statement  # noqa: S101
        table, names = found.groups()
        values = operator.itemgetter(*names.split(", "))
        with self._connected() as connection, connection.cursor() as cursor:
            # Binary takes two thirds of the time, and needs the columns' exact types.
            cursor.execute(f"SELECT {names} FROM {table} LIMIT 0")  # noqa: S608 (our own)
            types = [column.type_code for column in cursor.description or ()]
            with cursor.copy(f"COPY {table} ({names}) FROM STDIN (FORMAT BINARY)") as copy:
                copy.set_types(types)
                for row in rows:
                    copy.write_row(values(row))


@contextlib.contextmanager
def _text_alone() -> Iterator[None]:
    try:
        yield
    except UnicodeEncodeError as error:
        raise not_text(error) from error
