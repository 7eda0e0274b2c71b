"""The contract's words on what launchers of one ledger share."""

from __future__ import annotations

from datetime import timedelta

import pytest

from batchrun.ports.stored import Commons
from tests.ledger.samples import AT, TTL

STARTS = Commons(region="us-east-1", account="1" * 12, operation="StartRun")
#: A store may go by its server's clock, which goes on between two calls.
SOON = 5.0


async def held(ledger, batch: str, *, holder: str, region: str = "us-east-1", account: str | None = "1" * 12):
    await ledger.open_batch(batch, region=region, account=account, at=AT)
    return await ledger.hold(batch, holder=holder, ttl=timedelta(days=365_00), at=AT)


class SharedTurns:
    async def test_turns_follow_upon_each_other_whoever_takes_them(self, ledger):
        first = await ledger.take_turns(STARTS, 1000, rate=10.0, at=AT)
        second = await ledger.take_turns(STARTS, 500, rate=10.0, at=AT)
        assert first.ends_in == pytest.approx(100, abs=SOON)
        assert second.ends_in == pytest.approx(150, abs=SOON)
        assert (first.given, second.given) == (1000, 1500)

    async def test_the_rate_is_the_last_that_was_told(self, ledger):
        assert (await ledger.take_turns(STARTS, 4, rate=None, at=AT)).rate is None
        assert (await ledger.take_turns(STARTS, 0, rate=8.0, at=AT)).rate == 8.0
        turns = await ledger.take_turns(STARTS, 800, rate=None, at=AT)
        assert (turns.rate, turns.given, turns.ends_in) == (8.0, 804, pytest.approx(100, abs=SOON))

    async def test_a_refusal_is_told_to_all_and_the_latest_counts(self, ledger):
        assert (await ledger.take_turns(STARTS, 1, rate=8.0, at=AT)).refused_ago is None
        await ledger.take_turns(STARTS, 1, rate=8.0, refused_ago=100.0, at=AT)
        await ledger.take_turns(STARTS, 1, rate=8.0, refused_ago=200.0, at=AT)
        told = await ledger.take_turns(STARTS, 1, rate=8.0, at=AT)
        assert told.refused_ago == pytest.approx(100, abs=SOON)

    async def test_each_account_region_and_operation_has_turns_of_its_own(self, ledger):
        await ledger.take_turns(STARTS, 1000, rate=10.0, at=AT)
        for other in (
            Commons(region="eu-west-1", account="1" * 12, operation="StartRun"),
            Commons(region="us-east-1", account="2" * 12, operation="StartRun"),
            Commons(region="us-east-1", account=None, operation="StartRun"),
            Commons(region="us-east-1", account="1" * 12, operation="GetRun"),
        ):
            turns = await ledger.take_turns(other, 1, rate=10.0, at=AT)
            assert (turns.given, turns.ends_in <= 0.1) == (1, True)

    async def test_a_peer_is_another_holder_in_the_account_and_region(self, ledger):
        async def has_peers(holder: str, region: str = "us-east-1", account: str | None = "1" * 12):
            return await ledger.has_peers(region, account, besides=holder, at=AT)

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
        assert not await ledger.has_peers("us-east-1", None, besides="b:1", at=AT)
