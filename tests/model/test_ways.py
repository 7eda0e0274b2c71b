"""Which way rows would go, counted beforehand."""

from __future__ import annotations

from dataclasses import replace

from batchrun.model.spec import Spec
from batchrun.model.submissions.grouping import FEW, Alone, Engine, ways
from tests.builders import offers, spec


def many(count: int, kind: str = "a", **fields: str) -> list[Spec]:
    return [spec(f"{kind}{number}", number, **fields) for number in range(count)]


READY = {"workflowType": "READY2RUN"}
MIXED = [
    *many(120),
    *many(99, "b", workflowVersionName="v2"),
    *many(5, "r", **READY),
    spec("c", runId="7654321"),
]


def test_auto_sends_together_what_is_alike_a_hundred_times():
    found = ways(MIXED, Engine.AUTO, 100)
    assert (found.together, found.calls, found.alone_rows) == (120, 2, 105)
    assert found.alone == {
        FEW: Alone(rows=99, ids=["b0", "b1", "b2"]),
        "its workflow is a Ready2Run one": Alone(rows=5, ids=["r0", "r1", "r2"]),
        "it copies a run (runId)": Alone(rows=1, ids=["c"]),
    }
    assert next(iter(found.alone)) == FEW, "most rows first"


def test_batch_sends_together_what_can_be():
    found = ways(MIXED, Engine.BATCH, 100)
    assert (found.together, found.calls, found.alone_rows) == (219, 3, 6)
    assert ways(MIXED, Engine.BATCH, 10_000).calls == 2


def test_rows_that_may_go_elsewhere_go_by_themselves():
    free = [replace(one, offers=offers("east", "west")) for one in many(60)]
    bound = [replace(one, offers=offers("east")) for one in many(60, "b")]
    assert ways([*free, *bound], Engine.AUTO, 100).together == 0
    assert ways([*free, *bound], Engine.BATCH, 100).calls == 2


def test_nothing_goes_nowhere():
    found = ways([], Engine.AUTO, 100)
    assert (found.together, found.calls, found.alone) == (0, 0, {})
