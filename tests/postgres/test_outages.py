"""What a launch goes through when its database goes away: nothing is lost, and nothing is done twice."""

from __future__ import annotations

import asyncio
import secrets
import shutil
import threading
from functools import partial

import anyio
import psycopg
import pytest
from structlog.testing import capture_logs

from batchrun.clock import SystemClock
from batchrun.engine.reach import Reach
from batchrun.engine.upkeep.deleter import Deleter
from batchrun.engine.upkeep.usage import ask_usage
from batchrun.errors import LeaseHeldError, LedgerError
from batchrun.ledger import open_ledger, worker
from batchrun.ledger.postgres import link
from batchrun.ledger.verbs import story
from batchrun.model.entries.states import State
from batchrun.model.planning.limits import Changed
from batchrun.ports.stored import EndedRun
from batchrun.report.chosen import begun_again
from tests.disks import fill_up, mounted
from tests.ledger.samples import (
    AT,
    BATCH,
    TTL,
    accepted,
    entry_of,
    filled,
    intended,
    lease_on,
    move,
    run_of,
    specs,
)
from tests.postgres.server import gone, started
from tests.world import connected, simulated

pytestmark = pytest.mark.real_time


_END_ALL = (
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
    "WHERE datname = current_database() AND pid <> pg_backend_pid()"
)


@pytest.fixture
def own(postgres):
    """A server that only this test uses, and may stop."""
    if postgres.folder is None:
        pytest.skip("the server that BATCHRUN_TEST_POSTGRES_URL names is not ours to stop")
    server = started(postgres.folder.with_name(f"{postgres.folder.name}-{secrets.token_hex(4)}"))
    yield server
    gone(server)


async def test_a_server_that_crashes_and_comes_back_is_waited_for(own, monkeypatch):
    monkeypatch.setattr(link, "_WORTH_SAYING", 0.0)
    async with await open_ledger(own.url) as ledger:
        held = await filled(ledger, "a")
        own.stop("immediate")
        back = threading.Timer(0.5, own.start)
        back.start()
        with capture_logs() as said:
            await move(held, "a", intended(), accepted(1))
        back.join()
        assert (await entry_of(ledger, "a")).state is State.ACTIVE
        assert [kind for _, _, kind, _ in await held.history("a")] == ["intended", "accepted"]
    assert {one["event"] for one in said} >= {"ledger_not_reached", "ledger_back"}


@pytest.mark.long
async def test_each_outage_is_borne_anew(own):
    """Also where what was to be done ends with an error of its own once the server is back."""
    async with await open_ledger(own.url) as ledger:
        await lease_on(ledger)
        link = ledger._store._link  # type: ignore[attr-defined]
        for _ in range(2):
            own.stop("immediate")
            back = threading.Timer(0.5, own.start)
            back.start()
            with pytest.raises(LeaseHeldError):
                await ledger.hold(BATCH, holder="host:2", ttl=TTL, at=AT)
            back.join()
            assert link._outage._since is None


@pytest.mark.long
async def test_a_server_that_stays_away_ends_it_when_patience_is_over(own, monkeypatch):
    monkeypatch.setattr(link, "PATIENCE", 0.3)
    ledger = await open_ledger(own.url)
    held = await lease_on(ledger)
    own.stop("fast")
    try:
        with pytest.raises(
            LedgerError, match=r"cannot be used any more: .*nothing that was recorded is lost"
        ):
            await held.renew(ttl=TTL, at=AT)
        monkeypatch.setattr(link.OutageAllowance, "pause", pytest.fail)
        with pytest.raises(LedgerError):  # and what comes after waits for nothing
            await held.release()
    finally:
        own.start()
    await held.renew(ttl=TTL, at=AT)  # until it is back
    await ledger.close()


async def test_a_full_disk_of_the_server_is_waited_for_and_loses_nothing(own, monkeypatch):
    """Of its tables alone: without room for its log it stops, which is the outage above."""
    assert own.folder is not None
    monkeypatch.setattr(link, "_WORTH_SAYING", 0.0)
    with mounted(own.folder / "small", "24m") as disk:
        shutil.chown(disk, (own.folder / "data").stat().st_uid)
        with own.connected() as connection:
            connection.execute(f"CREATE TABLESPACE small LOCATION '{disk}'")
            connection.execute("CREATE DATABASE small TABLESPACE small TEMPLATE template0 ENCODING 'UTF8'")
        filler, before = disk / "filler", link.Outage.wait

        def wait(self, error):
            assert error.sqlstate == "53100"
            before(self, error)
            filler.unlink()

        monkeypatch.setattr(link.Outage, "wait", wait)
        async with await open_ledger(own.database("small")) as ledger:
            held = await filled(ledger, "a", "b")
            await move(held, "a", intended())
            fill_up(filler)
            many = [f"id{number:04}" for number in range(2_000)]
            with capture_logs() as said:
                await held.sync(specs("a", "b", *many), changed=Changed.REFUSE, at=AT)
            assert [one["event"] for one in said] == ["ledger_not_reached", "ledger_back"]
            assert "No space left" in said[0]["last"]
            counts = await ledger.batch(BATCH).counts()
            assert counts.by_state == {State.SUBMITTING: 1, State.PLANNED: 2_001}
        own.drop(own.database("small"))
        with own.connected() as connection:
            connection.execute("DROP TABLESPACE small")


