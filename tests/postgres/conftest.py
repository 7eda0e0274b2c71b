from __future__ import annotations

from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from tests.postgres.fixtures import database, in_postgres, postgres
from tests.postgres.proxy import Proxy

__all__ = ["database", "in_postgres", "postgres"]


@pytest.fixture
def proxy(in_postgres):
    """A way to the test's ledger; skipped where the server's socket is not ours to reach."""
    where = parse_qs(urlsplit(in_postgres).query).get("host")
    if not where:
        pytest.skip("the server that BATCHRUN_TEST_POSTGRES_URL names is not behind a socket of ours")
    made = Proxy(str(Path(where[0]) / ".s.PGSQL.5432"))
    yield made
    made.close()


@pytest.fixture
def beyond(proxy, in_postgres):
    """The address of the test's ledger behind the proxy."""
    return proxy.url(urlsplit(in_postgres).path[1:])
