"""A ledger with lanes is held against its laws: which lane an attempt took, and what it asked for there."""

from __future__ import annotations

from dataclasses import replace

import pytest

from batchrun.ledger import open_ledger
from batchrun.model.entries.events import (
    Event,
    Retried,
    Revised,
)
from batchrun.model.planning.limits import Changed
from batchrun.model.spec import Spec
from batchrun.ports.held import HeldBatch
from batchrun.ports.ledger import Ledger
from tests.ledger.contract_lanes import asked, offers, row
from tests.ledger.samples import (
    AT,
    accepted,
    deferred,
    filled,
    intended,
    lease_on,
    move,
    specs,
)
from tests.ledger.test_verify import LARGER, damage, failing, found

#: Attempts in lanes, with rows that offer two; the events' requests are told by the rows and attempts alone.
OFFERS = offers("a", "east", "west")


IN_EAST = replace(intended(), lane="east", request=asked("a", "east"))


IN_WEST = replace(intended(), lane="west", request=asked("a", "west"), proven_at=AT)


MOVED = replace(LARGER, request=offers("a", "west", closed=["east"]))


IN_LANES: dict[str, list[Event]] = {
    "free": [],
    "chosen": [IN_WEST, accepted(1)],
    "other content": [Revised(at=AT, request=offers("a", "west", content=2))],
    "content twice": [
        IN_WEST,
        Revised(at=AT, request=offers("a", "east", content=4)),
        deferred(AT),
        Revised(at=AT, request=offers("a", "east", content=5)),
        Revised(at=AT, request=OFFERS),
    ],
    "again": [IN_WEST, *failing(2)[1:], Retried(at=AT, due=AT, why="x"), IN_EAST, accepted(3)],
    "again and free": [IN_EAST, *failing(4)[1:], Retried(at=AT, due=AT, why="x")],
    "moved": [IN_EAST, *failing(5)[1:], MOVED],
    "moved and sent": [IN_EAST, *failing(6)[1:], MOVED, IN_WEST, *failing(7)[1:]],
    "copied": [IN_WEST, *failing(8)[1:], replace(LARGER, request='[["west",{"runId":"8"}]]')],
    "waiting": [IN_WEST, Revised(at=AT, request=offers("a", "east", content=3))],
}


async def in_lanes(ledger: Ledger, lives: dict[str, list[Event]]) -> tuple[HeldBatch, list[Spec]]:
    """Record lives of rows that offer east and west, and take in a manifest that offers north too."""
    held = await lease_on(ledger)
    for lane in ("east", "west"):
        await held.keep_lane(lane, region="us-east-1", account="123456789012", at=AT)
    rows = [replace(row("a", 0, "east", "west"), id=id_, position=at) for at, id_ in enumerate(lives)]
    await held.sync(rows, changed=Changed.REFUSE, at=AT)
    for id_, events in lives.items():
        if events:
            await move(held, id_, *events)
    return held, rows


@pytest.mark.parametrize("more", [(), ("north",)], ids=["as it is", "with another lane since"])
async def test_attempts_in_lanes_are_sound(place, more):
    async with await open_ledger(place) as ledger:
        held, rows = await in_lanes(ledger, IN_LANES)
        now = [replace(one, offers=offers("a", *more, "west", "east")) for one in rows]
        await held.sync(now, changed=Changed.KEEP, at=AT)
        await ledger.batch("cohort").requests.retry(["moved and sent"], at=AT, why="x")
    assert found(place) == []


async def test_rows_from_before_their_manifest_had_lanes_are_sound(place):
    lives: dict[str, list[Event]] = {
        "sent": [intended(), accepted(1)],
        "failed": failing(2),
        "departed": [*failing(3), LARGER, intended()],
        "waits": [intended(), deferred(AT)],
        "free": [],
    }
    async with await open_ledger(place) as ledger:
        held = await filled(ledger, *lives)
        for id_, events in lives.items():
            if events:
                await move(held, id_, *events)
        now = [replace(one, offers=f'[["west",{{}}],["east",{one.request}]]') for one in specs(*lives)]
        assert (await held.sync(now, changed=Changed.REFUSE, at=AT, home="east")).changed_ids == ("free",)
        await ledger.batch("cohort").requests.retry(["failed"], at=AT, why="x")
    assert found(place) == []


@pytest.mark.parametrize(
    ("statement", "what"),
    [
        ("UPDATE entries SET lane = 'east', may_take = '[\"east\"]'", "lane is east"),
        ("UPDATE entries SET lane = NULL", "lane is None"),
        (f"UPDATE entries SET request = '{asked('a', 'east')}'", "not stored"),
        ("UPDATE events SET detail = json_set(detail, '$.lane', 'east')", "requestId"),
        ("UPDATE events SET detail = json_remove(detail, '$.lane')", "requestId"),
    ],
)
async def test_a_lane_that_was_not_chosen_is_found(place, statement, what):
    async with await open_ledger(place) as ledger:
        await in_lanes(ledger, {"a": [IN_WEST]})
    damage(place, "DROP TRIGGER attempt_stays_in_its_lane; " + statement)
    assert any(what in finding.what for finding in found(place)), found(place)


async def test_an_earlier_attempts_lane_is_held_against_its_history(place):
    async with await open_ledger(place) as ledger:
        await in_lanes(ledger, {"a": IN_LANES["again"]})
    damage(place, "UPDATE attempts SET lane = 'east'")
    assert any("lane of attempt 1 is east" in finding.what for finding in found(place)), found(place)


@pytest.mark.parametrize(
    ("statement", "what"),
    [
        ("DELETE FROM lanes WHERE name = 'east'", "is in lane 'east', which the batch does not have"),
        ("UPDATE lanes SET account = '222222222222'", "is in us-east-1 of account 222222222222"),
        ("UPDATE lanes SET region = 'x'", "its run uuid-8 is in us-east-1 of account 123456789012, but lane"),
    ],
)
async def test_a_run_that_is_not_where_its_lane_is_is_found(place, statement, what):
    async with await open_ledger(place) as ledger:
        again = [IN_EAST, *failing(8)[1:], Retried(at=AT, due=AT, why="x")]
        await in_lanes(ledger, {"a": again, "b": [IN_EAST]})
    damage(place, "DROP TRIGGER lane_stays_where_it_is; " + statement)
    assert any(what in finding.what for finding in found(place)), found(place)


async def test_an_unsent_row_asks_for_what_its_first_lane_asks_for(place):
    async with await open_ledger(place) as ledger:
        await in_lanes(ledger, {"a": []})
    damage(place, "UPDATE entries SET request = '{}'; DELETE FROM leases")
    assert any("request is {}" in finding.what for finding in found(place)), found(place)
