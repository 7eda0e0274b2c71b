from __future__ import annotations

from tests.ledger.conformance import LedgerConformance


class TestSqlite(LedgerConformance):
    """On the real SQLite and a real disk; the fixture also sees to it that nothing is left open."""
