"""
A ledger in plain dicts, for tests that need a ledger and no disk.

Held to the contract by ``conformance``, as every ledger is. There are no processes here, so a dead launcher's
lease must run out.
"""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from difflib import get_close_matches
from operator import attrgetter, itemgetter
from typing import TYPE_CHECKING

import anyio.lowlevel

from batchrun.clock import Origin
from batchrun.errors import ChangedRowsError, InvariantError, LeaseHeldError, LeaseLostError
from batchrun.ledger.rows import detail
from batchrun.model.absence import after_reappearing
from batchrun.model.account import account_of
from batchrun.model.cancelling import Cancellation, Scope
from batchrun.model.duplicating import after_asking, can_duplicate
from batchrun.model.entry import Entry, Run
from batchrun.model.events import Doubted, Failed, Retried, Revised, kind
from batchrun.model.limits import Changed
from batchrun.model.recovery import OTHER_CONTENT
from batchrun.model.spec import named
from batchrun.model.states import ENDED, HOLDS_SLOT, OPEN, State
from batchrun.model.tasks import FailedTasks, may_be_asked
from batchrun.model.transitions import apply
from batchrun.ports.cancelling import EndedRun
from batchrun.ports.failed_runs import FailedRun, TaskFailures
from batchrun.ports.lease import Lease
from batchrun.ports.ledger import Batch, Counts, Ledger, Outcome, PastAttempt, Step, Sync
from batchrun.ports.proofs import Unproven
from batchrun.ports.standing import Failures, KeptPace
from batchrun.ports.usages import SpentRun

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Collection, Iterable, Mapping, Sequence
    from datetime import timedelta

    from batchrun.model.costs import Usage
    from batchrun.model.notices import Notice
    from batchrun.model.pace import Learned
    from batchrun.model.spec import Spec

_WAITING = (State.PLANNED, State.BACKOFF)
_ENDED = ("COMPLETED", "FAILED", "CANCELLED")
_NEVER = datetime.min.replace(tzinfo=UTC)
_WIDER = (Scope.SENDING, Scope.RUN)


@dataclass(slots=True)
class _Held:
    """All of one batch."""

    batch: Batch
    lease: Lease | None = None
    fence: int = 0
    told: set[Notice] = field(default_factory=set)
    entries: dict[str, Entry] = field(default_factory=dict)
    named: set[str] = field(default_factory=set)
    earlier: dict[str, list[PastAttempt]] = field(default_factory=dict)
    events: dict[str, list[tuple[datetime, int, str, str]]] = field(default_factory=dict)
    cancelled: dict[str, Scope] = field(default_factory=dict)
    failed: list[FailedRun] = field(default_factory=list)
    tasks: dict[int, FailedTasks] = field(default_factory=dict)
    works: dict[str, bytes] = field(default_factory=dict)
    otherwise: dict[str, int] = field(default_factory=dict)
    looked_for: dict[str, str | None] = field(default_factory=dict)  #: the name, by the entry's id
    survey_calls: int | None = None
    proof_clock: Origin | None = None

    def copied(self) -> _Held:
        earlier = {id_: list(attempts) for id_, attempts in self.earlier.items()}
        events = {id_: list(told) for id_, told in self.events.items()}
        return replace(
            self,
            entries=dict(self.entries),
            earlier=earlier,
            events=events,
            cancelled=dict(self.cancelled),
            failed=list(self.failed),
            tasks=dict(self.tasks),
            works=dict(self.works),
            otherwise=dict(self.otherwise),
        )

    def take_up(self, specs: Iterable[Spec]) -> None:
        self.works |= {spec.id: spec.work for spec in specs if spec.work is not None}

    def mark(self, changed: Collection[str]) -> None:
        """Mark the rows that differ, and those that were found so and have begun no other attempt."""
        for entry in self.entries.values():
            is_changed = entry.id in changed or self.otherwise.get(entry.id) == entry.attempt
            self.entries[entry.id] = replace(entry, is_changed=is_changed)

    def ordered(self) -> list[Entry]:
        return sorted(self.entries.values(), key=lambda entry: entry.position)


