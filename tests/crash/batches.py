"""Killing a launch whose rows go by StartRunBatch, while the service goes on with what it was given."""

from __future__ import annotations

from pathlib import Path

from batchrun.points import Point
from tests.crash.harness import Aftermath, ServedApart, Victim, attacked, forgetting
from tests.crash.lanes import LaneVictim, ServedLanes

#: What goes wrong, by name. Rows that are missing from a batch's listing have a run, or never had one.
BATCH_FAULTS = {
    "nothing": "",
    "lost answers": "StartRunBatch:drop_after=2x,ListRunsInBatch:drop_after=0.3,GetRun:drop_after=0.1",
    "lost calls, and throttled": "StartRunBatch:drop_before=2x,*:throttle=0.2",
    "rows are missing": "SubmitRow:hide=1x,SubmitRow:skip=1x,SubmitRow:InternalServerException=1x",
    "batches fail after some rows": (
        "StartRunBatch:drop_after=1x,SubmitRow:pass=3x,SubmitRow:fail_batch=1x,SubmitRow:pass=2x,SubmitRow:fail_batch=1x"
    ),
    "forgets requestIds": "StartRunBatch:drop_after=2x",
    "an old ledger, and forgets requestIds": "StartRunBatch:drop_after=1x,StartRunBatch:error_after=1x",
}


#: Where some rows go by StartRun, beside that.
AUTO_FAULTS = {
    name: f"{faults},StartRun:drop_after=0.3" if faults else "" for name, faults in BATCH_FAULTS.items()
}
#: In one of two lanes alone.
LANE_BATCH_FAULTS = {
    "nothing": "",
    "lost answers in west": "west/StartRunBatch:drop_after=1x,west/StartRunBatch:error_after=1x",
    "rows are missing in east": (
        "east/SubmitRow:hide=1x,east/SubmitRow:skip=1x,east/SubmitRow:pass=1x,east/SubmitRow:fail_batch=1x"
    ),
    "an old ledger, and forgets requestIds": "StartRunBatch:drop_after=1x,west/StartRunBatch:error_after=1x",
}


class MixedVictim(Victim):
    """A user's folder with a manifest of which ``auto`` sends some rows together, and others alone."""

    many = 3

    def manifest(self) -> list[str]:
        arguments = super().manifest()
        lines = [f"{id},{_workflow(int(id[1:]))}" for id in self.ids()]
        text = "\n".join(["id,workflowId,workflowType", *lines])
        (self.folder / "cohort.csv").write_text(text, encoding="utf-8")
        return arguments


def _workflow(number: int) -> str:
    """Say what a row runs: of four two have enough like them, one has too few, one goes alone always."""
    return ("1234567,", "1234567,", "7654321,", "1111111,READY2RUN")[number % 4]


def attack_batches(folder: Path, point: Point, fault: str, *options: str) -> Aftermath:
    """Kill a launch at *point* under *fault*, at its first and second passing, then let one finish."""
    served = ServedApart(folder, BATCH_FAULTS[fault], *_forgetting(fault))
    return attacked(Victim, served, folder, point, fault, "--engine", "batch", *options)


def attack_auto(folder: Path, point: Point, fault: str, *options: str) -> Aftermath:
    """Kill a launch whose rows go both ways, likewise."""
    served = ServedApart(folder, AUTO_FAULTS[fault], *_forgetting(fault))
    return attacked(MixedVictim, served, folder, point, fault, "--engine", "auto", *options)


def attack_lanes_of_batches(folder: Path, point: Point, fault: str) -> Aftermath:
    """Kill a launch whose rows go together over two lanes, likewise."""
    served = ServedLanes(folder, LANE_BATCH_FAULTS[fault], *_forgetting(fault))
    return attacked(LaneVictim, served, folder, point, fault, "--engine", "batch")


def _forgetting(fault: str) -> tuple[str, ...]:
    return (*forgetting(fault), "--batch-idempotency-window", "0.5s") if "forgets" in fault else ()
