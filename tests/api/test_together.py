"""Rows that go together by StartRunBatch, from manifest to results: beside those that go by StartRun."""

from __future__ import annotations

import csv
import re
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from batchrun import (
    Engine,
    Launch,
    Limits,
    Manifest,
    Mode,
    Stop,
    load_manifest,
    open_ledger,
    write_results,
)
from batchrun.report.columns import COLUMNS
from batchrun.simulator import BatchDurations, FailFirst, Limit, Span, StoredBucket
from tests.api.test_launching import SETS, Place, at
from tests.world import EVEN, SELDOM, simulated

pytestmark = pytest.mark.long

BATCH = Limits(engine=Engine.BATCH, watch=SELDOM)
PLACE = "s3://lab-settings/batchrun/"
#: Columns that no two launches have the same in.
OWN = {"runId", "uuid", "runOutputUri", "creationTime", "startTime", "stopTime", "arn"}


def calls(launch: Launch) -> Counter[str]:
    return Counter({operation: counts.sent for operation, counts in launch.calls.items() if counts.sent})


@asynccontextmanager
async def limited(folder: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Place]:
    """Ten calls a second of each kind, and a bucket for settings."""
    limits = {"StartRun": Limit(rate=10, burst=10), "*": Limit(rate=10, burst=10)}
    storage = [StoredBucket(name="lab-settings")]
    async with at(folder, simulated(limits=limits, max_active=None, storage=storage)) as place:
        monkeypatch.setenv("AWS_ENDPOINT_URL_S3", place.simulator.url)
        yield place


async def detached(place: Place, rows: Manifest) -> Counter[str]:
    """Have the service go on with all rows; return the calls."""
    async with place.launching(rows, replace(BATCH, mode=Mode.DETACH), batch_settings=PLACE) as launch:
        assert (await launch.wait()).stop is Stop.FINISHED
        return calls(launch)


async def test_who_detaches_5_000_rows_is_gone_soon(tmp_path, monkeypatch):
    async with limited(tmp_path, monkeypatch) as place:
        begun = place.clock.monotonic()
        with place.manifest(5_000) as rows:
            sent = await detached(place, rows)
        assert place.clock.monotonic() - begun < 10
    assert sent["StartRunBatch"] == 1
    assert sent.total() <= 60, sent
    assert sent["GetRun"] == sent["StartRun"] == 0


async def test_who_detaches_finds_all_when_the_service_is_done(tmp_path, monkeypatch):
    async with limited(tmp_path, monkeypatch) as place:
        with place.manifest(250) as rows:
            await detached(place, rows)
            await place.clock.sleep(3_600)
            async with place.launching(rows, BATCH, batch_settings=PLACE) as launch:
                assert (await launch.wait()).has_only_succeeded
                sent = calls(launch)
        assert sent["GetRun"] <= 1.1 * 250, sent
        assert sent["StartRunBatch"] == sent["StartRun"] == 0
        runs = {record.tags["batchrun:id"]: record for record in place.simulator.state().runs}
        async with open_ledger(place.ledger) as ledger:
            found = {one.entry.id: one.entry.run async for one in ledger.batch("cohort").story.outcomes()}
        assert len(runs) == len(found) == len(place.simulator.state().runs) == 250
        for id, run in found.items():
            assert run is not None
            assert (run.uuid, run.output_uri) == (runs[id].uuid, runs[id].run_output_uri)


async def results(folder: Path, engine: Engine) -> list[dict[str, str]]:
    """Launch rows of which some fail for ever and some once; return their results and earlier attempts."""
    fail_first = (
        FailFirst(times=1, match="cohort-s00[37]"),
        FailFirst(times=9, match="cohort-s005", reason="RUN_TASK_FAILED"),
    )
    async with at(folder, simulated(fail_first=fail_first)) as place:
        with place.manifest(12) as rows:
            async with place.launching(rows, replace(BATCH, engine=engine)) as launch:
                await launch.wait()
                path = folder / "all.csv"
                columns = [*COLUMNS, "parameters.x"]
                await write_results(launch.ledger, "cohort", path, columns=columns, attempts=True)
        batches = {bool(record.batch_id) for record in place.simulator.state().runs}
        assert batches == {engine is Engine.BATCH}
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


async def test_both_engines_have_the_same_results_but_for_ids_and_times(tmp_path):
    for folder in ("alone", "together"):
        (tmp_path / folder).mkdir()
    alone = await results(tmp_path / "alone", Engine.STARTRUN)
    together = await results(tmp_path / "together", Engine.BATCH)
    assert Counter(row["status"] for row in alone) == {"COMPLETED": 11, "FAILED": 3}
    assert [shared(row) for row in alone] == [shared(row) for row in together]
    assert all(row["uuid"] and row["runOutputUri"] and row["stopTime"] for row in together)


def shared(row: dict[str, str]) -> dict[str, str]:
    """Leave out ids, of tasks in messages too, and times."""
    return {name: re.sub(r"id: \d+", "", cell) for name, cell in row.items() if name not in OWN}


def mixed(first_run: str) -> list[dict[str, Any]]:
    alike = [{"id": f"s{number:03}", "parameters": {"x": number}} for number in range(120)]
    few = [{"id": f"v{number}", "workflowVersionName": "v2"} for number in range(20)]
    other = [{"id": f"w{number}", "workflowId": "7654321"} for number in range(3)]
    ready = {"id": "ready", "workflowType": "READY2RUN", "workflowId": "1830181"}
    return [*alike, *few, *other, ready, {"id": "copy", "runId": first_run}]


async def test_auto_takes_the_right_way_for_each_row(tmp_path):
    durations = BatchDurations(creating=Span(mean=2), pending=Span(mean=10), counts_lag=5)
    async with at(tmp_path, simulated(batch_durations=durations, max_active=None, durations=EVEN)) as place:
        async with place.launching(place.manifest(1, "first")) as launch:
            await launch.wait()
        (first,) = place.simulator.state().runs
        with load_manifest(mixed(first.id), batch="mixed", sets=SETS) as rows:
            async with place.launching(rows, replace(BATCH, engine=Engine.AUTO)) as launch:
                assert (await launch.wait()).has_only_succeeded
                sent = calls(launch)
        runs = {
            record.tags["batchrun:id"]: record for record in place.simulator.state().runs if record != first
        }
        together = {id for id, record in runs.items() if record.batch_id}
        assert together == {f"s{number:03}" for number in range(120)}
        assert len(runs) == len(place.simulator.state().runs) - 1 == 145
        assert (sent["StartRunBatch"], sent["StartRun"]) == (2, 25)
