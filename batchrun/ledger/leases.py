"""Leases: who may write to a batch, and the fence that each write must pass.

A store that several hosts share decides by its own clock, and ignores *at*; when a lease expires is told by
the clock of whoever asks. A batch that is *closed* here
takes no writes: it was moved to another ledger, is being copied from one, or is a copy for reading
(``copying``).
"""

from __future__ import annotations

from datetime import datetime, timedelta

from batchrun import errors
from batchrun.ledger.rows import micros, span_micros
from batchrun.ledger.statements import brought_up
from batchrun.ledger.store import Row, Store
from batchrun.ports.stored import LONGEST_LEASE, Lease


def claim(store: Store, key: int | None, batch: str, *, holder: str, ttl: timedelta, at: datetime) -> Lease:
    """Take the lease of the batch, or raise LeaseHeldError."""
    if key is None:
        raise errors.InvariantError(f"a claim on batch '{batch}', which the ledger does not have")
    last = store.one("lease", batch=key, at=micros(at))
    is_free = last is not None and not _is_held(store, key, last)
    fence = store.value(
        "claim_lease",
        batch=key,
        holder=holder,
        kernel=store.host,
        at=micros(at),
        ttl=span_micros(ttl),
        abandoned=last.fence if last is not None and is_free else None,
    )
    if fence is None:
        last = store.all("lease", batch=key, at=micros(at))[0]
        raise errors.LeaseHeldError(
            f"batch '{batch}' is held by {last.holder} until "
            f"{_expires_at(last, at):%Y-%m-%d %H:%M:%S} UTC, or longer, as it renews that; "
            "stop that launcher, or wait for it"
        )
    _check_schema(store)
    check_open(store, key, batch)  # after the claim: whoever closes a batch claims it first
    is_of_copy = last is not None and has_proofs(store, key) and not _is_latest(store, key, last)
    # One that was never released may be in a copy, too, that was made while it lasted: rows were sent later.
    if is_of_copy or (last is not None and last.holder is not None):
        store.run("forget_proofs", batch=key)
    if store.locks is not None:
        store.locks.take(key, fence)
    return Lease(batch=batch, holder=holder, fence=fence, expires_at=at + ttl, is_of_copy=is_of_copy)


def has_proofs(store: Store, key: int) -> bool:
    """Report whether rows of the batch that are to be sent have been looked for."""
    return bool(store.value("has_proofs", batch=key))


def _check_schema(store: Store) -> None:
    """Check that no migration was applied since the store was opened; one is applied only without leases."""
    if (found := store.value("schema_version")) != store.schema:
        raise brought_up(store.called, found, store.schema)


def holder(store: Store, key: int | None, batch: str, at: datetime) -> Lease | None:
    """Return the lease that prevents a claim at *at*, if any."""
    last = store.one("lease", batch=key, at=micros(at))
    if key is None or last is None or not _is_held(store, key, last):
        return None
    return Lease(batch=batch, holder=last.holder, fence=last.fence, expires_at=_expires_at(last, at))


def _expires_at(last: Row, at: datetime) -> datetime:
    """Return when a lease expires by the clock that says *at*, which may differ from the store's."""
    return at + timedelta(microseconds=last.ends_in)


def bound(store: Store, key: int | None, at: datetime) -> bool:
    """Cut a lease to the longest that any can last, and report whether that shortened it.

    A live holder renews it earlier, so nobody loses it. A lease whose process is known to live is left alone.
    """
    last = store.one("lease", batch=key, at=micros(at))
    if key is None or last is None or last.holder is None:
        return False
    is_here = store.locks is not None and last.kernel == store.host
    if is_here and _is_gone(store, key, last) is False:
        return False
    return bool(store.run("bound_lease", batch=key, at=micros(at), longest=span_micros(LONGEST_LEASE)))


def check(store: Store, key: int, lease: Lease) -> None:
    """Raise LeaseLostError unless the lease is still ours; the fence alone decides, not the time."""
    if store.one("is_held", batch=key, fence=lease.fence) is None:
        unlock(store, key, lease.fence)
        raise errors.LeaseLostError(_loss(store, key, lease))


def _is_held(store: Store, key: int, last: Row) -> bool:
    """Report whether a lease is in force.

    One that ends later than any lease can last, and that no process has a lock for, came with a copy.
    """
    if last.holder is None or last.ends_in <= 0:
        return False
    is_gone = _is_gone(store, key, last)
    if is_gone is None:
        return bool(last.ends_in <= span_micros(LONGEST_LEASE))
    return not is_gone


def _is_gone(store: Store, key: int, last: Row) -> bool | None:
    """Report whether the lease's process is gone; False where that cannot be known, None without its lock."""
    if store.locks is None or last.kernel != store.host:
        return False
    return store.locks.is_abandoned(key, last.fence)


def _is_latest(store: Store, key: int, last: Row) -> bool:
    """Report whether the lease was the last of the ledger at this place; True where that cannot be known."""
    return store.locks is None or store.locks.is_latest(key, last.fence)


def unlock(store: Store, key: int, fence: int, *, leaves_mark: bool = False) -> None:
    """Release the lock of a lease, if there is one; it *leaves_mark* where the next claim may need that."""
    if store.locks is not None:
        store.locks.release(key, fence, leaves_mark=leaves_mark)


def _loss(store: Store, key: int, lease: Lease) -> str:
    last = store.one("lease", batch=key, at=0)
    if last is None or last.fence == lease.fence:
        return f"batch '{lease.batch}' was released by {lease.holder}, which may no longer write"
    return (
        f"batch '{lease.batch}' was taken over by {last.holder or 'a launcher that has ended since'}; "
        f"{lease.holder} stops here and has changed nothing since"
    )


def why_closed(store: Store, key: int | None, batch: str) -> str | None:
    """Return why the batch is closed and where to work on it instead; None where it is open."""
    row = store.one("closed", batch=key)
    if row is None:
        return None
    match row.why:
        case "moved":
            return f"batch '{batch}' went on in another ledger: give --ledger {row.other}"
        case "arriving":
            return (
                f"batch '{batch}' is not whole: it is being copied from {row.other}; repeat that "
                "'batchrun ledger copy' to its end"
            )
        case _:
            return f"batch '{batch}' is a copy, to be read alone: give --ledger {row.other} to change it"


def check_open(store: Store, key: int | None, batch: str) -> None:
    """Raise BatchClosedError where the batch is closed; within a transaction that locks it."""
    if (why := why_closed(store, key, batch)) is not None:
        raise errors.BatchClosedError(why)
