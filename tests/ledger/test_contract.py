from __future__ import annotations

import pytest

from tests.ledger.conformance import LedgerConformance
from tests.ledger.memory import MemoryLedger


class TestSqlite(LedgerConformance):
    """On the real SQLite and a real disk; the fixture also sees to it that nothing is left open."""


class TestMemory(LedgerConformance):
    @pytest.fixture
    def ledger(self):
        return MemoryLedger()
