"""Writes steps: an event into the history, and the entry that it led to.

Belongs here: how a step is stored, and when an earlier attempt is kept. Does not: transactions and fences
(``held``), where an event leads (``model.entries.transitions``).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from batchrun import points
from batchrun.errors import InvariantError
from batchrun.ledger.rows import attempt_values, detail, listed, maybe_micros, micros, standing_values
from batchrun.ledger.store import Store, Value
from batchrun.model.entries.entry import Entry
from batchrun.model.entries.events import Doubted, Failed, Intended, kind
from batchrun.model.entries.recovery import OTHER_CONTENT
from batchrun.model.lanes import account_of
from batchrun.model.tasks import may_be_asked
from batchrun.points import Point
from batchrun.ports.stored import Transition


@dataclass(slots=True)
class _Stored:
    """The stored fields of an entry that decide how a step is written."""

    key: int
    attempt: int
    intended_at: int | None
    lane: str | None
    identity: tuple[str | None, str | None]  #: its run's uuid and ARN


def prefetch(store: Store, batch: int, steps: Iterable[Transition]) -> None:
    """Have what :func:`record` reads first share a round trip with the check of the fence."""
    store.prefetch("stored_attempts_of", batch=batch, ids=_ids(steps))


def record(store: Store, batch: int, name: str, steps: Iterable[Transition]) -> None:
    """Write *steps* of the batch called *name* in order, within the open transaction."""
    steps = list(steps)
    stored = _stored(store, batch, steps)
    events: list[dict[str, Value]] = []
    failed: list[dict[str, Value]] = []
    proven: list[dict[str, Value]] = []
    for step in steps:
        event, entry = step.event, step.entry
        if entry.batch != name:
            raise InvariantError(f"a step for entry '{entry.id}' of batch '{entry.batch}' in batch '{name}'")
        key = _update(store, stored.get(entry.id), entry)
        at, attempt = micros(event.at), entry.attempt
        told = {"kind": kind(event), "detail": detail(event, entry)}
        events.append({"batch": batch, "key": key, "attempt": attempt, "at": at, **told})
        if isinstance(event, Failed) and may_be_asked(entry):
            failed.append({"key": key, "attempt": attempt})
        if isinstance(event, Doubted) and event.code == OTHER_CONTENT:
            store.defer("keep_found_otherwise", key=key, attempt=attempt)
        if isinstance(event, Intended) and event.proven_at is not None:
            proven.append({"key": key, "at": micros(event.proven_at)})
        points.reached(Point.COMMITTING)
    for statement, rows in (("add_event", events), ("add_failed_run", failed), ("keep_proof", proven)):
        if rows:
            store.many(statement, rows)
    _learn_accounts(store, batch, steps)


def _learn_accounts(store: Store, batch: int, steps: Iterable[Transition]) -> None:
    accounts: dict[str | None, str] = {}
    for entry in (step.entry for step in steps):
        if entry.run is not None and (account := account_of(entry.run.arn)):
            accounts.setdefault(entry.lane, account)
    for lane, account in accounts.items():
        learn_account(store, batch, lane, account)


def learn_account(store: Store, batch: int, lane: str | None, account: str) -> None:
    """Make *account* that of the lane, or of the batch, unless that is known already."""
    if lane is None:
        store.defer("learn_account", batch=batch, account=account)
    else:
        store.defer("learn_lane", batch=batch, name=lane, account=account)


def _ids(steps: Iterable[Transition]) -> str:
    return listed(dict.fromkeys(step.entry.id for step in steps))


def _stored(store: Store, batch: int, steps: Iterable[Transition]) -> dict[str, _Stored]:
    """Read all at once: each statement may have to wait for the interpreter lock."""
    return {
        row.id: _Stored(
            key=row.key,
            attempt=row.attempt,
            intended_at=row.intended_at,
            lane=row.lane,
            identity=(row.run_uuid, row.run_arn),
        )
        for row in store.all("stored_attempts_of", batch=batch, ids=_ids(steps))
    }


def _update(store: Store, stored: _Stored | None, entry: Entry) -> int:
    """Store *entry* and return its key; an earlier attempt is kept first."""
    if stored is None:
        raise InvariantError(f"a step for entry '{entry.id}', which batch '{entry.batch}' does not have")
    _check_order(entry, stored.attempt)
    _check_lane(entry, stored)
    if entry.attempt > stored.attempt:
        store.defer("keep_attempt", key=stored.key)
    # Invariant: an intended attempt keeps its lane, request and requestId, and a run its uuid.
    standing = standing_values(entry)
    intended_at = maybe_micros(entry.intended_at)
    identity = (entry.run.uuid, entry.run.arn) if entry.run else (None, None)
    is_other = (stored.attempt, stored.intended_at) != (entry.attempt, intended_at)
    if stored.intended_at is None or is_other:
        store.defer("update_whole", key=stored.key, **standing, **attempt_values(entry))
    elif stored.identity != identity:
        store.defer("update_with_run", key=stored.key, **standing)
    else:
        store.defer("update_standing", key=stored.key, **standing)
    stored.attempt, stored.intended_at, stored.identity = entry.attempt, intended_at, identity
    stored.lane = entry.lane
    return stored.key


def _check_order(entry: Entry, stored: int) -> None:
    if stored <= entry.attempt <= stored + 1:
        return
    raise InvariantError(
        f"a step for attempt {entry.attempt} of entry '{entry.id}' of batch '{entry.batch}', "
        f"which is at attempt {stored}"
    )


def _check_lane(entry: Entry, stored: _Stored) -> None:
    if stored.intended_at is None or stored.attempt != entry.attempt or stored.lane == entry.lane:
        return
    raise InvariantError(
        f"a step in lane {entry.lane} for attempt {entry.attempt} of entry '{entry.id}' of batch "
        f"'{entry.batch}', which is in lane {stored.lane}"
    )
