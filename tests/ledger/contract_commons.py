"""The contract's words on what launchers of one ledger share."""

from __future__ import annotations

from datetime import timedelta

import pytest

from batchrun.ports.stored import Commons
from tests.ledger.contract_lanes import send, with_lanes
from tests.ledger.samples import (
    AT,
    BATCH,
    TTL,
    accepted,
    completed,
    filled,
    intended,
    later,
    move,
)

STARTS = Commons(region="us-east-1", account="1" * 12, operation="StartRun")
OTHERS = (
    Commons(region="eu-west-1", account="1" * 12, operation="StartRun"),
    Commons(region="us-east-1", account="2" * 12, operation="StartRun"),
    Commons(region="us-east-1", account=None, operation="StartRun"),
    Commons(region="us-east-1", account="1" * 12, operation="GetRun"),
)
#: A store may go by its server's clock, which goes on between two calls.
SOON = 20.0


async def held(ledger, batch: str, *, holder: str, region: str = "us-east-1", account: str | None = "1" * 12):
    await ledger.open_batch(batch, region=region, account=account, at=AT)
    return await ledger.hold(batch, holder=holder, ttl=timedelta(days=36_500), at=AT)


class SharedPaces:
    async def test_stretches_follow_upon_each_other_whoever_takes_them(self, ledger):
        first = await ledger.paces.take_stretch(STARTS, 100.0, at=AT)
        second = await ledger.paces.take_stretch(STARTS, 50.0, at=AT)
        assert (first.begins_in, first.ends_in) == (
            pytest.approx(-0.05, abs=0.001),
            pytest.approx(99.95, abs=0.001),
        )
        assert (second.begins_in, second.ends_in) == (
            pytest.approx(100, abs=SOON),
            pytest.approx(150, abs=SOON),
        )
        assert second.after == first.until

    async def test_each_account_region_and_operation_has_a_pace_of_its_own(self, ledger):
        stretch = await ledger.paces.take_stretch(STARTS, 100.0, at=AT)
        await ledger.paces.leave(STARTS, "{}", until=stretch.until, at=AT)
        for other in OTHERS:
            assert await ledger.paces.left(other, at=AT) is None
            assert (await ledger.paces.take_stretch(other, 1.0, at=AT)).begins_in < 0

    async def test_the_pace_that_was_left_last_stays_until_it_is_left_again(self, ledger):
        first = await ledger.paces.take_stretch(STARTS, 100.0, at=AT)
        assert await ledger.paces.left(STARTS, at=AT) is None
        await ledger.paces.leave(STARTS, '{"a":1}', until=first.until, at=AT)
        left = await ledger.paces.left(STARTS, at=AT)
        assert (left.state, left.until, left.ago <= SOON) == ('{"a":1}', first.until, True)

    async def test_who_comes_late_leaves_nothing(self, ledger):
        first = await ledger.paces.take_stretch(STARTS, 100.0, at=AT)
        second = await ledger.paces.take_stretch(STARTS, 100.0, at=AT)
        await ledger.paces.leave(STARTS, '{"a":2}', until=second.until, at=AT)
        await ledger.paces.leave(STARTS, '{"a":1}', until=first.until, at=AT)
        assert (await ledger.paces.left(STARTS, at=AT)).state == '{"a":2}'

    async def test_what_is_left_of_the_last_stretch_goes_back(self, ledger):
        first = await ledger.paces.take_stretch(STARTS, 100.0, at=AT)
        await ledger.paces.leave(STARTS, "{}", until=first.until, at=AT)
        assert (await ledger.paces.take_stretch(STARTS, 100.0, at=AT)).begins_in <= 0.001

    async def test_who_waits_for_the_end_of_a_stretch_waits_for_it(self, ledger):
        first = await ledger.paces.take_stretch(STARTS, 100.0, at=AT)
        await ledger.paces.take_stretch(STARTS, 100.0, at=AT)
        await ledger.paces.leave(STARTS, "{}", until=first.until, at=AT)
        third = await ledger.paces.take_stretch(STARTS, 100.0, at=AT)
        assert third.begins_in == pytest.approx(200, abs=SOON)

    async def test_nobody_waits_for_a_stretch_that_a_clock_ahead_took(self, ledger):
        ahead = await ledger.paces.take_stretch(STARTS, 1.0, at=AT + timedelta(days=1))
        assert (await ledger.paces.take_stretch(STARTS, 1.0, at=AT)).begins_in <= 1.0
        await ledger.paces.leave(STARTS, "{}", until=ahead.until, at=AT)
        assert (await ledger.paces.take_stretch(STARTS, 1.0, at=AT)).begins_in <= 1.0

    async def test_what_a_clock_ahead_left_was_left_just_now_and_stays_no_longer_than_any(self, ledger):
        ahead = await ledger.paces.take_stretch(STARTS, 1.0, at=AT + timedelta(days=1))
        await ledger.paces.leave(STARTS, '{"a":1}', until=ahead.until, at=AT + timedelta(days=1))
        assert 0 <= (await ledger.paces.left(STARTS, at=AT)).ago <= SOON
        stretch = await ledger.paces.take_stretch(STARTS, 1.0, at=AT)
        await ledger.paces.leave(STARTS, '{"a":2}', until=stretch.until, at=AT)
        assert (await ledger.paces.left(STARTS, at=AT)).state == '{"a":2}'


