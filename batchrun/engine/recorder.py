"""Making events durable, many entries' events in one commit, and the events that follow from them.

Belongs here: collecting events for the next commit while one runs; content that waited for an attempt to be
settled, and automatic retries. Does not: what an event leads to (``model.entries.transitions``), how it is
stored (``ledger``).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

import anyio
import anyio.lowlevel
import structlog

from batchrun.errors import InvariantError, LedgerError
from batchrun.model.entries.entry import Entry
from batchrun.model.entries.events import Deferred, Doubted, Event, Failed, Intended, Moved, Retried, Revised
from batchrun.model.entries.retrying import RetryPolicy
from batchrun.model.entries.states import State
from batchrun.model.entries.transitions import apply
from batchrun.model.submissions.submission import OpenSubmission, Submission
from batchrun.ports.held import HeldBatch
from batchrun.ports.stored import Counts, Transition

#: Called once an event is durable: with the entry before it, the event, and the entry after.
Recorded = Callable[[Entry, Event, Entry], None]
#: Steps with which a commit need not wait for more.
_MANY: Final = 100
#: Rows that are named in the warning that a commit failed.
_NAMED: Final = 5
log = structlog.get_logger(__name__)


@dataclass(slots=True)
class _Commit:
    """Steps that become durable together."""

    steps: list[Transition] = field(default_factory=list)
    befores: list[Entry] = field(default_factory=list)
    done: anyio.Event = field(default_factory=anyio.Event)
    failure: Exception | None = None

    def add(self, entry: Entry, event: Event) -> Entry:
        """Apply *event*, and add the step unless the table ignores the event."""
        after = apply(entry, event)
        if after is not entry:
            self.steps.append(Transition(event=event, entry=after))
            self.befores.append(entry)
        return after

    def announce(self, recorded: Recorded) -> None:
        """Call *recorded* with each step, now that it is durable."""
        for before, step in zip(self.befores, self.steps, strict=True):
            recorded(before, step.event, step.entry)


class Recorder:
    """Records events under the lease; :meth:`run` must be running."""

    def __init__(self, held: HeldBatch, recorded: Recorded) -> None:
        """Record for the batch *held*; *recorded* is called for each step once it is durable."""
        self._held = held
        self._recorded = recorded
        self._next = _Commit()
        self._has_work = anyio.Event()
        self._between_commits = anyio.Lock()
        self._has_failed = False  #: whether a commit failed, which is logged once

    async def counts(self) -> Counts:
        """Count the batch's entries between two commits: exactly what *recorded* was called for."""
        async with self._between_commits:
            return await self._held.counts()

    async def in_state(self, state: State, *, limit: int, after: int) -> Sequence[Entry]:
        """Return entries as :meth:`StoredBatch.in_state` does, read between two commits."""
        async with self._between_commits:
            return await self._held.in_state(state, limit=limit, after=after)

    async def open_submissions(self) -> Sequence[OpenSubmission]:
        """Return the submissions that are not over, read between two commits."""
        async with self._between_commits:
            return await self._held.submissions.open()

    async def record(self, entry: Entry, *events: Event) -> Entry:
        """Apply *events* to *entry*, and return the result once it is durable.

        Events that the table ignores are not stored. Cancelling the caller does not take its events back.

        Raises:
            InvariantError: An event cannot happen now; the message has the entry's recorded history.
            LeaseLostError, LedgerError: Nothing of the commit was written.
        """
        commit = self._next
        try:
            for event in events:
                entry = commit.add(entry, event)
        except InvariantError as error:
            raise InvariantError(f"{error}; recorded of it: {await self._story(entry)}") from error
        await self._done(commit)
        return entry

    async def _story(self, entry: Entry) -> str:
        history = await self._held.history(entry.id)
        return ", ".join(
            f"{at:%Y-%m-%d %H:%M:%S} {kind} of attempt {number}" for at, number, kind, _ in history
        )

    async def submit_together(
        self, submission: Submission, news: Iterable[tuple[Entry, Intended]]
    ) -> Sequence[Entry]:
        """Record a submission and the intent of each of its rows in one transaction; return the rows.

        Raises:
            InvariantError: An entry cannot be intended now.
            LeaseLostError, LedgerError: Nothing was written.
        """
        commit = _Commit()
        entries = [commit.add(entry, event) for entry, event in news]
        async with self._between_commits:
            await self._held.submissions.intend(submission, commit.steps)
            commit.announce(self._recorded)
        return entries

    async def record_all(self, news: Iterable[tuple[Entry, Event]]) -> None:
        """Apply one event to each of many entries, and return once all are durable.

        They are queued at once: what others record of these entries comes after.

        Raises:
            InvariantError: An event cannot happen now.
            LeaseLostError, LedgerError: Nothing of the commit was written.
        """
        commit = self._next
        for entry, event in news:
            commit.add(entry, event)
        await self._done(commit)

    async def _done(self, commit: _Commit) -> None:
        if commit.steps:
            self._has_work.set()
            await commit.done.wait()
        if commit.failure is not None:
            raise commit.failure

    async def run(self) -> None:
        """Commit for ever, one commit at a time; to be cancelled once all is recorded."""
        while True:
            await self._has_work.wait()
            await self._gather()
            async with self._between_commits:
                commit, self._next, self._has_work = self._next, _Commit(), anyio.Event()
                await self._commit(commit)

    async def _gather(self) -> None:
        """Wait for steps that are about to come: a commit costs as much for one as for many."""
        count = 0
        while count < len(self._next.steps) < _MANY:
            count = len(self._next.steps)
            await anyio.lowlevel.checkpoint()

    async def _commit(self, commit: _Commit) -> None:
        try:
            await self._held.record(commit.steps)
        except Exception as error:  # noqa: BLE001 (each waiter raises it)
            commit.failure = error
            if isinstance(error, LedgerError) and not self._has_failed:
                self._has_failed = True
                self._warn_unwritten(commit)
        else:
            commit.announce(self._recorded)
        finally:
            commit.done.set()

    def _warn_unwritten(self, commit: _Commit) -> None:
        """Warn of steps that may not be written, those of the next commit included."""
        steps = [*commit.steps, *self._next.steps]
        ids = list(dict.fromkeys(step.entry.id for step in steps))
        log.warning(
            "not_written",
            batch=self._held.name,
            rows=len(ids),
            ids=", ".join(ids[:_NAMED]) + (", ..." if len(ids) > _NAMED else ""),
            note="the next launch asks the service what became of them; no run is started twice",
        )


