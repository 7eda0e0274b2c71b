"""``sheet_out``: a sheet for each run, whose place is a part of the request."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from batchrun.manifest import Manifest, Source, load
from batchrun.ports.objects import OwnSheet
from tests.manifest.sheets.sheet import SETS, problems_of_document

LANES = 'sample,file,"a note"\nA,s3://b/1,"x, y"\nB,s3://b/2,\nA,s3://b/3,\n'
DOCUMENT = {
    "group_by": "sample",
    "sheet_out": "s3://lab/sheets/{batch}/{id}.csv",
    "each": {"parameters": {"input": "{sheet}"}},
}


def loaded(folder: Path, sheet: str = LANES, name: str = "s.csv", **changes: Any) -> Manifest:
    (folder / name).write_text(sheet, encoding="utf-8")
    path = folder / "run7.json"
    path.write_text(json.dumps({"sheet": name, **DOCUMENT, **changes}), encoding="utf-8")
    return load(Source(path=str(path), sets=SETS))


def sheets_of(manifest: Manifest) -> dict[str, OwnSheet]:
    found: dict[str, OwnSheet] = {}
    for spec in manifest.specs():
        sheet = manifest.own_sheet(spec.id)
        assert sheet is not None
        assert json.loads(spec.request)["parameters"]["input"] == sheet.uri
        found[spec.id] = sheet
    return found


def test_each_run_has_its_rows_under_the_same_header(tmp_path: Path):
    with loaded(tmp_path) as manifest:
        assert manifest.has_own_sheets
        found = sheets_of(manifest)
    assert {name: sheet.content.decode() for name, sheet in found.items()} == {
        "A": 'sample,file,a note\nA,s3://b/1,"x, y"\nA,s3://b/3,\n',
        "B": "sample,file,a note\nB,s3://b/2,\n",
    }


@pytest.mark.parametrize(
    ("end", "mark"),
    [(".csv", ","), (".tsv", "\t"), (".tab", "\t"), (".txt", "\t"), ("", ";"), (".", ";"), (".samples", ";")],
)
def test_cells_are_divided_as_the_ending_says_else_as_they_were(tmp_path: Path, end: str, mark: str):
    with loaded(tmp_path, "sample;file\nA;x\n", sheet_out=f"s3://lab/{{id}}{end}") as manifest:
        sheet = sheets_of(manifest)["A"]
    assert sheet.content.decode() == f"sample{mark}file\nA{mark}x\n"
    assert sheet.uri == f"s3://lab/A-{hashlib.sha256(sheet.content).hexdigest()[:16]}{end}"


def test_of_json_lines_commas_divide_them_where_nothing_says_else(tmp_path: Path):
    row = '{"sample": "A", "file": "x"}\n'
    with loaded(tmp_path, row, "s.jsonl", sheet_out="s3://lab/{sample}") as manifest:
        assert sheets_of(manifest)["A"].content == b"sample,file\nA,x\n"


def test_the_place_has_a_digest_of_the_content(tmp_path: Path):
    with loaded(tmp_path) as manifest:
        sheet = sheets_of(manifest)["A"]
    digest = hashlib.sha256(sheet.content).hexdigest()[:16]
    assert sheet.uri == f"s3://lab/sheets/run7/A-{digest}.csv"


def test_another_content_is_another_request_for_that_run_alone(tmp_path: Path):
    with loaded(tmp_path) as manifest:
        before = {spec.id: spec.digest for spec in manifest.specs()}
    with loaded(tmp_path, LANES + "A,s3://b/4,\n") as manifest:
        after = {spec.id: spec.digest for spec in manifest.specs()}
    assert before["A"] != after["A"]
    assert before["B"] == after["B"]


@pytest.mark.parametrize(
    ("name", "wanted", "content"),
    [
        (
            "s3://lab/{id}.tsv",
            "s3://lab/A-{}.tsv",
            "sample\tfile\ta note\nA\ts3://b/1\tx, y\nA\ts3://b/3\t\n",
        ),
        ("s3://lab/v1.2/{sample}/sheet", "s3://lab/v1.2/A/sheet-{}", None),
        ("s3://lab/.{id}", "s3://lab/.A-{}", None),
        ("s3://lab/{id}.a.csv", "s3://lab/A.a-{}.csv", None),
    ],
)
def test_the_name_says_how_it_is_written(tmp_path: Path, name: str, wanted: str, content: str | None):
    with loaded(tmp_path, sheet_out=name) as manifest:
        sheet = sheets_of(manifest)["A"]
    assert sheet.uri == wanted.format(hashlib.sha256(sheet.content).hexdigest()[:16])
    assert sheet.content.decode() == (content or 'sample,file,a note\nA,s3://b/1,"x, y"\nA,s3://b/3,\n')


def test_defaults_may_name_it_too(tmp_path: Path):
    with loaded(tmp_path, each={}, defaults={"parameters": {"input": "{sheet}"}}) as manifest:
        assert len(sheets_of(manifest)) == 2


def test_a_place_that_is_none_is_told_with_the_row(tmp_path: Path):
    sheet = "sample\nA B\n../C\nD/\n" + "x" * 128 + "\n"
    wanted = {"group_by": "sample", "sheet_out": f"s3://lab/{'y' * 880}/{{id}}.csv"}
    found = problems_of_document(tmp_path, sheet, wanted)
    assert [(one.line, one.field) for one in found] == [(3, "sheet_out"), (5, "sheet_out")]
    (problem,) = problems_of_document(tmp_path, sheet, wanted | {"sheet_out": "s3://lab/{id}"})[1:]
    assert (problem.row, problem.field) == ("D/", "sheet_out")


def test_without_it_there_are_none(tmp_path: Path):
    with loaded(tmp_path, sheet_out="s3://lab/{id}.csv") as manifest:
        assert manifest.own_sheet("C") is None
    path = tmp_path / "b.json"
    path.write_text(json.dumps({"sheet": "s.csv", "group_by": "sample"}), encoding="utf-8")
    with load(Source(path=str(path), sets=SETS)) as manifest:
        assert not manifest.has_own_sheets
        assert manifest.own_sheet("A") is None


def test_a_sheet_that_nobody_would_write_so_large_is_refused(tmp_path: Path):
    sheet = "sample,x\n" + f"A,{'x' * 1000}\n" * 17_000
    (problem,) = problems_of_document(tmp_path, sheet, DOCUMENT)
    assert problem.message == "its sheet has more than 16 MiB"
