"""The contract's words on the work of rows, and on the places of manifests."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from batchrun.errors import RenamedRowsError
from batchrun.model.entries.events import Cancelled, Failed, Refused
from batchrun.model.planning.limits import Changed
from tests.ledger.samples import (
    AT,
    BATCH,
    TTL,
    accepted,
    completed,
    intended,
    lease_on,
    move,
    run_of,
    spec,
)

if TYPE_CHECKING:
    from batchrun.model.spec import Spec
    from batchrun.ports.ledger import Ledger


def working(*rows: tuple[str, str | None]) -> list[Spec]:
    """Make rows that do the work of this name; None is not known."""
    return [
        replace(spec(id_, position, work), work=None if work is None else work.encode().ljust(16))
        for position, (id_, work) in enumerate(rows)
    ]


async def taken_in(ledger: Ledger, *rows: tuple[str, str | None], batch: str = BATCH, **options):
    held = await lease_on(ledger, batch)
    await held.sync(working(*rows), **{"changed": Changed.REFUSE, "at": AT, **options})
    return held


async def begun(ledger: Ledger, *rows: tuple[str, str | None], batch: str = BATCH) -> None:
    """Take rows in, and send the last of them."""
    held = await taken_in(ledger, *rows, batch=batch)
    await move(held, rows[-1][0], intended())


class Namesakes:
    async def test_a_row_is_known_by_its_id_and_its_work(self, ledger):
        await taken_in(ledger, ("a", "x"), ("b", "y"), ("c", "z"))
        rows = working(("a", "x"), ("b", "other"), ("new", "z"))
        assert await ledger.rows_as_known(BATCH, rows) == 1

    async def test_where_nobody_knows_the_work_the_id_will_do(self, ledger):
        await taken_in(ledger, ("a", None), ("b", "y"))
        assert await ledger.rows_as_known(BATCH, working(("a", "x"), ("b", None), ("c", None))) == 2

    async def test_the_work_is_learned_when_the_manifest_is_read_again(self, ledger):
        await taken_in(ledger, ("a", None))
        again = [replace(row, work=b"x" * 16) for row in working(("a", None))]
        await (await lease_on_again(ledger)).sync(again, changed=Changed.REFUSE, at=AT)
        assert await ledger.rows_as_known(BATCH, working(("a", "other"))) == 0

    async def test_a_row_keeps_the_work_that_was_submitted(self, ledger):
        held = await taken_in(ledger, ("a", "x"), ("b", "x"))
        await move(held, "a", intended(), accepted(1))
        rows = working(("a", "y"), ("b", "y"))
        await held.sync(rows, changed=Changed.KEEP, at=AT)
        assert await ledger.rows_as_known(BATCH, rows) == 1
        await held.sync(rows, changed=Changed.RESUBMIT, at=AT)
        assert await ledger.rows_as_known(BATCH, rows) == 2

    async def test_rows_of_other_batches_are_counted_by_batch(self, ledger):
        await begun(ledger, ("a", "x"), ("b", "y"), ("c", "z"), batch="one")
        await begun(ledger, ("a", "x"), batch="two")
        await begun(ledger, ("q", "q"), batch="three")
        rows = working(("a", "x"), ("b", "y"), ("d", "w"), ("e", None))
        await begun(ledger, ("a", "x"), ("b", "y"))
        assert await ledger.rows_elsewhere(BATCH, rows) == {"one": 2, "two": 1}
        assert await ledger.rows_elsewhere("new", rows) == {"one": 2, "two": 1, BATCH: 2}

    async def test_work_is_found_under_another_id_where_it_is_one_rows_alone(self, ledger):
        await begun(ledger, ("a", "x"), ("b", "same"), ("c", "same"), ("d", "twice"), batch="one")
        rows = working(("A", "x"), ("B", "same"), ("D", "twice"), ("E", "twice"))
        assert await ledger.rows_elsewhere(BATCH, rows) == {"one": 1}
        assert await ledger.rows_elsewhere(BATCH, working(("c", "same"), ("d", "twice"))) == {"one": 2}

    async def test_rows_of_which_none_was_sent_stand_nowhere_yet(self, ledger):
        held = await taken_in(ledger, ("a", "x"), ("b", "y"), batch="one")
        rows = working(("a", "x"), ("b", "y"))
        assert await ledger.rows_elsewhere(BATCH, rows) == {}
        await move(held, "b", intended(), Refused(at=AT, code="x", message="no"))
        assert await ledger.rows_elsewhere(BATCH, rows) == {}
        await move(held, "a", intended())
        assert await ledger.rows_elsewhere(BATCH, rows) == {"one": 1}

    async def test_what_failed_was_cancelled_or_refused_does_not_stand_there(self, ledger):
        ids = ("failed", "cancelled", "refused", "done", "going", "planned")
        held = await taken_in(ledger, *((id_, id_) for id_ in ids), batch="one")
        await move(held, "failed", intended(), accepted(1), Failed(at=AT, run=run_of(1, "FAILED")))
        ended = Cancelled(at=AT, run=run_of(2, "CANCELLED"))
        await move(held, "cancelled", intended(), accepted(2), ended)
        await move(held, "refused", intended(), Refused(at=AT, code="x", message="no"))
        await move(held, "done", intended(), accepted(3), completed(3))
        await move(held, "going", intended(), accepted(4))
        rows = working(*((id_, id_) for id_ in ids))
        assert await ledger.rows_elsewhere(BATCH, rows) == {"one": 3}
        left = [row for row in rows if row.id not in {"planned", "going"}]
        await held.sync(left, changed=Changed.REFUSE, at=AT)
        assert await ledger.rows_elsewhere(BATCH, rows) == {"one": 2}, "what was sent stands"

    async def test_nor_does_it_where_several_rows_ask_for_the_same(self, ledger):
        held = await taken_in(
            ledger, ("failed", "x"), ("done", "x"), ("going", "x"), ("planned", "x"), batch="one"
        )
        await move(held, "failed", intended(), accepted(1), Failed(at=AT, run=run_of(1, "FAILED")))
        await move(held, "done", intended(), accepted(3), completed(3))
        await move(held, "going", intended(), accepted(4))
        rows = working(("failed", "x"), ("done", "x"), ("going", "x"), ("planned", "x"))
        assert await ledger.rows_elsewhere(BATCH, rows) == {"one": 3}
        await held.sync(rows[:2], changed=Changed.REFUSE, at=AT)
        assert await ledger.rows_elsewhere(BATCH, rows) == {"one": 2}

    async def test_a_manifests_place_is_kept_until_another_is_taken_in(self, ledger):
        await lease_on(ledger)
        assert (await ledger.find_batch(BATCH)).place is None
        for place, kept in (("/a/x.csv", "/a/x.csv"), (None, "/a/x.csv"), ("/b/x.csv", "/b/x.csv")):
            held = await lease_on_again(ledger)
            await held.sync(working(("a", "x")), changed=Changed.REFUSE, at=AT, place=place)
            assert (await ledger.find_batch(BATCH)).place == kept
        assert {batch.name: batch.place for batch in await ledger.batches()}[BATCH] == "/b/x.csv"

    @pytest.mark.parametrize(
        ("was", "now", "work", "is_renamed"),
        [
            ("007", "7", "another", True),
            ("s8", "S-8", "eight", False),
            ("failed", "again", "nine", False),
            ("unsent", "later", "ten", False),
            ("twin1", "twin3", "twins", False),
            ("s8", "8", "another", False),
        ],
    )
    async def test_a_row_that_was_sent_under_another_id_is_not_sent_again(
        self, ledger, was, now, work, is_renamed
    ):
        """Seen: a spreadsheet made 001 a 1, and every row ran a second time."""
        names = {"007": "seven", "s8": "eight", "failed": "nine", "unsent": "ten", "twin1": "twins"}
        rows = [*names.items(), ("twin2", "twins")]
        held = await taken_in(ledger, *rows)
        for number, id_ in enumerate(("007", "s8", "failed", "twin1", "twin2")):
            await move(held, id_, intended(), accepted(number))
        await move(held, "failed", Failed(at=AT, run=run_of(2, "FAILED")))
        then = working(*((now, work) if row[0] == was else row for row in rows))
        if is_renamed:
            for word in (Changed.REFUSE, Changed.KEEP):
                with pytest.raises(
                    RenamedRowsError, match=f"1 row was started under another id: '{was}' is '{now}' now"
                ):
                    await held.sync(then, changed=word, at=AT)
            assert await ledger.batch(BATCH).entry(now) is None
        found = await held.sync(then, changed=Changed.RESUBMIT if is_renamed else Changed.REFUSE, at=AT)
        assert (found.new, found.gone, found.renamed_ids) == (1, 1, ((was, now),) if is_renamed else ())

    async def test_most_rows_that_were_sent_under_other_ids_are_not_sent_again(self, ledger):
        """As after another ``--id``. Two rows that ask for the same are nobody's other name."""
        works = {"a": "one", "b": "two", "c": "three", "d": "three", "e": "four"}
        held = await taken_in(ledger, *works.items())
        for number, id_ in enumerate(works):
            await move(held, id_, intended(), accepted(number))
        then = working(*((id_.upper(), work) for id_, work in works.items()))
        with pytest.raises(RenamedRowsError) as caught:
            await held.sync(then, changed=Changed.REFUSE, at=AT)
        assert (caught.value.total, caught.value.pairs) == (3, (("a", "A"), ("b", "B"), ("e", "E")))
        assert (await held.sync(then, changed=Changed.RESUBMIT, at=AT)).new == 5


async def lease_on_again(ledger: Ledger):
    """Claim the batch once more, whoever holds it."""
    last = await ledger.batch(BATCH).holder(at=AT)
    return await ledger.hold(BATCH, holder="host:2", ttl=TTL, at=AT if last is None else last.expires_at)
