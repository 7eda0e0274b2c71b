"""The contract's words on lanes: what a row may take, where its attempts went, and what is asked of each."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from batchrun.errors import ChangedRowsError, InvariantError, LeaseLostError, ServiceUnusableError
from batchrun.model.entries.events import Failed, Intended, Retried, Withdrawn
from batchrun.model.entries.states import State
from batchrun.model.lanes import Offer, lanes_of, offers_text
from batchrun.model.planning.limits import Changed
from batchrun.model.spec import Spec, canonical, digest, request_id
from batchrun.ports.stored import LanePlace, Latest, Sync, Transition
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
    lease_on,
    move,
    run_of,
    spec,
    specs,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

    from batchrun.model.entries.entry import Entry
    from batchrun.ports.held import HeldBatch

EAST, WEST = LanePlace(name="east", region="us-east-1"), LanePlace(name="west", region="us-west-2")


def asked(id_: str, lane: str, content: object = 1) -> str:
    """Return what row *id_* asks for in *lane*: in east what :func:`spec` asks for."""
    return canonical({"name": id_ if lane == "east" else f"{id_}-{lane}", "content": str(content)})


def offers(id_: str, *lanes: str, content: object = 1, closed: Iterable[str] = ()) -> str:
    made = [Offer(lane=one, request=asked(id_, one, content)) for one in lanes]
    made += [Offer(lane=one, request=asked(id_, one, content), is_open=False) for one in closed]
    return offers_text(made)


def row(id_: str, position: int, *lanes: str, **options: Any) -> Spec:
    content = offers(id_, *lanes, **options)
    request = asked(id_, lanes[0], options.get("content", 1))
    return Spec(id=id_, position=position, request=request, offers=content)


def rows(**lanes: str) -> list[Spec]:
    """Return a row for each keyword, its lanes in one text."""
    return [row(id_, position, *those.split()) for position, (id_, those) in enumerate(lanes.items())]


async def with_lanes(ledger: Any, **lanes: str) -> HeldBatch:
    held = await lease_on(ledger)
    for place in (EAST, WEST):
        await held.keep_lane(place.name, region=place.region, account=None, at=AT)
    await held.sync(rows(**lanes), changed=Changed.REFUSE, at=AT)
    return held


def into(entry: Entry, lane: str) -> Intended:
    chosen = entry.as_in(lane)
    return Intended(at=AT, lane=lane, request=chosen.request)


async def send(held: HeldBatch, id_: str, lane: str, *events: Any) -> Entry:
    entry = await held.entry(id_)
    assert entry is not None
    return await move(held, id_, into(entry, lane), *events)


def failed(number: int, **fields: object) -> Failed:
    return Failed(at=AT, run=run_of(number, "FAILED", **fields))


class Lanes:
    async def test_lanes_are_kept_in_the_order_in_which_they_came(self, ledger):
        held = await lease_on(ledger)
        assert await ledger.batch(BATCH).lanes() == []
        assert await held.keep_lane("west", region="us-west-2", account=None, at=AT) == WEST
        assert await held.keep_lane("east", region="us-east-1", account="1" * 12, at=AT) == replace(
            EAST, account="1" * 12
        )
        assert await held.keep_lane("west", region="us-west-2", account=None, at=later(days=1)) == WEST
        assert [one.name for one in await ledger.batch(BATCH).lanes()] == ["west", "east"]
        assert await ledger.batch("none").lanes() == []

    async def test_a_lane_takes_another_account_only_while_it_has_no_run(self, ledger):
        held = await with_lanes(ledger, a="east west", b="west")
        one, two = "1" * 12, "2" * 12
        assert (await held.keep_lane("east", region="us-east-1", account=one, at=AT)).account == one
        assert (await held.keep_lane("east", region="us-east-1", account=two, at=AT)).account == two
        await send(held, "a", "east")
        assert (await held.keep_lane("east", region="us-east-1", account=one, at=AT)).account == two
        assert (await held.keep_lane("west", region="us-west-2", account=one, at=AT)).account == one
        assert (await held.keep_lane("west", region="us-west-2", account=None, at=AT)).account == one

    async def test_a_lanes_region_can_be_corrected_until_it_can_have_a_run(self, ledger):
        held = await with_lanes(ledger, a="east west", b="west")
        await send(held, "a", "east")
        for name, region in (("west", "eu-west-1"), ("east", "us-east-1")):
            assert (await held.keep_lane(name, region="eu-west-1", account=None, at=AT)).region == region

    async def test_what_was_looked_up_in_another_place_does_not_count(self, ledger):
        held, soon = await with_lanes(ledger, a="east west", b="west"), later(seconds=1)
        await held.proofs.begin_survey(since=AT, at=soon)
        await held.proofs.end_survey(at=soon, calls={"east": 1, "west": 1})
        await held.keep_lane("west", region="us-west-2", account=None, at=AT)
        assert await ledger.batch(BATCH).unproven(since=AT, at=soon) == 0
        await held.keep_lane("west", region="eu-west-1", account=None, at=AT)
        assert await ledger.batch(BATCH).unproven(since=AT, at=soon) == 2

    async def test_runs_of_earlier_attempts_keep_a_lanes_account_too(self, ledger):
        held = await with_lanes(ledger, a="east west")
        await send(held, "a", "east", accepted(1), failed(1), Retried(at=AT, due=AT, why="x"))
        own = run_of(1).arn.split(":")[4]
        told = await held.keep_lane("east", region="us-east-1", account="2" * 12, at=AT)
        assert told.account == own != "2" * 12

    async def test_a_lanes_account_is_learned_from_its_first_run_and_the_batchs_from_none_of_them(
        self, ledger
    ):
        held = await with_lanes(ledger, a="east west", b="east west")
        away = replace(run_of(2), arn="arn:aws:omics:us-west-2:222222222222:run/2")
        await send(held, "b", "west", replace(accepted(2), run=away))
        assert [one.account for one in await ledger.batch(BATCH).lanes()] == [None, "222222222222"]
        await send(held, "a", "east", accepted(1))
        assert [one.account for one in await ledger.batch(BATCH).lanes()] == ["123456789012", "222222222222"]
        batch = await ledger.find_batch(BATCH)
        assert batch is not None
        assert batch.account is None

    async def test_a_lost_lease_keeps_no_lane(self, ledger):
        held = await lease_on(ledger)
        await held.release()
        with pytest.raises(LeaseLostError):
            await held.keep_lane("east", region="us-east-1", account=None, at=AT)
        assert await ledger.batch(BATCH).lanes() == []


class LanesOfRows:
    async def test_a_new_row_may_take_what_is_offered(self, ledger):
        held = await lease_on(ledger)
        manifest = [row("a", 0, "west", "east"), row("b", 1, "east", closed=["west"]), spec("c", 2)]
        await held.sync(manifest, changed=Changed.REFUSE, at=AT)
        entries = [await entry_of(ledger, id_) for id_ in "abc"]
        assert [entry.may_take for entry in entries] == [("west", "east"), ("east",), ()]
        assert [entry.lane for entry in entries] == [None] * 3
        assert [entry.offers for entry in entries] == [one.offers for one in manifest]
        assert [entry.request for entry in entries] == [one.request for one in manifest]
        assert (await held.compare(manifest)).unchanged == 3

    async def test_an_intent_chooses_the_lane_and_its_request_for_that_attempt(self, ledger):
        held = await with_lanes(ledger, a="east west")
        await send(held, "a", "west")
        entry = await entry_of(ledger, "a")
        assert (entry.lane, entry.request, entry.may_take) == ("west", asked("a", "west"), ("west",))
        assert entry.request_id == request_id(BATCH, "a", 1, asked("a", "west"), "west")
        ((_, _, kind, detail),) = await ledger.batch(BATCH).history("a")
        told = json.loads(detail)
        assert (kind, told["lane"], told["request_id"]) == ("intended", "west", entry.request_id)
        assert told["request"] == digest(asked("a", "west"))
        found = await held.sync(rows(a="east west"), changed=Changed.REFUSE, at=AT)
        assert found == Sync(rows=1, unchanged=1)
        assert await entry_of(ledger, "a") == entry

    async def test_the_lane_of_an_intended_attempt_never_changes(self, ledger):
        held = await with_lanes(ledger, a="east west")
        entry = await send(held, "a", "west")
        for other in ("east", None):
            moved = replace(entry, lane=other, state=State.BACKOFF, due=AT)
            with pytest.raises(InvariantError, match="in lane west"):
                await held.record([Transition(event=deferred(AT), entry=moved)])
        assert await entry_of(ledger, "a") == entry

    async def test_attempts_tell_their_lanes(self, ledger):
        held = await with_lanes(ledger, a="east west")
        again = Retried(at=AT, due=AT, why="x")
        await send(held, "a", "west", accepted(1), failed(1, stop_time=AT), again)
        assert (await entry_of(ledger, "a")).lane is None
        await send(held, "a", "east", accepted(2), completed(2))
        (past,) = await ledger.batch(BATCH).earlier("a")
        assert (past.lane, past.request) == ("west", asked("a", "west"))
        assert past.request_id == request_id(BATCH, "a", 1, asked("a", "west"), "west")
        ended = await ledger.batch(BATCH).story.ended_runs(limit=9)
        assert [(one.attempt, one.lane, one.name) for one in ended] == [
            (1, "west", "a-west"),
            (2, "east", "a"),
        ]
        (unasked,) = await held.unasked(limit=9)
        assert (unasked.attempt, unasked.lane) == (1, "west")

    async def test_a_uuid_is_one_run_in_each_lane(self, ledger):
        held = await with_lanes(ledger, a="east", b="west", c="west")
        again = Retried(at=AT, due=AT, why="x")
        await send(held, "a", "east", accepted(1), failed(1), again)
        await send(held, "b", "west", accepted(1), failed(1), again)
        uuid = run_of(1).uuid
        assert await held.known_runs([uuid], lane="west") == {uuid}
        await send(held, "a", "east", accepted(2))
        assert await held.known_runs([run_of(2).uuid], lane="west") == frozenset()
        assert await held.known_runs([run_of(2).uuid]) == {run_of(2).uuid}
        await send(held, "b", "west", accepted(2))
        with pytest.raises(ServiceUnusableError, match="one run for two rows"):  # it is the service's doing
            await send(held, "c", "west", accepted(2))

    async def test_a_copy_goes_where_its_source_is(self, ledger):
        held = await with_lanes(ledger, a="east west")
        await send(held, "a", "west", accepted(1), failed(1))
        await ledger.batch(BATCH).requests.retry(["a"], at=AT, why="x", duplicates=True)
        copy = await entry_of(ledger, "a")
        assert (copy.may_take, json.loads(copy.request)["runId"]) == (("west",), run_of(1).id)
        assert copy.content == offers("a", "east", "west")
        await send(held, "a", "west", accepted(2), failed(2))
        await ledger.batch(BATCH).requests.retry(["a"], at=AT, why="x")
        assert (await entry_of(ledger, "a")).may_take == ("east", "west")

    async def test_counts_tell_lanes_apart(self, ledger):
        held = await with_lanes(ledger, a="east west", b="west", c="east west", d="east", e="west")
        await send(held, "c", "east", accepted(1))
        await held.sync(rows(a="east west", b="west", c="east west", d="east"), changed=Changed.REFUSE, at=AT)
        counts = await ledger.batch(BATCH).counts()
        assert counts.by_state == {State.PLANNED: 3, State.ACTIVE: 1}
        assert counts.by_lane == {
            "": {State.PLANNED: 1},
            "west": {State.PLANNED: 1},
            "east": {State.PLANNED: 1, State.ACTIVE: 1},
        }

    async def test_a_batch_without_lanes_counts_none(self, ledger):
        await filled(ledger, "a")
        assert (await ledger.batch(BATCH).counts()).by_lane == {}
        assert (await ledger.batch("none").counts()).by_lane == {}

    async def test_latest_runs_are_told_by_lane(self, ledger):
        held = await filled(ledger, "old")
        await move(held, "old", intended(), accepted(3), completed(3))
        manifest = [row("old", 0, "east"), row("a", 1, "east"), row("b", 2, "west")]
        await held.sync(manifest, changed=Changed.REFUSE, at=AT, home="east")
        await send(held, "a", "east", accepted(1), completed(1))
        await send(held, "b", "west", accepted(2), completed(2))
        batch = ledger.batch(BATCH)
        for which in (Latest.CURRENT, Latest.ENDED):
            told = [
                {run.uuid for run in await batch.latest_runs(which, limit=9, **options)}
                for options in (
                    {},
                    {"lane": "east"},
                    {"lane": "west"},
                    {"lane": "east", "is_home": True},
                    {"lane": "west", "is_home": True},
                )
            ]
            one, two, old = "uuid-1", "uuid-2", "uuid-3"
            assert told == [{one, two, old}, {one}, {two}, {one, old}, {two, old}]


class AddingLanes:
    """A manifest that has lanes, or other lanes, from now on."""

    async def test_rows_that_were_sent_before_are_unchanged_and_offered_lanes_for_later(self, ledger):
        held = await filled(ledger, "a", "b", "c")
        await move(held, "a", intended(), accepted(1))
        await move(held, "b", intended(), accepted(2), completed(2))
        before = [await entry_of(ledger, id_) for id_ in "ab"]
        manifest = rows(a="east west", b="west east", c="west east")
        told = await ledger.batch(BATCH).compare(manifest, home="east")
        found = await held.sync(manifest, changed=Changed.REFUSE, at=AT, home="east")
        assert found == told == Sync(rows=3, unchanged=2, changed=1, changed_ids=("c",))
        after = [await entry_of(ledger, id_) for id_ in "ab"]
        assert [replace(one, offers=None) for one in after] == before
        assert [one.request_id for one in after] == [one.request_id for one in before]
        assert [one.may_take for one in after] == [(), ()]
        await held.keep_lane("east", region="us-east-1", account=None, at=AT)
        assert (await held.counts()).by_lane == {
            "": {State.ACTIVE: 1, State.SUCCEEDED: 1, State.PLANNED: 1},
        }
        assert (await entry_of(ledger, "c")).may_take == ("west", "east")
        assert await held.sync(manifest, changed=Changed.REFUSE, at=AT) == Sync(rows=3, unchanged=3)
        await move(held, "a", failed(1), Retried(at=AT, due=AT, why="x"))
        assert (await entry_of(ledger, "a")).may_take == ("east", "west")
        assert [past.lane for past in await held.earlier("a")] == [None]

    @pytest.mark.parametrize("home", ["west", "north", None])
    async def test_they_are_changed_where_their_home_asks_for_something_else_or_is_not_offered(
        self, ledger, home
    ):
        held = await filled(ledger, "a")
        await move(held, "a", intended(), accepted(1))
        before = await entry_of(ledger, "a")
        with pytest.raises(ChangedRowsError):
            await held.sync(rows(a="east west"), changed=Changed.REFUSE, at=AT, home=home)
        await held.sync(rows(a="east west"), changed=Changed.KEEP, at=AT, home=home)
        assert await entry_of(ledger, "a") == replace(before, is_changed=True)

    async def test_more_lanes_change_no_row_that_is_in_one(self, ledger):
        held = await with_lanes(ledger, a="east", b="east", c="east west")
        await send(held, "a", "east", accepted(1))
        await send(held, "c", "west", deferred(later(minutes=1)))
        manifest = rows(a="west east", b="west east", c="north west")
        found = await held.sync(manifest, changed=Changed.REFUSE, at=AT)
        assert (found.changed, found.changed_ids) == (1, ("b",))
        entries = [await entry_of(ledger, id_) for id_ in "abc"]
        assert [one.may_take for one in entries] == [("east",), ("west", "east"), ("west",)]
        assert [one.content for one in entries] == [one.offers for one in manifest]
        assert await held.sync(manifest, changed=Changed.REFUSE, at=AT) == Sync(rows=3, unchanged=3)

    @pytest.mark.parametrize(
        "now",
        [row("a", 0, "east", "west", content=2), row("a", 0, "east"), spec("a")],
        ids=["other content", "its lane is gone", "all lanes are gone"],
    )
    async def test_a_row_is_changed_where_its_own_lane_is(self, ledger, now):
        held = await with_lanes(ledger, a="east west")
        await send(held, "a", "west", accepted(1))
        with pytest.raises(ChangedRowsError):
            await held.sync([now], changed=Changed.REFUSE, at=AT)
        await held.sync([now], changed=Changed.RESUBMIT, at=AT)
        entry = await entry_of(ledger, "a")
        assert (entry.attempt, entry.lane, entry.content) == (2, None, now.content)
        assert entry.may_take == lanes_of(now.content)

    async def test_rows_from_before_go_back_to_a_manifest_without_lanes(self, ledger):
        held = await filled(ledger, "a", "b")
        await move(held, "a", intended(), accepted(1))
        before = [await entry_of(ledger, id_) for id_ in "ab"]
        await held.sync(rows(a="west east", b="west east"), changed=Changed.REFUSE, at=AT, home="east")
        await held.sync(specs("a", "b"), changed=Changed.REFUSE, at=AT)
        assert [await entry_of(ledger, id_) for id_ in "ab"] == before

    async def test_an_attempt_that_departs_from_its_row_takes_the_rows_content_over(self, ledger):
        held = await with_lanes(ledger, a="east west")
        larger = offers("a", "west", content="larger", closed=["east"])
        again = Retried(at=AT, due=AT, why="rule", request=larger)
        await send(held, "a", "east", accepted(1), failed(1), again)
        await send(held, "a", "west", accepted(2))
        manifest = rows(a="north west east")
        assert (await held.sync(manifest, changed=Changed.REFUSE, at=AT)).changed == 0
        entry = await entry_of(ledger, "a")
        assert (entry.asked, entry.content) == (larger, manifest[0].offers)
        await held.sync([replace(manifest[0], offers=larger)], changed=Changed.KEEP, at=AT)
        assert (await entry_of(ledger, "a")).is_changed

    async def test_content_that_waits_for_a_call_is_taken_over_too(self, ledger):
        held = await with_lanes(ledger, a="east west")
        await send(held, "a", "east")
        await held.sync([row("a", 0, "east", "west", content=2)], changed=Changed.RESUBMIT, at=AT)
        more = row("a", 0, "west", "north", "east", content=2)
        assert (await held.sync([more], changed=Changed.REFUSE, at=AT)).changed == 0
        assert (await entry_of(ledger, "a")).next_request == more.offers

    async def test_a_row_that_was_withdrawn_unsent_is_unchanged_by_more_lanes(self, ledger):
        held = await with_lanes(ledger, a="east west")
        await move(held, "a", Withdrawn(at=AT, message="asked for"))
        assert (await held.sync(rows(a="north west east"), changed=Changed.REFUSE, at=AT)).changed == 0
        entry = await entry_of(ledger, "a")
        assert (entry.state, entry.may_take) == (State.CANCELLED, ("north", "west", "east"))
        with pytest.raises(ChangedRowsError):
            await held.sync(rows(a="south"), changed=Changed.REFUSE, at=AT)

    async def test_many_rows_from_before_are_weighed_one_by_one(self, ledger):
        ids = [f"id{number:03}" for number in range(450)]
        held = await filled(ledger, *ids)
        for number, id_ in enumerate(ids):
            await move(held, id_, intended(), accepted(number))
        other = {7, 449}
        manifest = [
            row(id_, number, "west", "east", content=1 + (number in other)) for number, id_ in enumerate(ids)
        ]
        found = await held.sync(manifest, changed=Changed.KEEP, at=AT, home="east")
        assert (found.changed, found.changed_ids) == (2, ("id007", "id449"))
        assert (await entry_of(ledger, "id448")).offers == manifest[448].offers
        assert (await entry_of(ledger, "id449")).offers is None
        assert (await ledger.batch(BATCH).counts()).changed == 2
