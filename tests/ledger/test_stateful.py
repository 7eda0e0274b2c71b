"""SQLite against plain dicts, through random manifests and random legal steps."""

from __future__ import annotations

import asyncio
import tempfile
from datetime import timedelta
from pathlib import Path
from typing import Any

import hypothesis.strategies as st
import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from batchrun.errors import BatchrunError
from batchrun.ledger import open_ledger
from batchrun.model import events
from batchrun.model.cancelling import Scope
from batchrun.model.costs import Usage, Work
from batchrun.model.limits import Changed
from batchrun.model.states import State
from batchrun.model.tasks import FailedTask, FailedTasks
from batchrun.model.transitions import FORBIDDEN, TABLE
from batchrun.ports.lease import Lease
from batchrun.ports.ledger import Ledger, Step
from tests.ledger.memory import MemoryLedger
from tests.ledger.samples import AT, BATCH, TTL, run_of, spec, steps_of

IDS = st.sampled_from("abcdef")
MINUTES = st.integers(0, 5).map(lambda number: timedelta(minutes=number))


class Ledgers(RuleBasedStateMachine):
    """Both ledgers do the same, and must say the same."""

    @initialize()
    def begin(self) -> None:
        self._folder = tempfile.TemporaryDirectory()
        self._runner = asyncio.Runner()
        sqlite: Ledger = self._runner.run(open_ledger(Path(self._folder.name) / "b.db"))
        self._ledgers = (sqlite, MemoryLedger())
        self._runs = 0
        self._both("open_batch", BATCH, region="us-east-1", at=AT)
        self._lease: Lease = self._both("claim", BATCH, holder="host:1", ttl=TTL, at=AT)

    @rule(
        ids=st.lists(IDS, unique=True),
        content=st.integers(1, 2),
        changed=st.sampled_from(Changed),
        gap=st.integers(1, 3),
    )
    def sync(self, ids, content, changed, gap):
        rows = [spec(id_, number * gap, content) for number, id_ in enumerate(ids)]
        told = self._both("compare", BATCH, rows)
        found = self._both("sync", self._lease, rows, changed=changed, at=AT)
        assert isinstance(found, type) or found == told

    @rule(data=st.data(), ids=st.lists(IDS, min_size=1, max_size=4))
    def record(self, data, ids):
        current = {id_: self._both("entry", BATCH, id_) for id_ in ids}
        steps: list[Step] = []
        for id_ in ids:
            if current[id_] is not None:
                event = data.draw(self._legal_events(current[id_].state))
                steps += steps_of(current[id_], [event])
                current[id_] = steps[-1].entry
        self._both("record", self._lease, steps)

    @rule(ids=st.none() | st.sets(IDS), scope=st.sampled_from(Scope))
    def cancel(self, ids, scope):
        self._both("ask_to_cancel", BATCH, ids, scope=scope, at=AT)

    @rule(ids=st.sets(IDS))
    def retry(self, ids):
        self._both("retry", BATCH, sorted(ids), at=AT, why="asked for")

    @rule(number=st.integers(1, 40), status=st.sampled_from(["RUNNING", "COMPLETED", "FAILED"]))
    def give_back(self, number, status):
        self._both("give_back", BATCH, [run_of(number, status, stop_time=AT)], at=AT)

    @rule(number=st.integers(1, 9))
    def delete(self, number):
        self._both("keep_deleted", [f"uuid-{number}"], at=AT)

    @rule(limit=st.integers(1, 3), count=st.integers(0, 2), has_more=st.booleans())
    def ask_for_tasks(self, limit, count, has_more):
        """Numbers are each ledger's own; the runs behind them are the same."""
        tasks = tuple(FailedTask(id=str(number), name="x" * number) for number in range(count))
        found = FailedTasks(tasks=tasks, has_more=has_more)
        for ledger in self._ledgers:
            page = self._runner.run(ledger.unasked(BATCH, limit=limit))
            kept = {one.number: found for one in page}
            self._runner.run(_done(ledger, "keep_tasks", (self._lease, kept), {"at": AT}))

    @rule(number=st.integers(1, 9), tasks=st.integers(0, 2))
    def use(self, number, tasks):
        work = tuple(Work(instance_type=f"omics.{n}", tasks=n + 1, billed=TTL) for n in range(tasks))
        usage = Usage(status="COMPLETED", workflow_id="1", work=work) if tasks else None
        self._both("keep_usage", f"uuid-{number}", usage, at=AT)

    @rule(minutes=MINUTES, is_free=st.booleans())
    def claim(self, minutes, is_free):
        old = self._lease
        if is_free:
            self._both("release", old)
        lease = self._both("claim", BATCH, holder="host:2", ttl=TTL, at=AT + minutes)
        if isinstance(lease, Lease):
            self._lease = lease
            assert isinstance(self._both("record", old, []), type)

    @invariant()
    def they_agree(self):
        if not hasattr(self, "_ledgers"):
            return
        self._same([self._runner.run(_all_of(ledger)) for ledger in self._ledgers])

    @rule(minutes=MINUTES, limit=st.integers(0, 6), skip=st.sets(IDS))
    def due(self, minutes, limit, skip):
        self._both("due", BATCH, at=AT + minutes, limit=limit, skip=skip)
        self._both("next_due", BATCH, after=AT + minutes)

    def teardown(self):
        if hasattr(self, "_ledgers"):
            self._runner.run(self._ledgers[0].close())
            self._runner.close()
            self._folder.cleanup()

    def _legal_events(self, state: State) -> st.SearchStrategy[events.Event]:
        self._runs += 1
        run = run_of(self._runs, stop_time=AT)
        made = {
            events.Intended: st.builds(events.Intended, at=st.just(AT), tagged=st.booleans()),
            events.Deferred: MINUTES.map(
                lambda wait: events.Deferred(at=AT, due=AT + wait, code="402", message="full")
            ),
            events.Missed: MINUTES.map(lambda wait: events.Missed(at=AT + wait, message="404")),
            events.Removed: st.just(events.Removed(at=AT, message="404")),
            events.Withdrawn: st.just(events.Withdrawn(at=AT, message="on request")),
            events.Recalled: st.just(events.Recalled(at=AT)),
            events.Retried: st.sampled_from([None, 2, 4]).map(
                lambda content: events.Retried(
                    at=AT, due=AT, why="x", request=None if content is None else spec("z", 0, content).request
                )
            ),
            events.Revised: st.just(events.Revised(at=AT, request=spec("z", 0, 3).request)),
        }
        for type_ in (events.Refused, events.Doubted):
            made[type_] = st.just(type_(at=AT, code="C", message="m"))
        for seen in (
            events.Accepted,
            events.Reappeared,
            events.Progressed,
            events.Completed,
            events.Failed,
            events.Cancelled,
        ):
            made[seen] = st.just(seen(at=AT, run=run))
        legal = [type_ for type_, cell in TABLE[state].items() if cell is not FORBIDDEN]
        return st.one_of(*(made[type_] for type_ in legal))

    def _both(self, method: str, *arguments: Any, **options: Any) -> Any:
        """Do the same with both; give the answer, or the type of the error."""
        return self._same(
            [self._runner.run(_done(ledger, method, arguments, options)) for ledger in self._ledgers]
        )

    @staticmethod
    def _same(answers: list[Any]) -> Any:
        one, other = answers
        assert one == other
        return one


