"""The contract's words on results that were written."""

from __future__ import annotations

import pytest

from batchrun.model.planning.limits import Changed
from batchrun.ports.results import WrittenResults
from tests.ledger.samples import AT, BATCH, accepted, filled, intended, move, spec, specs

DIGEST = bytes(range(32))


def written(event: int, place: str = "/x/cohort.results.csv") -> WrittenResults:
    return WrittenResults(place=place, form="1.0", digest=DIGEST, event=event)


class WrittenDown:
    async def test_what_was_written_is_remembered_by_its_place(self, ledger):
        await filled(ledger, "a")
        batch = ledger.batch(BATCH)
        assert await batch.results.written("/x/cohort.results.csv") is None
        await batch.results.keep(written(0))
        await batch.results.keep(written(7))
        await batch.results.keep(written(3, "/y"))
        assert await batch.results.written("/x/cohort.results.csv") == written(7)
        assert await batch.results.written("/y") == written(3, "/y")
        assert await ledger.batch("other").results.written("/y") is None

    async def test_the_newest_event_is_the_batch_s_own(self, ledger):
        held, other = await filled(ledger, "a"), await filled(ledger, "b", batch="other")
        assert await ledger.batch(BATCH).results.newest_told() == 0
        await move(held, "a", intended())
        before = await ledger.batch(BATCH).results.newest_told()
        await move(other, "b", intended())
        assert await ledger.batch(BATCH).results.newest_told() == before > 0
        await move(held, "a", accepted(1))
        assert await ledger.batch(BATCH).results.newest_told() > before

    @pytest.mark.parametrize(
        ("manifest", "is_kept"),
        [
            (specs("a", "b"), True),
            (specs("b", "a"), False),  # in another order
            (specs("a"), False),  # one is gone
            (specs("a", "b", "c"), False),  # one is new
            ([spec("a", 0, content=2), spec("b", 1)], False),  # one that was sent asks for something else
        ],
    )
    async def test_it_is_forgotten_where_a_manifest_changes_what_results_tell(
        self, ledger, manifest, is_kept
    ):
        held = await filled(ledger, "a", "b")
        await move(held, "a", intended(), accepted(1))
        await ledger.batch(BATCH).results.keep(written(9, "/x"))
        await held.sync(manifest, changed=Changed.KEEP, at=AT)
        assert (await ledger.batch(BATCH).results.written("/x") is not None) == is_kept
