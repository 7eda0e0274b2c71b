"""The contract's words on how a batch stands."""

from __future__ import annotations

from dataclasses import replace

import pytest

from batchrun.model.entries.events import (
    Accepted,
    Cancelled,
    Failed,
    Intended,
    Refused,
    Removed,
    Retried,
    Withdrawn,
)
from batchrun.model.entries.states import State
from batchrun.model.planning.limits import Changed
from batchrun.ports.stored import By, Failures, Glance, KeptPace, Latest
from tests.ledger.contract_reading import LEARNED
from tests.ledger.samples import (
    AT,
    BATCH,
    TTL,
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
    specs,
)


def failed(number: int, reason: str | None = "RUN_TASK_FAILED", *, minutes: float = 0) -> Failed:
    run = run_of(number, "FAILED", failure_reason=reason, stop_time=later(minutes=minutes))
    return Failed(at=AT, run=run)


def refused() -> Refused:
    return Refused(at=AT, code="ValidationException", message="no")


class Standing:
    async def test_the_holder_is_told_as_long_as_it_stands_in_the_way(self, ledger):
        assert await ledger.batch(BATCH).holder(at=AT) is None
        held = await lease_on(ledger)
        assert await ledger.batch(BATCH).holder(at=AT) == held.lease
        assert await ledger.batch(BATCH).holder(at=AT + TTL) is None
        renewed = await held.renew(ttl=TTL, at=later(seconds=30))
        assert await ledger.batch(BATCH).holder(at=AT + TTL) == renewed
        await held.release()
        assert await ledger.batch(BATCH).holder(at=AT) is None

    async def test_the_longest_known_run_is_the_oldest(self, ledger):
        held = await filled(ledger, "a", "b", "c", "d")
        await move(held, "a", intended(), Accepted(at=later(minutes=2), run=run_of(1)))
        await move(held, "b", intended(), Accepted(at=later(minutes=1), run=run_of(2)))
        await move(held, "c", intended(), accepted(3), completed(3))
        now = await ledger.batch(BATCH).story.glance(since=AT, at=AT, limit=5)
        assert now.oldest == (await entry_of(ledger, "b"), await entry_of(ledger, "a"))
        assert [
            entry.id for entry in (await ledger.batch(BATCH).story.glance(since=AT, at=AT, limit=1)).oldest
        ] == ["b"]
        assert (await ledger.batch("nothing").story.glance(since=AT, at=AT, limit=1)) == Glance()

    async def test_the_latest_failure_is_the_one_that_ended_last(self, ledger):
        held = await filled(ledger, "a", "b", "c", "d", "e")
        await move(held, "a", intended(), accepted(1), failed(1, minutes=9))
        await move(held, "b", intended(), refused())
        await move(held, "c", intended(), accepted(3), completed(3))
        await move(held, "d", intended(), accepted(4), failed(4, minutes=11))
        now = await ledger.batch(BATCH).story.glance(since=AT, at=AT, limit=9)
        assert [entry.id for entry in now.failures] == ["d", "a", "b"]
        assert (await ledger.batch(BATCH).story.glance(since=AT, at=AT, limit=1)).failures == (
            await entry_of(ledger, "d"),
        )

    async def test_failures_come_by_state_and_reason_the_most_frequent_first(self, ledger):
        held = await filled(ledger, "a", "b", "c", "d", "e", "f", "g")
        await move(held, "a", intended(), accepted(1), failed(1, None))
        await move(held, "b", intended(), accepted(2), failed(2))
        await move(held, "c", intended(), refused())
        await move(held, "d", intended(), accepted(4), failed(4))
        await move(held, "e", intended(), accepted(5), failed(5))
        cancelled = Cancelled(at=AT, run=run_of(6, "CANCELLED"))
        await move(held, "f", intended(), accepted(6), cancelled)
        await move(held, "g", intended(), accepted(7), Removed(at=AT, message="it is gone"))
        first, *others = await ledger.batch(BATCH).story.failures(limit=2)
        assert first == Failures(
            state=State.FAILED,
            reason="RUN_TASK_FAILED",
            count=3,
            entries=(await entry_of(ledger, "b"), await entry_of(ledger, "d")),
        )
        assert [(one.state, one.reason, one.count) for one in others] == [
            (State.CANCELLED, None, 1),
            (State.DELETED, None, 1),
            (State.FAILED, None, 1),
            (State.REFUSED, "ValidationException", 1),
        ]
        assert await ledger.batch("nothing").story.failures(limit=1) == []

    async def test_failures_include_rows_that_left_the_manifest(self, ledger):
        held = await filled(ledger, "a", "b")
        await move(held, "a", intended(), refused())
        await held.sync(specs("b"), changed=Changed.REFUSE, at=AT)
        assert [one.count for one in await ledger.batch(BATCH).story.failures(limit=1)] == [1]
        assert [
            entry.id for entry in (await ledger.batch(BATCH).story.glance(since=AT, at=AT, limit=1)).failures
        ] == ["a"]

    async def test_recent_events_are_those_of_the_batch_since_then(self, ledger):
        held = await filled(ledger, "a", "b")
        other = await filled(ledger, "a", batch="other")
        await move(held, "a", intended(), Accepted(at=later(seconds=1), run=run_of(1)))
        await move(other, "a", intended(), Accepted(at=later(seconds=2), run=run_of(2)))
        await move(held, "b", replace(intended(), at=later(seconds=3)))
        assert list((await ledger.batch(BATCH).story.glance(since=AT, at=AT, limit=1)).events) == [
            (AT, "intended"),
            (later(seconds=1), "accepted"),
            (later(seconds=3), "intended"),
        ]
        lately = await ledger.batch(BATCH).story.glance(since=later(seconds=2), at=AT, limit=1)
        assert lately.events == ((later(seconds=3), "intended"),)
        assert list((await ledger.batch("nothing").story.glance(since=AT, at=AT, limit=1)).events) == []

    async def test_a_batch_without_events_has_none_that_are_recent(self, ledger):
        await filled(ledger, "a")
        assert list((await ledger.batch(BATCH).story.glance(since=AT, at=AT, limit=1)).events) == []

    async def test_a_run_names_its_entry_in_any_attempt(self, ledger):
        held = await filled(ledger, "a", "b")
        again = Failed(at=AT, run=run_of(1, "FAILED"))
        await move(held, "a", intended(), accepted(1), again, Retried(at=AT, due=AT, why="x"))
        await move(held, "b", intended(), accepted(2))
        assert [await ledger.batch(BATCH).story.find_ids(text, By.RUN) for text in ("uuid-1", "0000001")] == [
            ["a"],
            ["a"],
        ]
        assert await ledger.batch(BATCH).story.find_ids(run_of(2).arn, By.RUN) == ["b"]
        assert await ledger.batch(BATCH).story.find_ids("a", By.RUN) == []

    async def test_ids_that_begin_so_come_in_order_and_no_others(self, ledger):
        await filled(ledger, "NA2", "NA1", "NB", "na3", "NA\U0001f9ec", "N", "A%")
        assert await ledger.batch(BATCH).story.find_ids("NA", By.BEGINNING, limit=9) == [
            "NA1",
            "NA2",
            "NA\U0001f9ec",
        ]
        assert await ledger.batch(BATCH).story.find_ids("", By.BEGINNING, limit=2) == ["A%", "N"]
        assert await ledger.batch(BATCH).story.find_ids("%", By.BEGINNING, limit=9) == []

    @pytest.mark.parametrize(
        "text",
        ["NA1287", "NA12879", "na12878", "XA12878", "AN12878", "NA_12878", "N12878", "878", "NA0012878"],
    )
    async def test_an_id_that_was_nearly_typed_is_near(self, ledger, text):
        await filled(
            ledger, *(f"{name}{number:05}" for number in range(50) for name in ("HG", "ZY")), "NA12878"
        )
        near = await ledger.batch(BATCH).story.find_ids(text, By.LIKENESS)
        assert "NA12878" in near
        assert text not in near

    @pytest.mark.parametrize(("text", "meant"), [("S11", "S000011"), ("7-S000011", "007-S000011")])
    async def test_an_id_without_its_zeros_is_near(self, ledger, text, meant):
        await filled(ledger, *(f"S{number:06}" for number in range(300)), "007-S000011")
        assert meant in await ledger.batch(BATCH).story.find_ids(text, By.LIKENESS)

    async def test_marks_in_an_id_are_no_patterns(self, ledger):
        await filled(ledger, "a%b", "axb")
        for text in ("%", "_", "\\", ""):
            assert set(await ledger.batch(BATCH).story.find_ids(text, By.LIKENESS)) <= {"a%b", "axb"}

    async def test_all_paces_say_whose_they_are_and_from_when(self, ledger):
        assert await ledger.paces.all() == []
        await ledger.paces.keep("there", {"StartRun": LEARNED}, at=later(minutes=1))
        await ledger.paces.keep("here", {"StartRun": LEARNED, "GetRun": LEARNED}, at=AT)
        assert await ledger.paces.all() == [
            KeptPace(account="here", operation="GetRun", learned=LEARNED, at=AT),
            KeptPace(account="here", operation="StartRun", learned=LEARNED, at=AT),
            KeptPace(account="there", operation="StartRun", learned=LEARNED, at=later(minutes=1)),
        ]

    async def test_an_earlier_attempt_has_its_request(self, ledger):
        held = await filled(ledger, "a")
        await move(held, "a", intended(), deferred(later(minutes=1)))
        await held.sync(specs("a", content=2), changed=Changed.RESUBMIT, at=AT)
        (past,) = await ledger.batch(BATCH).earlier("a")
        (outcome,) = [one async for one in ledger.batch(BATCH).story.outcomes()]
        assert (past.attempt, past.request) == (1, specs("a")[0].request)
        assert outcome.earlier == (past,)