async def _done(ledger: Ledger, method: str, arguments: Any, options: Any) -> Any:
    try:
        return await getattr(ledger, method)(*arguments, **options)
    except BatchrunError as error:
        return type(error)


async def _all_of(ledger: Ledger) -> list[Any]:
    """Return everything that a ledger can say."""
    said: list[Any] = [await ledger.counts(BATCH)]
    said += [outcome async for outcome in ledger.outcomes(BATCH)]
    said += await ledger.cancellations(BATCH, limit=4, after=0)
    said += await ledger.ended_runs(BATCH, limit=4, after=(0, 1))
    said += [await ledger.in_state(BATCH, state, limit=4, after=0) for state in State]
    unasked = await ledger.unasked(BATCH, limit=100)
    said += [[(one.id, one.attempt, one.run) for one in unasked], await ledger.failed_tasks(BATCH, "abcdef")]
    said.append(await ledger.task_failures(BATCH))
    said += await ledger.spent_runs(BATCH, limit=4, after=(0, 1))
    said.append(await ledger.workflow_usages("1", limit=3))
    return said + [await ledger.history(BATCH, id_) for id_ in "abcdef"]


@pytest.mark.real_time
class TestLedgers(Ledgers.TestCase):  # type: ignore[misc,valid-type]
    settings = settings(
        max_examples=30,
        stateful_step_count=15,
        deadline=None,
        database=None,
        phases=[Phase.generate, Phase.shrink],
        suppress_health_check=list(HealthCheck),
    )
