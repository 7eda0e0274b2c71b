"""Lanes of a file of their own, and of a manifest: which holds."""

from __future__ import annotations

import json
import typing

import pytest

from batchrun.errors import ManifestError
from batchrun.manifest import Format, Source, contents_of, load, loaded_together
from batchrun.manifest.sheet_wishes import SheetOptions
from batchrun.model.lanes import lanes_of, offers_of
from tests.manifest.conftest import SETS

TABLE = """\
east: {region: us-east-1}
west: {region: us-west-2, endpoint_url: "https://omics.example.org", set: {workflowId: "7654321"}}
south: {region: ap-southeast-2}
"""
ROWS = "id,lane\nA,west\nB,east|west\nC,\n"


@pytest.fixture
def read(tmp_path):
    def load_it(text: str, table: str, *, name: str = "m.yaml", **options: typing.Any):
        (tmp_path / name).write_text(text, encoding="utf-8")
        (tmp_path / "lanes.yaml").write_text(table, encoding="utf-8")
        source = Source(path=str(tmp_path / name), lanes=str(tmp_path / "lanes.yaml"), sets=SETS, **options)
        with load(source) as manifest:
            rows = {spec.id: lanes_of(spec.content) for spec in manifest.specs()}
            return [lane.name for lane in manifest.lanes], rows, manifest.read

    return load_it


@pytest.fixture
def problem(read):
    def find(*given: typing.Any, **options: typing.Any):
        with pytest.raises(ManifestError) as caught:
            read(*given, **options)
        (found,) = caught.value.problems
        assert found.cure
        return found

    return find


@pytest.mark.parametrize("table", [TABLE, "lanes:\n  " + "\n  ".join(TABLE.splitlines()) + "\n"])
def test_a_file_gives_lanes_to_a_table_of_rows(read, tmp_path, table):
    names, rows, paths = read(ROWS, table, name="m.csv")
    assert names == ["east", "west", "south"]
    assert rows == {"A": ("west",), "B": ("east", "west"), "C": ("east",)}
    assert str(tmp_path / "lanes.yaml") in paths


def test_json_does_too(tmp_path):
    (tmp_path / "other.json").write_text(json.dumps({"lanes": {"only": {"region": "us-east-1"}}}))
    source = Source(path=str(tmp_path / "rows.jsonl"), lanes=str(tmp_path / "other.json"), sets=SETS)
    (tmp_path / "rows.jsonl").write_text('{"id": "A", "lane": ["only"]}\n{"id": "B"}\n')
    with load(source) as manifest:
        assert [lanes_of(spec.content) for spec in manifest.specs()] == [("only",), ("only",)]


def test_a_manifest_may_take_some_of_them_in_its_own_order(read):
    names, rows, _ = read("lanes: [south, west]\nruns: [{id: A}, {id: B, lane: west}]\n", TABLE)
    assert names == ["south", "west"]
    assert rows == {"A": ("south",), "B": ("west",)}


def test_rules_that_come_last_lead_to_lanes_of_the_file(tmp_path):
    (tmp_path / "lanes.yaml").write_text(TABLE)
    rule = {"reason": "X", "times": 1, "change": {"lane": "west"}}
    document = {"batch": "b", "defaults": {}, "runs": [{"id": "A"}], "retry": [rule]}
    (tmp_path / "m.json").write_text(json.dumps(document))
    source = Source(path=str(tmp_path / "m.json"), lanes=str(tmp_path / "lanes.yaml"), sets=SETS)
    with load(source) as manifest:
        (spec,) = manifest.specs()
    assert [(one.lane, one.is_open) for one in offers_of(spec.content)] == [("east", True), ("west", False)]


def test_a_lane_that_the_manifest_does_not_take_is_none(problem):
    found = problem("lanes: [south, west]\nruns: [{id: A, lane: east}]\n", TABLE)
    assert found.cure == "did you mean west? the lanes are south, west"


def test_a_name_that_the_file_has_not_is_told(problem):
    found = problem("lanes: [south, wets]\nruns: [{id: A}]\n", TABLE)
    assert (found.message, found.cure) == ("there is no lane 'wets' in --lanes", "did you mean west?")


