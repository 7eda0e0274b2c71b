"""What is done all the time costs the same of many entries as of few, and two messages to record a step."""

from __future__ import annotations

import contextlib
import json
from collections import Counter
from dataclasses import replace
from typing import Any, cast

import psycopg
import pytest

from batchrun.errors import BatchrunError
from batchrun.ledger import open_ledger
from batchrun.ledger.held import SqlHeldBatch
from batchrun.ledger.postgres.connection import first
from batchrun.ledger.postgres.link import Link
from batchrun.ledger.postgres.statements import queries
from batchrun.ledger.postgres.store import PostgresStore
from batchrun.ledger.rows import micros
from batchrun.model.entries.states import State
from batchrun.model.planning.limits import Changed
from batchrun.ports.stored import Transition
from tests.ledger.samples import (
    AT,
    BATCH,
    accepted,
    deferred,
    entry_of,
    filled,
    intended,
    move,
    specs,
    steps_of,
)
from tests.ledger.submitting import submission
from tests.postgres.server import emptied

#: How much more of a larger index is looked at, and pages that may be gone through as a whole.
_DEEPER = 1.5
_FEW = 120
#: Pages of the newest 5,000 events, however many there are; no entry is looked up for any of them.
_EVENTS = 250


@pytest.fixture
def pages(monkeypatch):
    """The pages that each statement looks at which reads, by its name; nobody counts its tables meanwhile."""
    found: Counter[str] = Counter()
    before = PostgresStore._asking

    @contextlib.contextmanager
    def asking(self, statement, values):
        sql = queries()[statement]
        if sql.startswith(("SELECT", "WITH")) and "FOR UPDATE" not in sql:
            with self._connected() as connection:
                explained = f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {sql}"
                plan = connection.execute(explained, values or None).fetchone()[0][0]["Plan"]
            found[statement] += plan["Shared Hit Blocks"] + plan["Shared Read Blocks"]
        with before(self, statement, values) as cursor:
            yield cursor

    monkeypatch.setattr(PostgresStore, "_asking", asking)
    monkeypatch.setattr(PostgresStore, "prefetch", lambda *_, **__: None)  # all by itself, to be counted
    return found


