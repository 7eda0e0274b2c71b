"""
Who may write to a batch: claiming, holding on, giving back, and the fence that each write passes.

Belongs here: the rules, within a transaction that is open. Does not: the process locks themselves
(``process_lock``), and how often to renew (``engine``).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from batchrun import points
from batchrun.errors import InvariantError, LeaseHeldError, LeaseLostError
from batchrun.ledger.process_lock import ProcessLock, is_abandoned, kernel, remove
from batchrun.ledger.rows import micros, time_of
from batchrun.ledger.statements import queries
from batchrun.points import Point
from batchrun.ports.lease import Lease

if TYPE_CHECKING:
    from datetime import datetime, timedelta
    from pathlib import Path

    import apsw


@dataclass(frozen=True, slots=True, kw_only=True)
class _Last:
    """The batch's last lease, as it is stored."""

    fence: int
    holder: str | None
    kernel: str
    expires_at: datetime


class Leases:
    """The leases of one ledger, and the process locks of those that this process holds."""

    def __init__(self, connection: apsw.Connection, path: Path) -> None:
        self._connection = connection
        self._path = path
        self._kernel = kernel()
        self._locks: dict[tuple[int, int], ProcessLock] = {}

    def claim(self, batch: str, *, holder: str, ttl: timedelta, at: datetime) -> Lease:
        """Take the batch, or raise LeaseHeldError."""
        key = self._batch_key(batch)
        last = self._last(key)
        if last is not None and self._is_held(key, last, at):
            raise LeaseHeldError(
                f"batch '{batch}' is held by {last.holder} until {last.expires_at:%Y-%m-%d %H:%M:%S} UTC; "
                "stop that launcher, or wait for it"
            )
        lease = Lease(batch=batch, holder=holder, fence=last.fence + 1 if last else 1, expires_at=at + ttl)
        self._take(key, lease)
        return lease

    def holder(self, batch: str, *, at: datetime) -> Lease | None:
        """Return the lease that stands in the way of a claim at *at*."""
        key = self._connection.execute(queries()["batch_key"], (batch,)).get
        last = None if key is None else self._last(key)
        if key is None or last is None or last.holder is None or not self._is_held(key, last, at):
            return None
        return Lease(batch=batch, holder=last.holder, fence=last.fence, expires_at=last.expires_at)

    def renew(self, lease: Lease, *, ttl: timedelta, at: datetime) -> Lease:
        """Move the lease's end; its fence alone decides whether it is still ours, whatever the time says."""
        key = self.check(lease)
        renewed = replace(lease, expires_at=at + ttl)
        self._connection.execute(queries()["extend_lease"], (micros(renewed.expires_at), key))
        points.reached(Point.RENEWING)
        return renewed

    def release(self, lease: Lease) -> None:
        """Release the lease where it is still ours. Once that is durable, :meth:`forget` it."""
        key = self._fenced(lease)
        if key is not None:
            self._connection.execute(queries()["release_lease"], (key,))

    def check(self, lease: Lease) -> int:
        """Return the key of the lease's batch, or raise LeaseLostError."""
        key = self._fenced(lease)
        if key is None:
            self.forget(lease)
            raise LeaseLostError(self._loss(lease))
        return key

    def close(self) -> None:
        """Let go of every lock; leases that were not released can be taken over at once."""
        for lock in self._locks.values():
            lock.let_go()
        self._locks.clear()

    def _batch_key(self, batch: str) -> int:
        key = self._connection.execute(queries()["batch_key"], (batch,)).get
        if key is None:
            raise InvariantError(f"a claim on batch '{batch}', which the ledger does not have")
        return int(key)

    def _last(self, key: int) -> _Last | None:
        row = self._connection.execute(queries()["lease"], (key,)).fetchone()
        if row is None:
            return None
        fence, holder, where, expires_at = row
        return _Last(fence=fence, holder=holder, kernel=where, expires_at=time_of(expires_at))

    def _is_held(self, key: int, last: _Last, at: datetime) -> bool:
        if last.holder is None or last.expires_at <= at:
            return False
        return last.kernel != self._kernel or not is_abandoned(self._lock_path(key, last.fence))

    def _take(self, key: int, lease: Lease) -> None:
        values = (key, lease.fence, lease.holder, self._kernel, micros(lease.expires_at))
        self._connection.execute(queries()["take_lease"], values)
        remove(self._lock_path(key, lease.fence - 1))
        lock = ProcessLock.take(self._lock_path(key, lease.fence))
        if lock is not None:
            self._locks[key, lease.fence] = lock

    def _fenced(self, lease: Lease) -> int | None:
        key = self._connection.execute(queries()["fenced_batch"], (lease.batch, lease.fence)).get
        return None if key is None else int(key)

    def _loss(self, lease: Lease) -> str:
        last = self._last(self._batch_key(lease.batch))
        if last is None or last.fence == lease.fence:
            return f"batch '{lease.batch}' was given back by {lease.holder}, who may not write any more"
        return (
            f"batch '{lease.batch}' was taken over by {last.holder or 'a launcher that has ended since'}; "
            f"{lease.holder} stops here and has changed nothing since"
        )

    def _lock_path(self, key: int, fence: int) -> Path:
        return self._path.with_name(f"{self._path.name}-lease-{key}-{fence}")

    def forget(self, lease: Lease) -> None:
        """Take the lease's lock away: from now on its row alone says whether it is held."""
        key = self._connection.execute(queries()["batch_key"], (lease.batch,)).get
        lock = self._locks.pop((key, lease.fence), None)
        if lock is not None:
            lock.drop()
