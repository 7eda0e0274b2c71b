# ruff: noqa: D102 - what each method promises stands in the contract, ports.story
"""What users ask of a batch's state, each answer bounded so that it comes at once; and what ended runs used.

Does not belong here: what a launch reads (``ledger.batch``).
"""

from __future__ import annotations

import itertools
import json
import re
import string
from collections import defaultdict
from collections.abc import AsyncIterator, Collection, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final

from batchrun.ledger.rows import entry_of, listed, micros, past_attempt_of, run_of, span_micros, time_of
from batchrun.ledger.store import Row, Store, Value
from batchrun.ledger.worker import BatchVerbs, reads
from batchrun.model.costs import Usage, Work
from batchrun.model.entries.entry import Entry
from batchrun.model.entries.states import State
from batchrun.model.tasks import FailedTask, FailedTasks
from batchrun.ports.stored import By, EndedRun, Failures, Glance, Outcome, PastAttempt, TaskFailures
from batchrun.ports.story import Story

_PAGE: Final = 1_000
#: Sorts after every other character.
_LAST_CHARACTER: Final = "\U0010ffff"
#: The characters of most ids.
_CHARACTERS: Final = string.ascii_letters + string.digits + "-_."
#: The longest number to which zeros are put in front.
_DIGITS: Final = 12


class SqlStory(BatchVerbs, Story):
    """What users ask of a batch's state."""

    @reads
    def glance(self, *, since: datetime, at: datetime, limit: int) -> Glance:
        with self._store.reading():
            events = self._store.all("recent", batch=self._key, since=micros(since))
            return Glance(
                oldest=tuple(self._entries("oldest_active", limit=limit)),
                failures=tuple(self._entries("latest_failures", limit=limit)),
                events=tuple((time_of(row.at), row.kind) for row in events),
                next_due=self._next_due(at),
            )

    @reads
    def failures(self, *, limit: int) -> Sequence[Failures]:
        groups: dict[tuple[str, str | None, int], list[Entry]] = {}
        for row in self._store.all("failures", batch=self._key, limit=limit):
            group = (row.state, row.reason, row.total)
            groups.setdefault(group, []).append(entry_of(self.name, row))
        whys = [TaskFailures(**row._asdict()) for row in self._store.all("task_failures", batch=self._key)]
        return [
            Failures(
                state=State(state),
                reason=reason,
                count=count,
                entries=tuple(entries),
                tasks=tuple(why for why in whys if state == State.FAILED.value and why.run_reason == reason),
            )
            for (state, reason, count), entries in groups.items()
        ]

    @reads
    def find_ids(self, text: str, by: By, *, limit: int = 20) -> Sequence[str]:
        rows: Sequence[Row]
        match by:
            case By.RUN:
                rows = self._store.all("ids_of_run", batch=self._key, text=text)
            case By.BEGINNING:
                last = text + _LAST_CHARACTER
                rows = self._store.all("ids_beginning", batch=self._key, first=text, last=last, limit=limit)
            case By.LIKENESS:
                asked = {
                    "ids_after": text,
                    "ids_before": text,
                    "ids_like": f"%{_literal(text)}%",
                    "ids_among": listed(itertools.chain(_one_off(text), _padded(text))),
                }
                found = (self._store.all(one, batch=self._key, text=value) for one, value in asked.items())
                rows = [row for some in found for row in some]
        return list(dict.fromkeys(row.id for row in rows))

    @reads
    def failed_tasks(self, ids: Collection[str]) -> Mapping[str, Mapping[int, FailedTasks]]:
        told: dict[str, dict[int, FailedTasks]] = {}
        for row in self._store.all("failed_tasks", batch=self._key, ids=listed(ids)):
            attempts, attempt = told.setdefault(row.id, {}), row.attempt
            before = attempts[attempt].tasks if attempt in attempts else ()
            task = () if row.task_id is None else (_task(row),)
            attempts[attempt] = FailedTasks(tasks=(*before, *task), has_more=bool(row.has_more))
        return told

    @reads
    def ended_runs(self, *, limit: int, after: tuple[int, int] = (-1, 0)) -> Sequence[EndedRun]:
        position, attempt = after
        rows = self._store.all("ended_runs", batch=self._key, after=position, attempt=attempt, limit=limit)
        return [
            EndedRun(
                position=row.position,
                entry_id=row.id,
                attempt=row.attempt,
                run=run,
                lane=row.lane,
                name=json.loads(row.request).get("name"),
                usage=None if row.status is None else usage_of(self._store, row),
                is_gone=bool(row.is_gone),
                is_there=bool(row.is_there),
            )
            for row in rows
            if (run := run_of(row))
        ]

    async def outcomes(self) -> AsyncIterator[Outcome]:
        snapshot = await self._read(self._store.snapshot)
        try:
            after = -1
            while page := await self._page(snapshot, after):
                for outcome in page:
                    yield outcome
                after = page[-1].entry.position
        finally:
            if not self._worker.is_stopped:
                await self._read(snapshot.close)

    @reads
    def _page(self, snapshot: Store, after: int) -> Sequence[Outcome]:
        rows = snapshot.all("outcomes", batch=self._key, after=after, limit=_PAGE)
        entries = [entry_of(self.name, row) for row in rows]
        if not entries:
            return []
        earlier = self._attempts_before(snapshot, entries[0].position, entries[-1].position)
        return [Outcome(entry=one, earlier=tuple(earlier.get(one.position, ()))) for one in entries]

    def _attempts_before(self, snapshot: Store, first: int, last: int) -> Mapping[int, Sequence[PastAttempt]]:
        by_position: defaultdict[int, list[PastAttempt]] = defaultdict(list)
        for row in snapshot.all("attempts_before", batch=self._key, first=first, last=last):
            by_position[row.position].append(past_attempt_of(row))
        return by_position

    @reads
    def changed(self, *, after: int, upto: int) -> Sequence[Outcome]:
        with self._store.reading():
            rows = self._store.all("changed", batch=self._key, after=after, upto=upto)
            entries = [entry_of(self.name, row) for row in rows]
            return [
                Outcome(entry=one, earlier=self._earlier(one.id) if one.attempt > 1 else ())
                for one in entries
            ]