class LatestEnds:
    async def test_what_completed_is_the_first_and_what_was_taken_for_gone_is_none(self, ledger):
        held = await filled(ledger, *"abcdefg")
        await move(held, "g", Withdrawn(at=AT, message="not wanted"))
        for number, id_ in enumerate("abcdef", 1):
            at = later(seconds=number)
            await move(held, id_, Intended(at=at), Accepted(at=at, run=run_of(number)))
        for number, id_ in [(1, "a"), (2, "b"), (5, "e")]:
            await move(held, id_, completed(number))
        await move(held, "c", failed(3))
        await move(held, "d", Removed(at=AT, message="gone"))
        ended = await ledger.batch(BATCH).latest_runs(Latest.ENDED, limit=9)
        assert [run.uuid for run in ended] == ["uuid-5", "uuid-2", "uuid-1", "uuid-3"]
        await ledger.keep_deleted(["uuid-2"], at=AT)
        assert await ledger.batch(BATCH).latest_runs(Latest.ENDED, limit=2) == [ended[0], ended[2]]
        assert await ledger.batch("none").latest_runs(Latest.ENDED, limit=9) == []

    async def test_an_earlier_attempt_is_one(self, ledger):
        held = await filled(ledger, "a")
        await move(held, "a", intended(), Accepted(at=AT, run=run_of(1)), failed(1))
        await ledger.batch(BATCH).requests.retry(["a"], at=AT, why="asked for")
        assert [run.uuid for run in await ledger.batch(BATCH).latest_runs(Latest.ENDED, limit=9)] == [
            "uuid-1"
        ]


