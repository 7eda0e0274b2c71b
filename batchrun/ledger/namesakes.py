"""
Rows beside all that the ledger has, by their work.

Belongs here: the temporary table of works, and counting. Does not: what follows from it
(``model.namesakes``).
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

from batchrun.ledger.reading import batch_key
from batchrun.ledger.statements import queries
from batchrun.ledger.transaction import reading

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    import apsw

    from batchrun.model.spec import Spec


def as_known(connection: apsw.Connection, batch: str, specs: Iterable[Spec]) -> int:
    """Count the rows that the batch has as they are."""
    with _works(connection, specs):
        count: int = connection.execute(queries()["rows_as_known"], (batch_key(connection, batch),)).get
        return count


def elsewhere(connection: apsw.Connection, batch: str, specs: Iterable[Spec]) -> Mapping[str, int]:
    """Count the rows that stand in other batches, by batch."""
    with _works(connection, specs):
        connection.execute(queries()["find_only_works"])
        counts: Any = connection.execute(queries()["rows_elsewhere"], (batch,))
        return dict(counts)


@contextlib.contextmanager
def _works(connection: apsw.Connection, specs: Iterable[Spec]) -> Iterator[None]:
    connection.execute(queries()["make_works"])
    try:
        with reading(connection):
            rows = ((spec.position, spec.id, spec.work) for spec in specs)
            connection.executemany(queries()["add_work"], rows)
            yield
    finally:
        connection.execute(queries()["drop_works"])
