"""
What launches learned of the service's pace, kept by account and operation.

Belongs here: reading and writing that table. Does not: what it means (``model.pace``).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from batchrun.ledger.rows import micros
from batchrun.ledger.statements import queries
from batchrun.model.pace import Learned, Phase

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    import apsw


def paces(connection: apsw.Connection, account: str, *, since: datetime) -> Mapping[str, Learned]:
    """Give what was learned at *since* or later, by operation."""
    rows = connection.execute(queries()["paces"], (account, micros(since)))
    return {
        operation: Learned(phase=Phase(phase), base=base, cut=cut, span=span, passed=passed, burst=burst)
        for operation, phase, base, cut, span, passed, burst in rows
    }


def keep(connection: apsw.Connection, account: str, learned: Mapping[str, Learned], *, at: datetime) -> None:
    """Write what was learned over what is there."""
    for operation, one in learned.items():
        facts = (one.phase.value, one.base, one.cut, one.span, one.passed, one.burst)
        connection.execute(queries()["keep_pace"], (account, operation, *facts, micros(at)))
