"""Copies batches from one ledger into another, of any kind.

Only one ledger may be used for a batch. So it is made in the target, *closed* (no launcher can claim it);
then it is closed in the source, naming the target; then copied, a slice per transaction, compared row by row,
and opened. An interrupted copy is continued by the same command. A copy for reading leaves the source open,
and stays closed.

Does not belong here: the statements (``sql/copy.sql``).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from batchrun.errors import LeaseHeldError, LedgerError, UsageError
from batchrun.ledger import leases
from batchrun.ledger.leases import why_closed
from batchrun.ledger.rows import micros
from batchrun.ledger.store import Row, Store, Value

#: Entries in one transaction.
_SLICE: Final = 500
_TTL: Final = timedelta(seconds=30)
#: Tables of what belongs to entries, in the order of writing; and of runs, which are not compared, since
#: other batches may know them too.
_OF_ENTRIES: Final = (
    "attempts",
    "events",
    "cancellations",
    "changed_rows",
    "row_works",
    "failed_runs",
    "failed_tasks",
    "submission_rows",
)
_OF_RUNS: Final = ("run_usages", "run_work", "deletions")


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """One of the two ledgers."""

    store: Store
    name: str  #: as users give it, without a password

    def all(self, statement: str, **values: Value) -> Sequence[Row]:
        """Return the rows of one statement, in a transaction of its own."""
        return self.store.read(lambda: self.store.all(statement, **values))

    def key(self, batch: str) -> int | None:
        """Return the batch's key, or None."""
        return next((row.key for row in self.all("batch_key", name=batch)), None)

    def is_closed(self, key: int | None, why: str, other: str) -> bool:
        """Report whether the batch is closed for this reason, in favour of this *other* ledger."""
        return any((row.why, row.other) == (why, other) for row in self.all("closed", batch=key))


@dataclass(frozen=True, slots=True, kw_only=True)
class Copied:
    """A batch that was copied and compared."""

    batch: str
    entries: int
    events: int
    digest: str  #: of all rows; the same on both sides


