# ruff: noqa: D102 - what each method promises stands in the contract, ports.submissions
"""A batch's submissions: the verbs on them, their rows as values, and the intents of many rows at once.

Does not belong here: which rows go together (``engine``).
"""

from __future__ import annotations

import contextlib
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Final

from batchrun import points
from batchrun.errors import InvariantError
from batchrun.ledger.rows import (
    attempt_values,
    detail,
    lanes_in,
    listed,
    maybe_micros,
    maybe_time,
    micros,
    time_of,
)
from batchrun.ledger.store import Row, Store, Value
from batchrun.ledger.verbs.record import learn_account
from batchrun.ledger.worker import BatchVerbs, HeldVerbs, reads, writes
from batchrun.model.entries.entry import Entry
from batchrun.model.entries.events import Intended
from batchrun.model.submissions.grouping import Choice
from batchrun.model.submissions.submission import OpenSubmission, Standing, Submission, Waiting
from batchrun.points import Point
from batchrun.ports.stored import Transition
from batchrun.ports.submissions import HeldSubmissions, Submissions

#: Columns that an intent sets.
_ATTEMPT: Final = ("attempt", "request_id", "intended_at", "tagged", "lane", "may_take")


class SqlSubmissions(BatchVerbs, Submissions):
    """What is read of a batch's submissions."""

    @reads
    def open(self) -> Sequence[OpenSubmission]:
        ids: defaultdict[int, list[str]] = defaultdict(list)
        with self._store.reading():
            rows = self._store.all("open_submissions", batch=self._key)
            if rows:
                for row in self._store.each("rows_that_wait", batch=self._key):
                    ids[row.submission].append(row.id)
        return [OpenSubmission(submission=self._submission(row), ids=ids[row.key]) for row in rows]

    @reads
    def count_waiting(self) -> Sequence[Waiting]:
        return [
            Waiting(standing=Standing(row.standing), submissions=row.submissions, rows=row.rows)
            for row in self._store.all("count_waiting", batch=self._key)
        ]

    @reads
    def find(self, request_id: str) -> Submission | None:
        row = self._store.one("submission", batch=self._key, request_id=request_id)
        return None if row is None else self._submission(row)

    @reads
    def last(self, entry_id: str, attempt: int) -> Submission | None:
        row = self._store.one("last_submission", batch=self._key, id=entry_id, attempt=attempt)
        return None if row is None else self._submission(row)

    @reads
    def have_wanted_runs(self, request_id: str) -> bool:
        return self._store.value("wanted_run", batch=self._key, request_id=request_id) is not None

    @reads
    def count(self) -> int:
        return int(self._store.value("count_submissions", batch=self._key))

    def _submission(self, row: Row) -> Submission:
        return Submission(
            request_id=row.request_id,
            batch=self.name,
            lane=row.lane,
            name=row.name,
            request=row.request or "",
            rows=row.rows,
            intended_at=time_of(row.intended_at),
            standing=Standing(row.standing),
            sent_at=maybe_time(row.sent_at),
            batch_id=row.batch_id,
            batch_uuid=row.batch_uuid,
            status=row.status,
            code=row.code,
            message=row.message,
        )