def test_a_list_without_any_is_told_with_those_that_the_file_has(problem):
    found = problem("lanes: []\nruns: [{id: A}]\n", TABLE)
    assert (found.message, found.cure) == ("the list is empty in --lanes", "it has east, west, south")


def test_two_tables_are_refused_with_both_places(problem, tmp_path):
    found = problem("runs: [{id: A, lane: nowhere}]\nlanes: {east: {region: us-east-1}}\n", TABLE)
    assert (found.line, found.field) == (2, "lanes")
    assert str(tmp_path / "lanes.yaml") in found.message
    assert "lanes: [east, west]" in found.cure


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ("- east\n- west\n", "lanes are a table"),
        ("east\n", "lanes are a table"),
        ("", "the document is empty"),
        ("lanes: {}\n", "there are no lanes"),
        ("lanes: [east]\n", "a list of 1 is not a table"),
        ("lanes: {east: {}}\nruns: []\n", "'runs' stands beside lanes"),
        ("east: us-east-1\n", "'us-east-1' is not a table"),
        ("east: {endpoint_url: 'http://me:pw@omics.example.org'}\n", "is not an address"),
        ("east: {set: {outputUri: 's3://{bucket}/'}}\n", "there is nothing called {bucket}"),
        ("east: &a {region: us-east-1}\nwest: *b\n", "nothing complete is called &b"),
    ],
)
def test_what_is_wrong_in_the_file_is_told_of_the_file(problem, tmp_path, table, message):
    found = problem("id\nA\n", table, name="m.csv")
    assert message in found.message
    assert found.source == str(tmp_path / "lanes.yaml")


def test_a_file_that_is_not_there_is_told(tmp_path):
    (tmp_path / "m.csv").write_text("id\nA\n")
    with pytest.raises(ManifestError, match="there is no such file"):
        load(Source(path=str(tmp_path / "m.csv"), lanes=str(tmp_path / "no.yaml"), sets=SETS))


def test_standard_input_is_read_once():
    with pytest.raises(ManifestError, match="standard input is given twice"):
        load(Source(path="-", batch="b", lanes="-", format=Format.CSV, sets=SETS))


def test_a_sheet_by_options_takes_lanes(read):
    options = SheetOptions(id="sample", parameters=("x={lane}",))
    _, rows, _ = read("sample,x\nA,1\n", TABLE, name="m.csv", sheet=options)
    assert rows == {"A": ("east",)}


def test_files_of_one_run_each_take_lanes(tmp_path):
    (tmp_path / "lanes.yaml").write_text(TABLE)
    (tmp_path / "runs").mkdir()
    request = {"parameters": {"x": 1}, "lane": "east|south", "workflowId": "5"}
    (tmp_path / "runs" / "A.json").write_text(json.dumps(request))
    (tmp_path / "runs" / "B.json").write_text(json.dumps({"lane": "L001", "reads": "s3://b/r.fq"}))
    source = Source(
        path=str(tmp_path / "runs" / "*.json"),
        is_each_file=True,
        lanes=str(tmp_path / "lanes.yaml"),
        sets=SETS,
    )
    with load(source) as manifest:
        rows = {spec.id: lanes_of(spec.content) for spec in manifest.specs()}
        parameters = [json.loads(spec.request)["parameters"] for spec in manifest.specs()]
    assert rows == {"A": ("east", "south"), "B": ("east",)}
    assert parameters[1] == {"lane": "L001", "reads": "s3://b/r.fq"}


def test_the_manifests_of_a_folder_take_lanes(tmp_path):
    lanes = str(tmp_path / "lanes.yaml")
    (tmp_path / "lanes.yaml").write_text(TABLE)
    (tmp_path / "one.csv").write_text(ROWS)
    (tmp_path / "two.yaml").write_text("lanes: [south]\nruns: [{id: A}]\n")
    paths = contents_of(str(tmp_path), besides=[lanes]).manifests
    sources = [Source(path=path, lanes=lanes, sets=SETS) for path in paths]
    with loaded_together(sources) as manifests:
        assert [[lane.name for lane in one.lanes] for one in manifests] == [
            ["east", "west", "south"],
            ["south"],
        ]
