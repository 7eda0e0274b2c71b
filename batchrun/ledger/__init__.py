"""
The ledger: what was asked for, what became of it, and who may write; in SQLite, through apsw.

Belongs here: storage, and nothing that decides. Does not: the contract (``ports.ledger``), the rules of
states (``model``).
"""

from batchrun.ledger.ledger import SqlLedger
from batchrun.ledger.place import LedgerPlace, open_ledger

__all__ = ["LedgerPlace", "SqlLedger", "open_ledger"]
