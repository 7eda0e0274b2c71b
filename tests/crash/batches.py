"""Killing a launch whose rows go by StartRunBatch, while the service goes on with what it was given."""

from __future__ import annotations

from pathlib import Path

from batchrun.points import Point
from tests.crash.harness import FORGETS, KNOWS_THAT, ROWS, Aftermath, ServedApart, Victim, killed_twice

#: What goes wrong, by name. Rows that are missing from a batch's listing have a run, or never had one.
BATCH_FAULTS = {
    "nothing": "",
    "lost answers": "StartRunBatch:drop_after=2x,ListRunsInBatch:drop_after=0.3,GetRun:drop_after=0.1",
    "lost calls, and throttled": "StartRunBatch:drop_before=2x,*:throttle=0.2",
    "rows are missing": "SubmitRow:hide=0.3,SubmitRow:skip=0.2,SubmitRow:InternalServerException=0.1",
    "batches fail after some rows": (
        "StartRunBatch:drop_after=1x,SubmitRow:pass=3x,SubmitRow:fail_batch=1x,SubmitRow:pass=2x,SubmitRow:fail_batch=1x"
    ),
    "forgets requestIds": "StartRunBatch:drop_after=2x",
    "an old ledger, and forgets requestIds": "StartRunBatch:drop_after=1x,StartRunBatch:error_after=1x",
}
_FORGETS = (*FORGETS, "--batch-idempotency-window", "0.5s")


def attack_batches(folder: Path, point: Point, fault: str) -> Aftermath:
    """Kill a launch at *point* under *fault*, at its first and second passing, then let one finish."""
    forgets = "forgets" in fault
    served = ServedApart(folder, BATCH_FAULTS[fault], *(_FORGETS if forgets else ()))
    try:
        options = ("--engine", "batch", *(KNOWS_THAT if forgets else ()))
        victim = Victim(folder, served, ROWS, *options)
        return killed_twice(victim, served, point, is_old=fault.startswith("an old ledger"))
    finally:
        served.stop()
