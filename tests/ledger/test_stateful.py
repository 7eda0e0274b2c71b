"""Random manifests and random legal steps: whatever is done, the ledger is sound and agrees with itself."""

from __future__ import annotations

import asyncio
import tempfile
from collections import Counter
from collections.abc import Coroutine, Iterable
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import hypothesis.strategies as st
import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from batchrun.errors import BatchrunError, InvariantError, LeaseLostError
from batchrun.ledger import open_ledger
from batchrun.ledger.verify import Verification
from batchrun.model.costs import Usage, Work
from batchrun.model.entries import events
from batchrun.model.entries.entry import Entry
from batchrun.model.entries.states import State
from batchrun.model.entries.transitions import TABLE
from batchrun.model.lanes import lanes_of
from batchrun.model.planning.cancelling import Scope
from batchrun.model.planning.limits import Changed
from batchrun.model.spec import Spec
from batchrun.model.submissions.submission import Standing
from batchrun.model.tasks import FailedTask, FailedTasks
from batchrun.ports.held import HeldBatch
from batchrun.ports.ledger import Ledger
from batchrun.ports.stored import Transition
from tests.ledger.contract_lanes import row
from tests.ledger.samples import AT, BATCH, TTL, run_of, spec, steps_of
from tests.ledger.submitting import submission
from tests.postgres.server import emptied

pytestmark = pytest.mark.long

IDS = st.sampled_from("abcdef")
LANES = st.sampled_from([(), (), ("east",), ("east", "west"), ("west", "east"), ("north", "west")])
MINUTES = st.integers(0, 5).map(lambda number: timedelta(minutes=number))


