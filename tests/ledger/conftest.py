from __future__ import annotations

import apsw
import psycopg
import pytest

from batchrun.ledger import open_ledger
from batchrun.ledger.sqlite.migrate import migrate
from batchrun.ledger.sqlite.statements import migrations
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


@pytest.fixture
def file():
    """The schema of a ledger in a file."""
    connection = apsw.Connection(":memory:")
    connection.config(apsw.SQLITE_DBCONFIG_ENABLE_FKEY, 1)
    migrate(connection, migrations())
    yield connection
    connection.close()


@pytest.fixture
def server(in_postgres):
    """The schema of a ledger in PostgreSQL."""
    with psycopg.connect(in_postgres, autocommit=True) as connection:
        yield connection


@pytest.fixture
def empty():
    """A database without anything."""
    connection = apsw.Connection(":memory:")
    yield connection
    connection.close()
