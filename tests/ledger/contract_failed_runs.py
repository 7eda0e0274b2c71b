"""The contract's words on failed runs: whose tasks are to be asked for, and what was found."""

from __future__ import annotations

import pytest

from batchrun.errors import LeaseLostError
from batchrun.model.entries.events import Failed, Retried
from batchrun.model.tasks import FailedTask, FailedTasks
from batchrun.ports.stored import TaskFailures
from tests.ledger.samples import AT, BATCH, accepted, completed, filled, intended, later, move, run_of

FOUND = FailedTasks(
    tasks=(
        FailedTask(
            id="77",
            name="align",
            failure_reason="OUT_OF_MEMORY_ERROR",
            status_message="it broke",
            log_stream="arn:aws:logs:us-east-1:1:log-group:/aws/omics/WorkflowLog:log-stream:run/1/task/77",
        ),
        FailedTask(id="78"),
    ),
    has_more=True,
)


def failed(number: int, **fields: object) -> Failed:
    run = run_of(number, "FAILED", **{"creation_time": AT, "stop_time": later(minutes=1), **fields})
    return Failed(at=AT, run=run)


class FailedRuns:
    async def test_a_run_that_failed_is_to_be_asked_for_and_no_other(self, ledger):
        held = await filled(ledger, "a", "b", "c")
        await move(held, "a", intended(), accepted(1), completed(1))
        await move(held, "b", intended(), accepted(2), failed(2))
        await move(held, "c", intended(), accepted(3), failed(3, stop_time=None))
        (one,) = await held.unasked(limit=9)
        assert (one.id, one.attempt, one.run) == ("b", 1, failed(2).run)
        assert await held.unasked(limit=9, after=one.number) == []

    async def test_they_come_in_the_order_in_which_they_failed_and_in_pages(self, ledger):
        held = await filled(ledger, "a", "b", "c")
        for number, id_ in enumerate("cab"):
            await move(held, id_, intended(), accepted(number), failed(number))
        first = await held.unasked(limit=2)
        assert [one.id for one in first] == ["c", "a"]
        then = await held.unasked(limit=2, after=first[-1].number)
        assert [one.id for one in then] == ["b"]

    async def test_what_was_found_is_kept_and_not_asked_for_again(self, ledger):
        held = await filled(ledger, "a", "b")
        for number, id_ in enumerate("ab"):
            await move(held, id_, intended(), accepted(number), failed(number))
        one, other = await held.unasked(limit=9)
        await held.keep_tasks({one.number: FOUND, other.number: FailedTasks()}, at=AT)
        assert await held.unasked(limit=9) == []
        assert await ledger.batch(BATCH).story.failed_tasks(["a", "b", "x"]) == {
            "a": {1: FOUND},
            "b": {1: FailedTasks()},
        }
        assert await ledger.batch(BATCH).story.failed_tasks(["b"]) == {"b": {1: FailedTasks()}}
        assert await ledger.batch("nothing").story.failed_tasks(["a"]) == {}

    async def test_what_is_kept_stays(self, ledger):
        held = await filled(ledger, "a")
        await move(held, "a", intended(), accepted(1), failed(1))
        (one,) = await held.unasked(limit=9)
        await held.keep_tasks({one.number: FOUND}, at=AT)
        await held.keep_tasks({one.number: FailedTasks()}, at=AT)
        assert await ledger.batch(BATCH).story.failed_tasks(["a"]) == {"a": {1: FOUND}}

    async def test_an_attempt_that_was_followed_by_another_keeps_its_run_and_tasks(self, ledger):
        held = await filled(ledger, "a")
        again = Retried(at=AT, due=AT, why="SERVICE_ERROR")
        await move(held, "a", intended(), accepted(1), failed(1), again)
        (one,) = await held.unasked(limit=9)
        assert (one.attempt, one.run) == (1, failed(1).run)
        await move(held, "a", intended(), accepted(2), failed(2))
        one, other = await held.unasked(limit=9)
        assert (one.run, other.attempt, other.run) == (failed(1).run, 2, failed(2).run)
        await held.keep_tasks({one.number: FOUND}, at=AT)
        await held.keep_tasks({other.number: FailedTasks()}, at=AT)
        assert await ledger.batch(BATCH).story.failed_tasks(["a"]) == {"a": {1: FOUND, 2: FailedTasks()}}

    async def test_tasks_of_rows_that_stand_failed_come_by_reason(self, ledger):
        held = await filled(ledger, "a", "b", "c", "d", "e")
        again = Retried(at=AT, due=AT, why="asked for")
        await move(held, "a", intended(), accepted(1), failed(1, failure_reason="R"))
        await move(held, "b", intended(), accepted(2), failed(2, failure_reason="R"))
        await move(held, "c", intended(), accepted(3), failed(3))
        await move(held, "d", intended(), accepted(4), failed(4, failure_reason="R"), again)
        await move(held, "e", intended(), accepted(5), failed(5, failure_reason="R"), again)
        await move(held, "e", intended(), accepted(6), failed(6, failure_reason="R"))
        numbers = [one.number for one in await held.unasked(limit=9)]
        twice = FailedTasks(
            tasks=(
                FailedTask(id="1", name="call", failure_reason="OUT_OF_MEMORY_ERROR"),
                FailedTask(id="2", name="align", failure_reason="OUT_OF_MEMORY_ERROR"),
            )
        )
        told = FOUND, twice, FailedTasks(tasks=FOUND.tasks[1:]), FOUND, FOUND, FailedTasks()
        found = dict(zip(numbers, told, strict=True))
        await held.keep_tasks(found, at=AT)
        memory = "OUT_OF_MEMORY_ERROR"
        groups = {group.reason: group.tasks for group in await ledger.batch(BATCH).story.failures(limit=1)}
        assert groups == {
            "R": (
                TaskFailures(run_reason="R", reason=memory, rows=2, names=2, name="align"),
                TaskFailures(run_reason="R", reason=None, rows=1, names=0, name=None),
            ),
            None: (TaskFailures(run_reason=None, reason=None, rows=1, names=0, name=None),),
        }

    async def test_another_batchs_runs_are_left_alone(self, ledger):
        held = await filled(ledger, "a")
        other = await filled(ledger, "a", batch="other")
        await move(other, "a", intended(), accepted(1), failed(1))
        assert await held.unasked(limit=9) == []
        (one,) = await other.unasked(limit=9)
        await held.keep_tasks({one.number: FOUND}, at=AT)
        assert await other.unasked(limit=9) == [one]

    async def test_who_lost_the_lease_keeps_nothing(self, ledger):
        held = await filled(ledger, "a")
        await move(held, "a", intended(), accepted(1), failed(1))
        (one,) = await held.unasked(limit=9)
        await held.release()
        with pytest.raises(LeaseLostError):
            await held.keep_tasks({one.number: FOUND}, at=AT)
        assert await held.unasked(limit=9) == [one]
