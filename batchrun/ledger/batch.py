# ruff: noqa: D102 - what each method promises stands in the contract, ports.batch
"""A batch of a store, and what it remembers of results that were written."""

from __future__ import annotations

from batchrun.ledger.keyed import Keyed, reads, writes
from batchrun.ledger.verbs.asking import Asking
from batchrun.ledger.verbs.reading import Reading
from batchrun.ledger.verbs.standing import Standing
from batchrun.ledger.verbs.submissions import Submitted
from batchrun.ports.batch import StoredBatch, WrittenResults


class Remembering(Keyed):
    """Which results were written where."""

    @reads
    def newest_told(self) -> int:
        return int(self._store.value("newest_told", batch=self._key))

    @reads
    def written_results(self, place: str) -> WrittenResults | None:
        row = self._store.one("written_results", batch=self._key, place=place)
        if row is None:
            return None
        return WrittenResults(place=place, form=row.form, digest=bytes(row.digest), event=row.event)

    @writes
    def keep_written(self, written: WrittenResults) -> None:
        self._store.run(
            "keep_written",
            batch=self._key,
            place=written.place,
            form=written.form,
            digest=written.digest,
            event=written.event,
        )


class SqlBatch(Reading, Standing, Asking, Remembering, Submitted, StoredBatch):
    """A batch of a store, to be read and asked."""
