"""What a disk can do to an open ledger: each ends with a clear error, and nothing recorded is lost."""

from __future__ import annotations

import resource
import shutil

import apsw
import pytest

from batchrun.errors import LedgerError
from batchrun.ledger import open_ledger
from batchrun.ledger.sqlite.errors import failed, unusable
from batchrun.ledger.sqlite.migrate import migrate
from batchrun.model.entries.states import State
from batchrun.model.planning.limits import Changed
from tests.disks import fill_up, mounted
from tests.ledger.samples import AT, BATCH, TTL, connection_of, entry_of, filled, intended, move, specs

MANY = [f"id{number:04}" for number in range(2_000)]


@pytest.fixture(autouse=True)
def migrations_one_by_one(monkeypatch):
    """Take the room that a new ledger takes, and not the little that it would do with."""
    monkeypatch.setattr("batchrun.ledger.sqlite.connection.migrate", migrate)


@pytest.fixture
def small_disk(tmp_path):
    """A real file system of 1 MiB."""
    with mounted(tmp_path / "disk", "1m") as disk:
        yield disk


async def test_a_full_disk_stops_the_work_and_loses_nothing(small_disk):
    async with await open_ledger(small_disk / "b.db") as ledger:
        held = await filled(ledger, "a", "b")
        await move(held, "a", intended())
        fill_up(small_disk / "filler")
        with pytest.raises(LedgerError, match=r"b\.db .*disk is full.*nothing that was recorded is lost"):
            await held.sync(specs("a", "b", *MANY), changed=Changed.REFUSE, at=AT)
        assert (await ledger.batch(BATCH).counts()).by_state == {State.SUBMITTING: 1, State.PLANNED: 1}
        (small_disk / "filler").unlink()
        await move(held, "b", intended())
        assert (await ledger.batch(BATCH).counts()).by_state == {State.SUBMITTING: 2}


@pytest.mark.parametrize("kib", [0, 16, 64, 300])
async def test_a_full_disk_is_told_when_opening_and_in_nobody_s_way(small_disk, kib):
    """SQLite itself tells some of these as an error of the disk."""
    filler = small_disk / "filler"
    (small_disk / "left").write_bytes(bytes(kib * 1024))
    fill_up(filler)
    (small_disk / "left").unlink()
    with pytest.raises(
        LedgerError, match=r"b\.db .*disk is full.*free some space.*run the same command again"
    ):
        await open_ledger(small_disk / "b.db")
    filler.unlink()
    async with await open_ledger(small_disk / "b.db") as ledger:
        await filled(ledger, "a")


async def test_a_claim_that_a_full_disk_undoes_is_in_nobody_s_way(tmp_path):
    """Seen: after that, a launcher that had ended held its batch for the rest of its lease."""
    with mounted(tmp_path / "disk", "3m") as disk:
        async with await open_ledger(disk / "b.db") as ledger:
            await filled(ledger, "a")
        async with await open_ledger(disk / "b.db") as second:
            fill_up(disk / "filler")
            with pytest.raises(LedgerError, match="disk is full"):
                await second.hold(BATCH, holder="host:2", ttl=TTL, at=AT)
        (disk / "filler").unlink()
        async with await open_ledger(disk / "b.db") as third:
            await (await third.hold(BATCH, holder="host:3", ttl=TTL, at=AT)).release()
        assert [file.name for file in disk.iterdir()] == ["b.db"]


@pytest.mark.parametrize("error", [apsw.NoMemError("out of memory"), apsw.FullError("full")])
def test_what_the_machine_lacks_is_nobody_s_mistake_while_opening_either(tmp_path, error):
    """Seen: without the memory to open a ledger it was told as a defect."""
    assert str(unusable(tmp_path, error)) == str(failed(tmp_path, error))
    assert isinstance(unusable(tmp_path, error), LedgerError)


@pytest.fixture
def small_files():
    """No file of this process grows beyond a MiB."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1024 * 1024, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


async def test_a_limit_of_a_file_s_size_is_told_as_that(small_files, tmp_path):  # noqa: ARG001
    async with await open_ledger(tmp_path / "b.db") as ledger:
        held = await filled(ledger, "a")
        with pytest.raises(
            LedgerError, match=r"a limit of it is reached \(File too large\); .*raise the limit"
        ):
            await held.sync(specs("a", *MANY), changed=Changed.REFUSE, at=AT)
        await move(held, "a", intended())
        assert (await ledger.batch(BATCH).counts()).by_state == {State.SUBMITTING: 1}


async def test_a_file_that_may_not_grow_stops_the_work(ledger):
    held = await filled(ledger, "a")
    await ledger._read(lambda: connection_of(ledger).pragma("max_page_count", 60))
    with pytest.raises(LedgerError, match="disk is full"):
        await held.sync(specs("a", *MANY), changed=Changed.REFUSE, at=AT)
    await move(held, "a", intended())
    assert (await ledger.batch(BATCH).counts()).by_state == {State.SUBMITTING: 1}


async def test_a_ledger_that_was_deleted_is_noticed_before_the_next_write(ledger, place):
    held = await filled(ledger, "a")
    place.unlink()
    with pytest.raises(LedgerError, match="deleted or replaced"):
        await move(held, "a", intended())
    assert (await entry_of(ledger, "a")).state is State.PLANNED


async def test_a_ledger_that_was_replaced_is_noticed_and_the_other_left_alone(ledger, place):
    held = await filled(ledger, "a")
    other = place.with_name("other")
    other.write_bytes(b"precious")
    other.rename(place)
    with pytest.raises(LedgerError, match="deleted or replaced"):
        await move(held, "a", intended())
    await ledger.close()
    assert place.read_bytes() == b"precious"


async def test_a_folder_that_went_away_is_noticed(tmp_path):
    folder = tmp_path / "gone"
    folder.mkdir()
    async with await open_ledger(folder / "b.db") as ledger:
        held = await filled(ledger, "a")
        shutil.rmtree(folder)
        with pytest.raises(LedgerError, match="deleted or replaced"):
            await move(held, "a", intended())


async def test_a_damaged_page_is_told(place):
    async with await open_ledger(place) as ledger:
        await filled(ledger, *MANY)
    with place.open("r+b") as file:
        file.seek(len(place.read_bytes()) // 2 // 4096 * 4096)
        file.write(b"\xff" * 4096 * 8)
    async with await open_ledger(place) as ledger:
        with pytest.raises(LedgerError, match=r"damaged.*-wal and -shm"):
            async for _outcome in ledger.batch(BATCH).story.outcomes():
                pass
        with pytest.raises(LedgerError, match=r"damaged.*-wal and -shm"):
            await ledger.batch(BATCH).compare(specs(*MANY))


async def test_another_program_that_locks_the_ledger_is_told_and_waited_for(ledger, place):
    held = await filled(ledger, "a")
    await ledger._read(lambda: connection_of(ledger).set_busy_timeout(20))
    other = apsw.Connection(str(place))
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(LedgerError, match="another program keeps it locked"):
        await move(held, "a", intended())
    assert (await ledger.batch(BATCH).counts()).total == 1
    other.execute("ROLLBACK")
    other.close()
    await move(held, "a", intended())
