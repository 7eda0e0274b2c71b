"""The contract's words on what was told of a batch."""

from __future__ import annotations

import anyio

from batchrun.model.notices import NOTED, Notice
from tests.ledger.samples import AT, BATCH, filled, later


class Notices:
    async def test_a_notice_is_told_once_by_whoever_asks_first(self, ledger):
        await filled(ledger, "a")
        won: list[bool] = []

        async def tell() -> None:
            won.append(await ledger.batch(BATCH).requests.tell(Notice.END, at=AT))

        async with anyio.create_task_group() as group:
            for _ in range(5):
                group.start_soon(tell)
        assert sorted(won) == [False] * 4 + [True]
        assert await ledger.batch(BATCH).requests.tell(Notice.END, at=later(minutes=1)) is False

    async def test_what_was_forgotten_may_be_told_anew_and_the_rest_not(self, ledger):
        await filled(ledger, "a")
        for notice in NOTED:
            assert await ledger.batch(BATCH).requests.tell(notice, at=AT)
        await ledger.batch(BATCH).requests.forget(but=NOTED)
        await ledger.batch(BATCH).requests.forget(but=[Notice.FAILURE])
        assert await ledger.batch(BATCH).requests.tell(Notice.END, at=AT)
        assert not await ledger.batch(BATCH).requests.tell(Notice.FAILURE, at=AT)

    async def test_batches_know_nothing_of_each_other_s_notices(self, ledger):
        await filled(ledger, "a")
        await ledger.open_batch("other", region="us-east-1", at=AT)
        assert await ledger.batch("other").requests.tell(Notice.END, at=AT)
        assert await ledger.batch(BATCH).requests.tell(Notice.END, at=AT)
        await ledger.batch(BATCH).requests.forget(but=[])
        await ledger.batch("nothing").requests.forget(but=[])
        assert not await ledger.batch("other").requests.tell(Notice.END, at=AT)
