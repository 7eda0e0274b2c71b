"""Noticing that a ledger's file is another by now, in virtual time."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import anyio
import pytest

from batchrun.api.reading import until_replaced
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


async def is_noticed(path: Path, happens: Callable[[], object]) -> bool:
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
                await until_replaced(place, ledger, clock)
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
