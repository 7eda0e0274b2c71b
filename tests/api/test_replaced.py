"""Noticing that a ledger's file is another by now, in virtual time."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import anyio
import apsw
import pytest

from batchrun.api.reading import open_as_soon_as_possible, until_replaced
from batchrun.clock import VirtualClock
from batchrun.ledger import LedgerPlace, open_ledger
from batchrun.model.planning.limits import Changed
from tests.ledger.samples import AT, TTL, accepted, intended, move, spec


async def made(path: Path, batch: str, rows: int) -> None:
    async with await open_ledger(path) as ledger:
        await ledger.open_batch(batch, region="us-east-1", at=AT)
        held = await ledger.hold(batch, holder="x:1", ttl=TTL, at=AT)
        await held.sync([spec(f"r{n}", n) for n in range(rows)], changed=Changed.REFUSE, at=AT)
        for number in range(rows):
            await move(held, f"r{number}", intended(), accepted(number))
        await held.release()


async def is_noticed(
    path: Path, happens: Callable[[], object], tell: Callable[[str | None], None] = lambda _reason: None
) -> bool:
    clock, place = VirtualClock(), LedgerPlace(path)
    async with await open_ledger(path, read_only=True) as ledger:
        await ledger.newest_event()

        async def later() -> None:
            await clock.sleep(5)
            done = happens()
            if done is not None and hasattr(done, "__await__"):
                await done

        async with anyio.create_task_group() as group:
            group.start_soon(later)
            with anyio.move_on_after(30) as scope:
                await until_replaced(place, ledger, clock, tell)
    return not scope.cancelled_caught


def copied_over(source: Path, target: Path) -> None:
    """Copy as cp does, a second later: in virtual time both files would be of the same moment."""
    shutil.copyfile(source, target)
    written = target.stat().st_mtime_ns + 1_000_000_000
    os.utime(target, ns=(written, written))


@pytest.mark.parametrize("how", [copied_over, Path.replace])
@pytest.mark.parametrize("rows", [1, 4], ids=["an older one", "a newer one"])
async def test_another_file_is_noticed_however_it_came(tmp_path, how, rows):
    path, other = tmp_path / "batchrun.db", tmp_path / "other.db"
    await made(path, "cohort", 3)
    await made(other, "cohort", rows)
    assert await is_noticed(path, lambda: how(other, path))


async def test_what_is_written_to_it_and_copied_away_is_no_reason(tmp_path):
    path = tmp_path / "batchrun.db"
    await made(path, "cohort", 3)
    assert not await is_noticed(path, lambda: made(path, "more", 2))
    assert not await is_noticed(path, lambda: os.utime(path))
    assert not await is_noticed(path, path.unlink)  # until there is another one


async def test_one_that_is_not_whole_yet_is_waited_for(tmp_path):
    path, part = tmp_path / "batchrun.db", tmp_path / "part"
    await made(path, "cohort", 3)
    part.write_bytes(path.read_bytes()[:5000])
    assert not await is_noticed(path, lambda: part.replace(path))


def folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def fifo(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def circle(path: Path) -> None:
    path.unlink()
    path.symlink_to(path.name)


def to_nowhere(path: Path) -> None:
    path.unlink()
    path.symlink_to("nowhere")


def newer(path: Path) -> None:
    with apsw.Connection(str(path)) as connection:
        connection.pragma("user_version", 99)
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")  # as a migration does
    connection.close()


PLACES = [
    (Path.unlink, "is not there any more"),
    (folder, "is a folder"),
    (fifo, "is not a file"),
    (circle, "Too many levels"),
    (to_nowhere, "a link to nowhere"),
    (newer, "has schema version 99"),
]


@pytest.mark.parametrize(("happens", "reason"), PLACES)
async def test_where_no_ledger_can_be_is_told_and_waited_for(tmp_path, happens, reason):
    """Seen: for a folder, a fifo, a link or a lost permission batchrun serve ended with 2."""
    path, told = tmp_path / "batchrun.db", list[str | None]()
    await made(path, "cohort", 3)
    assert not await is_noticed(path, lambda: happens(path), told.append)
    assert told[0] is None
    assert reason in str(told[-1])


@pytest.mark.parametrize(("happens", "reason"), PLACES)
async def test_what_comes_after_that_is_noticed(tmp_path, happens, reason):
    path, other = tmp_path / "batchrun.db", tmp_path / "other.db"
    await made(path, "cohort", 3)
    await made(other, "another", 1)
    clock, told = VirtualClock(), list[str | None]()

    def replace(why: str | None) -> None:
        told.append(why)
        if why is not None:
            path.rmdir() if path.is_dir() else path.unlink(missing_ok=True)
            other.replace(path)

    async with await open_ledger(path, read_only=True) as ledger:
        happens(path)
        await until_replaced(LedgerPlace(path), ledger, clock, replace)
    assert reason in str(told[-1])


async def test_one_that_is_away_when_it_is_to_be_opened_again_is_waited_for(tmp_path):
    path, clock, told = tmp_path / "batchrun.db", VirtualClock(), list[str]()
    path.mkdir()
    async with anyio.create_task_group() as group:

        async def later() -> None:
            await clock.sleep(5)
            path.rmdir()
            await made(path, "cohort", 1)

        group.start_soon(later)
        async with open_as_soon_as_possible(path, clock, told.append) as ledger:
            assert [batch.name for batch in await ledger.batches()] == ["cohort"]
    assert [f"{path} is a folder" in reason for reason in told] == [True] * 3
