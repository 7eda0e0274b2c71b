"""The contract's words on what people ask to be cancelled and deleted."""

from __future__ import annotations

from batchrun.model.entries.events import Cancelled, Failed, Removed, Retried, Withdrawn
from batchrun.model.entries.states import State
from batchrun.model.planning.cancelling import Scope
from batchrun.model.planning.limits import Changed
from batchrun.ports.held import HeldBatch
from tests.ledger.samples import (
    AT,
    BATCH,
    accepted,
    completed,
    deferred,
    entry_of,
    filled,
    intended,
    later,
    move,
    run_of,
    specs,
)

WITHDRAWN = Withdrawn(at=AT, message="on request")


async def wanted(ledger) -> dict[str, Scope]:
    return {one.entry.id: one.scope for one in await ledger.batch(BATCH).cancellations(limit=100)}


async def due(held) -> list[str]:
    return [entry.id for entry in await held.due(at=later(hours=1), limit=100)]


async def everywhere(ledger) -> HeldBatch:
    """Make entries in every state that has not ended, and one that has."""
    held = await filled(ledger, "planned", "backoff", "submitting", "active", "done")
    await move(held, "backoff", intended(), deferred(later(minutes=1)))
    await move(held, "submitting", intended())
    await move(held, "active", intended(), accepted(1))
    await move(held, "done", intended(), accepted(2), completed(2))
    return held


class Cancelling:
    """Wishes: who has one, how far it goes, and who takes it back."""

    async def test_all_that_has_not_ended_is_to_be_cancelled_and_not_sent(self, ledger):
        held = await everywhere(ledger)
        assert await due(held) == ["planned", "backoff"]
        assert await ledger.batch(BATCH).requests.ask_to_cancel(None, scope=Scope.RUN, at=AT) == 4
        assert list(await wanted(ledger)) == ["planned", "backoff", "submitting", "active"]
        assert await due(held) == []
        assert (await entry_of(ledger, "planned")).state is State.PLANNED  # whoever holds the batch acts

    async def test_sending_alone_leaves_runs_and_what_may_be_one(self, ledger):
        await everywhere(ledger)
        assert await ledger.batch(BATCH).requests.ask_to_cancel(None, scope=Scope.SENDING, at=AT) == 4
        assert await wanted(ledger) == {"planned": Scope.SENDING, "backoff": Scope.SENDING}

    async def test_a_wish_goes_further_and_never_back(self, ledger):
        await everywhere(ledger)
        assert await ledger.batch(BATCH).requests.ask_to_cancel(["active"], scope=Scope.SENDING, at=AT) == 1
        assert await ledger.batch(BATCH).requests.ask_to_cancel(["active"], scope=Scope.SENDING, at=AT) == 0
        assert await ledger.batch(BATCH).requests.ask_to_cancel(["active"], scope=Scope.RUN, at=AT) == 1
        assert await ledger.batch(BATCH).requests.ask_to_cancel(["active"], scope=Scope.SENDING, at=AT) == 0
        assert await wanted(ledger) == {"active": Scope.RUN}

    async def test_only_what_is_named_and_known(self, ledger):
        await everywhere(ledger)
        asked = ["planned", "done", "unknown"]
        assert await ledger.batch(BATCH).requests.ask_to_cancel(asked, scope=Scope.RUN, at=AT) == 1
        assert await ledger.batch("other").requests.ask_to_cancel(None, scope=Scope.RUN, at=AT) == 0
        assert await ledger.batch("other").cancellations(limit=9) == []

    async def test_pages_go_by_position(self, ledger):
        await filled(ledger, *"abc")
        await ledger.batch(BATCH).requests.ask_to_cancel(None, scope=Scope.RUN, at=AT)
        (first,) = await ledger.batch(BATCH).cancellations(limit=1)
        rest = await ledger.batch(BATCH).cancellations(limit=9, after=first.entry.position)
        assert [first.entry.id, *(one.entry.id for one in rest)] == ["a", "b", "c"]

    async def test_rows_that_left_the_manifest_unsent_are_passed_over(self, ledger):
        held = await everywhere(ledger)
        await held.sync(specs("submitting"), changed=Changed.REFUSE, at=AT)
        assert await ledger.batch(BATCH).requests.ask_to_cancel(None, scope=Scope.RUN, at=AT) == 2
        assert set(await wanted(ledger)) == {"submitting", "active"}

    async def test_so_they_are_where_they_leave_it_after_it_was_asked(self, ledger):
        held = await everywhere(ledger)
        await ledger.batch(BATCH).requests.ask_to_cancel(None, scope=Scope.RUN, at=AT)
        await held.sync(specs("submitting"), changed=Changed.REFUSE, at=AT)
        assert set(await wanted(ledger)) == {"submitting", "active"}

    async def test_what_was_carried_out_is_not_asked_for_again(self, ledger):
        held = await everywhere(ledger)
        await ledger.batch(BATCH).requests.ask_to_cancel(None, scope=Scope.RUN, at=AT)
        await move(held, "planned", WITHDRAWN)
        await move(held, "active", Cancelled(at=AT, run=run_of(1, "CANCELLED")))
        assert set(await wanted(ledger)) == {"backoff", "submitting"}
        assert await ledger.batch(BATCH).requests.ask_to_cancel(None, scope=Scope.RUN, at=AT) == 0

    async def test_a_retry_by_itself_does_not_get_around_it(self, ledger):
        held = await everywhere(ledger)
        await ledger.batch(BATCH).requests.ask_to_cancel(["active"], scope=Scope.SENDING, at=AT)
        again = Retried(at=AT, due=AT, why="a rule")
        await move(held, "active", Failed(at=AT, run=run_of(1, "FAILED")), again)
        assert "active" not in await due(held)
        assert await wanted(ledger) == {"active": Scope.SENDING}

    async def test_a_retry_by_people_takes_it_back(self, ledger):
        held = await everywhere(ledger)
        await ledger.batch(BATCH).requests.ask_to_cancel(["planned"], scope=Scope.RUN, at=AT)
        await move(held, "planned", WITHDRAWN)
        assert await ledger.batch(BATCH).requests.retry(["planned"], at=AT, why="asked for") == ["planned"]
        assert await due(held) == ["planned", "backoff"]
        assert (await entry_of(ledger, "planned")).attempt == 1  # it was never sent

    async def test_a_retry_takes_back_no_other_row_s(self, ledger):
        held = await everywhere(ledger)
        await ledger.batch(BATCH).requests.ask_to_cancel(["planned", "backoff"], scope=Scope.RUN, at=AT)
        await move(held, "planned", WITHDRAWN)
        await ledger.batch(BATCH).requests.retry(["planned"], at=AT, why="asked for")
        assert set(await wanted(ledger)) == {"backoff"}

    async def test_what_was_cancelled_needs_a_word_to_take_new_content(self, ledger):
        held = await filled(ledger, "a")
        await ledger.batch(BATCH).requests.ask_to_cancel(None, scope=Scope.RUN, at=AT)
        await move(held, "a", WITHDRAWN)
        changed = specs("a", content=2)
        await held.sync(changed, changed=Changed.KEEP, at=AT)
        assert (await entry_of(ledger, "a")).state is State.CANCELLED
        await held.sync(changed, changed=Changed.RESUBMIT, at=AT)
        assert await due(held) == ["a"]


