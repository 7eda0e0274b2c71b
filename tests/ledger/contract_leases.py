"""The contract's words on batches and leases."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from batchrun.errors import InvariantError, LeaseHeldError, LeaseLostError
from batchrun.model.entries.events import Accepted, Failed, Refused
from batchrun.model.entries.states import State
from batchrun.model.planning.cancelling import Scope
from batchrun.model.planning.limits import Changed
from tests.ledger.samples import (
    AT,
    BATCH,
    TTL,
    accepted,
    entry_of,
    filled,
    intended,
    later,
    lease_on,
    move,
    run_of,
    specs,
)

if TYPE_CHECKING:
    from batchrun.ports.held import HeldBatch
    from batchrun.ports.ledger import Ledger
    from batchrun.ports.stored import Batch


async def held_again(ledger: Ledger) -> HeldBatch:
    return await ledger.hold(BATCH, holder="host:1", ttl=TTL, at=AT)


class Batches:
    async def test_a_batch_is_made_once(self, ledger):
        made = await ledger.open_batch("a", region="us-east-1", at=AT)
        assert await ledger.open_batch("a", region="us-east-1", at=later(days=1)) == made
        assert (made.name, made.region, made.created_at) == ("a", "us-east-1", AT)

    async def test_a_batchs_account_is_the_last_that_was_given_until_a_run_can_be_anywhere(self, ledger):
        made = await ledger.open_batch("cohort", region="us-east-1", account="1" * 12, at=AT)
        assert made.account == "1" * 12
        held = await filled(ledger, "a", "b")
        await move(held, "b", intended(), Refused(at=AT, code="x", message="no such workflow"))
        assert (await ledger.open_batch("cohort", region="us-east-1", at=AT)).account == "1" * 12
        assert (await opened(ledger, "2" * 12)).account == "1" * 12  # a launcher is at work there
        await held.release()
        assert (await opened(ledger, "2" * 12)).account == "2" * 12
        held = await held_again(ledger)
        await move(held, "a", intended())
        await held.release()
        assert (await opened(ledger, "3" * 12)).account == "2" * 12
        assert (await ledger.find_batch(BATCH)).account == "2" * 12

    async def test_a_batchs_region_can_be_corrected_until_a_run_can_be_there(self, ledger):
        held = await filled(ledger, "a")
        for holder, region in ((None, "us-east-1"), ("host:2", "us-east-1"), ("host:1", "us-west-2")):
            batch = await ledger.open_batch(BATCH, region="us-west-2", holder=holder, at=AT)
            assert batch.region == region
        await held.release()
        assert (await ledger.open_batch(BATCH, region="us-west-1", at=AT)).region == "us-west-1"
        held = await held_again(ledger)
        await move(held, "a", intended())
        await held.release()
        assert (await ledger.open_batch(BATCH, region="us-east-1", at=AT)).region == "us-west-1"

    async def test_what_was_looked_up_elsewhere_does_not_count(self, ledger):
        held, soon = await filled(ledger, "a", "b"), later(seconds=1)
        for account in ("1" * 12, "2" * 12):
            await held.proofs.begin_survey(since=AT, at=soon)
            await held.proofs.end_survey(at=soon, calls={None: 1})
            await held.release()
            assert await ledger.batch(BATCH).unproven(since=AT, at=soon) == 0
            await opened(ledger, account)
            assert await ledger.batch(BATCH).unproven(since=AT, at=soon) == 2
            held = await held_again(ledger)

    async def test_a_run_of_an_earlier_attempt_keeps_the_account(self, ledger):
        await opened(ledger, "1" * 12)
        held = await filled(ledger, "a")
        failed = Failed(at=AT, run=run_of(1, "FAILED"))
        await move(held, "a", intended(), accepted(1), failed)
        assert await ledger.batch(BATCH).requests.retry(["a"], at=AT, why="asked for") == ["a"]
        assert (await opened(ledger, "2" * 12)).account == "1" * 12

    async def test_the_first_run_tells_the_account_where_it_is_not_known(self, ledger):
        held = await filled(ledger, "a", "b")
        assert (await ledger.find_batch(BATCH)).account is None
        odd = replace(run_of(2), arn="arn:aws:omics:us-east-1::run/0000002")
        await move(held, "b", intended(), Accepted(at=AT, run=odd))
        assert (await ledger.find_batch(BATCH)).account is None
        await move(held, "a", intended(), accepted(1))
        assert (await ledger.find_batch(BATCH)).account == "123456789012"
        assert {batch.name: batch.account for batch in await ledger.batches()}[BATCH] == "123456789012"

    async def test_a_batch_that_is_not_there_is_none(self, ledger):
        assert await ledger.find_batch("a") is None

    async def test_a_batch_is_found(self, ledger):
        made = await ledger.open_batch("a", region="us-east-1", at=AT)
        assert await ledger.find_batch("a") == made

    async def test_batches_come_newest_first(self, ledger):
        for name, hours in (("b", 1), ("c", 2), ("a", 0)):
            await ledger.open_batch(name, region="us-east-1", at=later(hours=hours))
        assert [one.name for one in await ledger.batches() if one.name in "abc"] == ["c", "b", "a"]

    async def test_batches_do_not_see_each_other(self, ledger):
        one = await filled(ledger, "x", "y", batch="one")
        two = await filled(ledger, "x", batch="two")
        await move(one, "x", intended())
        assert (await entry_of(ledger, "x", "two")).state is State.PLANNED
        assert (await ledger.batch("two").counts()).total == 1
        assert [e.batch for e in await two.due(at=AT, limit=9)] == ["two"]

    async def test_an_unknown_batch_is_empty(self, ledger):
        assert await ledger.batch("none").in_state(State.PLANNED, limit=9) == []
        assert await ledger.batch("none").entry("x") is None
        assert (await ledger.batch("none").counts()).total == 0
        assert await ledger.batch("none").history("x") == []
        assert [outcome async for outcome in ledger.batch("none").story.outcomes()] == []

    async def test_close_is_safe_to_repeat(self, ledger):
        await ledger.close()
        await ledger.close()


async def opened(ledger: Ledger, account: str) -> Batch:
    return await ledger.open_batch(BATCH, region="us-east-1", account=account, at=AT)


class Leases:
    async def test_a_claim_says_who_and_until_when(self, ledger):
        held = await lease_on(ledger, holder="host:7")
        assert (held.name, held.lease.holder, held.lease.fence) == (BATCH, "host:7", 1)
        assert held.lease.expires_at == AT + TTL

    async def test_a_batch_must_be_there_to_be_claimed(self, ledger):
        with pytest.raises(InvariantError):
            await ledger.hold("none", holder="host:1", ttl=TTL, at=AT)

    async def test_a_held_batch_is_refused_and_the_holder_named(self, ledger):
        await lease_on(ledger, holder="host:1")
        with pytest.raises(LeaseHeldError, match=r"'cohort' is held by host:1 until 2026-01-01 12:01:00"):
            await ledger.hold(BATCH, holder="host:2", ttl=TTL, at=later(seconds=59))

    async def test_a_released_lease_is_free_at_once(self, ledger):
        first = await lease_on(ledger)
        await first.release()
        second = await ledger.hold(BATCH, holder="host:2", ttl=TTL, at=AT)
        assert second.lease.fence == first.lease.fence + 1

    async def test_a_lease_that_ran_out_is_taken_over(self, ledger):
        await lease_on(ledger)
        held = await ledger.hold(BATCH, holder="host:2", ttl=TTL, at=AT + TTL)
        assert (held.lease.holder, held.lease.fence) == ("host:2", 2)

    async def test_renewing_moves_the_end_and_keeps_the_fence(self, ledger):
        held = await lease_on(ledger)
        renewed = await held.renew(ttl=TTL, at=later(seconds=50))
        assert (renewed.fence, renewed.expires_at) == (held.lease.fence, later(seconds=110))
        with pytest.raises(LeaseHeldError):
            await ledger.hold(BATCH, holder="host:2", ttl=TTL, at=later(seconds=100))

    async def test_an_expired_lease_that_nobody_took_renews_and_writes(self, ledger):
        held = await filled(ledger, "x")
        await move(held, "x", intended())
        renewed = await held.renew(ttl=TTL, at=later(hours=1))
        assert renewed.expires_at == later(hours=1) + TTL

    @pytest.mark.parametrize("hours", [-1, 1])
    async def test_a_clock_that_jumps_costs_nobody_a_lease(self, ledger, hours):
        held = await filled(ledger, "x")
        await held.renew(ttl=TTL, at=later(hours=hours))
        await held.renew(ttl=TTL, at=AT)
        await move(held, "x", intended())

    async def test_whoever_holds_it_by_a_clock_that_was_ahead_goes_on_and_is_taken_over_in_time(self, ledger):
        held = await filled(ledger, "x")
        await held.renew(ttl=TTL, at=later(hours=1))
        with pytest.raises(LeaseHeldError):
            await ledger.hold(BATCH, holder="host:2", ttl=TTL, at=AT)
        await ledger.batch(BATCH).requests.ask_to_cancel(["x"], scope=Scope.SENDING, at=AT)
        await held.renew(ttl=TTL, at=later(minutes=5))
        await move(held, "x", intended())
        with pytest.raises(LeaseHeldError):
            await ledger.hold(BATCH, holder="host:2", ttl=TTL, at=later(seconds=350))
        await ledger.hold(BATCH, holder="host:2", ttl=TTL, at=later(minutes=6))

    async def test_whoever_lost_the_batch_writes_nothing_more(self, ledger):
        lost = await filled(ledger, "x")
        entry = await entry_of(ledger, "x")
        await ledger.hold(BATCH, holder="host:2", ttl=TTL, at=AT + TTL)
        with pytest.raises(LeaseLostError):
            await move(lost, "x", intended())
        with pytest.raises(LeaseLostError):
            await lost.record([])
        with pytest.raises(LeaseLostError):
            await lost.sync(specs("x", "y"), changed=Changed.KEEP, at=AT)
        with pytest.raises(LeaseLostError):
            await lost.renew(ttl=TTL, at=AT)
        assert await entry_of(ledger, "x") == entry
        assert await ledger.batch(BATCH).history("x") == []
        assert (await ledger.batch(BATCH).counts()).total == 1

    async def test_a_lost_lease_releases_nothing(self, ledger):
        lost = await lease_on(ledger)
        await ledger.hold(BATCH, holder="host:2", ttl=TTL, at=AT + TTL)
        await lost.release()
        with pytest.raises(LeaseHeldError, match="host:2"):
            await ledger.hold(BATCH, holder="host:3", ttl=TTL, at=AT + TTL)

    async def test_a_lease_is_released_once_and_then_writes_nothing(self, ledger):
        held = await filled(ledger, "x")
        await held.release()
        await held.release()
        with pytest.raises(LeaseLostError):
            await move(held, "x", intended())

    async def test_a_fence_grows_through_releases(self, ledger):
        fences = []
        for _ in range(3):
            held = await lease_on(ledger)
            fences.append(held.lease.fence)
            await held.release()
        assert fences == [1, 2, 3]