class SqlHeldSubmissions(SqlSubmissions, HeldVerbs, HeldSubmissions):
    """What a batch's holder writes of its submissions."""

    async def intend(self, submission: Submission, steps: Sequence[Transition]) -> None:
        def tables() -> AbstractContextManager[None]:
            return listed_intents(self._store, steps)

        self._check(submission, steps)
        await self._worker.run(lambda: self._store.write_beside(tables, lambda _: self._intend(submission)))

    def _intend(self, submission: Submission) -> None:
        key = self._fenced()
        intend(self._store, key)
        number = self._store.value(
            "add_submission",
            batch=key,
            request_id=submission.request_id,
            lane=submission.lane,
            name=submission.name,
            rows=submission.rows,
            intended_at=micros(submission.intended_at),
            sent_at=maybe_micros(submission.sent_at),
            request=submission.request,
        )
        self._store.run("add_submission_rows", batch=key, submission=number)

    @writes
    def keep(self, submission: Submission, *, account: str | None = None) -> None:
        key, request_id = self._fenced(), submission.request_id
        if submission.standing is Standing.OVER:
            waits = self._store.value("row_that_waits", request_id=request_id)
            if waits is not None:
                raise InvariantError(f"submission {request_id} is not over: row '{waits}' waits for it")
        kept = self._store.run(
            "update_submission",
            batch=key,
            request_id=request_id,
            standing=submission.standing.value,
            sent_at=maybe_micros(submission.sent_at),
            batch_id=submission.batch_id,
            batch_uuid=submission.batch_uuid,
            status=submission.status,
            code=submission.code,
            message=submission.message,
        )
        if not kept:
            raise InvariantError(f"submission {request_id}, which batch '{self.name}' does not have")
        if account is not None:
            learn_account(self._store, key, submission.lane, account)

    @reads
    def unshaped(self, *, limit: int, after: int = -1) -> Sequence[Entry]:
        return self._entries("unshaped", limit=limit, after=after)

    @writes
    def keep_shapes(self, shapes: Mapping[str, str]) -> None:
        key, ids = self._fenced(), defaultdict[str, list[str]](list)
        for id_, shape in shapes.items():
            ids[shape].append(id_)
        for shape, alike in ids.items():
            self._store.run("keep_shape", batch=key, shape=shape, ids=listed(alike))

    @reads
    def choices(self) -> Sequence[Choice]:
        rows = self._store.all("shaped_choices", batch=self._key)
        return [Choice(lanes=lanes_in(row.may_take), shape=row.shape, rows=row.rows) for row in rows]

    def _check(self, submission: Submission, steps: Sequence[Transition]) -> None:
        """Raise InvariantError unless *steps* are the submission's own, each row once."""
        what = f"submission {submission.request_id}"
        if (submission.batch, submission.standing) != (self.name, Standing.INTENDED):
            where = f"batch '{submission.batch}' ({submission.standing.value})"
            raise InvariantError(f"{what} of {where}, intended in '{self.name}'")
        if not len(steps) == len({step.entry.id for step in steps}) == submission.rows:
            raise InvariantError(f"{what} of {submission.rows} rows with {len(steps)} steps")
        for event, entry in ((step.event, step.entry) for step in steps):
            own = (submission.batch, submission.lane)
            if not isinstance(event, Intended) or (entry.batch, entry.lane) != own:
                raise InvariantError(
                    f"{what} in lane {submission.lane} with {type(event).__name__} of entry '{entry.id}' of "
                    f"batch '{entry.batch}' in lane {entry.lane}"
                )


@contextlib.contextmanager
def listed_intents(store: Store, steps: Sequence[Transition]) -> Iterator[None]:
    """Have a table of *steps*, each an ``Intended``, in the block; outside of any write.

    Row by row, writing would take several times as long, and other batches of the file would wait.
    """
    with store.tables("make_intents", "drop_intents"):
        with store.reading():
            store.many("add_intent", (_values(step) for step in steps))
        yield


def intend(store: Store, batch: int) -> None:
    """Write the listed intents, within the open transaction.

    Raises:
        InvariantError: A row does not exist, or has changed since its step was made; nothing is written.
    """
    if wrong := store.one("wrong_intent", batch=batch):
        raise InvariantError(
            f"an intent of attempt {wrong.attempt} of entry '{wrong.id}', which is {wrong.state} at attempt "
            f"{wrong.stored_attempt} in lane {wrong.stored_lane}"
        )
    store.run("intend", batch=batch)
    store.run("add_intended_events", batch=batch)
    store.run("keep_intended_proofs", batch=batch)
    points.reached(Point.COMMITTING)


def _values(step: Transition) -> Mapping[str, Value]:
    event, entry = step.event, step.entry
    assert isinstance(event, Intended)  # noqa: S101 (``_check`` raises the real error)
    values = attempt_values(entry)
    return {
        "id": entry.id,
        "at": micros(event.at),
        "detail": detail(event, entry),
        "proven_at": maybe_micros(event.proven_at),
        **{name: values[name] for name in _ATTEMPT},
        # Without lanes it does not change.
        "request": event.request and entry.request,
    }