class Batch(RuleBasedStateMachine):
    """Whatever is done to a batch, it is sound, and all that it says of itself agrees."""

    def place(self) -> str | Path:
        """Say where an empty ledger is."""
        return Path(self._folder.name) / "b.db"

    @initialize(lanes=LANES)
    def begin(self, lanes):
        self._folder = tempfile.TemporaryDirectory()
        self._place = self.place()
        self._runner = asyncio.Runner()
        self._ledger = self._runner.run(open_ledger(self._place))
        self._runs = 0
        self._deleted: set[str] = set()
        self._lanes: dict[tuple[str, int], str | None] = {}  #: of every attempt that was intended
        self._waits: dict[str, str] = {}  #: rows by their submission's requestId
        self._submissions = 0
        self._run(self._ledger.open_batch(BATCH, region="us-east-1", at=AT))
        self._held: HeldBatch = self._run(self._ledger.hold(BATCH, holder="host:1", ttl=TTL, at=AT))
        for lane in ("east", "west", "north"):
            self._run(self._held.keep_lane(lane, region="us-east-1", account=None, at=AT))
        self.sync(list("abcdef"), 1, Changed.REFUSE, 1, lanes)

    @rule(
        ids=st.lists(IDS, unique=True),
        content=st.integers(1, 2),
        changed=st.sampled_from(Changed),
        gap=st.integers(1, 3),
        lanes=LANES,
    )
    def sync(self, ids, content, changed, gap, lanes):
        rows = [_row(id_, number * gap, content, lanes) for number, id_ in enumerate(ids)]
        home = "east" if lanes else None
        told = self._run(self._held.compare(rows, home=home))
        found = self._run(self._held.sync(rows, changed=changed, at=AT, home=home))
        assert isinstance(found, type) or found == told

    @rule(data=st.data(), ids=st.lists(IDS, min_size=1, max_size=4))
    def record(self, data, ids):
        current = {id_: self._run(self._held.entry(id_)) for id_ in ids}
        steps: list[Transition] = []
        for id_ in ids:
            if current[id_] is not None:
                event = data.draw(self._legal_events(current[id_]))
                steps += steps_of(current[id_], [event])
                current[id_] = steps[-1].entry
        self._run(self._held.record(steps))
        self._settle(steps)
        for id_, entry in current.items():
            assert _lasting(self._run(self._held.entry(id_))) == _lasting(entry)

    def _settle(self, steps: Iterable[Transition]) -> None:
        for event, entry in ((step.event, step.entry) for step in steps):
            if isinstance(event, events.Intended) or entry.state is not State.SUBMITTING:
                self._waits.pop(entry.id, None)

    @rule(but=st.sets(IDS, max_size=3), last=st.booleans())
    def intend_together(self, but, last):
        found = self._run(self._held.entries(set("abcdef") - but)).values()
        sendable = [one for one in found if one.state in {State.PLANNED, State.BACKOFF}]
        lanes = [lane for one in sendable for lane in one.may_take or (None,)]
        lane = lanes[-1 if last else 0] if lanes else None
        entries = [one for one in sendable if lane in (one.may_take or (None,))]
        asked = [None if lane is None else one.as_in(lane).request for one in entries]
        steps = [
            step
            for entry, request in zip(entries, asked, strict=True)
            for step in steps_of(entry, [events.Intended(at=AT, lane=lane, request=request)])
        ]
        if steps:
            self._submissions += 1
            made = submission(self._submissions, len(steps), lane=lane)
            self._run(self._held.submissions.intend(made, steps))
            self._waits |= {entry.id: made.request_id for entry in entries}
        for step in steps:
            assert self._run(self._held.entry(step.entry.id)) == step.entry

    @rule(data=st.data(), standing=st.sampled_from([Standing.TAKEN, Standing.OVER]))
    def keep_submission(self, data, standing):
        if found := self._run(self._held.submissions.open()):
            one = data.draw(st.sampled_from(found))
            known = replace(one.submission, standing=standing, batch_id="7", status="PENDING")
            told = self._run(self._held.submissions.keep(known))
            assert (told is InvariantError) == (standing is Standing.OVER and bool(one.ids))

    @rule(shapes=st.dictionaries(IDS, st.sampled_from("xy")))
    def shape(self, shapes):
        self._run(self._held.submissions.keep_shapes(shapes))
        assert not shapes.keys() & {one.id for one in self._run(self._held.submissions.unshaped(limit=9))}

    @rule(ids=st.none() | st.sets(IDS), scope=st.sampled_from(Scope))
    def cancel(self, ids, scope):
        self._run(self._held.requests.ask_to_cancel(ids, scope=scope, at=AT))

    @rule(ids=st.sets(IDS))
    def retry(self, ids):
        begun = self._run(self._held.requests.retry(sorted(ids), at=AT, why="asked for"))
        assert all(self._run(self._held.entry(id_)).state is State.PLANNED for id_ in begun)

    @rule(number=st.integers(1, 40), status=st.sampled_from(["RUNNING", "COMPLETED", "FAILED"]))
    def give_back(self, number, status):
        given = self._run(self._held.requests.give_back([run_of(number, status, stop_time=AT)], at=AT))
        assert all(self._run(self._held.entry(id_)).run.status == status for id_ in given)

    @rule(number=st.integers(1, 9))
    def delete(self, number):
        self._deleted.add(f"uuid-{number}")
        self._run(self._ledger.keep_deleted([f"uuid-{number}"], at=AT))

    @rule(limit=st.integers(1, 3), count=st.integers(0, 2), has_more=st.booleans())
    def ask_for_tasks(self, limit, count, has_more):
        tasks = tuple(FailedTask(id=str(number), name="x" * number) for number in range(count))
        found = FailedTasks(tasks=tasks, has_more=has_more)
        page = self._run(self._held.unasked(limit=limit))
        self._run(self._held.keep_tasks({one.number: found for one in page}, at=AT))
        told = self._run(self._held.story.failed_tasks("abcdef"))
        assert all(told[one.id][one.attempt] == found for one in page)

    @rule(number=st.integers(1, 9), tasks=st.integers(0, 2))
    def use(self, number, tasks):
        work = tuple(Work(instance_type=f"omics.{n}", tasks=n + 1, billed=TTL) for n in range(tasks))
        usage = Usage(status="COMPLETED", workflow_id="1", work=work) if tasks else None
        self._run(self._ledger.keep_usage(f"uuid-{number}", usage, at=AT))

    @rule(minutes=MINUTES, is_free=st.booleans())
    def claim(self, minutes, is_free):
        old = self._held
        if is_free:
            self._run(old.release())
        held = self._run(self._ledger.hold(BATCH, holder="host:2", ttl=TTL, at=AT + minutes))
        if not isinstance(held, type):
            self._held = held
            assert self._run(old.record([])) is LeaseLostError

    @rule(minutes=MINUTES, limit=st.integers(0, 6), skip=st.sets(IDS))
    def due(self, minutes, limit, skip):
        at = AT + minutes
        found = self._run(self._held.due(at=at, limit=limit, skip=skip))
        assert len(found) <= limit
        assert not skip & {entry.id for entry in found}
        assert all(entry.state in {State.PLANNED, State.BACKOFF} for entry in found)
        assert all(entry.due is None or entry.due <= at for entry in found)
        later = self._run(self._held.next_due(after=at))
        assert later is None or later > at
        self._is_due_lane_by_lane(at)
        self._is_due_shape_by_shape(at)

    def _is_due_lane_by_lane(self, at: datetime) -> None:
        choices = self._run(self._held.choices())
        found = {one: self._run(self._held.due(at=at, limit=9, lanes=one)) for one in choices}
        assert all(entry.may_take == one for one, entries in found.items() for entry in entries)
        whole = self._run(self._held.due(at=at, limit=9))
        assert sorted(entry.id for entry in whole) == sorted(
            one.id for some in found.values() for one in some
        )
        times = [self._run(self._held.next_due(after=at, lanes=one)) for one in choices]
        first = self._run(self._held.next_due(after=at))
        assert min(filter(None, times), default=None) == first

    def _is_due_shape_by_shape(self, at: datetime) -> None:
        choices = self._run(self._held.submissions.choices())
        for one in choices:
            which = {"lanes": one.lanes, "shape": one.shape}
            due = self._run(self._held.due(at=at, limit=9, **which))
            whole = self._run(self._held.due(at=AT + timedelta(days=1), limit=9, **which))
            assert len(due) <= len(whole) == one.rows
            assert {entry.may_take for entry in whole} == {one.lanes}
            later = self._run(self._held.next_due(after=at, **which))
            assert later is not None or len(due) == one.rows
        unshaped = self._run(self._held.submissions.unshaped(limit=9))
        asked = {one.entry.id for one in self._run(self._held.cancellations(limit=9))}
        to_send = self._run(self._held.due(at=AT + timedelta(days=1), limit=9))
        bare = [entry for entry in unshaped if entry.id not in asked]
        assert len(to_send) == len(bare) + sum(one.rows for one in choices)

    @rule(since=MINUTES, unreached=st.sets(st.sampled_from([None, "east", "west"])))
    def survey(self, since, unreached):
        wanted = self._run(self._held.proofs.begin_survey(since=AT + since, at=AT + since))
        self._run(self._held.proofs.end_survey(at=AT, calls=dict.fromkeys(wanted, 1), unreached=unreached))
        for id_ in {
            id_ for lane in unreached & wanted.keys() for ids in wanted[lane].names.values() for id_ in ids
        }:
            assert self._run(self._held.entry(id_)).proven_at is None

    @invariant()
    def it_is_sound(self):
        if hasattr(self, "_held"):
            self._runner.run(_agrees_with_itself(self._ledger, self._deleted))
            self._runner.run(_keeps_lanes(self._ledger, self._lanes))
            self._runner.run(_waits(self._ledger, self._waits))

    def teardown(self):
        if hasattr(self, "_held"):
            assert [str(one) for one in Verification(self._place).findings()] == []
            self._runner.run(self._ledger.close())
            self._runner.close()
            self._folder.cleanup()

    def _legal_events(self, entry: Entry) -> st.SearchStrategy[events.Event]:
        self._runs += 1
        run = run_of(self._runs, stop_time=AT)
        made = {
            events.Intended: st.sampled_from(entry.may_take or (None,)).flatmap(
                lambda lane: st.builds(
                    events.Intended,
                    at=st.just(AT),
                    tagged=st.booleans(),
                    lane=st.just(lane),
                    request=st.just(None if lane is None else entry.as_in(lane).request),
                )
            ),
            events.Deferred: MINUTES.map(
                lambda wait: events.Deferred(at=AT, due=AT + wait, code="402", message="full")
            ),
            events.Moved: st.just(events.Moved(at=AT)),
            events.Missed: MINUTES.map(lambda wait: events.Missed(at=AT + wait, message="404")),
            events.Removed: st.just(events.Removed(at=AT, message="404")),
            events.Withdrawn: st.just(events.Withdrawn(at=AT, message="on request")),
            events.Recalled: st.just(events.Recalled(at=AT)),
            events.Retried: st.sampled_from([None, 2, 4]).map(
                lambda content: events.Retried(
                    at=AT, due=AT, why="x", request=None if content is None else _asked(entry, content)
                )
            ),
            events.Revised: st.just(events.Revised(at=AT, request=_asked(entry, 3))),
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
            known = entry.run if entry.run is not None and seen is not events.Accepted else run
            made[seen] = st.just(seen(at=AT, run=known))
        # What the table ignores nobody records.
        legal = [type_ for type_, cell in TABLE[entry.state].items() if isinstance(cell, State)]
        return st.one_of(*(made[type_] for type_ in legal))

    def _run(self, call: Coroutine[Any, Any, Any]) -> Any:
        """Return the answer, or the type of the error."""
        try:
            return self._runner.run(call)
        except BatchrunError as error:
            return type(error)


def _row(id_: str, position: int, content: int, lanes: tuple[str, ...]) -> Spec:
    return row(id_, position, *lanes, content=content) if lanes else spec(id_, position, content)


def _asked(entry: Entry, content: int) -> str:
    """Return what a retry asks for: in the lanes that the row offers, where it has some."""
    return _row("z", 0, content, lanes_of(entry.content)).content


async def _keeps_lanes(ledger: Ledger, lanes: dict[tuple[str, int], str | None]) -> None:
    """See that no attempt's lane is another than it was."""
    async for outcome in ledger.batch(BATCH).story.outcomes():
        entry = outcome.entry
        sent = [(entry.attempt, entry.lane)] if entry.intended_at is not None else []
        for attempt, lane in [*sent, *((past.attempt, past.lane) for past in outcome.earlier)]:
            assert lanes.setdefault((entry.id, attempt), lane) == lane


async def _waits(ledger: Ledger, known: dict[str, str]) -> None:
    """See that each row waits for the submission by which it was intended last, and for no other."""
    batch = ledger.batch(BATCH)
    found = [(id_, one.submission) for one in await batch.submissions.open() for id_ in one.ids]
    assert {id_: one.request_id for id_, one in found} == known
    entries = await batch.entries(known)
    for id_, one in found:
        assert entries[id_].state is State.SUBMITTING
        assert await batch.submissions.last(id_, entries[id_].attempt) == one


def _lasting(entry: Entry | None) -> Entry | None:
    """Return what a step decides of an entry; the rest is the manifest's, or a survey's."""
    return entry and replace(entry, is_changed=False, proven_at=None)


async def _agrees_with_itself(ledger: Ledger, deleted: set[str]) -> None:
    """Hold each answer of the batch against the others."""
    batch = ledger.batch(BATCH)
    outcomes = [outcome async for outcome in batch.story.outcomes()]
    pages = [await batch.in_state(state, limit=9) for state in State]
    entries = {entry.id: entry for page in pages for entry in page}
    assert sum(map(len, pages)) == len(entries)
    counts = await batch.counts()
    assert all(counts.by_state.get(state, 0) <= len(page) for state, page in zip(State, pages, strict=True))
    by_lane = sum((Counter(one) for one in counts.by_lane.values()), Counter())
    assert by_lane == counts.by_state
    assert counts.changed == sum(entry.is_changed for entry in entries.values())
    for outcome in outcomes:
        entry = outcome.entry
        assert entry == entries[entry.id] == await batch.entry(entry.id)
        assert outcome.earlier == await batch.earlier(entry.id)
        attempts = [attempt for _, attempt, _, _ in await batch.history(entry.id)]
        assert attempts == sorted(attempts)
        assert max(attempts, default=1) == entry.attempt
    runs = [(one.id, one.attempt, one.run.uuid) for one in entries.values() if one.run is not None]
    runs += [
        (one.entry.id, past.attempt, past.run.uuid)
        for one in outcomes
        for past in one.earlier
        if past.run is not None
    ]
    uuids = {uuid for _, _, uuid in runs}
    assert await batch.known_runs({*uuids, "another"}) == uuids
    spent = [(one.entry_id, one.attempt, one.run.uuid) for one in await batch.story.ended_runs(limit=99)]
    going = [(one.id, one.attempt, one.run.uuid) for one in entries.values() if one.state is State.ACTIVE]  # type: ignore[union-attr]
    assert sorted([*spent, *going]) == sorted(runs)
    there = [one.run.uuid for one in await batch.story.ended_runs(limit=99) if one.is_there]
    assert set(there) <= uuids - deleted
    asked = await batch.cancellations(limit=9)
    assert all(one.entry == entries[one.entry.id] for one in asked)


@pytest.mark.real_time
class TestBatch(Batch.TestCase):  # type: ignore[misc,valid-type]
    settings = settings(
        max_examples=settings().max_examples // 5,
        stateful_step_count=15,
        phases=[Phase.generate, Phase.shrink],
        suppress_health_check=list(HealthCheck),
    )


def test_the_same_in_postgres(in_postgres, made_up_clock):  # noqa: ARG001 (what is said is the server's time)
    class InPostgres(Batch):
        def place(self):
            emptied(in_postgres)
            return in_postgres

    run_state_machine_as_test(InPostgres, settings=settings(TestBatch.settings, max_examples=5))