class Outcomes:
    """Records outcomes of attempts, each with the events that follow from it."""

    def __init__(self, retry: RetryPolicy, held: HeldBatch, recorder: Recorder) -> None:
        self._retry = retry
        self._held = held
        self._recorder = recorder

    async def record(self, entry: Entry, event: Event, *, may_move: bool = True) -> Entry:
        """Record *event*, and return the entry once that is durable; one put off may go to its other lanes.

        Raises:
            LeaseLostError, LedgerError: Nothing was written.
        """
        if entry.next_request is not None and not isinstance(event, Doubted):
            # The attempt is settled, so the content that waited for that may start a new one.
            return await self._recorder.record(entry, event, Revised(at=event.at, request=entry.next_request))
        if isinstance(event, Deferred) and entry.has_choice and may_move:
            return await self._recorder.record(entry, event, Moved(at=event.at))
        if isinstance(event, Failed):
            return await self._recorder.record(
                entry, event, *await self.retried(apply(entry, event), event.at)
            )
        return await self._recorder.record(entry, event)

    async def retried(self, failed: Entry, at: datetime) -> list[Retried]:
        """Return the event that retries *failed*, a FAILED entry, or none."""
        if failed.run is None or self._retry.rule_for(failed.run) is None:
            return []
        earlier = await self._held.earlier(failed.id)
        runs = [attempt.run for attempt in earlier]
        tried = [attempt.lane for attempt in earlier if attempt.lane is not None]
        retried = self._retry.after_failure(failed, runs, at, tried=tried)
        return [] if retried is None else [retried]
