"""What tests on PostgreSQL start from; where no server can be run they are skipped, and say why."""

from __future__ import annotations

import contextlib
from pathlib import Path

import psycopg
import pytest

from batchrun.ledger.postgres.connection import first
from batchrun.ledger.postgres.store import PostgresStore
from tests.postgres.server import NoServerError, emptied, shared


@pytest.fixture(scope="session")
def postgres(tmp_path_factory):
    """A server that all workers share."""
    root = tmp_path_factory.getbasetemp()
    place = (root.parent if root.name.startswith("popen-") else root) / "postgres"
    try:
        with shared(Path(place)) as server:
            yield server
    except NoServerError as error:
        pytest.skip(str(error))


@pytest.fixture(scope="session")
def database(postgres):
    """A database of this worker's alone, with a ledger in it."""
    url = postgres.make()
    first(url, read_only=False).close()
    yield url
    postgres.drop(url)


@pytest.fixture
def made_up_clock(database, monkeypatch):
    """Have the server's clock show what each call says that it is, as a file's ledger takes it."""
    before = PostgresStore._asking

    @contextlib.contextmanager
    def asking(self, statement, values):
        if "at" in values:
            with self._link.asking() as connection:
                connection.execute("SELECT set_config('test.at', %s, false)", [str(values["at"])])
        with before(self, statement, values) as cursor:
            yield cursor

    monkeypatch.setattr(PostgresStore, "_asking", asking)
    with psycopg.connect(database, autocommit=True) as connection:
        real = connection.execute("SELECT pg_get_functiondef('server_micros'::regproc)").fetchone()
        assert real is not None
        connection.execute(
            "CREATE OR REPLACE FUNCTION server_micros() RETURNS BIGINT LANGUAGE sql VOLATILE AS "
            "$$ SELECT coalesce(nullif(current_setting('test.at', true), '')::bigint, 0) $$"
        )
        yield
        connection.execute(real[0])


@pytest.fixture
def in_postgres(database):
    """The address of an empty ledger."""
    emptied(database)
    return database
