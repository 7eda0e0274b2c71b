# ruff: noqa: D102 - what each method promises stands in the contract, ports.results
"""What is kept of a batch's results."""

from __future__ import annotations

from batchrun.ledger.worker import BatchVerbs, reads, writes
from batchrun.ports.results import Results, WrittenResults


class SqlResults(BatchVerbs, Results):
    """What is kept of results that were written to files."""

    @reads
    def newest_told(self) -> int:
        return int(self._store.value("newest_told", batch=self._key))

    @reads
    def written(self, place: str) -> WrittenResults | None:
        row = self._store.one("written_results", batch=self._key, place=place)
        if row is None:
            return None
        return WrittenResults(place=place, form=row.form, digest=bytes(row.digest), event=row.event)

    @writes
    def keep(self, written: WrittenResults) -> None:
        self._store.run(
            "keep_written",
            batch=self._key,
            place=written.place,
            form=written.form,
            digest=written.digest,
            event=written.event,
        )
