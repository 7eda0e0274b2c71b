"""The samples in manifests/ do what their comments say."""

from __future__ import annotations

import json
import pathlib

import pytest

from batchrun.errors import ManifestError
from batchrun.manifest import Source, load
from batchrun.model.lanes import lanes_of, offers_of

SAMPLES = pathlib.Path(__file__).parents[2] / "manifests"
WITH = {"samples.csv": ("samples.defaults.yaml",)}
#: Sheets that others of them name.
SHEETS = {"nf-core.samplesheet.csv"}
COUNTS = {
    "samples.csv": 8,
    "cohort.yaml": 50,
    "panel.jsonl": 6,
    "native-batch.json": 4,
    "retries.yaml": 3,
    "nf-core.yaml": 3,
}


@pytest.mark.parametrize("name", COUNTS)
def test_sample(name):
    defaults = tuple(str(SAMPLES / other) for other in WITH.get(name, ()))
    with load(Source(path=str(SAMPLES / name), defaults=defaults)) as manifest:
        specs = list(manifest.specs())
    assert len(specs) == manifest.count == COUNTS[name]
    for spec in specs:
        request = json.loads(spec.request)
        assert spec.id in request["outputUri"]
        assert request["workflowId"].isdecimal()
        assert "123456789012" in request["roleArn"]


def test_the_sample_with_retries_says_what_they_change():
    with load(Source(path=str(SAMPLES / "retries.yaml"))) as manifest:
        fields = [rule.changed_fields for rule in manifest.retry.rules]
    assert fields == [("storageCapacity", "storageType"), ("parameters", "tags"), (), (), ()]


def test_the_sample_with_lanes_asks_for_each_lane_s_own():
    with load(Source(path=str(SAMPLES / "two-regions.yaml"))) as manifest:
        rows = {
            spec.id: {one.lane: json.loads(one.request) for one in offers_of(spec.content)}
            for spec in manifest.specs()
        }
        fixed = [lanes_of(spec.content) for spec in manifest.specs()][-3:]
    assert len(rows) == 11
    assert fixed == [("east",), ("east",), ("west",)]
    accounts = {"east": "123456789012", "west": "210987654321"}
    for row, offers in rows.items():
        for lane, request in offers.items():
            assert accounts[lane] in request["roleArn"]
            assert request["outputUri"] == f"s3://lab-results-{lane}/basecalling/{row}/"


def test_the_bad_sample_shows_a_dozen_mistakes():
    with pytest.raises(ManifestError) as caught:
        load(Source(path=str(SAMPLES / "bad.yaml")))
    problems = caught.value.problems
    assert [problem.line for problem in problems] == [7, 10, 11, 13, 15, 17, 19, 21, 23, 25, 26, 28]
    lines = (SAMPLES / "bad.yaml").read_text().splitlines()
    assert all("#" in lines[problem.line - 1] for problem in problems if problem.line)


def test_every_sample_is_tested():
    known = {
        *COUNTS,
        *SHEETS,
        "bad.yaml",
        "two-regions.yaml",
        *(name for names in WITH.values() for name in names),
    }
    assert {path.name for path in SAMPLES.iterdir()} == known
