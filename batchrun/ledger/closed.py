"""
Batches that are closed in this ledger: they went on in another, come from one, or are there to be read alone.

Belongs here: saying so, and refusing whoever would change one. Does not: closing them (``copying``).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from batchrun.errors import BatchClosedError

if TYPE_CHECKING:
    from batchrun.ledger.store import Store


def why_closed(store: Store, key: int | None, batch: str) -> str | None:
    """Say where the batch is to be worked on instead; None where that is here."""
    row = store.one("closed", batch=key)
    if row is None:
        return None
    match row.why:
        case "moved":
            return f"batch '{batch}' went on in another ledger: give --ledger {row.other}"
        case "arriving":
            return (
                f"batch '{batch}' is not whole: it is being copied from {row.other}; repeat that "
                "'batchrun ledger copy' to its end"
            )
        case _:
            return f"batch '{batch}' is a copy, to be read alone: give --ledger {row.other} to change it"


def check_open(store: Store, key: int | None, batch: str) -> None:
    """Raise BatchClosedError where the batch is closed; within a transaction that keeps others off it."""
    if (why := why_closed(store, key, batch)) is not None:
        raise BatchClosedError(why)
