"""Verifying as a whole: beside a writer, after faults, without a ledger, and in little memory."""

from __future__ import annotations

import re
import subprocess
import sys
from importlib import resources
from pathlib import Path

import apsw
import apsw.ext
import pytest

from batchrun.errors import LedgerUnusableError
from batchrun.ledger import open_ledger
from batchrun.ledger.sqlite.migrate import migrate
from batchrun.ledger.sqlite.statements import migrations, queries
from batchrun.ledger.statements import split
from batchrun.ledger.verify import Verification
from batchrun.model.entries.states import State
from batchrun.model.planning.limits import Changed
from tests.engine.launching import bench, rows
from tests.ledger.samples import (
    AT,
    accepted,
    completed,
    filled,
    intended,
    move,
    specs,
)
from tests.ledger.test_verify import FAULTS, PATIENT, found
from tests.world import simulated


async def test_verifying_changes_nothing_and_works_beside_a_writer(place):
    async with await open_ledger(place) as ledger:
        held = await filled(ledger, "a")
        await move(held, "a", intended())
        before = place.read_bytes()
        verification = Verification(place)
        looking = verification.findings()
        assert list(looking) == []
        await move(held, "a", accepted(1))
        assert found(place) == []
        assert place.read_bytes() == before


async def test_what_a_manifest_does_to_a_ledger_is_sound(place):
    async with await open_ledger(place) as ledger:
        held = await filled(ledger, "a", "b", "c")
        await move(held, "a", intended(), accepted(1), completed(1))
        await held.sync(specs("c", "a", content=2), changed=Changed.RESUBMIT, at=AT)
        await held.sync(specs("c", "a", "d", content=3), changed=Changed.RESUBMIT, at=AT)
        await move(held, "c", intended())
    assert found(place) == []


@pytest.mark.timeout(300)
async def test_a_ledger_of_100_entries_that_went_through_faults_is_sound(tmp_path):
    async with bench(tmp_path, simulated(FAULTS, failures={"RUN_TASK_FAILED": 0.2}, max_active=None)) as it:
        await it.launch(rows(100), watch=PATIENT)
        changed = [*rows(30, priority=7), *rows(100)[30:]]
        await it.launch(changed, changed=Changed.RESUBMIT, watch=PATIENT)
        states = {entry.state for entry in (await it.entries()).values()}
        assert states == {State.SUCCEEDED, State.FAILED}
    verification = Verification(tmp_path / "batchrun.db")
    assert list(verification.findings()) == []
    assert verification.entries == 100
    assert verification.events > 400


def test_there_must_be_a_ledger(place):
    with pytest.raises(LedgerUnusableError, match="no ledger at"):
        found(place)


def test_every_check_is_used_and_streams():
    package = resources.files("batchrun.ledger")
    used = set(re.findall(r"each\(\"(\w+)\"\)", (package / "verify.py").read_text()))
    own = (package / "sql" / "sqlite" / "queries.sql").read_text().partition("--- verify\n")[2]
    assert used == {*split(own), *split((package / "sql" / "verify.sql").read_text())}
    connection = apsw.Connection(":memory:")
    migrate(connection, migrations())
    for name in ("stored_entries", "stored_attempts", "stored_events"):
        plan = [step for *_, step in connection.execute("EXPLAIN QUERY PLAN " + queries()[name])]
        assert not [step for step in plan if "TEMP B-TREE" in step], plan
    connection.close()


_PEAK = """
import sys
from batchrun.ledger.verify import Verification
from tests.peak import peak
verification = Verification(sys.argv[1])
assert not list(verification.findings())
print(verification.entries, peak())
"""


def peak(place: Path) -> int:
    """Return how much memory a process took to verify, in KiB."""
    done = subprocess.run([sys.executable, "-c", _PEAK, place], capture_output=True, text=True, check=True)
    return int(done.stdout.split()[1])


async def test_memory_does_not_grow_with_the_ledger(tmp_path):
    peaks = []
    for count in (100, 10_000):
        place = tmp_path / f"{count}.db"
        async with await open_ledger(place) as ledger:
            await filled(ledger, *(f"id{number}" for number in range(count)))
        peaks.append(peak(place))
    assert peaks[1] < peaks[0] + 20_000
