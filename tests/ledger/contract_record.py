"""The contract's words on recording steps: whole, in order, fenced, and finished when cancelled."""

from __future__ import annotations

import asyncio
import contextlib
import json
from dataclasses import replace
from typing import TYPE_CHECKING

import anyio
import pytest

from batchrun.errors import InvariantError
from batchrun.model.entries.entry import Run
from batchrun.model.entries.events import (
    Accepted,
    Cancelled,
    Doubted,
    Failed,
    Missed,
    Progressed,
    Refused,
    Removed,
    Revised,
)
from batchrun.model.entries.states import State
from batchrun.model.planning.limits import Changed
from batchrun.ports.stored import Transition
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
    steps_of,
)

if TYPE_CHECKING:
    from batchrun.model.entries.events import Event

FULL_RUN = Run(
    id="0000001",
    uuid="uuid-1",
    arn="arn:aws:omics:us-east-1:123456789012:run/0000001",
    status="FAILED",
    output_uri="s3://lab/1",
    creation_time=later(microseconds=1),
    start_time=later(minutes=1),
    stop_time=later(days=3),
    failure_reason="SERVICE_ERROR",
    status_message="köstlich \x1b[1m \u2028 'quoted'",
)
#: One path to each state, over every kind of event.
PATHS: dict[State, list[Event]] = {
    State.SUBMITTING: [intended(), Doubted(at=AT, code="Timeout", message="no answer")],
    State.BACKOFF: [intended(), deferred(later(minutes=1))],
    State.ACTIVE: [intended(), accepted(1), Progressed(at=AT, run=run_of(1, "RUNNING"))],
    State.SUCCEEDED: [intended(), accepted(1), completed(1)],
    State.FAILED: [intended(), accepted(1), Failed(at=AT, run=FULL_RUN)],
    State.CANCELLED: [intended(), accepted(1), Cancelled(at=AT, run=run_of(1, "CANCELLED"))],
    State.DELETED: [intended(), accepted(1), Removed(at=AT, message="404")],
    State.REFUSED: [intended(), Refused(at=AT, code="ValidationException", message="bad workflowId")],
    State.PLANNED: [intended(), deferred(later(minutes=1)), Revised(at=AT, request='{"new":1}')],
}