class MemoryLedger(Ledger):
    """Forgets everything when it is dropped; otherwise a ledger like any other."""

    def __init__(self) -> None:
        self._batches: dict[str, _Held] = {}
        self._paces: dict[tuple[str, str], tuple[datetime, Learned]] = {}
        self._deleted: set[str] = set()
        self._usages: dict[str, Usage | None] = {}

    async def open_batch(self, name: str, *, region: str, account: str | None = None, at: datetime) -> Batch:
        batch = Batch(name=name, region=region, created_at=at)
        held = self._batches.setdefault(name, _Held(batch=batch))
        may_be_somewhere = any(
            entry.state is State.SUBMITTING
            or entry.run
            or any(past.run for past in held.earlier.get(id_, ()))
            for id_, entry in held.entries.items()
        )
        if account is not None and not may_be_somewhere:
            held.batch = replace(held.batch, account=account)
        await _done()
        return held.batch

    async def find_batch(self, name: str) -> Batch | None:
        held = self._batches.get(name)
        return held.batch if held else None

    async def batches(self) -> Sequence[Batch]:
        newest_first = reversed(self._batches.values())
        return sorted((held.batch for held in newest_first), key=lambda b: b.created_at, reverse=True)

    async def claim(self, batch: str, *, holder: str, ttl: timedelta, at: datetime) -> Lease:
        held = self._batches.get(batch)
        if held is None:
            raise InvariantError(f"no batch '{batch}'")
        if held.lease and held.lease.expires_at > at:
            raise LeaseHeldError(
                f"batch '{batch}' is held by {held.lease.holder} until {held.lease.expires_at}"
            )
        held.fence += 1
        held.lease = Lease(batch=batch, holder=holder, fence=held.fence, expires_at=at + ttl)
        return held.lease

    async def renew(self, lease: Lease, *, ttl: timedelta, at: datetime) -> Lease:
        held = self._fenced(lease)
        held.lease = replace(lease, expires_at=at + ttl)
        await _done()
        return held.lease

    async def release(self, lease: Lease) -> None:
        held = self._batches[lease.batch]
        if held.lease and held.lease.fence == lease.fence:
            held.lease = None
        await _done()

    async def compare(self, batch: str, specs: Iterable[Spec]) -> Sync:
        held = self._batches.get(batch)
        return _difference(held.entries if held else {}, _checked(specs))

    async def sync(
        self,
        lease: Lease,
        specs: Iterable[Spec],
        *,
        changed: Changed,
        at: datetime,
        place: str | None = None,
    ) -> Sync:
        wanted = _checked(specs)
        held = self._fenced(lease).copied()
        found = _difference(held.entries, wanted)
        differing = [held.entries[s.id] for s in wanted if s.id in held.entries and _differs(held.entries, s)]
        sent = [entry.id for entry in differing if _is_decided(entry)]
        if sent and changed is Changed.REFUSE:
            raise ChangedRowsError(sent[:20], len(sent))
        _place(held, wanted)
        contents = {spec.id: spec.request for spec in wanted}
        kept = set() if changed is Changed.RESUBMIT else set(sent)
        held.take_up(spec for spec in wanted if spec.id not in kept)
        held.batch = replace(held.batch, place=place or held.batch.place)
        for entry in differing:
            if changed is Changed.RESUBMIT:
                held.cancelled.pop(entry.id, None)
            if not _is_decided(entry) or changed is Changed.RESUBMIT:
                event = Revised(at=at, request=contents[entry.id])
                _take(held, Step(event=event, entry=apply(held.entries[entry.id], event)))
        held.mark(kept)
        self._batches[lease.batch] = held
        await _done()
        return found

    async def rows_as_known(self, batch: str, specs: Iterable[Spec]) -> int:
        held = self._batches[batch]
        known = [(held.works.get(spec.id), spec.work) for spec in specs if spec.id in held.entries]
        return sum(stored == asked or None in {stored, asked} for stored, asked in known)

    async def rows_elsewhere(self, batch: str, specs: Iterable[Spec]) -> Mapping[str, int]:
        rows = [(spec.id, spec.work) for spec in specs if spec.work is not None]
        times = Counter(work for _id, work in rows)
        found: dict[str, int] = {}
        for name, held in self._batches.items():
            waiting = {entry.id for entry in self._waiting(name, cancelled=True)}
            standing = {
                (id_, held.works.get(id_))
                for id_, entry in held.entries.items()
                if entry.state not in {State.FAILED, State.CANCELLED, State.REFUSED}
                if id_ in waiting or entry.state not in _WAITING
            }
            there = Counter(work for _id, work in standing)
            count = sum(row in standing or times[row[1]] == there[row[1]] == 1 for row in rows)
            has_begun = any(entry.run or entry.state is State.SUBMITTING for entry in held.entries.values())
            found[name] = count if has_begun else 0
        return {name: count for name, count in found.items() if count and name != batch}

    async def record(self, lease: Lease, steps: Sequence[Step]) -> None:
        held = self._fenced(lease).copied()
        for step in steps:
            if step.entry.batch != lease.batch:
                raise InvariantError("a step of another batch")
            _take(held, step)
        self._batches[lease.batch] = held
        await _done()

    async def retry(
        self, batch: str, ids: Collection[str], *, at: datetime, why: str, duplicates: bool = False
    ) -> Sequence[str]:
        held = self._batches.get(batch)
        found = [held.entries[id_] for id_ in ids if id_ in held.entries] if held else []
        ended = [entry for entry in found if entry.state in ENDED and entry.state is not State.SUCCEEDED]
        ended = [entry for entry in ended if not duplicates or self._can_duplicate(entry)]
        for entry in ended:
            self._batches[batch].cancelled.pop(entry.id, None)
            request = after_asking(entry, duplicates=duplicates)
            event = Retried(at=at, due=at, why=why, request=request)
            _take(self._batches[batch], Step(event=event, entry=apply(entry, event)))
        return [entry.id for entry in ended]

    async def give_back(self, batch: str, runs: Collection[Run], *, at: datetime) -> Sequence[str]:
        given = []
        for run in runs:
            for entry in self._ordered(batch):
                if entry.state is State.DELETED and entry.run is not None and entry.run.uuid == run.uuid:
                    given.append(entry.id)
                    for event in after_reappearing(run, at):
                        entry = apply(entry, event)  # noqa: PLW2901 (step by step)
                        _take(self._batches[batch], Step(event=event, entry=entry))
        return given

    async def ask_to_cancel(
        self,
        batch: str,
        ids: Collection[str] | None,
        *,
        scope: Scope,
        at: datetime,  # noqa: ARG002 (nobody here asks when)
    ) -> int:
        held = self._batches.get(batch)
        if held is None:
            return 0
        wishes = {id_: one for id_, one in held.cancelled.items() if held.entries[id_].state in OPEN}
        going = {e.id for e in held.entries.values() if e.state in HOLDS_SLOT}
        asked = going | {entry.id for entry in self._waiting(batch, cancelled=True)}
        asked &= asked if ids is None else set(ids)
        new = {id_ for id_ in asked if id_ not in wishes or (wishes[id_], scope) == _WIDER}
        held.cancelled = wishes | dict.fromkeys(new, scope)
        return len(new)

    async def cancellations(self, batch: str, *, limit: int, after: int = -1) -> Sequence[Cancellation]:
        held = self._batches.get(batch)
        waiting = {entry.id for entry in self._waiting(batch, cancelled=True)}
        found = [
            Cancellation(entry=entry, scope=held.cancelled[entry.id])
            for entry in self._ordered(batch)
            if held and entry.id in held.cancelled and entry.position > after
            if entry.id in waiting or (held.cancelled[entry.id] is Scope.RUN and entry.state in HOLDS_SLOT)
        ]
        return found[:limit]

    async def ended_runs(
        self, batch: str, *, limit: int, after: tuple[int, int] = (-1, 0)
    ) -> Sequence[EndedRun]:
        found = []
        async for outcome in self.outcomes(batch):
            entry = outcome.entry
            runs = [(past.attempt, past.run, str(past.request)) for past in outcome.earlier]
            runs += [(entry.attempt, entry.run, entry.request)] if entry.state is not State.DELETED else []
            found += [
                EndedRun(
                    position=entry.position,
                    entry_id=entry.id,
                    attempt=attempt,
                    run_id=run.id,
                    run_uuid=run.uuid,
                    status=run.status,
                    name=json.loads(request).get("name"),
                    creation_time=run.creation_time,
                )
                for attempt, run, request in runs
                if run and run.status in _ENDED and run.uuid not in self._deleted
                if (entry.position, attempt) > after
            ]
        return found[:limit]

    async def keep_deleted(self, uuids: Collection[str], *, at: datetime) -> None:  # noqa: ARG002
        self._deleted |= set(uuids)

    async def unproven(self, batch: str, *, since: datetime, at: datetime) -> int:
        return len(self._unproven(batch, since, at))

    async def bind_proofs(self, lease: Lease, origin: Origin) -> None:
        held = self._fenced(lease)
        if held.proof_clock is None or not origin.is_same(held.proof_clock):
            held.proof_clock = origin
            held.looked_for.clear()
            held.entries = {id: replace(entry, proven_at=None) for id, entry in held.entries.items()}
        await _done()

    async def begin_survey(self, lease: Lease, *, since: datetime, at: datetime) -> Unproven:
        held = self._fenced(lease)
        for entry_id in held.looked_for:
            held.entries[entry_id] = replace(held.entries[entry_id], proven_at=None)
        held.looked_for.clear()
        names: dict[str, tuple[str, ...]] = {}
        for entry in self._unproven(lease.batch, since, at):
            held.looked_for[entry.id] = name = named(entry.request)
            if name is not None:
                names[name] = (*names.get(name, ()), entry.id)
        await _done()
        return Unproven(names=names, last_calls=held.survey_calls)

    async def end_survey(
        self, lease: Lease, *, at: datetime, calls: int | None, besides: Collection[str] = ()
    ) -> None:
        held = self._fenced(lease)
        for entry_id in besides:
            if held.looked_for.pop(entry_id, None) is not None:
                held.entries[entry_id] = replace(held.entries[entry_id], proven_at=None)
        for entry_id, name in held.looked_for.items():
            entry = held.entries[entry_id]
            if named(entry.request) == name:
                held.entries[entry_id] = replace(entry, proven_at=at)
        held.looked_for.clear()
        held.survey_calls = held.survey_calls if calls is None else calls
        await _done()

    def _unproven(self, batch: str, since: datetime, at: datetime) -> list[Entry]:
        waiting = self._waiting(batch, cancelled=True)
        return [e for e in waiting if e.proven_at is None or not since < e.proven_at <= at]

    async def unasked(self, batch: str, *, limit: int, after: int = -1) -> Sequence[FailedRun]:
        held = self._batches.get(batch)
        failed = held.failed if held else []
        return [one for one in failed if one.number > after and held and one.number not in held.tasks][:limit]

    async def keep_tasks(self, lease: Lease, found: Mapping[int, FailedTasks], *, at: datetime) -> None:  # noqa: ARG002
        held = self._fenced(lease)
        held.tasks = {
            one.number: found[one.number] for one in held.failed if one.number in found
        } | held.tasks
        await _done()

    async def failed_tasks(self, batch: str, ids: Collection[str]) -> Mapping[str, Mapping[int, FailedTasks]]:
        held = self._batches.get(batch)
        told: dict[str, dict[int, FailedTasks]] = {}
        for one in held.failed if held else ():
            if held and one.id in ids and one.number in held.tasks:
                told.setdefault(one.id, {})[one.attempt] = held.tasks[one.number]
        return told

    async def task_failures(self, batch: str) -> Sequence[TaskFailures]:
        held = self._batches.get(batch)
        rows: dict[tuple[str | None, str | None], set[str]] = {}
        names: dict[tuple[str | None, str | None], set[str]] = {}
        for one in held.failed if held else ():
            entry = held.entries[one.id] if held else None
            if held and entry and entry.state is State.FAILED and entry.attempt == one.attempt:
                for task in held.tasks.get(one.number, FailedTasks()).tasks:
                    key = (one.run.failure_reason, task.failure_reason)
                    rows.setdefault(key, set()).add(one.id)
                    names.setdefault(key, set()).update([task.name] if task.name else [])
        told = [
            TaskFailures(
                run_reason=key[0],
                reason=key[1],
                rows=len(ids),
                names=len(names[key]),
                name=min(names[key], default=None),
            )
            for key, ids in rows.items()
        ]
        return sorted(told, key=lambda one: (-one.rows, one.run_reason or "", one.reason or ""))[:50]

    async def was_changed(self, batch: str) -> bool:  # noqa: ARG002 (the contract's)
        return False  # there is nobody else

    async def due(
        self,
        batch: str,
        *,
        at: datetime,
        limit: int,
        skip: Collection[str] = (),
        horizon: datetime | None = None,
    ) -> Sequence[Entry]:
        found = [
            entry
            for entry in self._waiting(batch)
            if entry.id not in skip
            if entry.due is None or entry.due <= at or (horizon is not None and entry.due > horizon)
        ]
        return found[:limit]

    async def next_due(self, batch: str, *, after: datetime) -> datetime | None:
        dues = [entry.due for entry in self._waiting(batch) if entry.due is not None and entry.due > after]
        return min(dues, default=None)

    async def in_state(self, batch: str, state: State, *, limit: int, after: int = -1) -> Sequence[Entry]:
        found = [e for e in self._ordered(batch) if e.state is state and e.position > after]
        return found[:limit]

    async def entry(self, batch: str, entry_id: str) -> Entry | None:
        held = self._batches.get(batch)
        return held.entries.get(entry_id) if held else None

    async def earlier(self, batch: str, entry_id: str) -> Sequence[PastAttempt]:
        held = self._batches.get(batch)
        return tuple(held.earlier.get(entry_id, ())) if held else ()

    async def known_runs(self, batch: str, uuids: Collection[str]) -> frozenset[str]:
        held = self._batches.get(batch)
        past = [attempt.run for attempts in held.earlier.values() for attempt in attempts] if held else []
        runs = [*past, *(entry.run for entry in self._ordered(batch))]
        return frozenset(run.uuid for run in runs if run) & frozenset(uuids)

    async def counts(self, batch: str) -> Counts:
        held = self._batches.get(batch)
        entries = [
            e for e in self._ordered(batch) if held and (e.id in held.named or e.state not in _WAITING)
        ]
        statuses = (entry.run.status for entry in entries if entry.run and entry.state is State.ACTIVE)
        return Counts(
            by_state=Counter(entry.state for entry in entries),
            by_status=Counter(statuses),
            changed=sum(entry.is_changed for entry in self._ordered(batch)),
        )

    async def outcomes(self, batch: str) -> AsyncIterator[Outcome]:
        held = self._batches.get(batch)
        if held is None:
            return
        held = held.copied()
        for entry in held.ordered():
            earlier = tuple(held.earlier.get(entry.id, ()))
            if entry.id in held.named or entry.state is not State.PLANNED or earlier:
                yield Outcome(entry=entry, earlier=earlier)

    async def history(self, batch: str, entry_id: str) -> Sequence[tuple[datetime, int, str, str]]:
        held = self._batches.get(batch)
        return list(held.events.get(entry_id, ())) if held else []

    async def holder(self, batch: str, *, at: datetime) -> Lease | None:
        held = self._batches.get(batch)
        lease = held.lease if held else None
        return lease if lease and lease.expires_at > at else None

    async def oldest_active(self, batch: str, *, limit: int) -> Sequence[Entry]:
        found = [entry for entry in self._ordered(batch) if entry.state is State.ACTIVE and entry.accepted_at]
        return sorted(found, key=attrgetter("accepted_at"))[:limit]

    async def latest_runs(self, batch: str, *, is_active: bool, limit: int) -> Sequence[Run]:
        meant = [e for e in self._ordered(batch) if not is_active or e.state is State.ACTIVE]
        latest = sorted(
            (e for e in meant if e.run and e.accepted_at and e.run.uuid not in self._deleted),
            key=lambda e: (e.state is State.DELETED, -(e.accepted_at or _NEVER).timestamp(), e.position),
        )
        return [entry.run for entry in latest if entry.run][:limit]

    async def latest_ends(self, batch: str, *, limit: int) -> Sequence[Run]:
        ended = []
        async for outcome in self.outcomes(batch):
            attempts: list[Entry | PastAttempt] = [*outcome.earlier]
            if outcome.entry.state is not State.DELETED:
                attempts.append(outcome.entry)
            ended += [
                (one.run.status != "COMPLETED", -(one.intended_at or _NEVER).timestamp(), one.run)
                for one in attempts
                if one.run and one.run.status in _ENDED and one.run.uuid not in self._deleted
            ]
        return [run for *_, run in sorted(ended, key=itemgetter(0, 1))][:limit]

    async def latest_failures(self, batch: str, *, limit: int) -> Sequence[Entry]:
        return sorted(self._failed(batch), key=lambda e: (_ended(e), e.position), reverse=True)[:limit]

    async def failures(self, batch: str, *, limit: int) -> Sequence[Failures]:
        groups: dict[tuple[State, str | None], list[Entry]] = {}
        for entry in self._failed(batch):
            reason = entry.run.failure_reason if entry.run else entry.code
            groups.setdefault((entry.state, reason), []).append(entry)
        told = [
            Failures(state=state, reason=reason, count=len(entries), entries=tuple(entries[:limit]))
            for (state, reason), entries in groups.items()
        ]
        return sorted(told, key=lambda one: (-one.count, one.state.value, one.reason or ""))

    async def recent(self, batch: str, *, since: datetime) -> Sequence[tuple[datetime, str]]:
        held = self._batches.get(batch)
        told = [event for events in held.events.values() for event in events] if held else []
        return sorted((at, kind) for at, _attempt, kind, _detail in told if at >= since)

    async def ids_of_run(self, batch: str, text: str) -> Sequence[str]:
        found = set()
        async for outcome in self.outcomes(batch):
            runs = [outcome.entry.run, *(past.run for past in outcome.earlier)]
            if any(run and text in {run.uuid, run.id, run.arn} for run in runs):
                found.add(outcome.entry.id)
        return sorted(found)

    async def ids_beginning(self, batch: str, text: str, *, limit: int) -> Sequence[str]:
        return sorted(entry.id for entry in self._ordered(batch) if entry.id.startswith(text))[:limit]

    async def near_ids(self, batch: str, text: str) -> Sequence[str]:
        ids = [entry.id for entry in self._ordered(batch) if entry.id != text]
        return get_close_matches(text, ids, n=50, cutoff=0.1)

    async def all_paces(self) -> Sequence[KeptPace]:
        return [
            KeptPace(account=account, operation=operation, learned=learned, at=at)
            for (account, operation), (at, learned) in sorted(self._paces.items(), key=itemgetter(0))
        ]

    async def paces(self, account: str, *, since: datetime) -> Mapping[str, Learned]:
        kept = self._paces.items()
        return {operation: one for (whose, operation), (at, one) in kept if whose == account and at >= since}

    async def keep_paces(self, account: str, learned: Mapping[str, Learned], *, at: datetime) -> None:
        self._paces |= {(account, operation): (at, one) for operation, one in learned.items()}

    async def told(self, batch: str) -> frozenset[Notice]:
        return frozenset(self._batches[batch].told) if batch in self._batches else frozenset()

    async def tell(self, batch: str, notice: Notice, *, at: datetime) -> bool:  # noqa: ARG002
        told = self._batches[batch].told
        is_news = notice not in told
        told.add(notice)
        return is_news

    async def forget(self, batch: str, notices: Collection[Notice]) -> None:
        self._batches[batch].told -= set(notices)

    async def spent_runs(
        self, batch: str, *, limit: int, after: tuple[int, int] = (-1, 0)
    ) -> Sequence[SpentRun]:
        found = []
        async for outcome in self.outcomes(batch):
            entry = outcome.entry
            past = [(one.attempt, one.run, str(one.request)) for one in outcome.earlier if one.run]
            runs = [(attempt, run, text, run.status not in _ENDED) for attempt, run, text in past]
            if entry.run and entry.state in ENDED:
                runs.append((entry.attempt, entry.run, entry.request, entry.state is State.DELETED))
            found += [
                SpentRun(
                    position=entry.position,
                    entry_id=entry.id,
                    attempt=attempt,
                    run=run,
                    name=json.loads(text).get("name"),
                    usage=self._usages.get(run.uuid),
                    is_gone=is_removed
                    or run.uuid in self._deleted
                    or self._usages.get(run.uuid, run) is None,
                )
                for attempt, run, text, is_removed in runs
                if (entry.position, attempt) > after
            ]
        return found[:limit]

    async def keep_usage(self, run_uuid: str, usage: Usage | None, *, at: datetime) -> None:  # noqa: ARG002
        if self._usages.get(run_uuid) is None:
            self._usages.pop(run_uuid, None)
            self._usages[run_uuid] = usage

    async def workflow_usages(self, workflow_id: str, *, limit: int) -> Sequence[Usage]:
        kept = [usage for usage in self._usages.values() if usage and usage.status == "COMPLETED"]
        return [usage for usage in reversed(kept) if usage.workflow_id == workflow_id][:limit]

    async def close(self) -> None:
        pass

    def _fenced(self, lease: Lease) -> _Held:
        held = self._batches[lease.batch]
        if held.lease is None or held.lease.fence != lease.fence:
            raise LeaseLostError(f"batch '{lease.batch}' was taken over or given back")
        return held

    def _ordered(self, batch: str) -> Sequence[Entry]:
        held = self._batches.get(batch)
        return held.ordered() if held else []

    def _failed(self, batch: str) -> Sequence[Entry]:
        return [e for e in self._ordered(batch) if e.state in ENDED and e.state is not State.SUCCEEDED]

    def _can_duplicate(self, entry: Entry) -> bool:
        return can_duplicate(entry) and entry.run is not None and entry.run.uuid not in self._deleted

    def _waiting(self, batch: str, *, cancelled: bool = False) -> Sequence[Entry]:
        held = self._batches.get(batch)
        waiting = [e for e in self._ordered(batch) if held and e.state in _WAITING and e.id in held.named]
        return [e for e in waiting if cancelled or (held and e.id not in held.cancelled)]


