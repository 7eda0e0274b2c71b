"""The ledger: what was asked for, what became of it, and who may write; in SQLite or PostgreSQL."""

from batchrun.ledger.ledger import SqlLedger
from batchrun.ledger.place import LedgerPlace, open_ledger

__all__ = ["LedgerPlace", "SqlLedger", "open_ledger"]
