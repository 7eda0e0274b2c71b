"""The contract's words on what ended runs used."""

from __future__ import annotations

from datetime import timedelta

from batchrun.model.costs import Usage, Work
from batchrun.model.entries.events import Failed, Removed, Retried
from tests.ledger.samples import AT, BATCH, accepted, completed, filled, intended, move, run_of

USAGE = Usage(
    status="COMPLETED",
    workflow_id="7",
    running=timedelta(hours=2, microseconds=1),
    storage_type="STATIC",
    storage_gib=1200,
    work=(
        Work(instance_type="", tasks=1, billed=timedelta(minutes=1)),
        Work(instance_type="omics.m.xlarge", tasks=3, billed=timedelta(hours=1, microseconds=7)),
    ),
    cached=2,
)


class Usages:
    async def test_runs_that_go_on_no_more_of_every_attempt_in_pages(self, ledger):
        held = await filled(ledger, *"abcd")
        failed = Failed(at=AT, run=run_of(1, "FAILED"))
        await move(held, "a", intended(), accepted(1), failed, Retried(at=AT, due=AT, why="x"))
        await move(held, "a", intended(), accepted(2), completed(2))
        await move(held, "b", intended(), accepted(3))
        gone = (Removed(at=AT, message="404"), Retried(at=AT, due=AT, why="x"), intended(), accepted(5))
        await move(held, "c", intended(), accepted(4), *gone)
        await move(held, "d", intended(), accepted(6), Removed(at=AT, message="404"))
        (first,) = await ledger.batch(BATCH).story.ended_runs(limit=1)
        assert (first.entry_id, first.attempt, first.run) == ("a", 1, failed.run)
        assert (first.usage, first.is_gone, first.name) == (None, False, "a")
        rest = await ledger.batch(BATCH).story.ended_runs(limit=9, after=(first.position, first.attempt))
        assert [(one.entry_id, one.attempt, one.run.uuid, one.is_gone) for one in rest] == [
            ("a", 2, "uuid-2", False),
            ("c", 1, "uuid-4", True),
            ("d", 1, "uuid-6", True),
        ]
        assert await ledger.batch("nothing").story.ended_runs(limit=9) == []

    async def test_what_a_run_used_is_kept_and_stays(self, ledger):
        held = await filled(ledger, "a")
        await move(held, "a", intended(), accepted(1), completed(1))
        await ledger.keep_usage("uuid-1", USAGE, at=AT)
        await ledger.keep_usage("uuid-1", Usage(status="COMPLETED"), at=AT)
        await ledger.keep_usage("uuid-1", None, at=AT)
        (kept,) = await ledger.batch(BATCH).story.ended_runs(limit=9)
        assert (kept.usage, kept.is_gone) == (USAGE, False)

    async def test_that_a_run_is_gone_is_kept_until_somebody_knows_better(self, ledger):
        held = await filled(ledger, "a")
        await move(held, "a", intended(), accepted(1), completed(1))
        await ledger.keep_usage("uuid-1", None, at=AT)
        await ledger.keep_usage("uuid-1", None, at=AT)
        (gone,) = await ledger.batch(BATCH).story.ended_runs(limit=9)
        assert (gone.usage, gone.is_gone) == (None, True)
        await ledger.keep_usage("uuid-1", USAGE, at=AT)
        (known,) = await ledger.batch(BATCH).story.ended_runs(limit=9)
        assert (known.usage, known.is_gone) == (USAGE, False)

    async def test_a_run_that_was_deleted_on_request_keeps_what_is_known(self, ledger):
        held = await filled(ledger, "a")
        await move(held, "a", intended(), accepted(1), completed(1))
        await ledger.keep_usage("uuid-1", USAGE, at=AT)
        await ledger.keep_deleted(["uuid-1"], at=AT)
        (known,) = await ledger.batch(BATCH).story.ended_runs(limit=9)
        assert (known.usage, known.is_gone) == (USAGE, True)

    async def test_completed_runs_of_a_workflow_the_last_first(self, ledger):
        await ledger.keep_usage("1", USAGE, at=AT)
        await ledger.keep_usage("2", Usage(status="FAILED", workflow_id="7"), at=AT)
        await ledger.keep_usage("3", Usage(status="COMPLETED", workflow_id="8"), at=AT)
        await ledger.keep_usage("4", None, at=AT)
        last = Usage(status="COMPLETED", workflow_id="7", is_fixed_price=True)
        await ledger.keep_usage("5", last, at=AT)
        assert await ledger.workflow_usages("7", limit=9) == [last, USAGE]
        assert await ledger.workflow_usages("7", limit=1) == [last]
        assert await ledger.workflow_usages("9", limit=1) == []
