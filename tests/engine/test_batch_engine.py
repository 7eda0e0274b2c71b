"""Rows that go to the service together, by StartRunBatch, against the simulator in virtual time."""

from __future__ import annotations

from collections import Counter
from typing import Any

from batchrun.engine.launcher import Stop
from batchrun.model.entries.states import State
from batchrun.model.planning.limits import Mode
from batchrun.model.submissions.grouping import Engine
from batchrun.model.submissions.submission import Standing
from batchrun.simulator import BatchDurations, Limit, Span
from tests.engine.launching import Bench, bench, reconnected, rows
from tests.world import simulated

#: 2 s CREATING, 10 s PENDING, then two rows a second; counts lag by five seconds.
SLOW: dict[str, Any] = {
    "batch_durations": BatchDurations(creating=Span(mean=2), pending=Span(mean=10), counts_lag=5),
    "limits": {"*": None, "StartRun": Limit(rate=2, burst=1)},
    "max_active": None,
}


def calls(it: Bench) -> Counter[str]:
    return Counter({operation: counts.sent for operation, counts in it.service.calls.items()})


async def test_rows_alike_go_by_one_call_and_are_all_found(tmp_path):
    async with bench(tmp_path, simulated(**SLOW)) as it:
        stop, _ = await it.launch(rows(40), engine=Engine.BATCH)
        assert stop is Stop.FINISHED
        await it.assert_agreement()
        entries = await it.entries()
        assert {entry.state for entry in entries.values()} == {State.SUCCEEDED}
        assert calls(it)["StartRunBatch"] == 1
        assert calls(it)["StartRun"] == 0
        held = it.ledger.batch("cohort")
        submission = await held.submissions.last("row-0000", 1)
        assert submission is not None
        assert submission.standing is Standing.OVER
        assert submission.rows == 40


async def test_a_launcher_that_leaves_finds_all_runs_when_it_comes_back(tmp_path):
    async with bench(tmp_path, simulated(**SLOW)) as it:
        await it.launch(rows(40), engine=Engine.BATCH, mode=Mode.DETACH)
        entries = await it.entries()
        assert {entry.state for entry in entries.values()} == {State.SUBMITTING}
        before = calls(it)
        await it.clock.sleep(600)
        async with reconnected(it):
            await it.launch(rows(40), engine=Engine.BATCH)
            assert calls(it)["GetRun"] <= 44
        assert before["GetRun"] == 0
        await it.assert_agreement()
