"""A ledger with several names: hard links, in whatever folder they lie."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import apsw
import pytest

from batchrun.errors import LeaseHeldError, LedgerUnusableError
from batchrun.ledger import open_ledger
from batchrun.ledger.sqlite import one_name
from batchrun.ledger.verify import Verification
from tests.disks import mounted_alone
from tests.ledger.processes import HOLDER
from tests.ledger.samples import BATCH, entry_of, filled, intended, lease_on, move

pytestmark = [
    pytest.mark.real_time,
    pytest.mark.skipif(not hasattr(os, "setxattr"), reason="the note is an attribute of the file, on Linux"),
]


def linked(place: Path) -> Path:
    """Return the ledger another name, in another folder."""
    folder = place.parent / "elsewhere"
    folder.mkdir(exist_ok=True)
    other = folder / "other.db"
    other.hardlink_to(place)
    return other


async def test_one_that_is_in_use_by_one_name_is_not_opened_by_another(place):
    async with await open_ledger(place) as ledger:
        held = await filled(ledger, "a")
        other = linked(place)
        for read_only in (False, True):
            with pytest.raises(LeaseHeldError, match=str(place)):
                await open_ledger(other, read_only=read_only)
        async with await open_ledger(place) as second:  # by the same name, as ever
            assert await second.find_batch(BATCH)
        await held.release()
    async with await open_ledger(other) as ledger:
        held = await lease_on(ledger)
        await move(held, "a", intended())
        with pytest.raises(LeaseHeldError, match=r"other\.db"):
            await open_ledger(place)
        await held.release()
    async with await open_ledger(place) as ledger:
        assert (await entry_of(ledger, "a")).intended_at is not None
    assert not list(Verification(place).findings())


@pytest.mark.parametrize("name", ["other.db", "an other\\.db"])
async def test_one_that_was_mounted_without_its_folder_is_not_opened_there(place, tmp_path, name):
    """Seen: two launchers sent the same rows, from within a container and without, each with its own log."""
    async with await open_ledger(place) as ledger:
        await filled(ledger, "a")
        (tmp_path / "elsewhere").mkdir()
        with mounted_alone(place, tmp_path / "elsewhere" / name) as other:
            for read_only in (False, True):
                with pytest.raises(LedgerUnusableError, match=r"without its folder.*; mount the folder"):
                    await open_ledger(other, read_only=read_only)
            assert [one.name for one in other.parent.iterdir()] == [name]


async def test_a_launcher_in_another_process_holds_it_by_all_of_its_names(start, place):
    holder = start(HOLDER)
    assert holder.says() == "held"
    other = linked(place)
    with pytest.raises(LeaseHeldError):
        await open_ledger(other)
    holder.send(signal.SIGKILL)
    holder.ends()
    # What it wrote last is in the log beside its own name.
    for read_only in (False, True):
        with pytest.raises(LedgerUnusableError, match=f"give --ledger {place}"):
            await open_ledger(other, read_only=read_only)
    async with await open_ledger(place) as ledger:
        await (await lease_on(ledger)).release()
    async with await open_ledger(other) as ledger:
        assert await ledger.find_batch(BATCH)


async def test_one_that_somebody_opened_before_there_were_notes_is_in_use_all_the_same(start, place):
    holder = start(HOLDER)
    assert holder.says() == "held"
    os.removexattr(place, one_name._NOTE)
    with pytest.raises(LeaseHeldError, match="in use by another of its names"):
        await open_ledger(linked(place))
    holder.tell()
    assert holder.says() == "wrote"


async def test_where_nothing_can_be_noted_there_is_one_name(place, monkeypatch):
    async with await open_ledger(place) as ledger:
        await filled(ledger, "a")
    other = linked(place)
    monkeypatch.setattr(one_name, "_HAS_NOTES", False)
    with pytest.raises(LedgerUnusableError, match="keep one of them, or copy it"):
        await open_ledger(other)
    place.unlink()
    async with await open_ledger(other) as ledger:
        assert await ledger.find_batch(BATCH)


async def test_whoever_is_slower_gives_way(place, monkeypatch):
    async with await open_ledger(place) as ledger:
        await filled(ledger, "a")
    other = linked(place)
    take = one_name.take

    def overtaken(connection: apsw.Connection, path: Path) -> None:
        take(connection, path)
        os.setxattr(path, one_name._NOTE, os.fsencode(place))

    monkeypatch.setattr(one_name, "take", overtaken)
    with pytest.raises(LeaseHeldError, match=str(place)):
        await open_ledger(other)
    monkeypatch.undo()
    async with await open_ledger(place) as ledger:
        assert await ledger.find_batch(BATCH)


async def test_a_copy_and_a_moved_ledger_are_ledgers_of_their_own(place):
    async with await open_ledger(place) as ledger:
        await filled(ledger, "a")
        copy = place.with_name("copy.db")
        copy.write_bytes(place.read_bytes())
        os.setxattr(copy, one_name._NOTE, os.getxattr(place, one_name._NOTE))  # as cp -a does
        copy.with_name("second.db").hardlink_to(copy)
        async with await open_ledger(copy):
            pass
    moved = place.rename(place.with_name("moved.db"))
    linked(moved)
    async with await open_ledger(moved) as ledger:
        assert await ledger.find_batch(BATCH)
