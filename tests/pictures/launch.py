"""
A cohort to take pictures of: the real engine, client, ledger and display on the simulator, in virtual time.

The same each time but for jitter. Belongs here: the cohort, and the two things that there are to see. Does
not: how pictures are made of them (``draw``).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from rich.console import RenderableType

from batchrun import Limits, RetryPolicy, RetryRule, Target, load_manifest
from batchrun.api.launch import Launch
from batchrun.api.session import Session
from batchrun.cli.showing.drawn import LiveDisplay
from batchrun.cli.showing.progress import Progress
from batchrun.clock import VirtualClock
from batchrun.ledger import open_ledger
from batchrun.model.entries.states import ENDED
from batchrun.model.paces.quotas import Quotas
from batchrun.report.gathering import Report, gathered
from batchrun.simulator import Settings, serve

BATCH: Final = "cohort"
_START: Final = datetime(2026, 11, 6, 17, tzinfo=UTC)
_DEFAULTS: Final = """\
workflowId: "1234567"
roleArn: arn:aws:iam::123456789012:role/omics
storageType: DYNAMIC
outputUri: s3://lab-results/{batch}/{id}/
parameters: {reads: "s3://lab-data/1000g/{id}.fastq.gz"}
"""
_FAILURES: Final = {"OUT_OF_MEMORY_ERROR": 0.02, "SERVICE_ERROR": 0.02}  #: the second is retried
_ACTIVE: Final = 120
_AT_ONCE: Final = 100
#: Where the picture of the live view is taken, as part of all rows.
_MOMENT: Final = 0.62


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What there was to see: the live view in the middle, and the report at the end."""

    live: RenderableType
    report: Report


async def launched(folder: Path, *, rows: int) -> Seen:
    """Launch a cohort of so many *rows*, with files in *folder*, and look."""
    clock = VirtualClock(_START)
    simulated = Settings(seed=11, max_active=_AT_ONCE, failures=_FAILURES, tasks_per_run=3)
    ledger = folder / "batchrun.db"
    retry = RetryPolicy(rules=(RetryRule(reason="SERVICE_ERROR", times=2),))
    async with serve(simulated, clock=clock) as simulator:
        target = Target(region="us-east-1", endpoint_url=simulator.url)
        with load_manifest(_manifest(folder, rows), defaults=[folder / "defaults.yaml"]) as manifest:
            async with (
                Session(ledger, target=target, clock=clock) as session,
                session.launching(manifest, limits=Limits(max_active=_ACTIVE, retry=retry)) as launch,
            ):
                live = await _watched(launch, clock, rows)
                await launch.wait()
    return Seen(live=live, report=await _report(ledger, clock))


def _manifest(folder: Path, rows: int) -> Path:
    (folder / "defaults.yaml").write_text(_DEFAULTS, encoding="utf-8")
    manifest = folder / f"{BATCH}.csv"
    manifest.write_text("id\n" + "".join(f"HG{96 + 7 * row:05}\n" for row in range(rows)), encoding="utf-8")
    return manifest


async def _watched(launch: Launch, clock: VirtualClock, rows: int) -> RenderableType:
    """Return the live view as it is at the moment."""
    progress = Progress(clock, lambda: launch.troubles)
    progress.quotas = Quotas(dynamic_runs=_AT_ONCE)
    display = LiveDisplay(BATCH, progress, clock)
    launch.observe(display)
    async for _ in launch.steps():
        if sum(launch.tally.by_state[state] for state in ENDED) >= _MOMENT * rows:
            return display._frame(progress.snapshot(launch.tally))
    raise AssertionError("it ended before its picture was taken")


async def _report(path: Path, clock: VirtualClock) -> Report:
    async with await open_ledger(path) as ledger:
        batch = await ledger.find_batch(BATCH)
        assert batch is not None
        return await gathered(ledger, batch, clock.utcnow())