class Copy:
    """Copies batches of *source* into *target*; for one thread.

    *holder* is who copies, for the lease; *is_export* says that it is a copy for reading.
    """

    def __init__(
        self, source: Side, target: Side, *, holder: str, now: Callable[[], datetime], is_export: bool = False
    ) -> None:
        self._source = source
        self._target = target
        self._holder = holder
        self._now = now
        self._is_export = is_export

    def batches(self) -> Sequence[str]:
        """Return the source's batches, oldest first, that are neither moved nor copies nor in the target."""
        names = [row.name for row in reversed(self._source.all("batches"))]
        return [name for name in names if self._is_due(name)]

    def copy(self, batch: str, told: Callable[[int], None]) -> Copied:
        """Copy a batch, or continue its copy; *told* is called with the count of entries after each slice.

        Raises:
            UsageError: The source has no such batch or has it closed, or the target has one of this name.
            LeaseHeldError: A launcher holds the batch.
            LedgerError: What was written differs from what was read.
        """
        source = self._source.key(batch)
        if source is None:
            raise UsageError(f"{self._source.name} has no batch '{batch}'")
        target = self._begun(source, batch)
        for count in self._slices(source, target):
            told(count)
        copied = self._compared(source, target, batch)
        self._end(target)
        return copied

    # -- before and after

    def _is_due(self, batch: str) -> bool:
        source, target = self._source.key(batch), self._target.key(batch)
        if self._source.is_closed(source, "moved", self._target.name):
            return self._target.is_closed(target, "arriving", self._source.name)
        if self._source.all("closed", batch=source):
            return False
        return target is None or self._target.is_closed(target, "arriving", self._source.name)

    def _begun(self, source: int, batch: str) -> int:
        """Make the batch in the target, closed, and close it in the source; return its key in the target."""
        is_moved = self._source.is_closed(source, "moved", self._target.name) and not self._is_export
        why = self._source.store.read(lambda: why_closed(self._source.store, source, batch))
        if why is not None and not is_moved:
            raise UsageError(why)
        self._check_free(source, batch)
        target = self._target.store.write(lambda: self._made(batch))
        if not self._is_export:
            self._source.store.write(lambda: self._close_source(source, batch))
        self._target.store.write(lambda: self._copy_submissions(source, target))
        return target

    def _check_free(self, source: int, batch: str) -> None:
        store = self._source.store
        held = store.read(lambda: leases.holder(store, source, batch, self._now()))
        if held is not None:
            raise LeaseHeldError(
                f"batch '{batch}' is held by {held.holder}; stop that launcher (its runs go on), then copy it"
            )

    def _made(self, batch: str) -> int:
        target: int | None = self._target.store.value("batch_key", name=batch)
        if target is not None:
            closed = self._target.store.one("closed", batch=target)
            if closed is not None and (closed.why, closed.other) == ("arriving", self._source.name):
                return target
            raise UsageError(
                f"{self._target.name} has a batch '{batch}' already; nothing was copied; give another ledger"
            )
        row = self._source.all("find_batch", name=batch)[0]
        self._target.store.run("copy_batch", **_values(row))
        target = self._target.store.value("batch_key", name=batch)
        self._close(self._target, target, "arriving", self._source.name)
        return target

    def _close_source(self, source: int, batch: str) -> None:
        if self._source.store.one("closed", batch=source) is not None:
            return
        # A launcher that was suspended past its lease cannot write: the fence has changed.
        lease = leases.claim(self._source.store, source, batch, holder=self._holder, ttl=_TTL, at=self._now())
        self._close(self._source, source, "moved", self._target.name)
        self._source.store.run("release_lease", batch=source, fence=lease.fence)
        leases.unlock(self._source.store, source, lease.fence)

    def _end(self, target: int) -> None:
        def end() -> None:
            if self._is_export:
                self._close(self._target, target, "copy", self._source.name)
            else:
                self._target.store.run("open_copy", batch=target)

        self._target.store.write(end)

    # -- slices

    def _slices(self, source: int, target: int) -> Iterator[int]:
        """Copy what the target lacks; yield the count of entries copied after each transaction."""
        count = 0
        while copied := self._target.store.write(lambda: self._copied_slice(source, target)):
            count += copied
            yield count

    def _copy_submissions(self, source: int, target: int) -> None:
        """Copy the submissions, which rows refer to; repeated where a copy is continued."""
        self._write("copy_submission", self._source.all("copied_submissions", batch=source), batch=target)

    def _copied_slice(self, source: int, target: int) -> int:
        after, before = self._reached(source, target)
        entries = self._source.all("copied_entries", batch=source, after=after, limit=_SLICE)
        if entries:
            self._copy_slice(source, target, entries, after=after, before=before)
        else:
            self._copy_rest(source, target)
        return len(entries)

    def _reached(self, source: int, target: int) -> tuple[int, int]:
        """Return the keys of the last entry copied, in the source and in the target; -1 for none."""
        last = self._target.store.one("last_copied", batch=target)
        if last is None:
            return -1, -1
        found = self._source.all("key_of_entry", batch=source, id=last.id)
        if not found:
            raise LedgerError(
                f"{self._target.name} has an entry '{last.id}' that {self._source.name} has not"
            )
        return found[0].key, last.key

    def _copy_slice(
        self, source: int, target: int, entries: Sequence[Row], *, after: int, before: int
    ) -> None:
        self._write("copy_entry", entries, batch=target)
        keys = {row.id: row.key for row in self._target.store.all("copied_keys", batch=target, after=before)}
        span = {"batch": source, "after": after, "last": entries[-1].key}
        for table in _OF_ENTRIES:
            rows = self._source.all(f"copied_{table}", **span)
            self._target.store.many(
                f"copy_{table}", [{**_values(row), "entry": keys[row.entry]} for row in rows]
            )
        for table in _OF_RUNS:
            self._write(f"copy_{table}", self._source.all(f"copied_{table}", **span))

    def _copy_rest(self, source: int, target: int) -> None:
        """Copy what belongs to the batch, with its fence, which only ever grows."""
        for read, write in (("copied_lanes", "copy_lane"), ("copied_notices", "copy_notice")):
            self._write(write, self._source.all(read, batch=source), batch=target)
        fences = self._source.all("copied_fence", batch=source)
        if fences and self._target.store.value("copied_fence", batch=target) is None:
            self._target.store.run("copy_fence", batch=target, fence=fences[0].fence)

    def _write(self, statement: str, rows: Sequence[Row], **more: Value) -> None:
        self._target.store.many(statement, [{**_values(row), **more} for row in rows])

    # -- comparison

    def _compared(self, source: int, target: int, batch: str) -> Copied:
        """Compare all rows of both sides."""
        there, here = _digested(self._source.store, source), _digested(self._target.store, target)
        if there != here:
            raise LedgerError(
                f"batch '{batch}' is not in {self._target.name} as it is in {self._source.name} "
                f"({here.entries} of {there.entries} entries, {here.events} of {there.events} events); it "
                "stays closed there: was it changed meanwhile? copy it into another ledger"
            )
        return Copied(batch=batch, entries=here.entries, events=here.events, digest=here.digest)

    def _close(self, side: Side, key: int, why: str, other: str) -> None:
        side.store.run("close_batch", batch=key, why=why, other=other, at=micros(self._now()))


@dataclass(frozen=True, slots=True)
class _Digested:
    entries: int
    events: int
    digest: str


def _digested(store: Store, batch: int) -> _Digested:
    """Return counts and a digest of a batch's rows, in the order of writing, without keys."""
    digest = hashlib.sha256()
    counts = {"entries": 0, "events": 0}

    def add(table: str, rows: Sequence[Row]) -> None:
        counts[table] = counts.get(table, 0) + len(rows)
        for row in rows:
            values = [_plain(value) for name, value in _values(row).items() if name != "key"]
            digest.update(json.dumps([table, *values]).encode())

    with store.reading():
        add("lanes", store.all("copied_lanes", batch=batch))
        add("submissions", store.all("copied_submissions", batch=batch))
        after = -1
        while entries := store.all("copied_entries", batch=batch, after=after, limit=_SLICE):
            add("entries", entries)
            for table in _OF_ENTRIES:
                rows = store.all(f"copied_{table}", batch=batch, after=after, last=entries[-1].key)
                add(table, rows)
            after = entries[-1].key
    return _Digested(counts["entries"], counts["events"], digest.hexdigest())


def _values(row: Row) -> dict[str, Value]:
    values: dict[str, Value] = row._asdict()
    return values


def _plain(value: Value) -> int | float | str | None:
    return value.hex() if isinstance(value, bytes) else value