class Deleting:
    """Ended runs, and which of them are still at the service."""

    async def test_ended_runs_of_every_attempt_in_pages(self, ledger):
        held = await filled(ledger, "none", *"abc")
        await move(held, "none", WITHDRAWN)
        failed = Failed(at=AT, run=run_of(1, "FAILED", creation_time=AT))
        await move(held, "a", intended(), accepted(1), failed, Retried(at=AT, due=AT, why="x"))
        await move(held, "a", intended(), accepted(2), completed(2))
        await move(held, "b", intended(), accepted(3))
        await move(held, "c", intended(), accepted(4), Removed(at=AT, message="404"))
        (first,) = await ledger.batch(BATCH).story.ended_runs(limit=1)
        assert (first.entry_id, first.attempt, first.run, first.name) == ("a", 1, failed.run, "a")
        rest = await ledger.batch(BATCH).story.ended_runs(limit=9, after=(first.position, first.attempt))
        assert [(one.entry_id, one.attempt, one.run.id, one.is_there) for one in rest] == [
            ("a", 2, "0000002", True),
            ("c", 1, "0000004", False),
        ]

    async def test_deleted_runs_are_not_there_any_more_and_their_entries_stay(self, ledger):
        held = await filled(ledger, "a")
        await move(held, "a", intended(), accepted(1), completed(1))
        await ledger.keep_deleted(["uuid-1"], at=AT)
        await ledger.keep_deleted(["uuid-1"], at=AT)
        (deleted,) = await ledger.batch(BATCH).story.ended_runs(limit=9)
        assert (deleted.is_there, deleted.is_gone) == (False, True)
        assert (await entry_of(ledger, "a")).state is State.SUCCEEDED
