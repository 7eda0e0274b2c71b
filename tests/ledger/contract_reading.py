"""The contract's words on the ledger's answers."""

from __future__ import annotations

import contextlib
import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from batchrun.model.entries.duplicating import duplicate
from batchrun.model.entries.events import Failed, Progressed, Refused, Removed, Retried, Revised
from batchrun.model.entries.states import State
from batchrun.model.paces.handing_on import Learned, Phase
from batchrun.model.planning.limits import Changed
from batchrun.model.spec import digest
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

if TYPE_CHECKING:
    from batchrun.model.entries.events import Event
    from batchrun.ports.held import HeldBatch
    from batchrun.ports.ledger import Ledger

LEARNED = Learned(phase=Phase.HOLDING, base=8.25, cut=0.01, span=240, passed=17, burst=8)


async def due_ids(held: HeldBatch, **arguments: Any) -> list[str]:
    options: dict[str, Any] = {"at": AT, "limit": 99} | arguments
    return [entry.id for entry in await held.due(**options)]


async def outcomes(ledger: Ledger) -> list[str]:
    return [outcome.entry.id async for outcome in ledger.batch(BATCH).story.outcomes()]


class Reading:
    async def test_what_changed_is_told_since_any_event(self, ledger):
        begun = await ledger.newest_event()
        held = await filled(ledger, "c", "a", "b")
        other = await filled(ledger, "a", batch="other")
        assert await ledger.newest_event() == begun
        await move(held, "a", intended())
        first = await ledger.newest_event()
        await move(held, "b", intended(), accepted(1), completed(1))
        await move(held, "c", intended(), accepted(2), Failed(at=AT, run=run_of(2, "FAILED")))
        await move(held, "c", Retried(at=AT, due=AT, why="asked", request=None))
        await move(other, "a", intended())
        last = await ledger.newest_event()
        stored = ledger.batch(BATCH)
        assert begun < first < last
        told = await stored.story.changed(after=begun, upto=last)
        assert list(told) == [one async for one in stored.story.outcomes()]
        assert [one.entry.id for one in told] == ["c", "a", "b"]
        assert [one.attempt for one in told[0].earlier] == [1]
        assert [one.entry.id for one in await stored.story.changed(after=first, upto=last)] == ["c", "b"]
        assert [one.entry.id for one in await stored.story.changed(after=begun, upto=first)] == ["a"]
        assert await stored.story.changed(after=last, upto=last) == []
        assert await ledger.batch("unknown").story.changed(after=0, upto=last) == []

    async def test_planned_entries_are_due_in_manifest_order(self, ledger):
        held = await filled(ledger, "c", "a", "b")
        assert await due_ids(held) == ["c", "a", "b"]

    async def test_due_is_limited_and_skips(self, ledger):
        held = await filled(ledger, "a", "b", "c", "d")
        assert await due_ids(held, limit=2) == ["a", "b"]
        assert await due_ids(held, limit=2, skip={"a", "c"}) == ["b", "d"]
        assert await due_ids(held, limit=0) == []

    async def test_backoff_is_due_in_its_time_and_place(self, ledger):
        held = await filled(ledger, "a", "b", "c", "d")
        await move(held, "b", intended(), deferred(later(minutes=1)))
        await move(held, "d", intended(), deferred(later(minutes=2)))
        assert await due_ids(held, at=later(seconds=59)) == ["a", "c"]
        assert await due_ids(held, at=later(minutes=1)) == ["a", "b", "c"]
        assert await due_ids(held, at=later(minutes=2), limit=2) == ["a", "b"]
        assert await due_ids(held, at=later(minutes=2), skip=["b", "a"]) == ["c", "d"]

    async def test_what_is_due_beyond_the_horizon_is_due(self, ledger):
        held = await filled(ledger, "a", "b")
        await move(held, "a", intended(), deferred(later(hours=1)))
        await move(held, "b", intended(), deferred(later(hours=24)))
        assert await due_ids(held, horizon=later(hours=2)) == ["b"]
        assert await due_ids(held, horizon=later(hours=24)) == []

    async def test_what_is_under_way_or_over_is_not_due(self, ledger):
        held = await filled(ledger, "a", "b", "c")
        await move(held, "a", intended())
        await move(held, "b", intended(), accepted(1))
        await move(held, "c", intended(), accepted(2), completed(2))
        assert await due_ids(held) == []

    async def test_the_next_due_time_is_later_than_asked(self, ledger):
        held = await filled(ledger, "a", "b")
        assert await held.next_due(after=AT) is None
        await move(held, "a", intended(), deferred(later(minutes=2)))
        await move(held, "b", intended(), deferred(later(minutes=1)))
        assert await held.next_due(after=AT) == later(minutes=1)
        assert await held.next_due(after=later(minutes=1)) == later(minutes=2)
        assert await held.next_due(after=later(minutes=2)) is None

    async def test_rows_that_left_the_manifest_are_never_due(self, ledger):
        held = await filled(ledger, "a", "b")
        await move(held, "b", intended(), deferred(later(minutes=1)))
        await held.sync([], changed=Changed.REFUSE, at=AT)
        assert await due_ids(held, at=later(days=1)) == []
        assert await held.next_due(after=AT) is None

    async def test_states_are_paged_by_position(self, ledger):
        held = await filled(ledger, "a", "b", "c", "d")
        await move(held, "b", intended())
        first = await ledger.batch(BATCH).in_state(State.PLANNED, limit=2)
        assert [entry.id for entry in first] == ["a", "c"]
        rest = await ledger.batch(BATCH).in_state(State.PLANNED, limit=2, after=first[-1].position)
        assert [entry.id for entry in rest] == ["d"]

    async def test_states_include_rows_that_left_the_manifest(self, ledger):
        held = await filled(ledger, "a", "b")
        await move(held, "a", intended(), accepted(1))
        await held.sync(specs("b"), changed=Changed.REFUSE, at=AT)
        assert [entry.id for entry in await ledger.batch(BATCH).in_state(State.ACTIVE, limit=9)] == ["a"]

    async def test_an_unknown_entry_is_none_and_has_no_history(self, ledger):
        await filled(ledger, "a")
        assert await ledger.batch(BATCH).entry("b") is None
        assert await ledger.batch(BATCH).history("b") == []

    async def test_counts_by_state_and_by_status(self, ledger):
        held = await filled(ledger, "a", "b", "c", "d", "e")
        await move(held, "a", intended(), accepted(1))
        await move(held, "b", intended(), accepted(2), Progressed(at=AT, run=run_of(2, "RUNNING")))
        await move(held, "c", intended(), accepted(3), completed(3))
        await move(held, "d", intended())
        counts = await ledger.batch(BATCH).counts()
        assert counts.by_state == {
            State.ACTIVE: 2,
            State.SUCCEEDED: 1,
            State.SUBMITTING: 1,
            State.PLANNED: 1,
        }
        assert counts.by_status == {"PENDING": 1, "RUNNING": 1}
        assert (counts.total, counts.open, counts.slots) == (5, 4, 3)

    async def test_rows_that_left_count_unless_they_wait_to_be_sent(self, ledger):
        held = await filled(ledger, "a", "b", "c")
        await move(held, "a", intended(), accepted(1))
        await move(held, "b", intended(), deferred(later(minutes=1)))
        await held.sync([], changed=Changed.REFUSE, at=AT)
        assert (await ledger.batch(BATCH).counts()).by_state == {State.ACTIVE: 1}

    async def test_outcomes_come_in_manifest_order_then_what_left_after_it_was_sent(self, ledger):
        held = await filled(ledger, "a", "b", "c", "d")
        await move(held, "a", intended())
        await move(held, "c", intended(), deferred(later(minutes=1)), Revised(at=AT, request="{}"))
        await held.sync(specs("d"), changed=Changed.REFUSE, at=AT)
        assert await outcomes(ledger) == ["d", "a", "c"]

    async def test_outcomes_go_over_pages(self, ledger):
        ids = [f"id{number}" for number in range(1_201)]
        await filled(ledger, *ids)
        assert await outcomes(ledger) == ids

    async def test_outcomes_show_one_state_while_the_batch_goes_on(self, ledger):
        ids = [f"id{number}" for number in range(1_001)]
        held = await filled(ledger, *ids)
        seen: list[tuple[str, State]] = []
        async for outcome in ledger.batch(BATCH).story.outcomes():
            if not seen:
                await move(held, ids[-1], intended())
                await held.sync(specs(*reversed(ids)), changed=Changed.REFUSE, at=AT)
            seen.append((outcome.entry.id, outcome.entry.state))
        assert seen == [(id_, State.PLANNED) for id_ in ids]

    async def test_outcomes_may_be_broken_off(self, ledger):
        held = await filled(ledger, "a", "b")
        async with contextlib.aclosing(ledger.batch(BATCH).story.outcomes()) as found:
            async for _outcome in found:
                break
        await move(held, "a", intended())
        unfinished = ledger.batch(BATCH).story.outcomes()
        await anext(unfinished)
        await ledger.close()
        await unfinished.aclose()

    async def test_what_was_learned_of_a_pace_is_given_back_by_account(self, ledger):
        await ledger.paces.keep("here", {"StartRun": LEARNED}, at=AT)
        await ledger.paces.keep("there", {"GetRun": LEARNED}, at=AT)
        assert await ledger.paces.learned("here", since=AT) == {"StartRun": LEARNED}
        assert await ledger.paces.learned("nowhere", since=AT) == {}

    async def test_the_last_word_on_a_pace_stays(self, ledger):
        await ledger.paces.keep("here", {"StartRun": LEARNED, "GetRun": LEARNED}, at=AT)
        slower = replace(LEARNED, phase=Phase.SEARCHING, base=0.5)
        await ledger.paces.keep("here", {"StartRun": slower}, at=later(seconds=60))
        assert await ledger.paces.learned("here", since=AT) == {"StartRun": slower, "GetRun": LEARNED}

    async def test_an_old_pace_is_not_given(self, ledger):
        await ledger.paces.keep("here", {"StartRun": LEARNED}, at=AT)
        assert await ledger.paces.learned("here", since=later(seconds=1)) == {}

    async def test_a_retry_is_due_in_its_time_and_knows_the_attempts_before(self, ledger):
        held = await filled(ledger, "a", "b")
        assert await ledger.batch(BATCH).earlier("a") == ()
        failing = (intended(), accepted(1), Failed(at=AT, run=run_of(1, "FAILED")))
        await move(held, "a", *failing, Retried(at=AT, due=later(minutes=1), why="x"))
        assert await due_ids(held) == ["b"]
        assert await held.next_due(after=AT) == later(minutes=1)
        assert await due_ids(held, at=later(minutes=1)) == ["a", "b"]
        (before,) = await ledger.batch(BATCH).earlier("a")
        assert before.run is not None
        assert (before.attempt, before.run.status) == (1, "FAILED")
        assert await ledger.batch(BATCH).earlier("nobody") == ()

    async def test_what_ended_without_success_is_retried_on_request_and_nothing_else(self, ledger):
        held = await filled(ledger, "failed", "done", "going", "planned")
        await move(held, "failed", intended(), accepted(1), Failed(at=AT, run=run_of(1, "FAILED")))
        await move(held, "done", intended(), accepted(2), completed(2))
        await move(held, "going", intended(), accepted(3))
        asked = ["done", "failed", "going", "nobody", "planned"]
        assert await ledger.batch(BATCH).requests.retry(asked, at=AT, why="asked for") == ["failed"]
        assert await due_ids(held) == ["failed", "planned"]
        assert await ledger.batch(BATCH).requests.retry(asked, at=AT, why="asked for") == []
        assert await ledger.batch("nothing").requests.retry(asked, at=AT, why="asked for") == []

    async def test_a_duplicate_is_made_of_runs_that_are_there_and_once(self, ledger):
        held = await filled(ledger, "failed", "refused", "removed")
        failed = Failed(at=AT, run=run_of(1, "FAILED"))
        before = await move(held, "failed", intended(), accepted(1), failed)
        await move(held, "refused", intended(), Refused(at=AT, code="C", message="m"))
        await move(held, "removed", intended(), accepted(3), Removed(at=AT, message="404"))
        ids = ["failed", "refused", "removed"]
        requests = ledger.batch(BATCH).requests
        assert await requests.retry(ids, at=AT, why="asked for", duplicates=True) == ["failed"]
        copy = await entry_of(ledger, "failed")
        assert (copy.request, copy.attempt) == (duplicate(before.request, "0000001"), 2)
        assert copy.content == before.request
        *_rest, (_at, _attempt, kind, detail) = await ledger.batch(BATCH).history("failed")
        assert (kind, json.loads(detail)["request"]) == ("retried", digest(copy.request))
        assert (await ledger.batch(BATCH).compare(specs(*ids))).unchanged == 3
        again = Failed(at=AT, run=run_of(4, "FAILED"))
        await move(held, "failed", intended(), accepted(4), again)
        assert await ledger.batch(BATCH).requests.retry(["failed"], at=AT, why="asked for") == ["failed"]
        entry = await entry_of(ledger, "failed")
        assert (entry.request, entry.manifest_request, entry.attempt) == (before.request, None, 3)

    async def test_a_run_that_was_deleted_on_request_is_not_duplicated(self, ledger):
        held = await filled(ledger, "a")
        await move(held, "a", intended(), accepted(1), Failed(at=AT, run=run_of(1, "FAILED")))
        await ledger.keep_deleted(["uuid-1"], at=AT)
        assert await ledger.batch(BATCH).requests.retry(["a"], at=AT, why="asked for", duplicates=True) == []
        assert await ledger.batch(BATCH).requests.retry(["a"], at=AT, why="asked for") == ["a"]

    async def test_a_changed_attempt_goes_on_and_gives_way_to_new_content(self, ledger):
        held = await filled(ledger, "a")
        failed: list[Event] = [intended(), accepted(1), Failed(at=AT, run=run_of(1, "FAILED"))]
        retried = Retried(at=AT, due=AT, why="rule", request='{"larger":1}')
        departing = await move(held, "a", *failed, retried, intended())
        assert await entry_of(ledger, "a") == departing
        assert (await ledger.batch(BATCH).compare(specs("a"))).unchanged == 1
        await move(held, "a", accepted(2), Failed(at=AT, run=run_of(2, "FAILED")))
        await ledger.batch(BATCH).requests.retry(["a"], at=AT, why="asked for")
        entry = await entry_of(ledger, "a")
        assert (entry.request, entry.content) == ('{"larger":1}', specs("a")[0].request)
        await held.sync(specs("a", content=2), changed=Changed.RESUBMIT, at=AT)
        entry = await entry_of(ledger, "a")
        assert (entry.request, entry.manifest_request) == (specs("a", content=2)[0].request, None)