def _task(row: Row) -> FailedTask:
    return FailedTask(
        id=row.task_id,
        name=row.name,
        failure_reason=row.failure_reason,
        status_message=row.status_message,
        log_stream=row.log_stream,
    )


def _one_off(text: str) -> Iterator[str]:
    """Return the texts that differ from *text* by one character: wrong, missing, extra or swapped."""
    for place in range(len(text) + 1):
        before, after = text[:place], text[place:]
        yield before + after[1:]
        yield before + after[1:2] + after[:1] + after[2:]
        for character in _CHARACTERS:
            yield before + character + after
            yield before + character + after[1:]


def _padded(text: str) -> Iterator[str]:
    """Return the texts that differ from *text* by the zeros before one of its numbers, S11 from S000011."""
    for number in re.finditer("[0-9]+", text):
        bare = number[0].lstrip("0")
        for width in range(_DIGITS + 1):
            yield text[: number.start()] + bare.zfill(width) + text[number.end() :]


def _literal(text: str) -> str:
    """Return *text* escaped for a LIKE pattern."""
    return "".join(f"\\{character}" if character in "\\%_" else character for character in text)


def keep_usage(store: Store, run_uuid: str, usage: Usage | None, *, at: datetime) -> None:
    """Write what a run used, or that it is gone, within the open transaction."""
    if usage is None:
        store.run("keep_gone", uuid=run_uuid, at=micros(at))
        return
    store.run("forget_gone", uuid=run_uuid)
    row = store.one(
        "keep_usage",
        uuid=run_uuid,
        at=micros(at),
        status=usage.status,
        workflow_id=usage.workflow_id,
        is_fixed_price=int(usage.is_fixed_price),
        running=span_micros(usage.running),
        storage_type=usage.storage_type,
        storage_gib=usage.storage_gib,
        cached=usage.cached,
    )
    if row is not None:
        store.many("keep_work", [_work_values(row.key, work) for work in usage.work])


def _work_values(key: int, work: Work) -> Mapping[str, Value]:
    billed = span_micros(work.billed)
    return {"key": key, "instance_type": work.instance_type, "tasks": work.tasks, "billed": billed}


def usage_of(store: Store, row: Row) -> Usage:
    """Return the usage in *row*, with its tasks."""
    return Usage(
        status=row.status,
        workflow_id=row.workflow_id,
        is_fixed_price=bool(row.is_fixed_price),
        running=timedelta(microseconds=row.running),
        storage_type=row.storage_type,
        storage_gib=row.storage_gib,
        work=tuple(
            Work(
                instance_type=work.instance_type, tasks=work.tasks, billed=timedelta(microseconds=work.billed)
            )
            for work in store.all("work_of_run", usage=row.usage)
        ),
        cached=row.cached,
    )
