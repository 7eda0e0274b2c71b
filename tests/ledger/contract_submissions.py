"""The contract's words on submissions: rows' attempts that go to the service in one StartRunBatch."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from batchrun.errors import InvariantError, LeaseLostError
from batchrun.model.entries.events import Refused
from batchrun.model.entries.states import State
from batchrun.model.planning.cancelling import Scope
from batchrun.model.planning.limits import Changed
from batchrun.model.submissions.grouping import Choice
from batchrun.model.submissions.submission import OpenSubmission, Standing
from tests.ledger.contract_lanes import into, send, with_lanes
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
    spec,
    specs,
    steps_of,
)
from tests.ledger.submitting import over, steps_for, submission, taken, together

if TYPE_CHECKING:
    from datetime import datetime


class SubmissionsOfBatches:
    """Kept with their rows in one transaction, and for ever."""

    async def test_a_submission_and_its_rows_are_intended_together(self, ledger):
        held = await filled(ledger, *"abc")
        made = replace(submission(1), sent_at=later(seconds=1))
        await held.submissions.intend(made, await steps_for(held, "ba"))
        assert {(await entry_of(ledger, id_)).state for id_ in "ab"} == {State.SUBMITTING}
        assert (await entry_of(ledger, "c")).state is State.PLANNED
        assert [kind for *_, kind, _ in await held.history("a")] == ["intended"]
        batch = ledger.batch(BATCH)
        assert await batch.submissions.open() == [OpenSubmission(submission=made, ids=["a", "b"])]
        assert await batch.submissions.find(made.request_id) == await batch.submissions.last("a", 1) == made
        assert await batch.submissions.count() == 1

    async def test_a_batch_without_submissions_says_so(self, ledger):
        held = await filled(ledger, "a")
        await move(held, "a", intended())
        for batch in (held, ledger.batch("nobody")):
            assert await batch.submissions.open() == []
            assert await batch.submissions.count() == 0
            assert await batch.submissions.last("a", 1) is None
            assert await batch.submissions.find("0" * 64) is None

    async def test_what_the_service_says_of_it_is_kept(self, ledger):
        held = await filled(ledger, *"ab")
        made = await together(held, 1, "ab")
        for known in (
            replace(made, sent_at=later(seconds=1), code="TimeoutError", message="no answer"),
            taken(made, status="PENDING"),
            taken(made, status="PROCESSED"),
        ):
            await held.submissions.keep(known)
            assert await held.submissions.find(made.request_id) == known

    async def test_an_unknown_account_becomes_that_of_the_first_submission_that_the_service_has(self, ledger):
        held = await filled(ledger, *"ab")
        made = await together(held, 1, "ab")
        for account, known in ((None, None), ("1" * 12, "1" * 12), ("2" * 12, "1" * 12)):
            await held.submissions.keep(taken(made), account=account)
            batch = await ledger.find_batch(BATCH)
            assert batch is not None
            assert batch.account == known

    async def test_one_is_over_once_no_row_waits_for_it(self, ledger):
        held = await filled(ledger, *"abc")
        made = await together(held, 1, "abc")
        await move(held, "a", accepted(1))
        await move(held, "b", Refused(at=AT, code="C", message="m"))
        with pytest.raises(InvariantError, match="row 'c' waits for it"):
            await held.submissions.keep(over(made))
        assert await held.submissions.open() == [OpenSubmission(submission=made, ids=["c"])]
        await move(held, "c", deferred(later(seconds=5)))
        assert await held.submissions.open() == [OpenSubmission(submission=made, ids=[])]
        await held.submissions.keep(over(made))
        assert await held.submissions.open() == []
        assert await held.submissions.last("a", 1) == over(made)
        assert await held.submissions.count() == 1

    async def test_runs_that_nobody_wants_cancelled(self, ledger):
        held = await filled(ledger, *"abc")
        made = await together(held, 1, "ab")
        await move(held, "c", intended(), accepted(3))
        assert not await held.submissions.have_wanted_runs(made.request_id)
        await move(held, "a", accepted(1))
        assert await held.submissions.have_wanted_runs(made.request_id)
        await held.requests.ask_to_cancel(["a"], scope=Scope.SENDING, at=AT)
        assert await held.submissions.have_wanted_runs(made.request_id)
        await held.requests.ask_to_cancel(["a"], scope=Scope.RUN, at=AT)
        assert not await held.submissions.have_wanted_runs(made.request_id)
        await move(held, "b", accepted(2), completed(2))
        assert not await held.submissions.have_wanted_runs(made.request_id)
        assert not await ledger.batch("nobody").submissions.have_wanted_runs(made.request_id)

    @pytest.mark.parametrize("back", [Standing.INTENDED, Standing.TAKEN])
    async def test_what_is_over_stays_so(self, ledger, back):
        held = await filled(ledger, *"ab")
        made = await together(held, 1, "ab")
        for number, id_ in enumerate("ab"):
            await move(held, id_, accepted(number))
        await held.submissions.keep(taken(made))
        await held.submissions.keep(over(made))
        with pytest.raises(InvariantError):
            await held.submissions.keep(replace(taken(made), standing=back))
        assert await held.submissions.find(made.request_id) == over(made)

    async def test_a_submission_that_the_service_has_is_not_intended_again(self, ledger):
        held = await filled(ledger, *"ab")
        made = await together(held, 1, "ab")
        with pytest.raises(InvariantError):
            await held.submissions.keep(replace(made, standing=Standing.TAKEN))
        await held.submissions.keep(taken(made))
        with pytest.raises(InvariantError):
            await held.submissions.keep(made)
        assert await held.submissions.find(made.request_id) == taken(made)

    async def test_a_row_waits_for_the_submission_by_which_it_was_intended_last(self, ledger):
        held = await filled(ledger, *"abc")
        first = await together(held, 1, "abc")
        for id_ in "ab":
            await move(held, id_, deferred(AT))
        second = await together(held, 2, "ab")
        assert [(one.submission, one.ids) for one in await held.submissions.open()] == [
            (first, ["c"]),
            (second, ["a", "b"]),
        ]
        await held.submissions.keep(taken(second))
        assert {
            one.standing: (one.submissions, one.rows) for one in await held.submissions.count_waiting()
        } == {
            Standing.INTENDED: (1, 1),
            Standing.TAKEN: (1, 2),
        }
        assert await held.submissions.last("a", 1) == taken(second)
        assert await held.submissions.last("c", 1) == first

    async def test_a_row_that_was_intended_by_itself_since_waits_for_none(self, ledger):
        held = await filled(ledger, *"ab")
        made = await together(held, 1, "ab")
        await move(held, "a", deferred(AT), intended())
        assert (await entry_of(ledger, "a")).state is State.SUBMITTING
        assert await held.submissions.open() == [OpenSubmission(submission=made, ids=["b"])]
        assert [one.rows for one in await held.submissions.count_waiting()] == [1]
        assert await held.submissions.last("a", 1) is None
        await move(held, "b", accepted(1))
        assert await held.submissions.count_waiting() == []
        await held.submissions.keep(over(made))

    async def test_each_attempt_has_its_own(self, ledger):
        held = await filled(ledger, *"ab")
        first = await together(held, 1, "ab")
        refused = Refused(at=AT, code="C", message="m")
        for id_ in "ab":
            await move(held, id_, refused)
        await ledger.batch(BATCH).requests.retry(["a", "b"], at=AT, why="asked for")
        assert await held.submissions.last("a", 2) is None
        second = await together(held, 2, "ab")
        assert [await held.submissions.last("a", attempt) for attempt in (1, 2, 3)] == [first, second, None]
        assert [one.ids for one in await held.submissions.open()] == [[], ["a", "b"]]
        assert await held.submissions.last("nobody", 1) is None

    async def test_the_order_is_that_of_the_intents_and_the_ids_are_by_position(self, ledger):
        held = await filled(ledger, *"abcdef")
        made = [await together(held, number, ids) for number, ids in ((3, "fa"), (1, "dc"), (2, "eb"))]
        assert [(one.submission, one.ids) for one in await held.submissions.open()] == [
            (made[0], ["a", "f"]),
            (made[1], ["c", "d"]),
            (made[2], ["b", "e"]),
        ]

    async def test_a_step_that_cannot_be_recorded_leaves_no_submission(self, ledger):
        held = await filled(ledger, *"ab")
        good, bad = await steps_for(held, "ab")
        stray = replace(bad, entry=replace(bad.entry, attempt=5))
        with pytest.raises(InvariantError, match="attempt 5"):
            await held.submissions.intend(submission(1), [good, stray])
        assert await held.submissions.count() == 0
        assert (await held.counts()).by_state == {State.PLANNED: 2}

    @pytest.mark.parametrize(
        "wrong",
        [
            {"rows": 3},
            {"batch": "other"},
            {"lane": "east"},
            {"standing": Standing.TAKEN},
            {"request_id": "short"},
            {"name": "n" * 65},
        ],
        ids=str,
    )
    async def test_a_submission_is_its_rows_and_no_other(self, ledger, wrong):
        held = await filled(ledger, *"ab")
        with pytest.raises(InvariantError):
            await held.submissions.intend(replace(submission(1), **wrong), await steps_for(held, "ab"))
        assert await held.submissions.count() == 0
        assert (await held.counts()).by_state == {State.PLANNED: 2}

    async def test_its_steps_are_intents_of_rows_that_are_not_there_twice(self, ledger):
        held = await filled(ledger, *"ab")
        await move(held, "b", intended())
        one, other = await steps_for(held, "a"), await steps_for(held, "b", accepted(1))
        for steps in ([*one, *other], [*one, *one]):
            with pytest.raises(InvariantError):
                await held.submissions.intend(submission(1), steps)
        assert await held.submissions.count() == 0

    async def test_a_row_that_was_intended_meanwhile_is_not_intended_again(self, ledger):
        held = await filled(ledger, *"ab")
        known = await steps_for(held, "ab")
        made = await together(held, 1, "ab")
        with pytest.raises(InvariantError, match="entry 'a', which is submitting at attempt 1"):
            await held.submissions.intend(submission(2), known)
        assert await held.submissions.open() == [OpenSubmission(submission=made, ids=["a", "b"])]

    @pytest.mark.parametrize("same", ["request_id", "name"])
    async def test_no_two_have_one_name_or_requestid(self, ledger, same):
        held = await filled(ledger, *"abcd")
        made = await together(held, 1, "ab")
        other = replace(submission(2), **{same: getattr(made, same)})
        with pytest.raises(InvariantError):
            await held.submissions.intend(other, await steps_for(held, "cd"))
        assert (await held.counts()).by_state == {State.SUBMITTING: 2, State.PLANNED: 2}

    async def test_another_batch_may_have_one_of_the_same_name_and_knows_nothing_of_this_one(self, ledger):
        held, other = await filled(ledger, *"ab"), await filled(ledger, *"ab", batch="other")
        made = await together(held, 1, "ab")
        there = replace(submission(1, batch="other"), name=made.name)
        await other.submissions.intend(there, await steps_for(other, "ab"))
        assert [one.submission for one in await other.submissions.open()] == [there]
        assert await other.submissions.find(made.request_id) is None
        assert await other.submissions.count() == 1
        with pytest.raises(InvariantError, match="does not have"):
            await other.submissions.keep(taken(made))

    async def test_in_a_lane_its_rows_are_in_that_lane(self, ledger):
        held = await with_lanes(ledger, a="east west", b="west")
        found = await held.entries("ab")
        steps = [step for entry in found.values() for step in steps_of(entry, [into(entry, "west")])]
        made = submission(1, lane="west")
        with pytest.raises(InvariantError):
            await held.submissions.intend(replace(made, lane="east"), steps)
        await held.submissions.intend(made, steps)
        assert await held.submissions.open() == [OpenSubmission(submission=made, ids=["a", "b"])]

    async def test_whoever_lost_the_batch_writes_nothing(self, ledger):
        held = await filled(ledger, *"abcd")
        made = await together(held, 1, "ab")
        steps = await steps_for(held, "cd")
        await held.release()
        await lease_on(ledger, holder="host:2")
        with pytest.raises(LeaseLostError):
            await held.submissions.intend(submission(2), steps)
        with pytest.raises(LeaseLostError):
            await held.submissions.keep(taken(made))
        assert await held.submissions.open() == [OpenSubmission(submission=made, ids=["a", "b"])]
        assert (await held.counts()).by_state == {State.SUBMITTING: 2, State.PLANNED: 2}

    async def test_many_entries_come_at_once(self, ledger):
        held = await filled(ledger, *"abc")
        await move(held, "b", intended(), accepted(1), completed(1))
        found = await ledger.batch(BATCH).entries(["b", "nobody", "a", "b"])
        assert list(found) == ["a", "b"]
        assert found == {id_: await entry_of(ledger, id_) for id_ in "ab"}
        assert await held.entries([]) == {}

    async def test_more_rows_than_are_written_at_once(self, ledger):
        ids = [f"r{number:04}" for number in range(2_300)]
        held = await lease_on(ledger)
        await held.sync(specs(*ids), changed=Changed.REFUSE, at=AT)
        found = await held.entries(ids)
        steps = [step for entry in found.values() for step in steps_of(entry, [intended()])]
        await held.submissions.intend(submission(1, len(ids)), steps)
        (known,) = await held.submissions.open()
        assert known.ids == ids
        assert (await held.counts()).by_state == {State.SUBMITTING: len(ids)}


class Shapes:
    """Which rows may share a submission, for as long as they ask for the same."""

    async def test_rows_are_without_a_shape_until_one_is_kept(self, ledger):
        held = await filled(ledger, *"abcde")
        await move(held, "b", intended(), deferred(later(seconds=9)))
        await move(held, "c", intended())
        await held.sync(specs(*"abce"), changed=Changed.REFUSE, at=AT)
        found = await held.submissions.unshaped(limit=9)
        assert found == [await entry_of(ledger, id_) for id_ in "abe"]
        assert [one.id for one in await held.submissions.unshaped(limit=2)] == ["a", "b"]
        assert [one.id for one in await held.submissions.unshaped(limit=2, after=found[1].position)] == ["e"]
        await held.submissions.keep_shapes({"a": "x", "e": "x", "nobody": "x"})
        assert [one.id for one in await held.submissions.unshaped(limit=9)] == ["b"]
        await held.submissions.keep_shapes({})

    async def test_an_id_may_have_any_character(self, ledger):
        ids = ["é", 'quoted "', "back\\slash", "line\nfeed", "null"]
        held = await filled(ledger, *ids)
        await held.submissions.keep_shapes({id_: f"shape of {id_}" for id_ in ids})
        for id_ in ids:
            (found,) = await held.due(at=AT, limit=9, shape=f"shape of {id_}")
            assert found.id == id_

    async def test_choices_are_counted_by_shape(self, ledger):
        held = await filled(ledger, *"abcdefg")
        assert await held.submissions.choices() == []
        await held.submissions.keep_shapes(dict(zip("abcdef", "yxyxyy", strict=True)))
        await move(held, "a", intended(), deferred(AT))
        await move(held, "c", intended())
        await held.requests.ask_to_cancel(["e"], scope=Scope.SENDING, at=AT)
        await held.sync(specs(*"abcdeg"), changed=Changed.REFUSE, at=AT)
        assert await held.submissions.choices() == [
            Choice(lanes=(), shape="x", rows=2),
            Choice(lanes=(), shape="y", rows=1),
        ]

    async def test_what_is_due_of_a_shape(self, ledger):
        held = await filled(ledger, *"abcdefg")
        await held.submissions.keep_shapes(dict(zip("abcdef", "yxyxyy", strict=True)))
        await move(held, "a", intended(), deferred(later(seconds=9)))
        await move(held, "c", intended())
        await held.requests.ask_to_cancel(["e"], scope=Scope.SENDING, at=AT)

        async def due(shape: str, at: datetime = AT, limit: int = 9, **options: Any) -> list[str]:
            return [one.id for one in await held.due(at=at, limit=limit, shape=shape, **options)]

        assert await due("x") == ["b", "d"]
        assert await due("x", limit=1) == ["b"]
        assert await due("x", skip=["b"]) == ["d"]
        assert await due("y") == ["f"]
        assert await due("y", later(seconds=9)) == ["a", "f"]
        assert await due("y", horizon=later(seconds=5)) == ["a", "f"]
        assert await due("z") == await due("y", lanes=("east",)) == []
        assert await held.next_due(after=AT, shape="y") == later(seconds=9)
        assert await held.next_due(after=AT, shape="x") is None
        assert await held.next_due(after=AT, lanes=("east",), shape="y") is None

    async def test_with_lanes_a_shape_is_of_just_these(self, ledger):
        held = await with_lanes(ledger, a="east west", b="west", c="east west")
        await held.submissions.keep_shapes(dict.fromkeys("abc", "x"))
        assert await held.submissions.choices() == [
            Choice(lanes=("east", "west"), shape="x", rows=2),
            Choice(lanes=("west",), shape="x", rows=1),
        ]
        for lanes, ids in ((("west",), ["b"]), (("east", "west"), ["a", "c"]), ((), []), (None, [])):
            assert [one.id for one in await held.due(at=AT, limit=9, lanes=lanes, shape="x")] == ids
        await send(held, "a", "west", deferred(later(seconds=9)))
        assert [one.id for one in await held.submissions.unshaped(limit=9)] == ["a"]
        await held.submissions.keep_shapes({"a": "x"})
        assert await held.next_due(after=AT, lanes=("west",), shape="x") == later(seconds=9)

    async def test_a_shape_is_forgotten_where_the_row_asks_for_something_else(self, ledger):
        held = await filled(ledger, *"abcd")
        await held.submissions.keep_shapes(dict.fromkeys("abcd", "x"))
        await held.sync([*specs(*"abc"), spec("d", 3, "new")], changed=Changed.REFUSE, at=AT)
        await move(held, "a", intended(), Refused(at=AT, code="C", message="m"))
        await ledger.batch(BATCH).requests.retry(["a"], at=AT, why="asked for")
        await move(held, "b", intended(), deferred(AT))
        assert [one.id for one in await held.submissions.unshaped(limit=9)] == ["a", "d"]
        assert await held.submissions.choices() == [Choice(lanes=(), shape="x", rows=2)]

    async def test_the_last_word_on_a_shape_stays(self, ledger):
        held = await filled(ledger, *"ab")
        await held.submissions.keep_shapes({"a": "x", "b": "x"})
        await held.submissions.keep_shapes({"a": "y"})
        assert [(one.shape, one.rows) for one in await held.submissions.choices()] == [("x", 1), ("y", 1)]

    async def test_whoever_lost_the_batch_keeps_no_shape(self, ledger):
        held = await filled(ledger, "a")
        await held.release()
        await lease_on(ledger, holder="host:2")
        with pytest.raises(LeaseLostError):
            await held.submissions.keep_shapes({"a": "x"})
        assert await held.submissions.choices() == []
