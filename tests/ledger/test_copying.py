"""Batches copied from one ledger into another."""

from __future__ import annotations

import contextlib
import shutil
from datetime import timedelta
from pathlib import Path

import pytest

from batchrun.errors import BatchClosedError, LeaseHeldError, LeaseLostError, LedgerError, UsageError
from batchrun.ledger import LedgerPlace, copying, open_ledger
from batchrun.ledger.copying import Copied, Copy, Side
from batchrun.ledger.sqlite.statements import queries
from batchrun.ledger.verify import Verification
from batchrun.model.entries.events import Failed
from batchrun.model.notices import Notice
from batchrun.model.planning.cancelling import Scope
from batchrun.ports.stored import Latest
from tests.ledger.samples import AT, BATCH, TTL, accepted, completed, filled, intended, later, move, run_of
from tests.ledger.submitting import over, together

KEPT = Path(__file__).parent / "kept" / "batchrun.db"
#: Tables that do not go along: what is of this ledger alone, and what says that no run is there.
STAY = {
    "entry_counts",
    "last_write",
    "written_results",
    "migrations",
    "event_kinds",
    "paces",
    "proofs",
    "proof_clocks",
    "surveys",
    "shared_paces",
    "closed_batches",
    "leases",
    "shapes",
}


@pytest.fixture(params=["file to file", "file to PostgreSQL", "PostgreSQL to file"])
def places(request, tmp_path):
    """Where it is copied from, and to; the address of a database stays what it is."""
    source, _, target = request.param.partition(" to ")
    kept = [
        request.getfixturevalue("in_postgres") if kind == "PostgreSQL" else tmp_path / f"{name}.db"
        for kind, name in ((source, "from"), (target, "to"))
    ]
    return LedgerPlace(kept[0]), LedgerPlace(kept[1])


@pytest.fixture
def files(tmp_path):
    return LedgerPlace(tmp_path / "from.db"), LedgerPlace(tmp_path / "to.db")


def copied(places, batch: str = BATCH, told=lambda _count: None, *, is_export: bool = False) -> Copied:
    """Copy as the verb does, in whichever thread."""
    with contextlib.ExitStack() as stack:
        sides = [
            Side(store=stack.enter_context(contextlib.closing(place.store())), name=str(place))
            for place in places
        ]
        return Copy(sides[0], sides[1], holder="host:9", now=lambda: AT, is_export=is_export).copy(
            batch, told
        )


async def lived(place) -> None:
    """Fill a ledger with a batch that has lived: attempts, ends, cancellations."""
    async with await open_ledger(place.named) as ledger:
        held = await filled(ledger, *"abcdefg")
        failed = Failed(at=AT, run=run_of(1, "FAILED"))
        await move(held, "a", intended(), accepted(1), failed)
        await move(held, "b", intended(), accepted(2), completed(2))
        await move(held, "c", intended())
        await together(held, 1, "ef")
        made = await together(held, 2, "g")
        await move(held, "g", accepted(3))
        await held.submissions.keep(over(made))
        await ledger.batch(BATCH).requests.retry(["a"], at=AT, why="asked for")
        await ledger.batch(BATCH).requests.ask_to_cancel(["d"], scope=Scope.RUN, at=AT)
        await ledger.batch(BATCH).requests.tell(Notice.FAILURE, at=AT)
        await held.release()


async def told_of(place) -> tuple[object, ...]:
    """Return what a ledger says of the batch."""
    async with await open_ledger(place.named, read_only=True) as ledger:
        batch = ledger.batch(BATCH)
        return (
            await ledger.find_batch(BATCH),
            await batch.counts(),
            [outcome async for outcome in batch.story.outcomes()],
            [await batch.history(id_) for id_ in "abcdefg"],
            await batch.cancellations(limit=9),
            await batch.latest_runs(Latest.CURRENT, limit=9),
            await batch.submissions.open(),
            [await batch.submissions.last(id_, 1) for id_ in "efg"],
        )


async def test_a_batch_is_in_the_other_ledger_as_it_was_and_closed_in_this_one(places):
    await lived(places[0])
    before = await told_of(places[0])
    made = copied(places)
    assert (made.entries, made.events) == (7, 12)
    assert await told_of(places[1]) == await told_of(places[0]) == before
    async with await open_ledger(places[0].named) as ledger:
        assert str(places[1]) in str(await ledger.batch(BATCH).why_closed())
        assert await ledger.active_there("us-east-1", "123456789012") == {}, "nobody here sees its ends"
        with pytest.raises(BatchClosedError, match="went on in another ledger: give --ledger"):
            await ledger.hold(BATCH, holder="host:2", ttl=TTL, at=later(days=1))
        with pytest.raises(BatchClosedError):
            await ledger.batch(BATCH).requests.retry(["b"], at=AT, why="asked for")
        with pytest.raises(BatchClosedError):
            await ledger.batch(BATCH).requests.ask_to_cancel(None, scope=Scope.RUN, at=AT)
    async with await open_ledger(places[1].named) as ledger:
        held = await ledger.hold(BATCH, holder="host:2", ttl=TTL, at=AT)
        assert held.lease.fence > 1
        assert await ledger.active_there("us-east-1", "123456789012") == {BATCH: 4}
        await move(held, "e", accepted(9))
    assert list(Verification(places[1].named).findings()) == []


