from __future__ import annotations

import pytest

from batchrun.ledger import open_ledger
from tests.ledger.processes import Process
from tests.ledger.samples import is_idle
from tests.postgres.fixtures import database, in_postgres, made_up_clock, postgres

__all__ = ["database", "in_postgres", "made_up_clock", "postgres"]

pytest.register_assert_rewrite(
    "tests.ledger.contract_lanes",
    "tests.ledger.contract_lanes_due",
    "tests.ledger.contract_leases",
    "tests.ledger.contract_namesakes",
    "tests.ledger.contract_proofs",
    "tests.ledger.contract_reading",
    "tests.ledger.contract_record",
    "tests.ledger.contract_standing",
    "tests.ledger.contract_submissions",
    "tests.ledger.contract_sync",
)


@pytest.fixture
def place(tmp_path):
    """Where the test's ledger lies."""
    return tmp_path / "batchrun.db"


@pytest.fixture
def start(place):
    """Start other processes at the test's ledger."""
    processes = []

    def started(body):
        process = Process(place, body)
        processes.append(process)
        return process

    yield started
    for process in processes:
        process.kill()


@pytest.fixture
async def ledger(place):
    async with await open_ledger(place) as opened:
        yield opened
        if not opened._worker.is_stopped:
            assert await opened._read(lambda: is_idle(opened))
            assert not opened._store._snapshots  # type: ignore[attr-defined]
