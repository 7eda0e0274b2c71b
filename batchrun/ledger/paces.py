"""
What launches learned of the service's pace, kept by account and operation.

Belongs here: reading and writing that table. Does not: what it means (``model.pace``).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from batchrun.ledger.rows import micros, time_of
from batchrun.ledger.statements import queries
from batchrun.model.pace import Learned, Phase
from batchrun.ports.standing import KeptPace

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    import apsw


def paces(connection: apsw.Connection, account: str, *, since: datetime) -> Mapping[str, Learned]:
    """Return what was learned at *since* or later, by operation."""
    rows = connection.execute(queries()["paces"], (account, micros(since)))
    return {operation: _learned(facts) for operation, *facts in rows}


def all_paces(connection: apsw.Connection) -> Sequence[KeptPace]:
    """Return all that was learned, by account and operation."""
    return [
        KeptPace(account=account, operation=operation, learned=_learned(facts), at=time_of(at))
        for account, operation, at, *facts in connection.execute(queries()["all_paces"])
    ]


def _learned(facts: Sequence[Any]) -> Learned:
    phase, base, cut, span, passed, burst = facts
    return Learned(phase=Phase(phase), base=base, cut=cut, span=span, passed=passed, burst=burst)


def keep(connection: apsw.Connection, account: str, learned: Mapping[str, Learned], *, at: datetime) -> None:
    """Write what was learned over what is there."""
    for operation, one in learned.items():
        facts = (one.phase.value, one.base, one.cut, one.span, one.passed, one.burst)
        connection.execute(queries()["keep_pace"], (account, operation, *facts, micros(at)))
