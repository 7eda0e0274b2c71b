"""What is asked of a launch that submits many rows at once, before it does anything."""

from __future__ import annotations

from typing import Any

import pytest

from batchrun import Engine, Limits, Manifest, ManifestError, Session, UsageError, load_manifest
from batchrun.api.engines import places_of, settled
from batchrun.service.s3.patient_writing import S3SettingsStore
from tests.api.test_launching import SETS, at

PLACE = "s3://lab/settings/"
LANES = """\
batch: b
runs: [{id: a, lane: east}, {id: b, lane: west}]
lanes:
  east: {region: us-east-1, batch_settings: "s3://lab-east/settings"}
  west: {region: us-west-2}
  idle: {region: eu-west-1}
"""


def manifest(*rows: dict[str, Any]) -> Manifest:
    return load_manifest(rows or [{"id": "a"}], batch="b", sets=SETS)


@pytest.mark.parametrize("engine", [Engine.BATCH, Engine.AUTO])
def test_how_many_rows_go_at_once(engine):
    with manifest() as rows:
        assert settled(Limits(engine=engine), rows, None).wave == 100
        assert settled(Limits(engine=engine), rows, PLACE).wave == 10_000
        assert settled(Limits(engine=engine, batch_rows=7), rows, None).wave == 7
        assert settled(Limits(engine=engine, batch_rows=100_000), rows, PLACE).wave == 100_000
        for wrong in (0, 100_001):
            with pytest.raises(UsageError, match="StartRunBatch takes 1 to 100000 rows"):
                settled(Limits(engine=engine, batch_rows=wrong), rows, PLACE)
        with pytest.raises(UsageError, match=r"give --batch-settings s3://BUCKET/PREFIX/$"):
            settled(Limits(engine=engine, batch_rows=101), rows, None)
        with pytest.raises(UsageError, match=f"--engine {engine.value} and --no-tags cannot be combined"):
            settled(Limits(engine=engine, tag=False), rows, None)


def test_startrun_asks_for_none_of_it():
    with manifest({"id": "a", "workflowType": "READY2RUN"}) as rows:
        limits = Limits(tag=False, batch_rows=500)
        assert settled(limits, rows, None) is limits


def test_each_lane_has_a_place_or_takes_the_one_of_all(tmp_path):
    (tmp_path / "m.yaml").write_text(LANES, encoding="utf-8")
    with load_manifest(tmp_path / "m.yaml", sets=SETS) as rows:
        auto = Limits(engine=Engine.AUTO)
        east = "s3://lab-east/settings/"
        assert places_of(rows, None) == {"east": east}
        assert places_of(rows, "s3://lab/x") == {"east": east, "west": "s3://lab/x/", "idle": "s3://lab/x/"}
        assert settled(auto, rows, None).wave == 100
        assert settled(auto, rows, PLACE).wave == 10_000
        with pytest.raises(UsageError, match=r"PREFIX/, or batch_settings in lane west$"):
            settled(Limits(engine=Engine.AUTO, batch_rows=101), rows, None)


def test_each_lanes_files_are_written_with_its_login(tmp_path):
    (tmp_path / "m.yaml").write_text(LANES, encoding="utf-8")
    session = Session(tmp_path / "batchrun.db")
    with load_manifest(tmp_path / "m.yaml", sets=SETS) as rows:
        auto = Limits(engine=Engine.AUTO)
        places = session._settings_places(rows, auto, PLACE)
        assert {name: one.prefix for name, one in places.items()} == places_of(rows, PLACE)
        stores = {name: one.store for name, one in places.items() if isinstance(one.store, S3SettingsStore)}
        regions = {name: store._writing._login.target.region for name, store in stores.items()}
        assert regions == {"east": "us-east-1", "west": "us-west-2", "idle": "eu-west-1"}
        assert not session._settings_places(rows, Limits(), PLACE), "startrun writes none"


def test_a_program_is_told_of_rows_that_cannot_go():
    with manifest({"id": "a"}, {"id": "b", "runId": "7654321"}) as rows:
        assert settled(Limits(engine=Engine.AUTO), rows, None).wave == 100
        with pytest.raises(ManifestError, match=r"it copies a run \(runId\)") as caught:
            settled(Limits(engine=Engine.BATCH), rows, None)
        assert [problem.row for problem in caught.value.problems] == ["b"]


async def test_a_launch_that_is_refused_leaves_no_ledger(tmp_path):
    async with at(tmp_path) as place:
        with pytest.raises(UsageError, match="--batch-settings lab: this is not how"):
            async with place.launching(place.manifest(2), Limits(engine=Engine.BATCH), batch_settings="lab"):
                pass
        assert not place.ledger.exists()
        assert not place.simulator.state().runs
