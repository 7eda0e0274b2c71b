"""
The ledger: what was asked for, what became of it, and who may write; in SQLite, through apsw.

Belongs here: storage, and nothing that decides. Does not: the contract (``ports.ledger``), the rules of
states (``model``).
"""

from batchrun.ledger.connection import is_there
from batchrun.ledger.ledger import SqlLedger, open_ledger

__all__ = ["SqlLedger", "is_there", "open_ledger"]