async def test_a_launcher_that_was_suspended_past_its_lease_writes_no_more(places):
    async with await open_ledger(places[0].named) as ledger:
        held = await filled(ledger, "a")
        await held.renew(ttl=timedelta(0), at=AT)
        ledger._store.host = "elsewhere"  # nobody knows whether it is dead
        with contextlib.closing(places[0].store()) as there, contextlib.closing(places[1].store()) as here:
            sides = Side(store=there, name=str(places[0])), Side(store=here, name=str(places[1]))
            Copy(*sides, holder="host:9", now=lambda: later(days=1)).copy(BATCH, lambda _count: None)
        with pytest.raises(LeaseLostError):
            await move(held, "a", intended())


async def test_a_batch_that_is_held_is_left_alone(places):
    async with await open_ledger(places[0].named) as ledger:
        await filled(ledger, "a")
        for is_export in (False, True):
            with pytest.raises(LeaseHeldError, match="stop that launcher"):
                copied(places, is_export=is_export)
        assert await ledger.batch(BATCH).why_closed() is None


async def test_what_was_interrupted_is_gone_on_with(places, monkeypatch):
    await lived(places[0])
    monkeypatch.setattr(copying, "_SLICE", 2)

    def die(count: int) -> None:
        if count == 4:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        copied(places, told=die)
    for place, words in zip(places, ("went on in another", "is not whole"), strict=True):
        async with await open_ledger(place.named) as ledger:
            with pytest.raises(BatchClosedError, match=words):
                await ledger.hold(BATCH, holder="host:2", ttl=TTL, at=AT)
    counts: list[int] = []
    assert copied(places, told=counts.append).entries == 7
    assert counts == [2, 3]
    assert await told_of(places[1]) == await told_of(places[0])


async def test_a_copy_for_reading_is_the_closed_one(places):
    await lived(places[0])
    copied(places, is_export=True)
    assert await told_of(places[1]) == await told_of(places[0])
    async with await open_ledger(places[1].named) as ledger:
        with pytest.raises(BatchClosedError, match="is a copy, to be read alone"):
            await ledger.hold(BATCH, holder="host:2", ttl=TTL, at=AT)
    async with await open_ledger(places[0].named) as ledger:
        await ledger.hold(BATCH, holder="host:2", ttl=TTL, at=AT)
    with pytest.raises(UsageError, match="is a copy"):
        copied(places[::-1])


async def test_a_difference_is_found_and_the_copy_stays_closed(places, monkeypatch):
    await lived(places[0])
    monkeypatch.setattr(copying, "_SLICE", 2)

    def spoil(_count: int) -> None:
        with contextlib.closing(places[1].store()) as store:
            key = store.value("batch_key", name=BATCH)
            store.write(lambda: store.run("take_back_cancellations", batch=key, ids='["d"]'))

    with pytest.raises(LedgerError, match="it stays closed there"):
        copied(places, told=spoil)
    async with await open_ledger(places[1].named) as ledger:
        assert "is not whole" in str(await ledger.batch(BATCH).why_closed())


async def test_the_target_may_have_other_batches_but_none_of_the_name(places):
    await lived(places[0])
    async with await open_ledger(places[1].named) as ledger:
        await (await filled(ledger, "a", "b", batch="other")).release()
        await (await filled(ledger, "x", batch=BATCH)).release()
    with pytest.raises(UsageError, match="has a batch 'cohort' already; nothing was copied"):
        copied(places)
    with pytest.raises(UsageError, match="has no batch 'typo'"):
        copied(places, "typo")
    async with await open_ledger(places[0].named) as ledger:
        assert await ledger.batch(BATCH).why_closed() is None


def test_a_ledger_of_an_older_batchrun_goes_along_with_all_that_is_in_it(files):
    shutil.copy(KEPT, files[0].named)
    with contextlib.closing(files[0].store()) as there, contextlib.closing(files[1].store()) as here:
        work = Copy(Side(store=there, name="from"), Side(store=here, name="to"), holder="host:9", now=later)
        names = work.batches()
        for name in names:
            work.copy(name, lambda _count: None)
        assert work.batches() == []
    verified = [Verification(place.named) for place in files]
    assert [list(one.findings()) for one in verified] == [[], []]
    assert len(names) == verified[0].batches > 0
    assert verified[0].events == verified[1].events > 0


def test_every_column_goes_along(files):
    with contextlib.closing(files[0].store()) as store:
        connection = store._connection
        found = connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'").fetchall()
        tables = {name for (name,) in found if not name.startswith("sqlite_")} - STAY
        columns = {
            table: {row[1] for row in connection.execute(f"PRAGMA table_info({table})")} for table in tables
        }
    keys = {"key", "batch", "entry", "failed_run", "run_usage", "submission"}
    keys |= {"fingerprint", "beside", "warnings", "warning_count", "retry"}  # the next launch finds it again
    for table, names in columns.items():
        read = queries()["find_batch" if table == "batches" else f"copied_{table}"]
        words = set(read.replace(",", " ").replace("c.", " ").replace("w.", " ").replace("u.", " ").split())
        assert names - keys <= words, table
