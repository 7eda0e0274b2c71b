"""Sheets as the public has them: what reaches the service is what each was meant to start."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from batchrun import UNLIMITED, Limits, Manifest, ManifestError, Mode, Session, Sheet, Target, load_manifest
from batchrun.clock import VirtualClock
from batchrun.simulator import serve
from tests.api.public_sheets import CASES, Case
from tests.world import simulated

SETS = (
    "workflowId=1234567",
    "roleArn=arn:aws:iam::123456789012:role/omics",
    "outputUri=s3://lab/{batch}/{id}/",
)


async def started(folder: Path, manifest: Manifest) -> Mapping[str, Mapping[str, Any]]:
    """Launch, and return each request that reached the service, by the row's id."""
    clock = VirtualClock()
    async with serve(simulated(), clock=clock) as simulator:
        target = Target(endpoint_url=simulator.url)
        session = Session(
            folder / "batchrun.db", target=target, rate=UNLIMITED, read_rate=UNLIMITED, clock=clock
        )
        async with session, session.launching(manifest, limits=Limits(mode=Mode.DETACH)) as launch:
            await launch.wait()
        runs = simulator.service.shelf.history
        return {run.tags["batchrun:id"]: run.request for run in runs}


def without_our_own(request: Mapping[str, Any]) -> Mapping[str, Any]:
    tags = {name: text for name, text in request["tags"].items() if not name.startswith("batchrun:")}
    return {**request, "tags": tags}


@pytest.mark.long
@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
async def test_a_public_sheet_starts_the_runs_that_it_means(tmp_path: Path, case: Case):
    path = tmp_path / case.name
    path.write_text(case.text, encoding=case.sheet.get("encoding", "utf-8"), newline="")
    with load_manifest(path, sheet=Sheet(**case.sheet), sets=SETS) as manifest:
        requests = await started(tmp_path, manifest)
    assert {row: request["parameters"] for row, request in requests.items()} == case.wanted
    for row, fields in case.fields.items():
        request = without_our_own(requests[row])
        assert {name: request[name] for name in fields} == fields


async def test_rows_need_no_file(tmp_path: Path):
    rows = ({"sample": name, "file": f"s3://lab/{n}.bam", "n": n} for n, name in enumerate("ABA"))
    each = {"parameters": {"files": ["{file}"], "numbers": ["{n:int}"]}}
    with load_manifest(rows, batch="run7", sheet=Sheet(group_by="sample", each=each), sets=SETS) as manifest:
        assert manifest.batch == "run7"
        requests = await started(tmp_path, manifest)
    assert {row: request["parameters"] for row, request in requests.items()} == {
        "A": {"files": ["s3://lab/0.bam", "s3://lab/2.bam"], "numbers": [0, 2]},
        "B": {"files": ["s3://lab/1.bam"], "numbers": [1]},
    }


def test_without_a_sheet_rows_are_a_manifests():
    rows = [{"id": "A", "parameters": {"x": 1.5, "on": True, "l": [None]}, "tags": {"k": "{id}"}}]
    with load_manifest(rows, batch="b", sets=SETS) as manifest:
        (spec,) = manifest.specs()
    request = json.loads(spec.request)
    assert (request["parameters"], request["tags"]) == ({"x": 1.5, "on": True, "l": [None]}, {"k": "A"})


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ([{"id": "A"}, {"id": Path("x")}], "<rows>:2: id: 'x', of type"),
        (
            [{"id": "A", "parameters": {"x": float("nan")}}],
            "<rows>:1: parameters.x: nan is not a number of JSON",
        ),
        ([["id"]], "<rows>:1: a value of type list is not a row"),
        ([{"id": "A"}, {"id": "A"}], "<rows>:2 (id A): id: this id was given on line 1 already"),
        ([], "<rows>: there are no rows"),
    ],
)
def test_rows_that_cannot_be_used_are_named(rows: Any, said: str):
    with pytest.raises(ManifestError) as error:
        load_manifest(rows, batch="b", sets=SETS)
    assert str(error.value).startswith(said)


def test_rows_have_no_name_of_their_own():
    with pytest.raises(ManifestError, match="<rows>: the batch has no name; give load_manifest a batch"):
        load_manifest([{"id": "A"}], sets=SETS)


def test_parameters_of_a_file_and_variables_of_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    inputs = tmp_path / "inputs.json"
    inputs.write_text('{"genome": "hg38", "date": "{env.RUN_DATE}"}', encoding="utf-8")
    monkeypatch.setenv("RUN_DATE", "2026-11-26")
    rows: list[dict[str, Any]] = [{"id": "A"}, {"id": "B", "parameters": {"genome": "T2T"}}]
    with load_manifest(rows, batch="b", sets=SETS, parameters_from=[inputs], env=["RUN_DATE"]) as manifest:
        found = {spec.id: json.loads(spec.request)["parameters"] for spec in manifest.specs()}
    assert found == {
        "A": {"genome": "hg38", "date": "2026-11-26"},
        "B": {"genome": "T2T", "date": "2026-11-26"},
    }
    with pytest.raises(ManifestError, match="RUN_DATE} is not allowed"):
        load_manifest(rows, batch="b", sets=SETS, parameters_from=[inputs])
