"""A copy of a ledger that is put in its place, while the log of the one that was there lies beside it."""

from __future__ import annotations

import contextlib
import shutil
import signal
import tempfile
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import apsw
import pytest

from batchrun.errors import LedgerUnusableError
from batchrun.ledger import open_ledger
from batchrun.ledger.sqlite import own_log
from batchrun.ledger.sqlite.migrate import migrate
from batchrun.ledger.sqlite.statements import migrations, queries
from batchrun.ledger.verify import Verification
from batchrun.model.entries.events import Deferred
from batchrun.model.planning.limits import Changed
from tests.ledger.processes import HOLDER
from tests.ledger.samples import (
    AT,
    BATCH,
    TTL,
    accepted,
    connection_of,
    entry_of,
    filled,
    intended,
    lease_on,
    move,
    specs,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from batchrun.ports.held import HeldBatch
    from batchrun.ports.ledger import Ledger

#: What is in the manifest then, or has a run.
ROWS = ("b", *(f"r{number}" for number in range(400)))


def log(place: Path) -> Path:
    return place.with_name(f"{place.name}-wal")


def index(place: Path) -> Path:
    return place.with_name(f"{place.name}-shm")


def bytes_of(place: Path) -> list[bytes]:
    return [file.read_bytes() for file in (place, log(place))]


def put_over(copy: Path, place: Path) -> None:
    shutil.copy(copy, place)


def put_over_with_its_times(copy: Path, place: Path) -> None:
    shutil.copy2(copy, place)


def put_instead(copy: Path, place: Path) -> None:
    Path(shutil.copy(copy, copy.with_name("again.db"))).replace(place)


async def refused(place: Path) -> str:
    """Open to read and to write, and give the message; nothing may be changed by that."""
    before = bytes_of(place)
    told = set()
    for read_only in (True, False, True):
        with pytest.raises(LedgerUnusableError) as caught:
            await open_ledger(place, read_only=read_only)
        assert bytes_of(place) == before
        told.add(str(caught.value))
    (message,) = told
    return message


async def assert_works(place: Path, *rows: str) -> None:
    """See that the ledger is whole, has *rows* alone, and can be worked on."""
    async with await open_ledger(place, read_only=True) as ledger:
        found = [outcome.entry.id async for outcome in ledger.batch(BATCH).story.outcomes()]
        assert sorted(found) == sorted(rows)
    async with await open_ledger(place) as ledger:
        held = await ledger.hold(BATCH, holder="host:2", ttl=TTL, at=AT)
        await move(held, rows[-1], intended())
        await held.release()
    assert not list(Verification(place).findings())


@pytest.fixture
async def copy(place, tmp_path):
    """A copy of the ledger, of three rows, from before it was worked on again, to an end."""
    async with await open_ledger(place) as ledger:
        await (await filled(ledger, "a", "b", "c")).release()
    made = Path(shutil.copy(place, tmp_path / "copy.db"))
    async with await open_ledger(place) as ledger:
        held = await lease_on(ledger)
        await move(held, "b", intended(), accepted(1))
        await held.release()
    return made


class Launcher:
    """Works on a ledger, at a place of its own, where it may be looked at as if it were dead."""

    def __init__(self, ledger: Ledger, held: HeldBatch, place: Path) -> None:
        self.ledger, self._held, self._place = ledger, held, place

    async def work(self, times: int) -> None:
        """Write as often as that, each time some pages."""
        for _ in range(times):
            await move(self._held, "r1", intended(), Deferred(at=AT, due=AT, code="c", message="m" * 900))

    async def die(self, place: Path) -> None:
        """Let *place* be what a launcher leaves there that is killed now."""
        for of, to in (
            (self._place, place),
            (log(self._place), log(place)),
            (index(self._place), index(place)),
        ):
            shutil.copy(of, to)

    async def end(self) -> None:
        await self._held.release()

    def log_header(self) -> bytes:
        with log(self._place).open("rb") as file:
            return file.read(32)

    def backed_up(self, copy: Path) -> Path:
        """Make a copy of it, as ``sqlite3 LEDGER ".backup COPY"`` does."""
        target = apsw.Connection(str(copy))
        with target.backup("main", connection_of(self.ledger), "main") as backup:
            backup.step()
        target.close()
        return copy


@contextlib.asynccontextmanager
async def launched(place: Path) -> AsyncIterator[Launcher]:
    """Have a launcher work on a copy of the ledger at *place*."""
    with tempfile.TemporaryDirectory() as folder:
        own = Path(folder) / "batchrun.db"
        for of, to in ((place, own), (log(place), log(own))):
            if of.exists():
                shutil.copy(of, to)
        async with await open_ledger(own) as ledger:
            await ledger.open_batch(BATCH, region="us-east-1", at=AT)
            held = await ledger.hold(BATCH, holder="host:1", ttl=timedelta(0), at=AT)
            await held.sync(specs(*ROWS[1:]), changed=Changed.REFUSE, at=AT)
            yield Launcher(ledger, held, own)


async def killed(place: Path, times: int) -> None:
    """Have a launcher work on the ledger that number of times, and kill it."""
    async with launched(place) as launcher:
        await launcher.work(times)
        await launcher.die(place)
    assert log(place).stat().st_size > 0


@pytest.mark.long
@pytest.mark.parametrize("put", [put_over, put_over_with_its_times, put_instead])
@pytest.mark.parametrize("times", [0, 3, 300])
async def test_a_copy_is_not_laid_over_with_the_log_of_a_dead_launcher(place, copy, put, times):
    await killed(place, times)
    put(copy, place)
    message = await refused(place)
    assert f"{log(place)}" in message
    assert index(place).name in message
    assert place.read_bytes() == copy.read_bytes()
    log(place).unlink()
    index(place).unlink()
    await assert_works(place, "a", "b", "c")


@pytest.mark.usefixtures("copy")
async def test_so_it_is_with_a_copy_that_was_made_while_that_launcher_worked(place, tmp_path):
    async with launched(place) as launcher:
        await launcher.work(20)
        early = launcher.backed_up(tmp_path / "early.db")
        await launcher.work(300)  # by then the log has begun anew
        late = launcher.backed_up(tmp_path / "late.db")
        await launcher.work(1)
        await launcher.die(place)
    put_over(early, place)
    assert "do not belong together" in await refused(place)
    # The log continues this one, and what it adds is what happened since.
    put_over(late, place)
    async with await open_ledger(place) as ledger:
        assert (await entry_of(ledger, "r1")).deferrals == 321
    assert not list(Verification(place).findings())


@pytest.mark.usefixtures("copy")
async def test_a_copy_that_vacuum_made_is_not_laid_over_whenever_that_was(place, tmp_path):
    def vacuumed(ledger: apsw.Connection, name: str) -> Path:
        ledger.execute("VACUUM INTO ?", (str(tmp_path / name),)).fetchall()
        return Path(tmp_path, name)

    idle = apsw.Connection(str(place))
    copies = [vacuumed(idle, "idle.db")]
    idle.close()
    async with launched(place) as launcher:
        await launcher.work(5)
        copies.append(vacuumed(connection_of(launcher.ledger), "early.db"))
        await launcher.work(5)
        copies.append(vacuumed(connection_of(launcher.ledger), "late.db"))
        await launcher.die(place)
    for made in copies:
        put_over(made, place)
        await refused(place)
    log(place).unlink()
    index(place).unlink()
    await assert_works(place, *ROWS)


@pytest.mark.parametrize("times", [1, 3, 30])
async def test_nor_is_one_from_before_all_that_the_log_tells_of(place, tmp_path, monkeypatch, times):
    """Seen: its page of the last write lay elsewhere, not in the log: the copy's own was found twice."""
    monkeypatch.setattr("batchrun.ledger.sqlite.connection.migrate", migrate)  # with gaps
    small, dead = tmp_path / "small.db", tmp_path / "dead.db"
    async with await open_ledger(place) as ledger:
        await (await filled(ledger, "a", "b", "c")).release()
    old = apsw.Connection(str(place))
    old.execute("VACUUM INTO ?", (str(small),)).fetchall()
    old.close()
    await killed(place, 5)
    await (await open_ledger(place)).close()
    async with await open_ledger(place) as ledger:
        held = await ledger.hold(BATCH, holder="host:1", ttl=TTL, at=AT)
        for _ in range(times):
            await move(held, "r1", intended(), Deferred(at=AT, due=AT, code="c", message="short"))
        await Launcher(ledger, held, place).die(dead)
    put_over(small, dead)
    assert "do not belong together" in await refused(dead)


@pytest.mark.usefixtures("copy")
@pytest.mark.parametrize("form", [0, 1, 2, 127, 128, 40_000, 9_000_000, 2_000_000_000])
async def test_a_copy_that_was_put_back_is_resumed_after_a_death_whatever_its_form(place, tmp_path, form):
    """Seen: the form of what .backup makes is 1, which SQLite stores without a byte of its own."""
    async with await open_ledger(place) as ledger:
        made = Launcher(ledger, await lease_on(ledger), place).backed_up(tmp_path / "backup.db")
    own = apsw.Connection(str(made))
    own.execute(f"PRAGMA schema_version = {form}").fetchall()
    own.close()
    async with await open_ledger(made) as ledger:
        held = await ledger.hold(BATCH, holder="host:3", ttl=TTL, at=AT + TTL)
        await move(held, "a", intended())
        await Launcher(ledger, held, made).die(tmp_path / "dead.db")
    async with await open_ledger(tmp_path / "dead.db") as ledger:
        assert (await entry_of(ledger, "a")).intended_at is not None


@pytest.mark.usefixtures("copy")
async def test_a_ledger_that_was_vacuumed_in_its_place_is_resumed(place):
    theirs = apsw.Connection(str(place))
    theirs.execute("VACUUM").fetchall()
    theirs.close()
    await killed(place, 3)
    await assert_works(place, *ROWS)


@pytest.mark.usefixtures("copy")
async def test_so_it_is_where_that_was_done_twice_and_the_log_has_the_second_alone(place):
    theirs = apsw.Connection(str(place))
    theirs.config(apsw.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1)
    for said in ("VACUUM", "PRAGMA wal_checkpoint(RESTART)", "VACUUM"):
        theirs.execute(said).fetchall()
    theirs.close()
    assert log(place).stat().st_size > 0
    await assert_works(place, "a", "b", "c")


@pytest.mark.usefixtures("copy")
async def test_what_a_dead_launcher_did_not_commit_says_nothing(place):
    """Its first write after others had changed the schema; its pages had no room in memory."""
    theirs = apsw.Connection(str(place))
    theirs.execute("CREATE INDEX theirs ON events (at)").fetchall()
    async with await open_ledger(place) as ledger:
        theirs.execute("PRAGMA wal_checkpoint(RESTART)").fetchall()
        theirs.close()
        writer = connection_of(ledger)

        def write_without_an_end() -> None:
            writer.execute("PRAGMA cache_size = 1; PRAGMA cache_spill = 1; BEGIN IMMEDIATE")
            writer.execute(queries()["mark_write"])
            writer.execute("UPDATE entries SET message = hex(randomblob(100000))")
            shutil.copytree(place.parent, place.parent / "dead")
            writer.execute("ROLLBACK")

        await ledger._read(write_without_an_end)
    dead = place.parent / "dead" / place.name
    assert log(dead).stat().st_size > 0
    await assert_works(dead, "a", "b", "c")


@pytest.mark.usefixtures("copy")
async def test_what_an_earlier_log_left_in_the_same_file_says_nothing(place, tmp_path):
    async with launched(place) as launcher:
        begun = launcher.log_header()
        while launcher.log_header() == begun:
            shutil.copy(launcher.backed_up(tmp_path / "now.db"), tmp_path / "early.db")
            await launcher.work(10)
        await launcher.die(place)
    put_over(tmp_path / "early.db", place)
    await refused(place)


async def test_a_copy_of_the_state_that_the_log_continues_is_brought_up_to_date(place, copy):
    shutil.copy(place, copy)
    await killed(place, 3)
    put_over(copy, place)
    async with await open_ledger(place) as ledger:
        assert (await entry_of(ledger, "r1")).deferrals == 3
    assert not list(Verification(place).findings())


@pytest.mark.usefixtures("copy")
async def test_a_copy_that_is_newer_than_the_log_is_not_laid_over_either(place, tmp_path):
    await killed(place, 3)
    elsewhere = tmp_path / "elsewhere.db"
    for of, to in ((place, elsewhere), (log(place), log(elsewhere))):
        shutil.copy(of, to)
    await assert_works(elsewhere, *ROWS)  # and all that the log has is in the file then
    put_over(elsewhere, place)
    await refused(place)
    assert place.read_bytes() == elsewhere.read_bytes()


@pytest.mark.usefixtures("copy")
async def test_a_copy_of_the_file_and_its_log_works(place, tmp_path):
    await killed(place, 30)
    elsewhere = tmp_path / "elsewhere.db"
    for of, to in ((place, elsewhere), (log(place), log(elsewhere))):
        shutil.copy(of, to)
    await assert_works(elsewhere, *ROWS)
    await assert_works(place, *ROWS)


@pytest.mark.long
@pytest.mark.usefixtures("copy")
async def test_of_a_copy_made_at_two_moments_nothing_is_believed(place, tmp_path):
    async with launched(place) as launcher:
        await launcher.work(20)
        early = tmp_path / "early.db"
        await launcher.die(early)
        await launcher.work(300)
        await launcher.die(place)
    put_over(early, place)
    await refused(place)


@pytest.mark.parametrize("left", [index, log])
async def test_what_has_nothing_to_tell_is_not_in_the_way(place, copy, left):
    await killed(place, 3)
    put_over(copy, place)
    if left is index:
        log(place).unlink()
    else:
        index(place).unlink()
        log(place).write_bytes(b"")
    await assert_works(place, "a", "b", "c")


@pytest.mark.usefixtures("copy")
async def test_what_is_no_copy_is_left_alone(place):
    await killed(place, 3)
    place.write_bytes(b"id,parameters.reads\n" * 100)
    assert "what lies beside it and ends with -wal and -shm" in await refused(place)


@pytest.mark.long
@pytest.mark.parametrize("times", [0, 1, 300, 601])
@pytest.mark.usefixtures("copy")
async def test_whatever_was_killed_is_resumed(place, times):
    for _ in range(2):
        await killed(place, times)
        await (await open_ledger(place, read_only=True)).close()
    await assert_works(place, *ROWS)


@pytest.mark.long
@pytest.mark.real_time
async def test_a_process_that_was_killed_is_resumed_and_leaves_no_log_to_a_copy(place, copy, start):
    for _ in range(2):
        holder = start(HOLDER)
        assert holder.says() == "held"
        holder.send(signal.SIGKILL)
        holder.ends()
    put_over(copy, place)
    await refused(place)


async def test_a_ledger_that_was_killed_while_it_was_made_is_resumed(place):
    await killed(place, 0)
    assert place.stat().st_size <= 8192, "nothing of it is in the file yet"
    await assert_works(place, *ROWS[1:])


async def test_one_that_an_earlier_batchrun_left_is_resumed(place):
    earlier = apsw.Connection(str(place))
    earlier.config(apsw.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1)
    earlier.execute("PRAGMA journal_mode = WAL")
    migrate(earlier, migrations()[:17])
    earlier.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    earlier.execute("INSERT INTO batches (name, region, created_at) VALUES ('old', 'us-east-1', 0)")
    earlier.close()
    assert log(place).stat().st_size > 0
    async with await open_ledger(place) as ledger:
        assert await ledger.find_batch("old")


@pytest.mark.long
@pytest.mark.parametrize("times", [0, 3, 300])
async def test_nor_is_a_copy_laid_over_that_is_of_an_earlier_batchrun(place, tmp_path, times):
    earlier = apsw.Connection(str(place))
    earlier.execute("PRAGMA journal_mode = WAL")
    migrate(earlier, migrations()[:17])
    earlier.close()
    old = Path(shutil.copy(place, tmp_path / "old.db"))
    async with await open_ledger(place) as ledger:
        await (await filled(ledger, "a", "b")).release()
    await killed(place, times)
    put_over(old, place)
    await refused(place)


async def test_an_upgrade_leaves_nothing_in_the_log(place):
    earlier = apsw.Connection(str(place))
    earlier.execute("PRAGMA journal_mode = WAL")
    migrate(earlier, migrations()[:17])
    async with await open_ledger(place):
        assert log(place).stat().st_size == 0
    earlier.close()


@pytest.mark.usefixtures("copy")
@pytest.mark.parametrize("last", ["UPDATE batches SET created_at = 5", "SELECT 1"])
async def test_a_log_that_others_began_is_its_own(place, last):
    """Other programs may write, have the log begin anew, or move the pages."""
    theirs = apsw.Connection(str(place))
    theirs.config(apsw.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1)
    for said in ("VACUUM", "PRAGMA wal_checkpoint(RESTART)", last):
        theirs.execute(said).fetchall()
    theirs.close()
    assert log(place).stat().st_size > 0
    await assert_works(place, "a", "b", "c")


@pytest.mark.usefixtures("copy")
async def test_what_changed_nothing_is_not_written(place):
    async with await open_ledger(place) as ledger:
        held = await ledger.hold(BATCH, holder="host:1", ttl=TTL, at=AT)
        before = log(place).stat().st_size
        await held.record([])
        assert log(place).stat().st_size == before
        assert await ledger._read(lambda: connection_of(ledger).pragma("journal_mode")) == "wal"


@pytest.mark.usefixtures("copy")
async def test_a_log_may_go_away_while_it_is_looked_for(place, monkeypatch):
    """Seen: the last launcher to close the ledger took it away between two looks."""
    await killed(place, 3)
    look, looks = Path.stat, []

    def stat(path, **options):
        found = look(path, **options)
        if path == log(place):
            looks.append(path.unlink())
        return found

    connection = apsw.Connection(str(place), flags=apsw.SQLITE_OPEN_READWRITE)
    with monkeypatch.context() as patched:
        patched.setattr(Path, "stat", stat)
        own_log.check(connection, place)
    connection.close()
    assert len(looks) == 1


async def is_proven(place: Path) -> bool:
    """Have a launcher hold the batch for a moment, and report whether it has proofs."""
    async with await open_ledger(place) as ledger:
        held = await lease_on(ledger)
        found = await entry_of(ledger, "a")
        await held.release()
    return found.proven_at is not None


@contextlib.asynccontextmanager
async def looking(place: Path) -> AsyncIterator[Launcher]:
    """Have a launcher look for a row that is to be sent; it dies at the end, unless it has released."""
    async with await open_ledger(place) as ledger:
        held = await filled(ledger, "a")
        await held.proofs.begin_survey(since=AT, at=AT)
        await held.proofs.end_survey(at=AT, calls={None: 1})
        yield Launcher(ledger, held, place)


async def looked_for(place: Path) -> None:
    async with looking(place) as launcher:
        await launcher.end()


def marks(place: Path) -> list[str]:
    return [path.name for path in place.parent.glob(f"{place.name}-lease-*")]


async def test_the_next_launcher_of_the_same_ledger_uses_its_proofs(place):
    await looked_for(place)
    for _ in range(3):
        assert await is_proven(place)
        assert len(marks(place)) == 1


@pytest.mark.parametrize("put", [put_over, put_over_with_its_times, put_instead])
async def test_proofs_of_a_copy_that_was_put_back_are_none(place, tmp_path, put):
    """Seen: a row that was refused and retried since the copy was made was started again."""
    await looked_for(place)
    copy = Path(shutil.copy(place, tmp_path / "copy.db"))
    assert await is_proven(place)
    put(copy, place)
    assert not await is_proven(place)
    assert marks(place) == []
    assert not await is_proven(copy)


@pytest.mark.parametrize("then_dies", [False, True])
async def test_nor_are_they_where_it_was_made_while_a_launcher_worked(place, tmp_path, then_dies):
    """Seen: the mark is that of the copy's last lease, and tells nothing of what was sent in its rest."""
    async with looking(place) as launcher:
        copy = launcher.backed_up(tmp_path / "copy.db")
        if not then_dies:
            await launcher.end()
    put_over(copy, place)
    assert not await is_proven(place)


async def test_nor_are_they_when_its_mark_came_with_it(place, tmp_path):
    await looked_for(place)
    copies = [
        Path(shutil.copy(path, tmp_path / f"copy of {path.name}"))
        for path in place.parent.glob(f"{place.name}*")
    ]
    assert await is_proven(place)
    for copy in copies:
        shutil.copy(copy, place.with_name(copy.name.removeprefix("copy of ")))
    assert not await is_proven(place)


@pytest.mark.parametrize(("put", "is_kept"), [(shutil.copytree, False), (Path.rename, True)])
async def test_nor_are_they_in_a_copy_of_the_whole_folder(tmp_path, put, is_kept):
    (tmp_path / "one").mkdir()
    await looked_for(tmp_path / "one" / "batchrun.db")
    put(tmp_path / "one", tmp_path / "other")
    assert await is_proven(tmp_path / "other" / "batchrun.db") is is_kept


async def test_marks_of_a_ledger_that_is_no_more_are_cleared(place):
    place.with_name(f"{place.name}-lease-1-7").touch()
    await looked_for(place)
    assert marks(place) == [f"{place.name}-lease-1-1"]
    assert await is_proven(place)


async def test_who_releases_leaves_the_lock_that_the_next_one_is_about_to_take(place):
    next_one = place.with_name(f"{place.name}-lease-1-2")
    async with looking(place) as launcher:
        next_one.touch()
        await launcher.end()
    assert next_one.exists()


async def test_a_mark_is_not_written_where_somebody_has_put_a_link(place, tmp_path):
    """Seen: in a folder that others may write to, the file that they chose was emptied."""
    precious = tmp_path / "precious"
    precious.write_text("precious")
    place.with_name(f"{place.name}-lease-1-1").symlink_to(precious)
    await looked_for(place)
    assert precious.read_text() == "precious"


async def test_once_nothing_is_to_be_sent_no_mark_stays(place):
    await looked_for(place)
    async with await open_ledger(place) as ledger:
        held = await lease_on(ledger)
        await move(held, "a", intended(), accepted(1))
        await held.release()
    assert marks(place) == []
