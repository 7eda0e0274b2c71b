# ruff: noqa: D102 - what each method promises stands in the contract, ports.ledger
"""
The ledger's contract, kept by SQLite.

Every call is one job for the one thread that touches SQLite, and every writing job one transaction. Belongs
here: that shape. Does not: what the jobs do (``lease``, ``sync``, ``record``, ``reading``).
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, TypeVar

import anyio
import apsw

from batchrun.errors import InvariantError, UsageError
from batchrun.ledger import cancelling, failed_runs, namesakes, paces, proofs, reading, standing, usages
from batchrun.ledger import notices as notes
from batchrun.ledger.connection import check_in_place, identity, local_path, open_to_read, open_to_write
from batchrun.ledger.failures import failed
from batchrun.ledger.give_back import give_back
from batchrun.ledger.lease import Leases
from batchrun.ledger.record import record
from batchrun.ledger.retry import retry
from batchrun.ledger.rows import micros
from batchrun.ledger.statements import queries
from batchrun.ledger.sync import compared, sync
from batchrun.ledger.transaction import writing
from batchrun.ledger.worker import Worker
from batchrun.ports.ledger import Ledger

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Collection, Iterable, Iterator, Mapping, Sequence
    from datetime import datetime, timedelta
    from pathlib import Path

    from batchrun.clock import Origin
    from batchrun.model.cancelling import Cancellation, Scope
    from batchrun.model.costs import Usage
    from batchrun.model.entry import Entry, Run
    from batchrun.model.limits import Changed
    from batchrun.model.notices import Notice
    from batchrun.model.pace import Learned
    from batchrun.model.spec import Spec
    from batchrun.model.states import State
    from batchrun.model.tasks import FailedTasks
    from batchrun.ports.cancelling import EndedRun
    from batchrun.ports.failed_runs import FailedRun, TaskFailures
    from batchrun.ports.lease import Lease
    from batchrun.ports.ledger import Batch, Counts, Outcome, PastAttempt, Step, Sync
    from batchrun.ports.proofs import Unproven
    from batchrun.ports.standing import Failures, KeptPace
    from batchrun.ports.usages import SpentRun

T = TypeVar("T")

_PAGE = 500


async def open_ledger(path: str | Path, *, read_only: bool = False) -> SqliteLedger:
    """
    Open a ledger, to be used with ``async with``.

    Args:
        path: A file; made, with mode 0600, if it is not there.
        read_only: Only look: nothing is made, nothing brought up to date, nobody is held up.

    Raises:
        LedgerUnusableError: There is no ledger there and cannot be; says why, and what to do.
    """
    worker = Worker()
    try:
        return await worker.run(lambda: SqliteLedger(local_path(path), worker, read_only=read_only))
    except BaseException:
        worker.stop()
        raise


class SqliteLedger(Ledger):
    """A ledger in one SQLite file; made by :func:`open_ledger`, in the worker's thread."""

    path: Path

    def __init__(self, path: Path, worker: Worker, *, read_only: bool) -> None:
        self.path = path
        self._worker = worker
        self._is_read_only = read_only
        self._connection = open_to_read(path) if read_only else open_to_write(path)
        self._identity = identity(path)
        self._leases = Leases(self._connection, path)
        self._readers: set[apsw.Connection] = set()
        self._first_version: int = self._connection.execute(queries()["data_version"]).get
        self._versions: dict[str, int] = {}  #: the data's, as it was when last asked for, by batch

    async def open_batch(self, name: str, *, region: str, account: str | None = None, at: datetime) -> Batch:
        def job() -> Batch:
            self._connection.execute(queries()["add_batch"], (name, region, micros(at), account))
            if account is not None:
                self._connection.execute(queries()["bind_account"], (name, account))
            batch = reading.find_batch(self._connection, name)
            if batch is None:
                raise InvariantError(f"batch '{name}' is not there after it was made")
            return batch

        return await self._write(job)

    async def find_batch(self, name: str) -> Batch | None:
        return await self._read(lambda: reading.find_batch(self._connection, name))

    async def batches(self) -> Sequence[Batch]:
        return await self._read(lambda: reading.batches(self._connection))

    async def claim(self, batch: str, *, holder: str, ttl: timedelta, at: datetime) -> Lease:
        taken: list[Lease] = []

        def job() -> Lease:
            lease = self._leases.claim(batch, holder=holder, ttl=ttl, at=at)
            taken.append(lease)
            return lease

        try:
            return await self._write(job)
        except anyio.get_cancelled_exc_class():
            # Nobody learns of this lease, so nobody would give it back.
            with anyio.CancelScope(shield=True):
                for lease in taken:
                    await self.release(lease)
            raise

    async def renew(self, lease: Lease, *, ttl: timedelta, at: datetime) -> Lease:
        return await self._write(lambda: self._leases.renew(lease, ttl=ttl, at=at))

    async def release(self, lease: Lease) -> None:
        await self._write(lambda: self._leases.release(lease))
        # Not before: where the disk is full the row stays, and the lock must say that nobody is behind it.
        await self._read(lambda: self._leases.forget(lease))

    async def holder(self, batch: str, *, at: datetime) -> Lease | None:
        return await self._read(lambda: self._leases.holder(batch, at=at))

    async def compare(self, batch: str, specs: Iterable[Spec]) -> Sync:
        def job() -> Sync:
            with compared(self._connection, reading.batch_key(self._connection, batch), specs) as found:
                return found.summary()

        return await self._read(job)

    async def sync(
        self,
        lease: Lease,
        specs: Iterable[Spec],
        *,
        changed: Changed,
        at: datetime,
        place: str | None = None,
    ) -> Sync:
        def job() -> Sync:
            batch = reading.batch_key(self._connection, lease.batch)
            with compared(self._connection, batch, specs) as found, self._transaction():
                # Invariant: the fence that holds here held while the rows were read. Had another launcher
                # claimed the batch in between, it would be a later one.
                key = self._leases.check(lease)
                return sync(found, key, lease.batch, changed=changed, at=at, place=place)

        return await self._read(job)

    async def rows_as_known(self, batch: str, specs: Iterable[Spec]) -> int:
        return await self._read(lambda: namesakes.as_known(self._connection, batch, specs))

    async def rows_elsewhere(self, batch: str, specs: Iterable[Spec]) -> Mapping[str, int]:
        return await self._read(lambda: namesakes.elsewhere(self._connection, batch, specs))

    async def record(self, lease: Lease, steps: Sequence[Step]) -> None:
        await self._write(lambda: record(self._connection, self._leases.check(lease), lease.batch, steps))

    async def unproven(self, batch: str, *, since: datetime, at: datetime) -> int:
        return await self._read(lambda: proofs.unproven(self._connection, batch, since=since, at=at))

    async def bind_proofs(self, lease: Lease, origin: Origin) -> None:
        await self._write(lambda: proofs.bind(self._connection, self._leases.check(lease), origin))

    async def begin_survey(self, lease: Lease, *, since: datetime, at: datetime) -> Unproven:
        return await self._write(
            lambda: proofs.begin(self._connection, self._leases.check(lease), since=since, at=at)
        )

    async def end_survey(
        self, lease: Lease, *, at: datetime, calls: int | None, besides: Collection[str] = ()
    ) -> None:
        def job() -> None:
            proofs.end(self._connection, self._leases.check(lease), at=at, calls=calls, besides=besides)

        await self._write(job)

    async def unasked(self, batch: str, *, limit: int, after: int = -1) -> Sequence[FailedRun]:
        return await self._read(
            lambda: failed_runs.unasked(self._connection, batch, limit=limit, after=after)
        )

    async def keep_tasks(self, lease: Lease, found: Mapping[int, FailedTasks], *, at: datetime) -> None:
        await self._write(lambda: failed_runs.keep(self._connection, self._leases.check(lease), found, at=at))

    async def failed_tasks(self, batch: str, ids: Collection[str]) -> Mapping[str, Mapping[int, FailedTasks]]:
        return await self._read(lambda: failed_runs.failed_tasks(self._connection, batch, ids))

    async def task_failures(self, batch: str) -> Sequence[TaskFailures]:
        return await self._read(lambda: failed_runs.task_failures(self._connection, batch))

    async def retry(
        self, batch: str, ids: Collection[str], *, at: datetime, why: str, duplicates: bool = False
    ) -> Sequence[str]:
        return await self._write(
            lambda: retry(self._connection, batch, ids, at=at, why=why, duplicates=duplicates)
        )

    async def give_back(self, batch: str, runs: Collection[Run], *, at: datetime) -> Sequence[str]:
        return await self._write(lambda: give_back(self._connection, batch, runs, at=at))

    async def ask_to_cancel(
        self, batch: str, ids: Collection[str] | None, *, scope: Scope, at: datetime
    ) -> int:
        return await self._write(lambda: cancelling.ask(self._connection, batch, ids, scope=scope, at=at))

    async def cancellations(self, batch: str, *, limit: int, after: int = -1) -> Sequence[Cancellation]:
        return await self._read(lambda: cancelling.wanted(self._connection, batch, limit=limit, after=after))

    async def ended_runs(
        self, batch: str, *, limit: int, after: tuple[int, int] = (-1, 0)
    ) -> Sequence[EndedRun]:
        return await self._read(
            lambda: cancelling.ended_runs(self._connection, batch, limit=limit, after=after)
        )

    async def keep_deleted(self, uuids: Collection[str], *, at: datetime) -> None:
        await self._write(lambda: cancelling.keep_deleted(self._connection, uuids, at=at))

    async def was_changed(self, batch: str) -> bool:
        def job() -> bool:
            before = self._versions.get(batch, self._first_version)
            self._versions[batch] = self._connection.execute(queries()["data_version"]).get
            return self._versions[batch] != before

        return await self._read(job)

    async def due(
        self,
        batch: str,
        *,
        at: datetime,
        limit: int,
        skip: Collection[str] = (),
        horizon: datetime | None = None,
    ) -> Sequence[Entry]:
        return await self._read(
            lambda: reading.due(self._connection, batch, at=at, limit=limit, skip=skip, horizon=horizon)
        )

    async def next_due(self, batch: str, *, after: datetime) -> datetime | None:
        return await self._read(lambda: reading.next_due(self._connection, batch, after=after))

    async def in_state(self, batch: str, state: State, *, limit: int, after: int = -1) -> Sequence[Entry]:
        return await self._read(
            lambda: reading.in_state(self._connection, batch, state, limit=limit, after=after)
        )

    async def entry(self, batch: str, entry_id: str) -> Entry | None:
        return await self._read(lambda: reading.entry(self._connection, batch, entry_id))

    async def earlier(self, batch: str, entry_id: str) -> Sequence[PastAttempt]:
        return await self._read(lambda: reading.earlier(self._connection, batch, entry_id))

    async def known_runs(self, batch: str, uuids: Collection[str]) -> frozenset[str]:
        return await self._read(lambda: reading.known_runs(self._connection, batch, uuids))

    async def counts(self, batch: str) -> Counts:
        return await self._read(lambda: reading.counts(self._connection, batch))

    async def outcomes(self, batch: str) -> AsyncIterator[Outcome]:
        # A connection of its own: its one long read transaction must not sit around other calls' writes.
        reader = await self._read(self._open_reader)
        try:
            after = -1
            while page := await self._page(reader, batch, after):
                for outcome in page:
                    yield outcome
                after = page[-1].entry.position
        finally:
            if reader in self._readers:
                await self._read(lambda: self._close_reader(reader))

    async def history(self, batch: str, entry_id: str) -> Sequence[tuple[datetime, int, str, str]]:
        return await self._read(lambda: reading.history(self._connection, batch, entry_id))

    async def oldest_active(self, batch: str, *, limit: int) -> Sequence[Entry]:
        return await self._read(lambda: standing.oldest_active(self._connection, batch, limit=limit))

    async def latest_runs(self, batch: str, *, is_active: bool, limit: int) -> Sequence[Run]:
        return await self._read(
            lambda: standing.latest_runs(self._connection, batch, is_active=is_active, limit=limit)
        )

    async def latest_ends(self, batch: str, *, limit: int) -> Sequence[Run]:
        return await self._read(lambda: standing.latest_ends(self._connection, batch, limit=limit))

    async def latest_failures(self, batch: str, *, limit: int) -> Sequence[Entry]:
        return await self._read(lambda: standing.latest_failures(self._connection, batch, limit=limit))

    async def failures(self, batch: str, *, limit: int) -> Sequence[Failures]:
        return await self._read(lambda: standing.failures(self._connection, batch, limit=limit))

    async def recent(self, batch: str, *, since: datetime) -> Sequence[tuple[datetime, str]]:
        return await self._read(lambda: standing.recent(self._connection, batch, since=since))

    async def ids_of_run(self, batch: str, text: str) -> Sequence[str]:
        return await self._read(lambda: standing.ids_of_run(self._connection, batch, text))

    async def ids_beginning(self, batch: str, text: str, *, limit: int) -> Sequence[str]:
        return await self._read(lambda: standing.ids_beginning(self._connection, batch, text, limit=limit))

    async def near_ids(self, batch: str, text: str) -> Sequence[str]:
        return await self._read(lambda: standing.near_ids(self._connection, batch, text))

    async def all_paces(self) -> Sequence[KeptPace]:
        return await self._read(lambda: paces.all_paces(self._connection))

    async def paces(self, account: str, *, since: datetime) -> Mapping[str, Learned]:
        return await self._read(lambda: paces.paces(self._connection, account, since=since))

    async def keep_paces(self, account: str, learned: Mapping[str, Learned], *, at: datetime) -> None:
        await self._write(lambda: paces.keep(self._connection, account, learned, at=at))

    async def told(self, batch: str) -> frozenset[Notice]:
        return await self._read(lambda: notes.told(self._connection, batch))

    async def tell(self, batch: str, notice: Notice, *, at: datetime) -> bool:
        return await self._write(lambda: notes.tell(self._connection, batch, notice, at=at))

    async def forget(self, batch: str, notices: Collection[Notice]) -> None:
        if notices:
            await self._write(lambda: notes.forget(self._connection, batch, notices))

    async def spent_runs(
        self, batch: str, *, limit: int, after: tuple[int, int] = (-1, 0)
    ) -> Sequence[SpentRun]:
        return await self._read(lambda: usages.spent_runs(self._connection, batch, limit=limit, after=after))

    async def keep_usage(self, run_uuid: str, usage: Usage | None, *, at: datetime) -> None:
        await self._write(lambda: usages.keep(self._connection, run_uuid, usage, at=at))

    async def workflow_usages(self, workflow_id: str, *, limit: int) -> Sequence[Usage]:
        return await self._read(lambda: usages.of_workflow(self._connection, workflow_id, limit=limit))

    async def close(self) -> None:
        if not self._worker.is_stopped:
            try:
                await self._read(self._close)
            finally:
                self._worker.stop()

    async def _read(self, job: Callable[[], T]) -> T:
        """Run *job* in the ledger's thread."""

        def guarded() -> T:
            with self._failures():
                return job()

        return await self._worker.run(guarded)

    async def _write(self, job: Callable[[], T]) -> T:
        """Run *job* in the ledger's thread, in one transaction."""

        def whole() -> T:
            with self._transaction():
                return job()

        return await self._read(whole)

    @contextlib.contextmanager
    def _failures(self) -> Iterator[None]:
        try:
            yield
        except apsw.Error as error:
            raise failed(self.path, error) from error
        except UnicodeEncodeError as error:
            raise UsageError(
                f"{error.object!a} is no text: bytes of it are not UTF-8; check how it was typed"
            ) from error

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[None]:
        if self._is_read_only:
            raise InvariantError(f"a write to {self.path}, which was opened for reading only")
        check_in_place(self.path, self._identity)
        with writing(self._connection):
            yield

    async def _page(self, reader: apsw.Connection, batch: str, after: int) -> Sequence[Outcome]:
        return await self._read(lambda: reading.outcomes(reader, batch, after=after, limit=_PAGE))

    def _open_reader(self) -> apsw.Connection:
        reader = open_to_read(self.path)
        reader.execute(queries()["begin_reading"])
        self._readers.add(reader)
        return reader

    def _close_reader(self, reader: apsw.Connection) -> None:
        self._readers.discard(reader)
        reader.close()

    def _close(self) -> None:
        for reader in tuple(self._readers):
            self._close_reader(reader)
        self._leases.close()
        self._connection.close()