class Recording:
    @pytest.mark.parametrize("state", PATHS)
    async def test_an_entry_is_read_back_as_it_was_recorded(self, ledger, state):
        held = await filled(ledger, "a")
        recorded = await move(held, "a", *PATHS[state])
        assert recorded.state is state
        assert await entry_of(ledger, "a") == recorded

    async def test_answers_by_which_its_run_is_gone_are_kept_until_it_is_seen(self, ledger):
        held = await filled(ledger, "a")
        await move(held, "a", intended(), accepted(1), Missed(at=AT, message="404"))
        missed = await move(held, "a", Missed(at=later(hours=1), message="404"))
        assert (missed.missed_at, missed.misses) == (later(hours=1), 2)
        assert await entry_of(ledger, "a") == missed
        seen = await move(held, "a", Progressed(at=AT, run=run_of(1, "RUNNING")))
        assert (seen.missed_at, seen.misses) == (None, 0)
        assert await entry_of(ledger, "a") == seen

    async def test_step_by_step_is_the_same_as_at_once(self, ledger):
        held = await filled(ledger, "a")
        at_once = steps_of(await entry_of(ledger, "a"), PATHS[State.FAILED])[-1].entry
        for event in PATHS[State.FAILED]:
            await move(held, "a", event)
        assert await entry_of(ledger, "a") == at_once
        kinds = [kind for _at, _attempt, kind, _detail in await ledger.batch(BATCH).history("a")]
        assert kinds == ["intended", "accepted", "failed"]

    async def test_an_arn_that_is_learned_later_is_kept(self, ledger):
        held = await filled(ledger, "a")
        nameless = Accepted(at=AT, run=replace(FULL_RUN, status="PENDING", arn="", output_uri=None))
        await move(held, "a", intended(), nameless)
        moved = await move(held, "a", Failed(at=AT, run=FULL_RUN))
        assert (await entry_of(ledger, "a")).run == moved.run == FULL_RUN

    async def test_history_tells_what_happened(self, ledger):
        held = await filled(ledger, "a")
        first = await entry_of(ledger, "a")
        await move(
            held,
            "a",
            intended(),
            deferred(later(minutes=1)),
            Revised(at=later(hours=1), request="{}"),
        )
        told = await ledger.batch(BATCH).history("a")
        assert [(at, attempt, kind) for at, attempt, kind, _detail in told] == [
            (AT, 1, "intended"),
            (AT, 1, "deferred"),
            (later(hours=1), 2, "revised"),
        ]
        details = [json.loads(detail) for *_rest, detail in told]
        assert details[0] == {"tagged": True, "request_id": first.request_id}
        assert details[1] == {
            "due": "2026-01-01T12:01:00+00:00",
            "code": "ServiceQuotaExceededException",
            "message": "not now",
        }

    async def test_history_keeps_what_the_service_said_of_the_run(self, ledger):
        held = await filled(ledger, "a")
        await move(held, "a", intended(), accepted(1), Failed(at=AT, run=FULL_RUN))
        *_rest, (_at, _attempt, _kind, detail) = await ledger.batch(BATCH).history("a")
        run = json.loads(detail)["run"]
        assert (run["uuid"], run["failure_reason"]) == ("uuid-1", "SERVICE_ERROR")
        assert run["status_message"] == FULL_RUN.status_message

    async def test_earlier_attempts_are_kept_whole(self, ledger):
        held = await filled(ledger, "a")
        first = await move(held, "a", *PATHS[State.FAILED])
        await move(held, "a", Revised(at=AT, request='{"n":2}'))
        second = await move(held, "a", intended(), Refused(at=AT, code="C", message="m"))
        await move(held, "a", Revised(at=AT, request='{"n":3}'))
        (outcome,) = [outcome async for outcome in ledger.batch(BATCH).story.outcomes()]
        assert outcome.entry.attempt == 3
        assert [past.attempt for past in outcome.earlier] == [1, 2]
        assert [past.request_id for past in outcome.earlier] == [first.request_id, second.request_id]
        assert (outcome.earlier[0].run, outcome.earlier[0].intended_at) == (first.run, AT)
        assert (outcome.earlier[1].run, outcome.earlier[1].code, outcome.earlier[1].message) == (
            None,
            "C",
            "m",
        )

    async def test_nothing_is_recorded_for_no_steps(self, ledger):
        held = await filled(ledger, "a")
        await held.record([])
        assert (await ledger.batch(BATCH).counts()).total == 1

    async def test_the_manifests_position_stays(self, ledger):
        held = await filled(ledger, "a", "b")
        steps = steps_of(await entry_of(ledger, "a"), [intended()])
        await held.sync(specs("b", "a"), changed=Changed.REFUSE, at=AT)
        await held.record(steps)
        assert (await entry_of(ledger, "a")).position == 1

    async def test_an_invalid_step_in_the_middle_leaves_nothing(self, ledger):
        held = await filled(ledger, "a", "b")
        good = steps_of(await entry_of(ledger, "a"), [intended()])
        other = replace(await entry_of(ledger, "b"), id="nobody")
        bad = steps_of(other, [intended()])
        last = steps_of(await entry_of(ledger, "b"), [intended()])
        with pytest.raises(InvariantError, match="nobody"):
            await held.record([*good, *bad, *last])
        assert (await ledger.batch(BATCH).counts()).by_state == {State.PLANNED: 2}
        assert await ledger.batch(BATCH).history("a") == []

    async def test_a_step_of_another_batch_is_a_defect(self, ledger):
        held = await filled(ledger, "a")
        await filled(ledger, "a", batch="other")
        steps = steps_of(await entry_of(ledger, "a", "other"), [intended()])
        with pytest.raises(InvariantError):
            await held.record(steps)

    @pytest.mark.parametrize("attempt", [1, 4])
    async def test_attempts_come_one_after_the_other(self, ledger, attempt):
        held = await filled(ledger, "a")
        entry = await move(held, "a", *PATHS[State.PLANNED])
        stray = Transition(event=intended(), entry=replace(entry, attempt=attempt))
        with pytest.raises(InvariantError, match="attempt"):
            await held.record([stray])
        assert await entry_of(ledger, "a") == entry

    async def test_calls_may_be_concurrent(self, ledger):
        ids = [f"id{number}" for number in range(50)]
        held = await filled(ledger, *ids)
        async with anyio.create_task_group() as group:
            for number, id_ in enumerate(ids):
                group.start_soon(move, held, id_, intended(), accepted(number))
                group.start_soon(held.counts)
        assert (await ledger.batch(BATCH).counts()).by_state == {State.ACTIVE: 50}

    async def test_a_call_in_a_cancelled_scope_is_done_and_then_cancelled(self, ledger):
        held = await filled(ledger, "a")
        steps = steps_of(await entry_of(ledger, "a"), [intended()])
        with anyio.CancelScope() as scope:
            scope.cancel()
            await held.record(steps)
        assert scope.cancelled_caught
        assert (await entry_of(ledger, "a")).state is State.SUBMITTING

    async def test_cancelled_at_any_moment_a_record_is_all_or_nothing(self, ledger):
        for number in range(20):
            ids = [f"{number}-{part}" for part in range(20)]
            held = await filled(ledger, *ids, batch=f"batch{number}")
            steps = [s for id_ in ids for s in steps_of(await entry_of(ledger, id_, held.name), [intended()])]
            task = asyncio.create_task(held.record(steps))
            for _ in range(number % 5):
                await asyncio.sleep(0)
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
            by_state = (await ledger.batch(held.name).counts()).by_state
            assert by_state in ({State.PLANNED: 20}, {State.SUBMITTING: 20})