class Peers:
    async def test_a_peer_is_another_holder_in_the_account_and_region(self, ledger):
        async def has_peers(holder: str, region: str = "us-east-1", account: str | None = "1" * 12) -> bool:
            return bool(await ledger.has_peers(region, account, besides=holder, at=AT))

        assert not await has_peers("a:1")
        mine = await held(ledger, "mine", holder="a:1")
        assert (await has_peers("a:1"), await has_peers("b:1")) == (False, True)
        assert not await has_peers("b:1", region="eu-west-1")
        assert not await has_peers("b:1", account="2" * 12)
        assert not await has_peers("b:1", account=None)
        await mine.release()
        assert not await has_peers("b:1")

    async def test_in_a_batch_with_lanes_a_peer_works_in_each_of_them(self, ledger):
        batch = await held(ledger, "cohort", holder="a:1")
        await batch.keep_lane("west", region="us-west-2", account="2" * 12, at=AT)
        assert await ledger.has_peers("us-west-2", "2" * 12, besides="b:1", at=AT)
        assert not await ledger.has_peers("us-east-1", "1" * 12, besides="b:1", at=AT)

    async def test_a_lease_that_is_over_is_nobodys(self, ledger):
        await ledger.open_batch("cohort", region="us-east-1", account=None, at=AT)
        await ledger.hold("cohort", holder="a:1", ttl=-TTL, at=AT)
        assert not await ledger.has_peers("us-east-1", None, besides="b:1", at=later(seconds=1))

    async def test_what_may_be_active_is_counted_by_batch_whoever_holds_it(self, ledger):
        there = "us-east-1", "123456789012"
        assert await ledger.active_there(*there) == {}
        one = await filled(ledger, "a", "b", "c", "d")
        await move(one, "a", intended())
        assert await ledger.active_there("us-east-1", None) == {BATCH: 1}, "its account is not known yet"
        await move(one, "b", intended(), accepted(1))
        await move(one, "c", intended(), accepted(2), completed(2))
        assert await ledger.active_there(*there) == {BATCH: 2}
        await one.release()
        other = await filled(ledger, "a", "b", batch="other")
        await move(other, "a", intended(), accepted(3))
        assert await ledger.active_there(*there) == {BATCH: 2, "other": 1}
        assert await ledger.active_there("eu-west-1", there[1]) == {}
        assert await ledger.active_there("us-east-1", "2" * 12) == {}
        await move(other, "a", completed(3))
        assert await ledger.active_there(*there) == {BATCH: 2}

    async def test_what_is_in_a_lane_is_active_where_the_lane_is(self, ledger):
        held = await with_lanes(ledger, a="east west", b="west")
        await held.keep_lane("west", region="us-west-2", account="2" * 12, at=AT)
        await send(held, "a", "west")
        assert await ledger.active_there("us-west-2", "2" * 12) == {BATCH: 1}
        assert await ledger.active_there("us-east-1", None) == {}