async def test_who_only_reads_need_not_wait_for_a_server_that_is_away(own, monkeypatch):
    async with await open_ledger(own.url) as ledger:
        await filled(ledger, "a")
    async with await open_ledger(own.url, read_only=True) as ledger:
        assert await ledger.find_batch(BATCH)
        own.stop("immediate")
        before = link.Outage.wait

        def wait(self, error):  # a signal comes meanwhile
            ledger.hurry(0)
            before(self, error)

        monkeypatch.setattr(link.Outage, "wait", wait)
        with anyio.fail_after(60), pytest.raises(LedgerError):
            await ledger.find_batch(BATCH)
    own.start()


async def test_a_verb_that_is_stopped_waits_no_longer_for_a_server_that_is_away(own, monkeypatch):
    """Without a launch, which would say so itself."""
    monkeypatch.setattr(worker, "_UNAWAITED", 0.0)
    before, loop = link.Outage.wait, asyncio.get_running_loop()
    async with await open_ledger(own.url) as ledger:
        await filled(ledger, "a")
    async with await open_ledger(own.url) as ledger:
        own.stop("immediate")
        with anyio.fail_after(60), anyio.CancelScope() as verb:

            def wait(self, error):  # a signal comes meanwhile
                loop.call_soon_threadsafe(verb.cancel)
                before(self, error)

            monkeypatch.setattr(link.Outage, "wait", wait)
            with pytest.raises(LedgerError, match="nothing that was recorded is lost"):
                await ledger.find_batch(BATCH)
        monkeypatch.setattr(link.Outage, "wait", before)
        back = threading.Timer(0.5, own.start)
        back.start()
        assert await ledger.find_batch(BATCH)  # and what comes after, as ever
        back.join()


async def test_jobs_that_wait_behind_another_are_stopped_with_it(own, monkeypatch):
    monkeypatch.setattr(worker, "_UNAWAITED", 0.0)
    monkeypatch.setattr(link, "PATIENCE", 3.0)
    before, loop, ended = link.Outage.wait, asyncio.get_running_loop(), []
    async with await open_ledger(own.url) as ledger:
        await filled(ledger, "a")
    async with await open_ledger(own.url) as ledger:
        own.stop("immediate")
        with anyio.CancelScope() as verb:

            def wait(self, error):  # a signal comes meanwhile
                loop.call_soon_threadsafe(verb.cancel)
                before(self, error)

            async def look() -> None:
                with pytest.raises(LedgerError) as caught:
                    await ledger.find_batch(BATCH)
                ended.append(str(caught.value))

            monkeypatch.setattr(link.Outage, "wait", wait)
            async with anyio.create_task_group() as group:
                group.start_soon(look)
                group.start_soon(look)
        assert ["for 0 s" in one for one in ended] == [True, True], ended
    own.start()


@pytest.mark.parametrize("verb", ["costs", "delete"])
async def test_what_is_kept_to_the_last_waits_no_longer_either_once_it_is_stopped(own, monkeypatch, verb):
    monkeypatch.setattr(worker, "_UNAWAITED", 0.0)
    monkeypatch.setattr(link, "PATIENCE", 3.0)
    before, loop = link.Outage.wait, asyncio.get_running_loop()
    runs = [EndedRun(position=0, entry_id="a", attempt=1, run=run_of(1))]
    async with await open_ledger(own.url) as ledger, connected(simulated()) as (service, _):
        reach, clock = Reach(services={None: service}), SystemClock()
        own.stop("immediate")
        deleter = Deleter(ledger=ledger, reach=reach, clock=clock, concurrency=1, lag=0.0)
        asking = partial(ask_usage, ledger=ledger, reach=reach, clock=clock, at_once=2, tell=lambda _: None)
        with anyio.CancelScope() as stopped:

            def wait(self, error):  # a signal comes meanwhile
                loop.call_soon_threadsafe(stopped.cancel)
                before(self, error)

            monkeypatch.setattr(link.Outage, "wait", wait)
            with pytest.raises(LedgerError, match="for 0 s"):
                await (deleter.delete(runs) if verb == "delete" else asking(runs))
    own.start()


