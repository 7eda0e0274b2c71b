"""A ledger, or its folder, that may not be written or read: refused, or looked at where that will do."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from batchrun.ledger import open_ledger
from tests.ledger.samples import filled

_DROP_RIGHTS = """
import asyncio, concurrent.futures.thread, encodings.ascii, os, sys
import anyio._backends._asyncio  # a Python under somebody else's home cannot be read later on
from batchrun.errors import LedgerUnusableError
from batchrun.ledger import open_ledger
if os.geteuid() == 0:
    os.setresgid(65534, 65534, 65534)
    os.setresuid(65534, 65534, 65534)
async def main():
    try:
        async with await open_ledger(sys.argv[1], read_only=sys.argv[2] == "look") as ledger:
            print("opened", (await ledger.batch("cohort").counts()).total)
    except LedgerUnusableError as error:
        print(error)
asyncio.run(main())
"""


@pytest.fixture
def tmp_path():
    """A folder that others reach: pytest closes its own to them, and again with whatever else it tests."""
    with TemporaryDirectory(dir=os.environ.get("PYTEST_DEBUG_TEMPROOT")) as name:
        folder = Path(name)
        folder.chmod(0o755)
        yield folder
        folder.chmod(0o755)


@pytest.fixture
def without_rights():
    """Open the ledger as somebody who may not write."""
    program = [sys.executable, "-c", _DROP_RIGHTS]

    def opened(place, how="write"):
        done = subprocess.run([*program, place, how], capture_output=True, text=True, check=False)
        assert done.stderr == ""
        return done.stdout

    return opened


@pytest.mark.long
async def test_a_read_only_file_is_refused(place, tmp_path, without_rights):
    async with await open_ledger(place) as ledger:
        await filled(ledger, "a")
    place.chmod(0o444)
    tmp_path.chmod(0o777)
    assert "is not writable" in without_rights(place)
    tmp_path.chmod(0o555)
    assert "is not writable" in without_rights(place)


@pytest.mark.long
async def test_a_file_beside_it_that_is_read_only_is_named(place, tmp_path, without_rights):
    """Seen: after a look at a ledger that may not be written, making it writable did not help."""
    async with await open_ledger(place) as ledger:
        await filled(ledger, "a")
    place.chmod(0o444)
    tmp_path.chmod(0o777)
    assert without_rights(place, "look") == "opened 1\n"
    place.chmod(0o666)
    assert f"{place}-shm, which belongs to the ledger {place}, is not writable" in without_rights(place)


@pytest.mark.long
async def test_what_may_not_be_written_can_be_looked_at(place, tmp_path, without_rights):
    async with await open_ledger(place) as ledger:
        await filled(ledger, "a")
    place.chmod(0o444)
    tmp_path.chmod(0o555)
    assert without_rights(place, "look") == "opened 1\n"
    log = place.with_name(f"{place.name}-wal")
    tmp_path.chmod(0o755)
    log.write_bytes(b"what a writer that died has left")
    tmp_path.chmod(0o555)
    assert "cannot be opened" in without_rights(place, "look")


async def test_a_folder_that_may_not_be_written_is_refused(place, tmp_path, without_rights):
    tmp_path.chmod(0o555)
    assert "cannot be created: Permission denied" in without_rights(place)


@pytest.mark.long
async def test_a_ledger_that_may_not_be_read_is_refused(place, without_rights):
    async with await open_ledger(place):
        pass
    place.chmod(0o600 if os.geteuid() == 0 else 0)
    for how in ("write", "look"):
        assert f"{place} is not readable; change its permissions" in without_rights(place, how)