async def _pages_of(url: str, rows: int, pages: Counter[str]) -> dict[str, int]:
    """Have a batch of so many rows, a third of them on their way, and ask as launches and people do."""
    async with await open_ledger(url) as ledger:
        held = await filled(ledger, *(f"id{number:05}" for number in range(rows)))
        sent = await held.due(at=AT, limit=rows // 3)
        intents = [step for entry in sent for step in steps_of(entry, [intended()])]
        await held.submissions.intend(submission(1, len(sent)), intents)
        await held.due(at=AT, limit=1)  # who comes first marks what is no longer planned in the index
        pages.clear()
        steps: list[Transition] = []
        for number, entry in enumerate(await held.due(at=AT, limit=50)):
            steps += steps_of(entry, (intended(), accepted(rows + number)))
        await held.record(steps)
        await held.due(at=AT, limit=50, lanes=())
        await held.choices()
        await held.submissions.unshaped(limit=50)
        await held.next_due(after=AT)
        await held.counts()
        await held.story.glance(since=AT, at=AT, limit=10)
        await held.in_state(State.ACTIVE, limit=50)
        await held.entries([step.entry.id for step in steps])
        await held.story.failures(limit=10)
        return dict(pages)


async def test_of_many_entries_no_more_is_looked_at_than_of_few(in_postgres, pages):
    few = await _pages_of(in_postgres, 200, pages)
    emptied(in_postgres)
    many = await _pages_of(in_postgres, 8_000, pages)
    assert few.keys() == many.keys() >= {"due", "stored_attempts_of", "choices", "oldest_active"}
    assert many.pop("recent") < _EVENTS
    grown = {name: (few[name], many[name]) for name in many if many[name] > few[name] * _DEEPER + _FEW}
    assert not grown


_ALL_ACTIVE = """
SET session_replication_role = replica;
UPDATE entries SET state = 'active', request_id = 'q', intended_at = 0, accepted_at = 0, run_id = '1',
    run_uuid = 'u' || key, run_arn = 'a', run_status = 'RUNNING';
ANALYZE entries;
UPDATE entries SET state = 'succeeded' WHERE position < 2990
"""


async def test_few_that_are_left_in_a_state_are_found_where_the_server_believes_that_all_are(
    in_postgres, pages
):
    async with await open_ledger(in_postgres) as ledger:
        held = await filled(ledger, *(f"id{number:05}" for number in range(3_000)))
        with psycopg.connect(in_postgres, autocommit=True) as connection:
            connection.execute(_ALL_ACTIVE)
            connection.execute("VACUUM entries")  # which counts no states anew
        assert len(await held.in_state(State.ACTIVE, limit=50)) == 10
        assert len(await held.in_state(State.ACTIVE, limit=50, after=2994)) == 5
        assert pages["in_state"] < _FEW + 60  # twice; of 300 that the rows are on


@pytest.fixture
def passed_over(monkeypatch):
    """The rows that each statement met and that did not match, by its name."""
    found: Counter[str] = Counter()
    before = PostgresStore._asking

    @contextlib.contextmanager
    def asking(self, statement, values):
        sql = queries()[statement]
        if sql.startswith("INSERT"):
            with self._connected() as connection, connection.transaction(force_rollback=True):
                explained = f"EXPLAIN (ANALYZE, FORMAT JSON) {sql}"
                plan = connection.execute(explained, values or None).fetchone()[0][0]["Plan"]
            found[statement] += _passed_over(plan)
        with before(self, statement, values) as cursor:
            yield cursor

    monkeypatch.setattr(PostgresStore, "_asking", asking)
    return found


def _passed_over(plan: dict[str, Any]) -> int:
    met = sum(int(plan.get(f"Rows Removed by {one}", 0)) for one in ("Filter", "Join Filter"))
    return int(plan["Actual Loops"]) * met + sum(map(_passed_over, plan.get("Plans", ())))


async def test_a_batch_that_the_server_has_not_heard_of_is_not_gone_through_for_each_row(
    in_postgres, passed_over
):
    ids = [f"id{number:05}" for number in range(400)]
    async with await open_ledger(in_postgres) as ledger:
        await filled(ledger, *(f"id{number:05}" for number in range(4_000)))
        held = await filled(ledger, *ids, batch="second")  # too few to be counted anew
        passed_over.clear()
        await held.sync(specs(*ids), changed=Changed.REFUSE, at=AT)
    assert passed_over["compare_slice"] < 400
    assert passed_over["keep_works"] == 400


async def test_a_batch_that_many_rows_come_into_is_heard_of_at_once(in_postgres):
    """Else each row of a submission was looked for by going through all of it: 20,000 rows took a minute."""
    async with await open_ledger(in_postgres) as ledger:
        await filled(ledger, *(f"id{number:05}" for number in range(4_000)))
        await filled(ledger, *(f"id{number:05}" for number in range(1_200)), batch="second")
    with psycopg.connect(in_postgres) as connection:
        (key,) = connection.execute("SELECT key FROM batches WHERE name = 'second'").fetchone() or ()
        asked = f"EXPLAIN (FORMAT JSON) SELECT 1 FROM entries WHERE batch = {key}"
        ((explained,),) = connection.execute(asked).fetchall()
    assert 800 < explained[0]["Plan"]["Plan Rows"] < 1_800


async def test_who_vacuums_the_ledger_holds_nobody_up(postgres):
    """Seen: rows were taken in when that was over, and meanwhile no lease was renewed."""
    url = postgres.make()  # its own: how long is waited is made another, or other tests would meet the wait
    with contextlib.closing(first(url, read_only=False)) as theirs:
        bound = "SELECT proconfig FROM pg_proc WHERE proname = 'refresh_statistics'"
        ((settings,),) = theirs.execute(bound).fetchall()
        assert "lock_timeout=2s" in settings
        theirs.execute("ALTER FUNCTION refresh_statistics() SET lock_timeout = '1ms'")
        theirs.execute("BEGIN; LOCK TABLE entries IN SHARE UPDATE EXCLUSIVE MODE")  # as VACUUM does
        async with await open_ledger(url) as ledger:
            held = await filled(ledger, *(f"id{number:05}" for number in range(1_200)))
            assert (await held.counts()).by_state == {State.PLANNED: 1_200}
    postgres.drop(url)


async def test_a_step_is_recorded_in_two_messages(in_postgres, monkeypatch):
    """Who may write and what is stored, then all that is written: the way to a server may be long."""
    messages = []
    before = Link.asking

    def asking(self, *seconds):
        messages.append(seconds)
        return before(self, *seconds)

    async with await open_ledger(in_postgres) as ledger:
        held = await filled(ledger, "a", "b")
        steps = [one for id_ in ("a", "b") for one in steps_of(await entry_of(ledger, id_), [intended()])]
        monkeypatch.setattr(Link, "asking", asking)
        await held.record(steps)
        assert len(messages) == 2
        assert (await held.counts()).by_state == {State.SUBMITTING: 2}


async def test_a_step_is_planned_once_and_anew_where_the_session_has_forgotten_it(in_postgres):
    async with await open_ledger(in_postgres) as ledger:
        held = cast("SqlHeldBatch", await filled(ledger, *"abc"))
        link = cast("PostgresStore", held._store)._link
        for before in ("SELECT 1", "SELECT 1", "DEALLOCATE ALL"):
            link.connection.execute(before)
            entry = (await held.due(at=AT, limit=1))[0]
            await held.record(steps_of(entry, [intended()]))
        (used,) = link.connection.execute(
            "SELECT sum(generic_plans + custom_plans) FROM pg_prepared_statements"
        ).fetchall()
        assert used[0] == 5  # mark, fence, what is stored, row and event of the last
        assert (await held.counts()).by_state == {State.SUBMITTING: 3}


async def test_texts_come_back_from_a_planned_step_as_they_were(in_postgres):
    told = "it's \\ 'quoted' \\' -- ; %s %(x)s \u00fc \U0001f600 \x1b \n $1 \\x00"
    async with await open_ledger(in_postgres) as ledger:
        held = await filled(ledger, "a")
        await move(held, "a", intended())
        await move(held, "a", replace(deferred(AT), message=told))
        assert (await entry_of(ledger, "a")).message == told
        assert json.loads((await held.history("a"))[-1][-1])["message"] == told
        await move(held, "a", intended())
        with pytest.raises(BatchrunError, match="NUL"):  # which no text there can hold: it is not cut off
            await move(held, "a", replace(deferred(AT), message="before\0after"))
        assert (await entry_of(ledger, "a")).state is State.SUBMITTING


async def test_what_was_asked_ahead_is_asked_again_where_something_was_written_since(in_postgres):
    async with await open_ledger(in_postgres) as ledger:
        held = cast("SqlHeldBatch", await filled(ledger, "a"))
        store = held._store

        def job() -> tuple[str | None, str | None]:
            store.prefetch("batches")
            key = store.value("batch_key", name=held.name)
            store.defer("keep_place", batch=key, place="/new")
            place = store.all("batches")[0].place
            store.defer("keep_place", batch=key, place="/newer")
            return place, store.all("batches")[0].place

        assert await held._write(job) == ("/new", "/newer")


async def test_events_that_were_recorded_before_they_said_their_batch_are_seen(in_postgres):
    async with await open_ledger(in_postgres) as ledger:
        await filled(ledger, "a")
        await filled(ledger, "b", batch="beside")
        with psycopg.connect(in_postgres) as connection:
            connection.execute(
                "INSERT INTO events (entry, attempt, at, kind, detail) "
                "SELECT key, 1, %s, 'intended', '{}' FROM entries",
                [micros(AT)],
            )
        for name in (BATCH, "beside"):
            glance = await ledger.batch(name).story.glance(since=AT, at=AT, limit=1)
            assert glance.events == ((AT, "intended"),)
