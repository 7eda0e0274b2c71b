"""
What was told of a batch to those who do not watch.

Belongs here: reading and writing that table. Does not: what is worth telling (``model.notices``), telling it
(``notify``).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from batchrun.ledger.reading import batch_key
from batchrun.ledger.rows import micros
from batchrun.ledger.statements import queries
from batchrun.model.notices import Notice

if TYPE_CHECKING:
    from collections.abc import Collection
    from datetime import datetime

    import apsw


def told(connection: apsw.Connection, batch: str) -> frozenset[Notice]:
    """Return what was told of the batch."""
    rows = connection.execute(queries()["notices"], (batch_key(connection, batch),))
    return frozenset(Notice(notice) for (notice,) in rows)


def tell(connection: apsw.Connection, batch: str, notice: Notice, *, at: datetime) -> bool:
    """Note that *notice* is told, and say whether it was not noted before."""
    key = batch_key(connection, batch)
    added = connection.execute(queries()["add_notice"], (key, notice.value, micros(at)))
    return added.get is not None


def forget(connection: apsw.Connection, batch: str, notices: Collection[Notice]) -> None:
    """Take the notes of *notices* back."""
    key = batch_key(connection, batch)
    for notice in notices:
        connection.execute(queries()["drop_notice"], (key, notice.value))
