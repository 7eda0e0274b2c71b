"""
Who may write to a batch: claiming, holding on, releasing, and the fence that each write passes.

A store that several hosts share decides by its own clock, and takes *at* for no more than a word (``sql``).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from batchrun.errors import InvariantError, LeaseHeldError, LeaseLostError
from batchrun.ledger.closed import check_open
from batchrun.ledger.rows import micros, span_micros, time_of
from batchrun.ports.stored import Lease

if TYPE_CHECKING:
    from datetime import datetime, timedelta

    from batchrun.ledger.store import Row, Store


def claim(store: Store, key: int | None, batch: str, *, holder: str, ttl: timedelta, at: datetime) -> Lease:
    """Take the batch, or raise LeaseHeldError."""
    if key is None:
        raise InvariantError(f"a claim on batch '{batch}', which the ledger does not have")
    last = store.one("lease", batch=key, at=micros(at))
    fence = store.value(
        "claim_lease",
        batch=key,
        holder=holder,
        kernel=store.host,
        at=micros(at),
        ttl=span_micros(ttl),
        abandoned=last.fence if last is not None and not _is_held(store, key, last) else None,
    )
    if fence is None:
        last = store.all("lease", batch=key, at=micros(at))[0]
        raise LeaseHeldError(
            f"batch '{batch}' is held by {last.holder} until "
            f"{time_of(last.expires_at):%Y-%m-%d %H:%M:%S} UTC; stop that launcher, or wait for it"
        )
    check_open(store, key, batch)  # only now: whoever closes it claims it first
    store.lock(key, fence)
    return Lease(batch=batch, holder=holder, fence=fence, expires_at=at + ttl)


def holder(store: Store, key: int | None, batch: str, at: datetime) -> Lease | None:
    """Return the lease that stands in the way of a claim at *at*."""
    last = store.one("lease", batch=key, at=micros(at))
    if key is None or last is None or not _is_held(store, key, last):
        return None
    expires_at = time_of(last.expires_at)
    return Lease(batch=batch, holder=last.holder, fence=last.fence, expires_at=expires_at)


def check(store: Store, key: int, lease: Lease) -> None:
    """
    See that the lease is still ours; its fence alone decides, whatever the time says.

    Raises:
        LeaseLostError: It is not.
    """
    if store.one("is_held", batch=key, fence=lease.fence) is None:
        store.unlock(key, lease.fence)
        raise LeaseLostError(_loss(store, key, lease))


def _is_held(store: Store, key: int, last: Row) -> bool:
    if last.holder is None or last.is_over:
        return False
    return last.kernel != store.host or not store.is_abandoned(key, last.fence)


def _loss(store: Store, key: int, lease: Lease) -> str:
    last = store.one("lease", batch=key, at=0)
    if last is None or last.fence == lease.fence:
        return f"batch '{lease.batch}' was released by {lease.holder}, which may no longer write"
    return (
        f"batch '{lease.batch}' was taken over by {last.holder or 'a launcher that has ended since'}; "
        f"{lease.holder} stops here and has changed nothing since"
    )