def _ended(entry: Entry) -> datetime:
    time = (entry.run and entry.run.stop_time) or entry.accepted_at or entry.intended_at
    return time or _NEVER


def _is_decided(entry: Entry) -> bool:
    """Report whether new content needs the user's word: it was sent, or people cancelled it before."""
    return entry.intended_at is not None or entry.state is State.CANCELLED


async def _done() -> None:
    """Deliver a cancellation after the work, as the contract has it."""
    await anyio.lowlevel.checkpoint()


def _checked(specs: Iterable[Spec]) -> Sequence[Spec]:
    wanted = sorted(specs, key=lambda spec: spec.position)
    if len({spec.id for spec in wanted}) < len(wanted):
        raise InvariantError("two rows of the manifest have one id")
    if len({spec.position for spec in wanted}) < len(wanted):
        raise InvariantError("two rows of the manifest have one position")
    return wanted


def _differs(entries: dict[str, Entry], spec: Spec) -> bool:
    return spec.id in entries and entries[spec.id].content != spec.request


def _difference(entries: dict[str, Entry], wanted: Sequence[Spec]) -> Sync:
    ids = {spec.id for spec in wanted}
    changed = [spec.id for spec in wanted if _differs(entries, spec)]
    new = len(ids - entries.keys())
    gone = [e.id for e in sorted(entries.values(), key=lambda e: e.position) if e.id not in ids]
    return Sync(
        rows=len(wanted),
        new=new,
        unchanged=len(wanted) - new - len(changed),
        changed=len(changed),
        changed_ids=tuple(changed[:20]),
        gone=len(gone),
        gone_ids=tuple(gone[:20]),
    )