class LatestRuns:
    async def test_the_run_accepted_last_is_the_first(self, ledger):
        held = await filled(ledger, "a", "b", "c", "d", "e")
        await move(held, "e", Withdrawn(at=AT, message="not wanted"))
        for number, id_ in enumerate("cab", 1):
            event = Accepted(at=later(seconds=number), run=run_of(number))
            await move(held, id_, intended(), event)
        await move(held, "c", completed(1))
        latest = await ledger.batch(BATCH).latest_runs(Latest.CURRENT, limit=9)
        assert [run.uuid for run in latest] == ["uuid-3", "uuid-2", "uuid-1"]
        assert latest[2].status == "COMPLETED"
        assert await ledger.batch(BATCH).latest_runs(Latest.ACTIVE, limit=9) == latest[:2]
        assert await ledger.batch(BATCH).latest_runs(Latest.CURRENT, limit=1) == latest[:1]

    async def test_what_was_taken_for_gone_comes_last_and_what_was_deleted_not_at_all(self, ledger):
        held = await filled(ledger, "a", "b", "c")
        for number, id_ in enumerate("abc", 1):
            event = Accepted(at=later(seconds=number), run=run_of(number))
            await move(held, id_, intended(), event)
        await move(held, "c", Removed(at=AT, message="gone"))
        await move(held, "b", completed(2))
        await ledger.keep_deleted(["uuid-2"], at=AT)
        latest = await ledger.batch(BATCH).latest_runs(Latest.CURRENT, limit=9)
        assert [run.uuid for run in latest] == ["uuid-1", "uuid-3"]
        assert await ledger.batch("none").latest_runs(Latest.CURRENT, limit=9) == []
