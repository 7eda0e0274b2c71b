"""Rows beside all that the ledger has, by their work."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from batchrun.ledger.verbs.sync import begun

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from batchrun.ledger.store import Store
    from batchrun.model.spec import Spec


def as_known(store: Store, batch: int | None, specs: Iterable[Spec]) -> int:
    """Count the rows that the batch has as they are."""
    with _works(store, specs):
        return int(store.value("rows_as_known", batch=batch))


def elsewhere(store: Store, batch: str, specs: Iterable[Spec]) -> Mapping[str, int]:
    """Count the rows that stand in batches other than *batch*, by batch."""
    with _works(store, specs):
        store.run("find_only_works")
        return {row.name: row.rows for row in store.all("rows_elsewhere", name=batch)}


@contextlib.contextmanager
def _works(store: Store, specs: Iterable[Spec]) -> Iterator[None]:
    with store.tables("make_works", "drop_works"), store.reading():
        rows = ({"position": one.position, "id": one.id, "work": one.work} for one in begun(specs))
        store.many("add_work", rows)
        yield