def _place(held: _Held, wanted: Sequence[Spec]) -> None:
    ids = {spec.id for spec in wanted}
    gone = [entry for entry in held.ordered() if entry.id not in ids]
    for spec in wanted:
        known = held.entries.get(spec.id)
        if known is None:
            known = Entry(batch=held.batch.name, id=spec.id, position=spec.position, request=spec.request)
        held.entries[spec.id] = replace(known, position=spec.position)
    first = wanted[-1].position + 1 if wanted else 0
    for position, entry in enumerate(gone, first):
        held.entries[entry.id] = replace(entry, position=position)
    held.named = ids


def _take(held: _Held, step: Step) -> None:
    entry = step.entry
    stored = held.entries.get(entry.id)
    if stored is None:
        raise InvariantError(f"no entry '{entry.id}'")
    if not stored.attempt <= entry.attempt <= stored.attempt + 1:
        raise InvariantError(f"attempt {entry.attempt} after attempt {stored.attempt}")
    if entry.attempt > stored.attempt:
        held.earlier.setdefault(entry.id, []).append(_past(stored))
    if isinstance(step.event, Doubted) and step.event.code == OTHER_CONTENT:
        held.otherwise[entry.id] = entry.attempt
    is_otherwise = held.otherwise.get(entry.id)
    is_marked = stored.is_changed if is_otherwise is None else is_otherwise == entry.attempt
    held.entries[entry.id] = replace(entry, position=stored.position, is_changed=is_marked)
    account = account_of(entry.run.arn) if entry.run else None
    held.batch = replace(held.batch, account=held.batch.account or account)
    told = (step.event.at, entry.attempt, kind(step.event), detail(step.event, entry))
    held.events.setdefault(entry.id, []).append(told)
    if isinstance(step.event, Failed) and may_be_asked(entry) and entry.run is not None:
        number = len(held.failed)
        held.failed.append(FailedRun(number=number, id=entry.id, attempt=entry.attempt, run=entry.run))


def _past(entry: Entry) -> PastAttempt:
    return PastAttempt(
        attempt=entry.attempt,
        request_id=entry.request_id,
        intended_at=entry.intended_at,
        run=entry.run,
        code=entry.code,
        message=entry.message,
        request=entry.request,
    )