async def test_a_server_that_is_away_is_waited_for_no_longer_than_told(own, monkeypatch):
    async with await open_ledger(own.url) as ledger:
        held = await filled(ledger, "a")
        own.stop("immediate")
        before = link.Outage.wait

        def wait(self, error):  # in the ledger's thread, while the launch's goes on
            held.hurry(0.05)
            before(self, error)

        monkeypatch.setattr(link.Outage, "wait", wait)
        with anyio.fail_after(60):
            with pytest.raises(LedgerError, match="nothing that was recorded is lost") as first:
                await move(held, "a", intended())
            with pytest.raises(LedgerError) as second:
                await held.release()  # and all that comes after, at once
        assert second.value is first.value
        own.start()
    async with await open_ledger(own.url) as ledger:
        assert (await entry_of(ledger, "a")).state is State.PLANNED


@pytest.mark.parametrize("text", [b"COMMIT;", b"add_nothing_like_it"])
async def test_a_commit_whose_answer_is_lost_is_not_done_again(proxy, beyond, text):
    async with await open_ledger(beyond) as ledger:
        held = await filled(ledger, "a")
        ran = []
        proxy.cut_after = text

        def job() -> int:
            ran.append(1)
            return ledger._store.run("add_notice", batch=1, notice="end", at=0)

        assert await ledger._write(job) == 1
        assert proxy.was_cut.is_set() == (text == b"COMMIT;")
        assert len(ran) == 1
        assert await ledger.batch(BATCH).history("a") == []
        await held.release()


async def test_what_was_cut_before_its_commit_is_done_again_whole(proxy, beyond):
    async with await open_ledger(beyond) as ledger:
        held = await filled(ledger, "a")
        proxy.cut_after = b"EXECUTE batchrun_add_event_"
        await move(held, "a", intended(), accepted(1))
        assert proxy.was_cut.is_set()
        assert [kind for _, _, kind, _ in await held.history("a")] == ["intended", "accepted"]


async def test_a_manifest_that_was_half_taken_in_is_read_anew(proxy, beyond):
    async with await open_ledger(beyond) as ledger:
        held = await lease_on(ledger)
        proxy.cut_after = b"INSERT INTO entries"
        found = await held.sync(specs("a", "b"), changed=Changed.REFUSE, at=AT)
        assert proxy.was_cut.is_set()
        assert (found.rows, found.new) == (2, 2)
        assert (await held.counts()).total == 2


async def test_a_claim_whose_answer_is_lost_is_ours_all_the_same(proxy, beyond):
    async with await open_ledger(beyond) as ledger:
        await ledger.open_batch(BATCH, region="us-east-1", at=AT)
        proxy.cut_after = b"COMMIT;"
        held = await ledger.hold(BATCH, holder="host:1", ttl=TTL, at=AT)
        assert proxy.was_cut.is_set()
        assert held.lease.fence == 1
        with pytest.raises(LeaseHeldError):
            await ledger.hold(BATCH, holder="host:2", ttl=TTL, at=AT)


async def test_a_connection_that_falls_silent_is_cut_and_replaced(proxy, beyond):
    async with await open_ledger(beyond) as ledger:
        held = await filled(ledger, "a")
        ledger._store._within = 0.5  # type: ignore[attr-defined]
        proxy.is_silent = True
        await move(held, "a", intended())
        assert (await entry_of(ledger, "a")).state is State.SUBMITTING


async def test_another_transaction_in_the_way_is_waited_out(in_postgres):
    async with await open_ledger(in_postgres) as ledger:
        tries = []

        def job() -> int:
            tries.append(1)
            if len(tries) < 3:
                raise psycopg.errors.DeadlockDetected
            return ledger._store.run("add_batch", name="b", region="x", at=0, account=None)

        assert await ledger._write(job) == 1
        assert len(tries) == 3
        assert [one.name for one in await ledger.batches()] == ["b"]


async def test_whoever_stops_within_a_transaction_does_not_keep_the_batch(in_postgres):
    """Its session is ended by the server, so a successor waits no longer than that for the row."""
    async with await open_ledger(in_postgres) as ledger:
        await lease_on(ledger)

        def settings() -> str:
            with ledger._store._connected() as connection:  # type: ignore[attr-defined]
                row = connection.execute("SHOW idle_in_transaction_session_timeout").fetchone()
            assert row is not None
            return str(row[0])

        assert await ledger._write(settings) == "5s"
        assert await ledger._read(settings) == "0"


async def test_results_whose_connection_is_lost_are_read_again_from_their_start(in_postgres, monkeypatch):
    monkeypatch.setattr(story, "_PAGE", 2)
    async with await open_ledger(in_postgres) as ledger:
        await filled(ledger, *"abcde")
        began = []

        async def read() -> list[str]:
            began.append(1)
            found = []
            async for outcome in ledger.batch(BATCH).story.outcomes():
                found.append(outcome.entry.id)
                if len(began) == 1:
                    with psycopg.connect(in_postgres, autocommit=True) as other:
                        other.execute(_END_ALL)
            return found

        assert await begun_again(read) == [*"abcde"]
        assert len(began) == 2
