from __future__ import annotations

import pytest

from tests.ledger.conformance import LedgerConformance


class TestSqlite(LedgerConformance):
    """On the real SQLite and a real disk; the fixture also sees to it that nothing is left open."""


class TestPostgres(LedgerConformance):
    """On a real server."""

    @pytest.fixture
    def place(self, in_postgres, made_up_clock):  # noqa: ARG002 (what is said is the server's time)
        return in_postgres
