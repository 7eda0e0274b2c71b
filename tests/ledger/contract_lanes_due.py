"""The contract of rows in lanes that are due: which are read for which lane, and what is proven there."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from batchrun.model.entries.events import Retried
from batchrun.model.planning.limits import Changed
from tests.ledger.samples import (
    AT,
    accepted,
    deferred,
    entry_of,
    filled,
    intended,
    later,
    move,
)

if TYPE_CHECKING:
    from batchrun.ports.held import HeldBatch
from tests.ledger.contract_lanes import failed, offers, row, rows, send, with_lanes


class DueInLanes:
    async def test_what_is_due_is_asked_for_by_what_it_may_take(self, ledger):
        held = await with_lanes(ledger, a="east west", b="west", c="east west", d="west east", e="west")
        assert set(await held.choices()) == {("east", "west"), ("west", "east"), ("west",)}
        told = {lanes: await _due(held, lanes=lanes) for lanes in [*await held.choices(), ("east",), ()]}
        assert told == {
            ("east", "west"): ["a", "c"],
            ("west", "east"): ["d"],
            ("west",): ["b", "e"],
            ("east",): [],
            (): [],
        }
        assert await _due(held) == list("abcde")
        assert await _due(held, lanes=("west",), skip=["b"]) == ["e"]
        assert await _due(held, lanes=("east", "west"), limit=1) == ["a"]

    async def test_what_waits_again_may_take_its_own_lane_alone(self, ledger):
        held = await with_lanes(ledger, a="east west", b="west", c="east west")
        due = later(minutes=1)
        await send(held, "a", "west", deferred(due))
        assert await _due(held, lanes=("west",)) == ["b"]
        assert await held.next_due(after=AT, lanes=("west",)) == due
        assert await held.next_due(after=AT, lanes=("east", "west")) is None
        assert await held.next_due(after=AT) == due
        assert await held.next_due(after=due, lanes=("west",)) is None
        assert [one.id for one in await held.due(at=due, limit=9, lanes=("west",))] == ["a", "b"]
        assert set(await held.choices()) == {("west",), ("east", "west")}

    async def test_a_retry_waits_in_what_it_may_take(self, ledger):
        held = await with_lanes(ledger, a="east west", b="east west")
        due = later(minutes=1)
        await send(held, "a", "west", accepted(1), failed(1), Retried(at=AT, due=due, why="x"))
        assert await held.next_due(after=AT, lanes=("east", "west")) == due
        moved = offers("b", "west", closed=["east"])
        again = Retried(at=AT, due=due, why="x", request=moved)
        await send(held, "b", "east", accepted(2), failed(2), again)
        assert await held.next_due(after=AT, lanes=("west",)) == due
        assert set(await held.choices()) == {("east", "west"), ("west",)}

    async def test_rows_without_lanes_are_a_choice_of_their_own(self, ledger):
        held = await filled(ledger, "a", "b")
        assert await held.choices() == [()]
        assert await _due(held, lanes=()) == ["a", "b"]
        await move(held, "a", intended(), deferred(later(minutes=1)))
        await held.sync(rows(a="east west", b="west east"), changed=Changed.REFUSE, at=AT, home="east")
        assert set(await held.choices()) == {(), ("west", "east")}
        assert [one.id for one in await held.due(at=later(minutes=1), limit=9, lanes=())] == ["a"]
        assert await held.next_due(after=AT, lanes=()) == later(minutes=1)

    async def test_what_left_the_manifest_or_is_sent_is_no_choice(self, ledger):
        held = await with_lanes(ledger, a="east", b="west", c="east west", d="west")
        await send(held, "c", "west")
        await send(held, "d", "west", deferred(later(minutes=1)))
        await held.sync(rows(c="east west", a="east"), changed=Changed.REFUSE, at=AT)
        assert await held.choices() == [("east",)]
        assert await _due(held, lanes=("west",), at=later(hours=1)) == []
        assert await held.next_due(after=AT) is await held.next_due(after=AT, lanes=("west",)) is None
        await send(held, "a", "east")
        assert await held.choices() == []


class ProofsInLanes:
    async def test_a_row_is_looked_for_in_each_lane_by_its_name_there(self, ledger):
        held = await with_lanes(ledger, a="east west", b="west", c="east")
        await held.sync(
            [row("a", 0, "east", "west"), row("b", 1, "west", closed=["east"]), row("c", 2, "east")],
            changed=Changed.REFUSE,
            at=AT,
        )
        await send(held, "c", "east", deferred(later(minutes=1)))
        wanted = await held.proofs.begin_survey(since=AT, at=later(minutes=1))
        assert {lane: dict(one.names) for lane, one in wanted.items()} == {
            "east": {"a": ("a",), "c": ("c",)},
            "west": {"a-west": ("a",), "b-west": ("b",)},
        }

    async def test_listings_are_remembered_lane_by_lane(self, ledger):
        held = await with_lanes(ledger, a="east west")
        await held.proofs.begin_survey(since=AT, at=AT)
        await held.proofs.end_survey(at=AT, calls={"east": 7})
        again = await held.proofs.begin_survey(since=later(days=1), at=later(days=1))
        assert {lane: one.last_calls for lane, one in again.items()} == {"east": 7, "west": None}

    async def test_what_may_go_where_nobody_looked_gets_no_proof(self, ledger):
        held = await with_lanes(ledger, a="east west", b="west", c="east")
        await held.proofs.begin_survey(since=AT, at=AT)
        await held.proofs.end_survey(at=later(minutes=1), calls={}, unreached=["west"])
        assert [(await entry_of(ledger, id_)).proven_at for id_ in "abc"] == [None, None, later(minutes=1)]

    async def test_nor_do_rows_without_a_lane_where_theirs_was_not_reached(self, ledger):
        held = await filled(ledger, "a")
        await held.proofs.begin_survey(since=AT, at=AT)
        await held.proofs.end_survey(at=AT, calls={}, unreached=[None])
        assert (await entry_of(ledger, "a")).proven_at is None

    async def test_a_proof_holds_for_the_lane_that_is_chosen_and_for_no_lane_more(self, ledger):
        held = await with_lanes(ledger, a="east west", b="west", c="west east", d="east west")
        await held.proofs.begin_survey(since=AT, at=AT)
        await held.proofs.end_survey(at=AT, calls={})
        await send(held, "a", "west", deferred(later(minutes=1)))
        await send(held, "d", "west", accepted(1), failed(1), Retried(at=AT, due=AT, why="x"))
        manifest = rows(a="east west", b="west east", c="east", d="east west")
        await held.sync(manifest, changed=Changed.REFUSE, at=AT)
        proven = {id_: (await entry_of(ledger, id_)).proven_at for id_ in "abcd"}
        assert proven == {"a": AT, "b": None, "c": AT, "d": None}


async def _due(held: HeldBatch, **options: Any) -> list[str]:
    return [entry.id for entry in await held.due(**{"at": AT, "limit": 9, **options})]
