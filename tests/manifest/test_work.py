"""What a row's work is, and where a manifest lies and gets its name."""

from __future__ import annotations

import io
import os
import threading
from pathlib import Path

import pytest

from batchrun.manifest import Format, Source, load
from batchrun.manifest.source import place_of
from tests.manifest.conftest import SETS

ROWS = "id,parameters.reads,parameters.out\na,s3://lab/a.fq,s3://x/{batch}/{id}\nb,s3://lab/b.fq,{{batch}}\n"


def works(path: Path, batch: str | None = None, sets: tuple[str, ...] = SETS) -> list[bytes | None]:
    with load(Source(path=str(path), sets=sets, batch=batch)) as manifest:
        return [spec.work for spec in manifest.specs()]


def test_the_work_is_the_same_whatever_the_batch_is_called(tmp_path):
    one, other = tmp_path / "samples.csv", tmp_path / "samples_v2.csv"
    one.write_text(ROWS)
    other.write_text(ROWS)
    assert works(one) == works(other) == works(one, batch="cohort")
    assert len(set(works(one))) == 2


@pytest.mark.parametrize("changed", ["s3://x/{batch}/{id}/more", "s3://x/{batch}", "s3://x/samples/a"])
def test_a_text_that_names_the_batch_counts_with_all_the_rest_of_it(tmp_path, changed):
    path = tmp_path / "samples.csv"
    path.write_text(ROWS)
    before = works(path)
    path.write_text(ROWS.replace("s3://x/{batch}/{id}", changed))
    after = works(path)
    assert before[0] != after[0]
    assert before[1:] == after[1:]


def test_the_batchs_name_is_left_out_of_nested_values_too(tmp_path):
    path = tmp_path / "m.json"
    path.write_text('{"runs": [{"id": "a", "parameters": {"x": [{"y": "{batch}-{id}"}, "{batch}", 1]}}]}')
    assert works(path) == works(path, batch="other")


def test_a_rows_own_sheet_counts_by_what_is_in_it(tmp_path):
    (tmp_path / "s.csv").write_text("sample,reads\na,x\nb,y\n")
    path = tmp_path / "m.yaml"
    path.write_text(
        'sheet: s.csv\ngroup_by: sample\nsheet_out: "s3://lab/{batch}/{id}.csv"\n'
        'each: {parameters: {input: "{sheet}"}}\n'
    )
    before = works(path)
    assert works(path, batch="other") == before
    (tmp_path / "s.csv").write_text("sample,reads\na,x\nb,z\n")
    assert [one == other for one, other in zip(works(path), before, strict=True)] == [True, False]


def test_rows_without_parameters_differ_by_their_ids(tmp_path):
    path = tmp_path / "m.csv"
    path.write_text("id\na\nb\n")
    one, other = works(path)
    assert one != other
    path.write_text("id,parameters.x\na,1\nb,1\n")
    one, other = works(path)
    assert one == other


def test_tags_name_and_output_are_not_part_of_the_work(tmp_path):
    path = tmp_path / "m.csv"
    path.write_text("id,parameters.reads,name,tags.project\na,x,{batch}-1,{batch}\n")
    before = works(path)
    assert works(path, batch="x") == before
    path.write_text("id,parameters.reads,name,tags.project\na,x,called,other\n")
    assert works(path, sets=(*SETS, "outputUri=s3://elsewhere/{batch}/")) == before


def test_a_manifest_knows_its_file_and_whether_that_names_the_batch(tmp_path, monkeypatch):
    (tmp_path / "m.csv").write_text("id\na\n")
    (tmp_path / "m.yaml").write_text("batch: cohort\nruns: [{id: a}]\n")
    monkeypatch.chdir(tmp_path)
    given = (("m.csv", None, True), ("m.csv", "m", False), ("m.yaml", None, False), ("m.yaml", "x", False))
    for name, batch, is_named_by_place in given:
        with load(Source(path=name, batch=batch, sets=SETS)) as manifest:
            assert manifest.place == str(tmp_path / name)
            assert manifest.is_named_by_place is is_named_by_place


def test_what_is_read_once_has_no_place(tmp_path):
    pipe = tmp_path / "pipe.csv"
    os.mkfifo(pipe)
    writing = threading.Thread(target=pipe.write_text, args=("id\na\n",))
    writing.start()
    with load(Source(path=str(pipe), sets=SETS)) as manifest:
        assert (manifest.batch, manifest.place, manifest.is_named_by_place) == ("pipe", None, False)
    writing.join()
    source = Source(path="-", format=Format.CSV, batch="b", sets=SETS)
    with load(source, stdin=io.BytesIO(b"id\na\n")) as manifest:
        assert (manifest.place, manifest.is_named_by_place) == (None, False)
    assert place_of("/dev/stdin") is None
    with (tmp_path / "m.csv").open("w+") as file:
        assert place_of(f"/dev/fd/{file.fileno()}") is None
        assert place_of(f"/proc/self/fd/{file.fileno()}") is None
