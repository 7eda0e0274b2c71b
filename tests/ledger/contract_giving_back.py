"""The contract's words on entries that are given back to runs which are there after all."""

from __future__ import annotations

import pytest

from batchrun.model.entries.events import Event, Removed, Retried
from batchrun.model.entries.states import State
from tests.ledger.samples import (
    AT,
    BATCH,
    accepted,
    completed,
    entry_of,
    filled,
    intended,
    later,
    move,
    run_of,
)

GONE: list[Event] = [intended(), accepted(1), Removed(at=AT, message="404")]


class GivingBack:
    @pytest.mark.parametrize(
        ("status", "state", "kinds"),
        [
            ("RUNNING", State.ACTIVE, ["reappeared"]),
            ("COMPLETED", State.SUCCEEDED, ["reappeared", "completed"]),
            ("FAILED", State.FAILED, ["reappeared", "failed"]),
            ("CANCELLED", State.CANCELLED, ["reappeared", "cancelled"]),
        ],
    )
    async def test_a_run_that_is_there_has_its_entry_as_it_stands(self, ledger, status, state, kinds):
        held = await filled(ledger, "a")
        await move(held, "a", *GONE)
        run = run_of(1, status, stop_time=later(hours=1))
        assert await ledger.batch(BATCH).requests.give_back([run], at=later(hours=2)) == ["a"]
        entry = await entry_of(ledger, "a")
        assert (entry.state, entry.attempt, entry.run, entry.message) == (state, 1, run, None)
        told = await ledger.batch(BATCH).history("a")
        assert [(kind, at) for at, _attempt, kind, _detail in told[3:]] == [
            (kind, later(hours=2)) for kind in kinds
        ]
        assert [one.id for one in await held.unasked(limit=9)] == ["a"] * (status == "FAILED")

    async def test_another_attempt_that_has_begun_is_left_alone(self, ledger):
        held = await filled(ledger, "a")
        await move(held, "a", *GONE, Retried(at=AT, due=AT, why="asked for"))
        steps: list[list[Event]] = [[], [intended()], [accepted(2)], [Removed(at=AT, message="404")]]
        for events in steps:
            before = await move(held, "a", *events) if events else await entry_of(ledger, "a")
            assert await ledger.batch(BATCH).requests.give_back([run_of(1, "RUNNING")], at=AT) == []
            assert await entry_of(ledger, "a") == before

    async def test_what_goes_on_or_ended_otherwise_is_left_alone(self, ledger):
        held = await filled(ledger, "a", "b")
        await move(held, "a", intended(), accepted(1))
        await move(held, "b", intended(), accepted(2), completed(2))
        runs = [run_of(1, "RUNNING"), run_of(2, "RUNNING"), run_of(3, "RUNNING")]
        assert await ledger.batch(BATCH).requests.give_back(runs, at=AT) == []
        assert [len(await ledger.batch(BATCH).history(id_)) for id_ in "ab"] == [2, 3]

    async def test_a_batch_that_is_not_there_has_nothing_to_give_back(self, ledger):
        assert await ledger.batch("none").requests.give_back([run_of(1)], at=AT) == []
